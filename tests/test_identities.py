"""Identities: a person keeps an id as long as looks can tell, and nobody gets another's."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose
from livewarp.tracking import FaceTracker
from livewarp.tracking.looks import SAME, Gallery, looks_of
from livewarp.tracking.smoothing import LandmarkSmoother

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "video" / "grid"
H, W = 288, 360
FPS = 10.0
EMPTY = np.full((H, W, 3), 90, np.uint8)

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no {CLIPS}: it takes people to tell them apart")


@pytest.fixture(scope="module")
def people() -> list[list[BgrFrame]]:
    """Two people, every fifth frame of each clip."""
    found = []
    for name in ("bbaf2n", "lrwp9a"):
        video, frames = cv2.VideoCapture(str(CLIPS / f"{name}.mpg")), []
        while (got := video.read())[0]:
            frames.append(cv2.resize(got[1], (W, H)))
        found.append(frames[::5])
    return found


def follow(tracker: FaceTracker, tiles: Sequence[Sequence[BgrFrame]], begin_s: float, seconds: float) -> list[int]:
    """Follow what lies in the tiles, side by side, for some seconds; the ids at the end, from left to right."""
    for index in range(round(seconds * FPS)):
        frame = np.hstack([tile[index % len(tile)] for tile in tiles])
        faces = tracker.update(frame, begin_s + index / FPS)
    return [face.id for face in sorted(faces, key=lambda face: face.pose.x) if face.confidence > 0.5]


@pytest.mark.parametrize("model", ["dlib", "mesh"])
def test_people_who_come_back_on_each_others_side_keep_their_ids(people: list[list[BgrFrame]], model: str) -> None:
    """Seven seconds later, longer than a place is remembered, and where the other one was: each has the old id."""
    one, other = people
    nobody = [EMPTY]
    tracker = FaceTracker(model=model)
    assert follow(tracker, [one, other], 0.0, 1.5) == [1, 2]
    assert follow(tracker, [nobody, nobody], 1.5, 7.0) == []
    assert follow(tracker, [other, one], 8.5, 1.5) == [2, 1]
    tracker.close()


def test_someone_else_in_the_same_place_is_a_new_person(people: list[list[BgrFrame]]) -> None:
    """Whoever sits down where another one has just left is not that one, however soon."""
    one, other = people
    tracker = FaceTracker(model="mesh")
    assert follow(tracker, [one], 0.0, 1.5) == [1]
    assert follow(tracker, [[EMPTY]], 1.5, 1.0) == []
    assert follow(tracker, [other], 2.5, 1.5) == [2]
    tracker.close()


def test_looks_tell_people_apart_at_any_size_and_tilt(people: list[list[BgrFrame]]) -> None:
    """A person is like themselves twice as large, tilted and dimmed; another one is not."""
    (mine, theirs) = (FaceTracker(model="mesh").update(clip[0], 0.0)[0].pose for clip in people)
    gallery = Gallery()
    gallery.add(looks_of(people[0][0], mine))
    c, s = 2 * math.cos(0.3), 2 * math.sin(0.3)
    matrix = np.array([[c, -s, 300.0], [s, c, 50.0]])
    turned = cv2.warpAffine(people[0][3], matrix, (1100, 900), borderMode=cv2.BORDER_REPLICATE)
    x, y = matrix @ (mine.x, mine.y, 1.0)
    there = Pose(x, y, 2 * mine.iod_px, mine.roll + 0.3, mine.yaw, mine.pitch)
    assert gallery.distance(looks_of((turned * 0.7).astype(np.uint8), there)) < SAME
    assert gallery.distance(looks_of(people[1][0], theirs)) > SAME


def test_a_search_that_was_under_way_at_a_cut_finds_nobody(people: list[list[BgrFrame]]) -> None:
    """What it finds lies in the scene before: it is examined in none of the frames that follow."""
    tracker = FaceTracker(model="mesh", live=True)
    tracker.update(people[0][0], 0.0)
    task = tracker._kit.finder._task
    assert task is not None
    end_s = time.monotonic() + 500
    while task.busy:
        assert time.monotonic() < end_s
        time.sleep(0.002)
    put: list[object] = []
    tracker._newcomers.put = put.append  # type: ignore[method-assign, assignment]
    tracker.update(np.full((H, W, 3), 255, np.uint8), 1 / 30)
    assert put == []
    tracker.close()


def test_of_two_tracks_in_one_face_the_one_it_looks_like_stays(people: list[list[BgrFrame]]) -> None:
    """Whichever was first: the other one is lost at once, and the confidence goes on as it was."""
    one, other = people
    stranger = FaceTracker(model="mesh")
    stranger.update(other[0], 0.0)
    for is_first in (True, False):
        tracker = FaceTracker(model="mesh")
        tracker.update(one[0], 0.0)
        (track,) = tracker._tracks
        intruder = replace(track, id=99, appearance=stranger._tracks[0].appearance, smoother=LandmarkSmoother())
        tracker._tracks = [track, intruder] if is_first else [intruder, track]
        (face,) = tracker.update(one[1], 0.04)
        assert (face.id, face.confidence) == (1, 1.0)
        assert tracker._tracks == [track]
        tracker.close()
