"""The face mesh as a landmark model: where dlib has its points, calmer, sure of itself, and true about turned heads."""

from __future__ import annotations

import hashlib
import itertools
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose
from livewarp.sources.headmotion import HeadPose, still
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker
from livewarp.tracking.landmarks import crop_face
from livewarp.tracking.mesh import MESH_CROP, MeshLandmarks, calibration, fit_rotation


def frame_of(source: PortraitSource, index: int = 0) -> BgrFrame:
    """One frame of the portrait."""
    out = np.empty((source.height, source.width, 3), np.uint8)
    source.render(index, out)
    return out


@pytest.fixture(scope="module")
def portrait() -> PortraitSource:
    """The built-in portrait."""
    return PortraitSource(960, 540, motion=still)


def test_both_models_mean_the_same_points(portrait: PortraitSource) -> None:
    """On the portrait the mesh's points lie where dlib's do: 4 % of the IOD apart on average, 12 % at most."""
    frame = frame_of(portrait)
    (dlib,), (mesh,) = (FaceTracker(model=model).update(frame, 0.0) for model in ("dlib", "mesh"))
    apart = np.linalg.norm(dlib.landmarks - mesh.landmarks, axis=1) / dlib.pose.iod_px
    assert apart.mean() < 0.04
    assert apart.max() < 0.12
    assert mesh.pose.iod_px == pytest.approx(dlib.pose.iod_px, rel=0.03)
    assert mesh.pose.roll == pytest.approx(dlib.pose.roll, abs=math.radians(2))


def test_its_points_move_with_the_frame(portrait: PortraitSource) -> None:
    """Shifted, enlarged and turned pictures give shifted, enlarged and turned points: frame px, pixel centres."""
    frame, pose = frame_of(portrait), portrait.truth(0).pose
    model = MeshLandmarks()
    points = model.predict(crop_face(frame, pose, MESH_CROP), pose).landmarks
    angle, factor = math.radians(30), 1.25
    c, s = factor * math.cos(angle), factor * math.sin(angle)
    matrix = np.array([[c, -s, 40.0], [s, c, -90.0]])
    turned = cv2.warpAffine(frame, matrix, (960, 720))
    x, y = matrix[:, :2] @ (pose.x, pose.y) + matrix[:, 2]
    there = Pose(float(x), float(y), factor * pose.iod_px, pose.roll + angle, 0.0, 0.0)
    prediction = model.predict(crop_face(turned, there, MESH_CROP), there)
    expected = points @ matrix[:, :2].T + matrix[:, 2]
    # Resampling twice is not resampling once: 1 % of the IOD.
    assert np.linalg.norm(prediction.landmarks - expected, axis=1).mean() < 0.01 * there.iod_px
    assert prediction.pose is not None
    assert prediction.pose.roll == pytest.approx(there.roll, abs=math.radians(3))


def test_it_is_three_times_calmer_than_dlib(portrait: PortraitSource) -> None:
    """Under sensor noise the raw points of one crop scatter by less than a third of what dlib's do."""
    frame, pose = frame_of(portrait), portrait.truth(0).pose
    rng = np.random.default_rng(4)
    noisy = [np.clip(frame + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    scatter = {}
    for name in ("dlib", "mesh"):
        model = FaceTracker(model=name)._kit.model
        points = np.array([model.predict(crop_face(f, pose, model.crop), pose).landmarks for f in noisy])
        scatter[name] = float(points.std(axis=0).mean())
    assert scatter["mesh"] < scatter["dlib"] / 3


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.3, 0.0), (-0.3, 0.0), (0.0, 0.2), (0.0, -0.2)])
def test_a_turn_of_the_head_is_told_with_its_sign(yaw: float, pitch: float) -> None:
    """Yaw and pitch change by what the head was turned, within a half: the portrait's depth is a guess, too."""

    def pose_at(y: float, p: float) -> Pose:
        source = PortraitSource(960, 540, motion=lambda t: HeadPose(yaw=y, pitch=p))
        (face,) = FaceTracker(model="mesh").update(frame_of(source), 0.0)
        return face.pose

    ahead, turned = pose_at(0.0, 0.0), pose_at(yaw, pitch)
    assert turned.yaw - ahead.yaw == pytest.approx(yaw, abs=0.05 + abs(yaw) / 2)
    assert turned.pitch - ahead.pitch == pytest.approx(pitch, abs=0.05 + abs(pitch) / 2)


def test_presence_falls_behind_a_hand_and_on_walls(portrait: PortraitSource) -> None:
    """A clear face is sure; the wider what covers it, the less sure; a wall and noise are nothing."""
    frame, pose = frame_of(portrait), portrait.truth(0).pose
    model = MeshLandmarks()

    def evidence(picture: BgrFrame, at: Pose = pose) -> float:
        value = model.predict(crop_face(picture, at, MESH_CROP), at).evidence
        assert value is not None
        return value

    hands = []
    for share in (0.0, 0.5, 0.7, 1.0):
        covered = frame.copy()
        top = round(pose.y + (1.4 - 2.1 * share) * pose.iod_px)
        half = round(0.9 * pose.iod_px)
        cv2.rectangle(
            covered,
            (round(pose.x) - half, top),
            (round(pose.x) + half, round(pose.y + 1.5 * pose.iod_px)),
            (110, 140, 190),
            -1,
        )
        hands.append(evidence(covered))
    assert hands[0] > 0.5
    assert hands[0] > hands[2] + 0.2
    assert hands[-1] < 0.05
    assert evidence(np.full_like(frame, 120)) == 0.0
    noise = np.random.default_rng(1).integers(0, 256, frame.shape).astype(np.uint8)
    assert evidence(noise) == 0.0


def test_a_face_behind_a_hand_fades_out_without_asking_dlib(
    portrait: PortraitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Confidence follows the mesh's own presence: no detector is asked about the crop."""
    frame, pose = frame_of(portrait), portrait.truth(0).pose
    tracker = FaceTracker(model="mesh")
    monkeypatch.setattr(tracker._kit.check, "score", lambda crop: pytest.fail("dlib was asked"))
    covered = frame.copy()
    half = round(1.0 * pose.iod_px)
    x, y = round(pose.x), round(pose.y + 0.4 * pose.iod_px)
    covered[y - half : y + half, x - half : x + half] = (110, 140, 190)
    for index in range(6):
        (face,) = tracker.update(frame, index / 30)
    assert face.confidence == 1.0
    confidences = [max((f.confidence for f in tracker.update(covered, i / 30)), default=0.0) for i in range(6, 16)]
    assert confidences[-1] == 0.0
    assert all(b <= a for a, b in itertools.pairwise(confidences))


def test_the_same_frames_give_the_same_faces() -> None:
    """Offline tracking with the mesh is deterministic to the bit, poses included."""
    source = PortraitSource(640, 360)

    def digest() -> str:
        tracker, h = FaceTracker(model="mesh"), hashlib.sha256()
        for index in range(0, 20, 2):
            for face in tracker.update(frame_of(source, index), index / 30):
                h.update(face.landmarks.tobytes())
                h.update(repr((face.pose, face.confidence)).encode())
        return h.hexdigest()

    assert digest() == digest()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-1.2, 1.2)] * 3),
    st.floats(0.5, 300.0),
    st.tuples(*[st.floats(-500, 500)] * 3),
    st.integers(0, 100),
)
def test_no_other_rotation_is_nearer(
    angles: tuple[float, float, float], scale: float, origin: tuple[float, float, float], seed: int
) -> None:
    """That of exact points is found; of noisy ones no rotation, size or place a little beside it fits better."""
    mean, _ = calibration()
    rotation = Pose(0.0, 0.0, 1.0, *angles).rotation()
    points = scale * (mean @ rotation.T) + np.array(origin)
    size, found, place = fit_rotation(mean, points)
    np.testing.assert_allclose(found, rotation, atol=1e-9)
    assert size == pytest.approx(scale)
    np.testing.assert_allclose(place, origin, atol=1e-6 * scale + 1e-9)

    rng = np.random.default_rng(seed)
    points += 0.05 * scale * rng.normal(size=points.shape)
    size, found, place = fit_rotation(mean, points)
    assert np.linalg.det(found) == pytest.approx(1.0)
    least = np.square(size * mean @ found.T + place - points).sum()
    for _ in range(6):
        beside = Pose(0.0, 0.0, 1.0, *(0.01 * rng.normal(size=3))).rotation()
        other = (
            size * (1.0 + 0.01 * rng.normal()) * mean @ (beside @ found).T + place + 0.01 * size * rng.normal(size=3)
        )
        assert np.square(other - points).sum() > least


def test_the_calibration_is_symmetric() -> None:
    """Left and right of a face are treated alike: offsets mirror, and the mean mesh has its mirror image."""
    from livewarp.face68 import MIRROR

    mean, offsets = calibration()
    np.testing.assert_allclose(offsets[list(MIRROR)] * (-1, 1, 1), offsets, atol=1e-6)
    twins = ((mean[:, None] * (-1, 1, 1) - mean[None]) ** 2).sum(axis=-1).min(axis=1)
    assert twins.max() < 1e-6
