"""Smoothing: still when the face is, at once where something happens, whatever the size of the face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livewarp.arrays import Landmarks
from livewarp.face68 import LEFT_EYE, MEAN_FACE, RIGHT_EYE, Pose, fit_pose
from livewarp.tracking import smoothing_kernels as kernels
from livewarp.tracking.smoothing import LandmarkSmoother, fit

DT_S = 1 / 30
NOISE_IOD = 0.005  # of each coordinate; what the forest leaves on a webcam's picture


def face(x: float = 320.0, iod_px: float = 100.0, roll: float = 0.1, yaw: float = 0.0) -> NDArray[np.float64]:
    """Landmarks of the mean face."""
    return Pose(x, 180.0, iod_px, roll, yaw, 0.0).project(MEAN_FACE)


def run(frames: list[NDArray[np.float64]], noise_px: float = 0.0, dt_s: float = DT_S) -> NDArray[np.float64]:
    """What becomes of landmarks, frame by frame, (n, 68, 2)."""
    rng, smoother = np.random.default_rng(9), LandmarkSmoother()
    noisy = [(f + rng.normal(0.0, noise_px, f.shape)).astype(np.float32) for f in frames]
    return np.array([smoother.update(f, dt_s) for f in noisy], np.float64)


def blinking(open_face: NDArray[np.float64], iod_px: float) -> NDArray[np.float64]:
    """The same face with the upper lids on the lower ones: 6 % of the IOD down."""
    shut = open_face.copy()
    for i in (37, 38, 43, 44):
        shut[i, 1] += 0.06 * iod_px
    return shut


def test_the_first_landmarks_pass_as_they_are() -> None:
    """There is no start-up lag: the first frame is the measurement."""
    np.testing.assert_allclose(run([face()])[0], face(), atol=1e-3)  # float32 of some hundred px


def test_a_still_face_is_calm() -> None:
    """Jitter of a still face falls below 0.4 of what comes in, from the first second on."""
    calm = run([face()] * 200, 100 * NOISE_IOD)[30:]
    assert calm.std(axis=0).mean() < 0.4 * 100 * NOISE_IOD


@pytest.mark.parametrize("speed_iod", [0.3, 1.2, 3.0])
def test_a_moving_face_is_followed_within_a_hundredth(speed_iod: float) -> None:
    """Noise or not, a head that goes at a steady speed is where it is, to 1 % of its IOD on average."""
    frames = [face(320 + 100 * speed_iod * i * DT_S) for i in range(60)]
    found = run(frames, 100 * NOISE_IOD)[20:]
    lag_px = np.mean([f[:, 0].mean() for f in frames[20:]]) - found[..., 0].mean()
    assert abs(lag_px) < 1.0


def test_a_step_is_covered_at_once_and_not_overshot() -> None:
    """A head that is elsewhere is there in the next frame, to 2 %, and never beyond by more."""
    found = run([face()] * 60 + [face(350.0)] * 20, 100 * NOISE_IOD)[..., 0].mean(axis=1) - face()[:, 0].mean()
    assert (np.abs(found[60:] - 30.0) < 0.02 * 30.0 + 0.2).all()


def test_a_blink_is_not_smeared() -> None:
    """Of a blink after a calm second, the first frame shows 80 %, and the rest of the face does not move."""
    frames = [face(roll=0.0)] * 45 + [blinking(face(roll=0.0), 100)] * 3 + [face(roll=0.0)] * 10
    found = run(frames, 100 * 0.003)
    lids = found[:, [37, 38, 43, 44], 1].mean(axis=1)
    rest, shut = lids[20:45].mean(), lids[45]
    assert shut - rest > 0.8 * 6.0
    assert lids[48] - rest < 0.2 * 6.0
    jaw = found[:, 0:17].mean(axis=1)
    assert np.abs(jaw[45:48] - jaw[20:45].mean(axis=0)).max() < 0.5


@given(
    iod_px=st.floats(15, 600),
    x=st.floats(-500, 4000),
    roll=st.floats(-3.0, 3.0),
    dt_s=st.sampled_from([1 / 60, 1 / 15]),
)
@settings(max_examples=25, deadline=None)
def test_smoothing_is_in_units_of_the_face(iod_px: float, x: float, roll: float, dt_s: float) -> None:
    """A face that is moved, scaled and turned as a whole gets the same result, moved, scaled and turned."""
    rng = np.random.default_rng(3)
    frames = [face(0.0, 1.0, 0.0) - (0.0, 180.0) + rng.normal(0, 0.004, (68, 2)) for _ in range(12)]
    c, s = iod_px * np.cos(roll), iod_px * np.sin(roll)
    turn = np.array([[c, s], [-s, c]])
    plain = run([100 * f for f in frames], 0.0, dt_s) / 100
    turned = run([f @ turn + (x, 300.0) for f in frames], 0.0, dt_s)
    # float32 at 4000 px: 2e-4 px; a gate amplifies what is left.
    np.testing.assert_allclose(turned, plain @ turn + (x, 300.0), atol=2e-3 * iod_px + 2e-3)


@given(st.floats(10, 500), st.floats(-1.2, 1.2), st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_the_compiled_pose_is_fit_pose(iod_px: float, roll: float, yaw: float, pitch: float, seed: int) -> None:
    """`fit` finds what `fit_pose` finds, and the distance that is left."""
    points = Pose(300.0, 200.0, iod_px, roll, yaw, pitch).project(MEAN_FACE)
    landmarks: Landmarks = (points + np.random.default_rng(seed).normal(0, 0.02 * iod_px, (68, 2))).astype(np.float32)
    expected = fit_pose(landmarks)
    pose, residual = fit(landmarks)
    for name in ("x", "y", "iod_px", "roll", "yaw", "pitch"):
        assert getattr(pose, name) == pytest.approx(getattr(expected, name), abs=1e-5, rel=1e-6)
    left = np.sqrt(((expected.project(MEAN_FACE) - landmarks) ** 2).sum(axis=1).mean()) / expected.iod_px
    assert residual == pytest.approx(left, abs=1e-6)


def test_place_undoes_measure() -> None:
    """Landmarks become pose and shape and come back, also across half a turn."""
    state, back = np.empty(kernels.N_STATE), np.empty((68, 2), np.float32)
    for roll, before in ((0.2, 0.0), (3.1, 3.2), (-3.1, 3.1)):
        landmarks = face(roll=roll, yaw=0.3).astype(np.float32)
        kernels.measure(landmarks, 100.0, before, state)
        assert abs(state[3] - before) < 0.5
        kernels.place(state, 100.0, back)
        np.testing.assert_allclose(back, landmarks, atol=1e-3)


def test_each_eye_has_a_gate_of_its_own() -> None:
    """A wink of the right eye does not open the filter of the left one."""
    wink = face(roll=0.0)
    wink[[37, 38], 1] += 6.0
    found = run([face(roll=0.0)] * 60 + [wink] * 5, 0.3)
    still = found[20:60].mean(axis=0)
    assert np.abs(found[60:] - still)[:, RIGHT_EYE].max() > 4.5
    assert np.abs(found[60:] - still)[:, LEFT_EYE].max() < 0.6
