"""Doubt: the evidence for a face falls when something comes before it, and is asked for no more than needed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking.doubt import ALIVE, CHECK_INTERVAL_S, DOUBT_INTERVAL_S, START, UNCONFIRMED_S, Doubt, FaceCheck
from livewarp.tracking.landmarks import DLIB_CROP, CropSpec, crop_face
from livewarp.tracking.picture_kernels import difference

FRONTAL = Pose(0.0, 0.0, 100.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def scene() -> tuple[BgrFrame, Pose]:
    """The portrait and where its face is."""
    source = PortraitSource(640, 360)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    return frame, source.truth(0).pose


def appearance(value: float = 0.0) -> NDArray[np.float32]:
    """A picture of a face, and pictures that differ from it by `value`."""
    base = np.random.default_rng(5).normal(0, 1, (20, 20))
    return (base + value).astype(np.float32)


@pytest.mark.parametrize("spec", [DLIB_CROP, CropSpec(192, 74.0, centre_y_iod=0.45, colour=True)])
def test_a_face_scores_and_a_wall_does_not(scene: tuple[BgrFrame, Pose], spec: CropSpec) -> None:
    """In the crop of any model a face is clear; a wall and a covered face show no sign of one."""
    frame, pose = scene
    check = FaceCheck(spec)
    assert check.score(crop_face(frame, pose, spec)) > max(START, 0.3)
    wall = Pose(80.0, 100.0, pose.iod_px, 0.0, 0.0, 0.0)
    assert check.score(crop_face(frame, wall, spec)) < ALIVE
    covered = frame.copy()
    x0, y0, x1, y1 = (round(v) for v in (pose.x - 40, pose.y - 30, pose.x + 40, pose.y + 70))
    covered[y0:y1, x0:x1] = (96, 120, 144)
    assert check.score(crop_face(covered, pose, spec)) < ALIVE


def test_a_look_forgets_light_and_contrast(scene: tuple[BgrFrame, Pose]) -> None:
    """Dimmer light makes the same appearance; another place makes another."""
    frame, pose = scene
    check = FaceCheck(DLIB_CROP)
    one = check.appearance(crop_face(frame, pose))
    dim = check.appearance(crop_face((frame * 0.6 + 20).astype(np.uint8), pose))
    assert difference(one, dim) < 0.05
    wall = check.appearance(crop_face(frame, Pose(80.0, 100.0, pose.iod_px, 0.0, 0.0, 0.0)))
    assert difference(one, wall) > 0.55


def test_belief_falls_with_the_score_and_never_rises_with_a_lower_one() -> None:
    """From its usual score down to nothing, belief goes from 1 to 0, monotonously."""
    beliefs = []
    for score in np.arange(1.5, -1.5, -0.1):
        doubt = Doubt(1.5, appearance(), 0.0)
        doubt.record_score(float(score), appearance(), 0.03)
        beliefs.append(doubt.belief)
    assert (np.diff(beliefs) <= 0).all()
    assert (beliefs[0], beliefs[-1]) == (1.0, 0.0)


def test_a_turned_head_is_not_doubted_for_what_the_detector_does_not_know() -> None:
    """The same low score is believed less of a frontal face than of one turned by 35 degrees; nothing never is."""
    believed = {}
    for yaw in (0.0, np.radians(35.0)):
        doubt = Doubt(1.2, appearance(), 0.0)
        doubt.observe(appearance(), Pose(0.0, 0.0, 100.0, 0.0, float(yaw), 0.0))
        doubt.record_score(-0.4, appearance(), 0.03)
        believed[yaw] = doubt.belief
        doubt.record_score(-1.5, appearance(), 0.06)
        assert doubt.belief == 0.0
    assert believed[0.0] < 0.35
    assert believed[np.radians(35.0)] > 0.9


def test_the_detector_is_asked_when_due_in_doubt_or_when_something_changes() -> None:
    """A calm face is checked at its interval; a change or a suspicion at once; a doubtful one more often."""
    doubt = Doubt(1.5, appearance(), 0.0)
    assert not doubt.wants_check(appearance(0.02), CHECK_INTERVAL_S - 0.1, suspicious=False)
    assert doubt.wants_check(appearance(0.02), CHECK_INTERVAL_S, suspicious=False)
    assert not doubt.wants_check(appearance(0.02), CHECK_INTERVAL_S, suspicious=False, slow=3.0)
    assert doubt.wants_check(appearance(0.5), 0.04, suspicious=False)
    assert doubt.wants_check(appearance(), 0.04, suspicious=True)
    assert not doubt.wants_check(appearance(0.5), 0.01, suspicious=True)
    doubt.record_score(-0.3, appearance(), 0.1)
    assert doubt.wants_check(appearance(), 0.1 + DOUBT_INTERVAL_S, suspicious=False)


def test_a_face_is_gone_when_checks_have_failed_for_long_enough() -> None:
    """A single miss is none, however long ago the last check was; misses in a row are, unless a sign comes between."""
    doubt = Doubt(1.0, appearance(), 0.0)
    assert not doubt.is_gone(100.0)
    doubt.record_score(-1.5, appearance(), 1.0)
    assert not doubt.is_gone(1.0)
    doubt.record_score(-0.5, appearance(), 1.1)
    doubt.record_score(-1.5, appearance(), 1.2)
    assert not doubt.is_gone(1.2 + UNCONFIRMED_S - 0.01)
    assert doubt.is_gone(1.2 + UNCONFIRMED_S + 0.01)


def test_only_another_picture_is_sudden() -> None:
    """A small change from frame to frame is none, whatever it adds up to; a large one is."""
    doubt = Doubt(1.0, appearance(), 0.0)
    assert not any(doubt.observe(appearance(0.3 * i), FRONTAL) for i in range(10))
    assert doubt.observe(appearance(0.3 * 9 + 0.8), FRONTAL)
