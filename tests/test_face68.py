"""The 68-point scheme and the pose fit, pinned by asymmetric numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livewarp.face68 import MEAN_FACE, MIRROR, Face, Pose, fit_pose


def test_mirroring_twice_changes_nothing() -> None:
    """MIRROR is its own inverse and covers every point."""
    assert [MIRROR[i] for i in MIRROR] == list(range(68))


def test_the_mean_face_is_symmetric_and_has_unit_iod() -> None:
    """The outer eye corners are one apart and level; each point faces its mirror image."""
    np.testing.assert_allclose(MEAN_FACE[45, :2] - MEAN_FACE[36, :2], [1, 0], atol=1e-6)
    np.testing.assert_allclose(MEAN_FACE[list(MIRROR)], MEAN_FACE * [-1, 1, 1], atol=1e-6)


@given(st.floats(-3, 3), st.floats(-0.7, 0.7), st.floats(-0.6, 0.6), st.floats(5, 900), st.floats(-99, 4000))
def test_a_projected_pose_is_found_again(roll: float, yaw: float, pitch: float, iod: float, x: float) -> None:
    """Projecting the mean face and fitting it gives the pose back, whatever it is."""
    pose = Pose(x, 200.0, iod, roll, yaw, pitch)
    found = fit_pose(pose.project(MEAN_FACE).astype(np.float32))
    # float32 landmarks at x = 4000 are exact to 2e-4 px; on a 5 px face that is 1e-4 rad.
    np.testing.assert_allclose([found.x, found.y, found.iod_px], [x, 200.0, iod], rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose([found.roll, found.yaw, found.pitch], [roll, yaw, pitch], atol=2e-3)


def test_the_signs_of_the_angles() -> None:
    """Yaw > 0: nose to picture right; roll > 0: clockwise (left eye lower); pitch > 0: nose down."""
    nose, left_eye = 30, 45
    straight = Pose(100, 100, 50, 0, 0, 0).project(MEAN_FACE)
    assert Pose(100, 100, 50, 0, 0.3, 0).project(MEAN_FACE)[nose, 0] > straight[nose, 0]
    assert Pose(100, 100, 50, 0.3, 0, 0).project(MEAN_FACE)[left_eye, 1] > straight[left_eye, 1]
    assert Pose(100, 100, 50, 0, 0, 0.3).project(MEAN_FACE)[nose, 1] > straight[nose, 1]


def test_the_iod_does_not_shrink_with_yaw() -> None:
    """A turned head keeps the unit of its strokes although its eyes come closer in the picture."""
    turned = Pose(0, 0, 100, 0, math.radians(35), 0).project(MEAN_FACE).astype(np.float32)
    assert np.hypot(*(turned[45] - turned[36])) < 85
    assert fit_pose(turned).iod_px == pytest.approx(100, rel=1e-3)


def test_landmarks_of_a_face_cannot_be_changed() -> None:
    """Threads may share a Face."""
    face = Face.from_landmarks(MEAN_FACE[:, :2] * 100)
    with pytest.raises(ValueError, match="read-only"):
        face.landmarks[0] = 0


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((68, 2), np.nan), np.zeros((68, 3))])
def test_points_that_are_no_landmarks_are_refused(points: np.ndarray) -> None:
    """Wrong shapes and NaN do not become a Face."""
    with pytest.raises(ValueError, match=r"\(68, 2\)"):
        Face.from_landmarks(points)
