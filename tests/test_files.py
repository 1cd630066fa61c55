"""Files as people have them: any clip in, the same out, only the faces changed."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from files_fixture import beep_s, make_clip, patch_colours, patches, shown
from livewarp.apply import Job, apply_file
from livewarp.errors import SourceError
from livewarp.media.colour import VideoColour
from livewarp.media.formats import FORMATS, THOROUGH
from livewarp.media.quality import needed_effort
from livewarp.parameters import Parameters

OFF = Parameters(thin=0, eyes=0)
P = patches()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_varying_rate_keeps_its_times_and_its_sound_in_step(tmp_path: Path, suffix: str) -> None:
    """25 frames a second, then 5: each is shown when it was, to a frame, and the tone begins as it did, to 20 ms."""
    times_s = [i / 25 for i in range(20)] + [0.8 + i / 5 for i in range(10)]
    clip = make_clip(tmp_path / "in.mp4", [P] * 30, times_s, sound="aac", beep_from_s=1.0)
    out = tmp_path / f"out{suffix}"
    apply_file(clip, out, OFF)
    before, after = shown(clip)[0], shown(out)[0]
    assert len(before) == len(after)
    np.testing.assert_allclose(after, before, atol=0.04)
    assert (beep_s(out) - after[0]) == pytest.approx(beep_s(clip) - before[0], abs=0.02)


@pytest.mark.parametrize(
    ("colour", "codec", "pix_fmt", "note"),
    [
        (VideoColour(), "libx264", "yuv420p", ""),
        (VideoColour(full=True), "libx264", "yuv420p", ""),
        (VideoColour(6, 6, 6), "libx264", "yuv420p", ""),
        (VideoColour(9, 9, 14), "libx264", "yuv420p", ""),
        (VideoColour(), "prores_ks", "yuv422p10le", "its 10 bits become 8"),
        (VideoColour(9, 9, 16), "prores_ks", "yuv422p10le", "its 10 bits of HDR (PQ) become 8"),
        (VideoColour(9, 9, 18), "prores_ks", "yuv422p10le", "its 10 bits of HDR (HLG) become 8"),
    ],
)
def test_colours_and_their_tags_stay(tmp_path: Path, colour: VideoColour, codec: str, pix_fmt: str, note: str) -> None:
    """Ten patches come out within 6 levels, with matrix, range, primaries and transfer; fewer bits are said."""
    clip = make_clip(tmp_path / "in.mov", [P] * 3, codec=codec, pix_fmt=pix_fmt, colour=colour)
    done = apply_file(clip, tmp_path / "out.mp4", OFF)
    before, after = (patch_colours(shown(path)[1][0]) for path in (clip, tmp_path / "out.mp4"))
    np.testing.assert_allclose(after, before, atol=6)
    with av.open(str(clip)) as a, av.open(str(tmp_path / "out.mp4")) as b:
        tags = [(s.colorspace, s.color_primaries, s.color_trc) for s in (a.streams.video[0], b.streams.video[0])]
        assert b.streams.video[0].codec_context.name == "h264"
        assert b.streams.video[0].pix_fmt in {"yuv420p", "yuvj420p"}
    assert tags[0] == tags[1]
    assert done.notes == () if not note else any(note in each for each in done.notes)


@pytest.mark.parametrize(
    "rotation", [(90, False, False), (180, False, False), (270, False, False), (0, True, False), (90, True, False)]
)
def test_a_turned_or_mirrored_clip_comes_out_upright(tmp_path: Path, rotation: tuple[float, bool, bool]) -> None:
    """The pixels are where a player would show them, and nothing is left to turn."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = 255
    clip = make_clip(tmp_path / "in.mp4", [picture] * 2, rotation=rotation)
    apply_file(clip, tmp_path / "out.mp4", OFF)
    (_, pictures) = shown(tmp_path / "out.mp4")
    corner = {90: "bottom left", 180: "bottom right", 270: "top right", 0: "top right"}[round(rotation[0])]
    if rotation[:2] == (90, True):
        corner = "bottom right"
    h, w = pictures[0].shape[:2]
    assert (w, h) == ((64, 96) if rotation[0] in {90, 270} else (96, 64))
    quarters = {"top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}
    found = {
        name: pictures[0][h * y // 2 + 4 : h * (y + 1) // 2 - 4, w * x // 2 + 4 : w * (x + 1) // 2 - 4].mean() > 128
        for name, (y, x) in quarters.items()
    }
    assert [name for name, white in found.items() if white] == [corner]


def test_pixels_that_are_not_square_stay_so_or_become_square(tmp_path: Path) -> None:
    """The display aspect is kept: by the tag, and in WebM, which has none, by the size."""
    clip = make_clip(tmp_path / "in.mp4", [P] * 2, aspect=Fraction(4, 3))
    for suffix, size, aspect in ((".mp4", (160, 96), Fraction(4, 3)), (".webm", (213, 96), Fraction(1))):
        apply_file(clip, tmp_path / f"out{suffix}", OFF)
        with av.open(str(tmp_path / f"out{suffix}")) as out:
            stream = out.streams.video[0]
            assert ((stream.width, stream.height), stream.sample_aspect_ratio) == (size, aspect)


def test_an_odd_size_is_kept_or_said(tmp_path: Path) -> None:
    """H.264 gets a row and a column more, which is said; VP9 takes any size."""
    clip = make_clip(tmp_path / "in.mkv", [patches(161, 97)] * 2, pix_fmt="yuv444p")
    for suffix, size, said in ((".mp4", (162, 98), True), (".webm", (161, 97), False)):
        done = apply_file(clip, tmp_path / f"out{suffix}", OFF)
        with av.open(str(tmp_path / f"out{suffix}")) as out:
            assert (out.streams.video[0].width, out.streams.video[0].height) == size
        assert any("161x97 becomes 162x98" in note for note in done.notes) is said


def test_title_chapters_and_the_index_in_front(tmp_path: Path) -> None:
    """What the container says of the film is copied; the file plays while it is downloaded."""
    chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
    clip = make_clip(tmp_path / "in.mp4", [P] * 10, metadata={"title": "A talk"}, chapters=[chapter])
    done = apply_file(clip, tmp_path / "out.mp4", OFF)
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert out.metadata["title"] == "A talk"
        assert [each["metadata"]["title"] for each in out.chapters()] == ["one"]
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert done.notes == ()


def test_a_damaged_place_is_skipped_and_counted(tmp_path: Path) -> None:
    """Noise in the middle of a file costs the frames there, not the rest."""
    noise = np.random.default_rng(2)
    pictures = [noise.integers(0, 256, (96, 160, 3)).astype(np.uint8) for _ in range(30)]
    clip = make_clip(tmp_path / "in.mp4", pictures, codec="mjpeg", pix_fmt="yuvj420p", options={})
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    clip.write_bytes(data)
    done = apply_file(clip, tmp_path / "out.mp4", OFF)
    assert 24 <= done.frames < 30
    assert any(note.endswith("damaged: what cannot be read was skipped") for note in done.notes)
    times_s, _ = shown(tmp_path / "out.mp4")
    assert times_s[-1] == pytest.approx(29 / 25, abs=0.01)


def test_a_part_keeps_its_sound_in_step(tmp_path: Path) -> None:
    """--start and --end cut picture and sound at one time; --every takes every Nth frame."""
    clip = make_clip(tmp_path / "in.mp4", [P] * 50, sound="aac", beep_from_s=1.0)
    part = apply_file(clip, tmp_path / "part.mp4", OFF, job=Job(0.48, 1.48))
    assert part.frames == 25
    assert beep_s(tmp_path / "part.mp4") == pytest.approx(0.52, abs=0.03)
    assert apply_file(clip, tmp_path / "look.mp4", OFF, job=Job(every=5)).frames == 10


@pytest.mark.parametrize(("compare", "width"), [("side", 320), ("split", 160), ("wipe", 160)])
def test_a_comparison_shows_both(tmp_path: Path, compare: str, width: int) -> None:
    """Side by side is twice as wide; the others keep the size."""
    clip = make_clip(tmp_path / "in.mp4", [P] * 3)
    apply_file(clip, tmp_path / "out.mp4", OFF, job=Job(compare=compare))  # type: ignore[arg-type]
    assert shown(tmp_path / "out.mp4")[1][0].shape == (96, width, 3)


def test_names_may_be_any_bytes_to_the_limit_of_length(tmp_path: Path) -> None:
    """Not UTF-8, 255 bytes, spaces, a leading dash, what looks like an address or a pattern."""
    clip = make_clip(tmp_path / "in.mp4", [P] * 2)
    for name in (b"caf\xe9.mp4", b"o" * 251 + b".mp4", b"http:x.mp4", b"a%03d.mp4", b"-.mp4"):
        out = tmp_path / os.fsdecode(name)
        assert apply_file(clip, out, OFF).frames == 2
        assert len(shown_frames(out)) == 2


def shown_frames(path: Path) -> list[float]:
    """The times of a file with any name."""
    with path.open("rb") as raw, av.open(raw) as file:
        return [float(frame.time) for frame in file.decode(video=0)]


def test_what_is_no_clip_is_one_line(tmp_path: Path) -> None:
    """A folder, a pipe, a device, an empty file, sound alone: each is named."""
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    cases = {"pipe.mp4": "is a pipe", "empty.mp4": "is empty", "folder.mp4": "is a folder", "/dev/null": "is a device"}
    for name, told in cases.items():
        with pytest.raises(SourceError, match=told):
            apply_file(tmp_path / name, tmp_path / "out.mp4", OFF)
    assert not (tmp_path / "out.mp4").exists()


def test_without_a_face_the_status_is_3_and_pipes_carry_y4m(tmp_path: Path) -> None:
    """The result is there all the same, and a warning; `-` is standard input and output."""
    clip = make_clip(tmp_path / "in.mp4", [P] * 3)
    with clip.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-m", "livewarp", "apply", "-", "-"], stdin=stdin, capture_output=True, timeout=500
        )
    assert done.returncode == 3, done.stderr
    assert b"no face was found" in done.stderr
    assert done.stdout.startswith(b"YUV4MPEG2 W160 H96")
    assert done.stdout.count(b"FRAME") == 3


def test_a_clip_that_was_compressed_hard_gets_the_thorough_preset(data: Path) -> None:
    """Where the quick preset cannot have likeness and size both, a better one is worth its time."""
    effort = needed_effort(data / "video/foreman_h264.mp4", FORMATS[".mp4"])
    assert effort.preset == THOROUGH
    assert 14 < effort.crf < 20
    # Its frames are calm and its stream is large: both can be had at once.
    assert needed_effort(data / "video/cap13_edit2.mp4", FORMATS[".mp4"]).preset != THOROUGH
