"""BlazeFace: tiles that cover what is to be searched, and finds of small and tilted faces in the right place."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livewarp.arrays import BgrFrame
from livewarp.errors import ModelError
from livewarp.face68 import Pose
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker
from livewarp.tracking.blaze import LEAST_SHARE, BlazeDetector, merge, tiles
from livewarp.tracking.detector import SMALLEST_FACE_PX, Detection, Window
from livewarp.tracking.finder import Finder
from livewarp.tracking.landmarks import BOX_SIDE_IOD, box_of, pose_from_box
from livewarp.tracking.search import SearchPlan, thumbnail
from livewarp.worker import Worker


@pytest.fixture(scope="module")
def detector() -> BlazeDetector:
    """One for this file."""
    return BlazeDetector()


@pytest.fixture(scope="module")
def portrait() -> tuple[BgrFrame, Pose]:
    """The portrait at 720p and where its face is."""
    source = PortraitSource(1280, 720)
    frame = np.empty((720, 1280, 3), np.uint8)
    source.render(0, frame)
    return frame, source.truth(0).pose


def placed(portrait: tuple[BgrFrame, Pose], box_px: float, roll_deg: float) -> tuple[BgrFrame, Pose]:
    """The portrait's face at a size and tilt, in the right half of a 720p frame whose rest is its edge."""
    frame, pose = portrait
    factor, turn = box_px / BOX_SIDE_IOD / pose.iod_px, math.radians(roll_deg)
    c, s = factor * math.cos(turn), factor * math.sin(turn)
    linear = np.array([[c, -s], [s, c]])
    shift = np.array((800.0, 330.0)) - linear @ (pose.x, pose.y)
    small = cv2.GaussianBlur(frame, (0, 0), max(0.01, 0.4 / factor))
    out = cv2.warpAffine(small, np.column_stack([linear, shift]), (1280, 720), borderMode=cv2.BORDER_REPLICATE)
    return out, Pose(800.0, 330.0, factor * pose.iod_px, pose.roll + turn, 0.0, 0.0)  # type: ignore[return-value]


def search(detector: BlazeDetector, frame: BgrFrame) -> list[Detection]:
    """What the tracker's own plan has searched of a new scene."""
    windows = SearchPlan().next((720, 1280), thumbnail(frame), 0.0, [], 1.0)
    return [d for w in windows for d in detector.find(detector.shrink(frame, w), w)]


@given(st.integers(40, 4000), st.integers(40, 2200), st.floats(0.05, 2.0), st.integers(0, 500), st.integers(0, 500))
def test_tiles_cover_the_window_and_show_its_least_face_large_enough(
    w: int, h: int, scale: float, x: int, y: int
) -> None:
    """Every pixel of a window lies in a tile, in which the least face that is wanted fills its share."""
    window = Window(x, y, x + w, y + h, scale)
    covered = np.zeros((h, w), bool)
    for tile in tiles(window):
        covered[max(0, tile.y - y) : tile.y + tile.side - y, max(0, tile.x - x) : tile.x + tile.side - x] = True
        assert tile.side <= max(w, h)
        assert SMALLEST_FACE_PX / scale >= LEAST_SHARE * tile.side / 1.16 - 1
    assert covered.all()


def test_a_720p_frame_takes_three_looks_for_faces_of_110_px() -> None:
    """Two squares of the frame's height, and the whole for large faces: what makes it cheap."""
    assert len(tiles(Window(0, 0, 1280, 720, 0.76))) == 2
    assert len(tiles(Window(0, 0, 1280, 720, 0.27))) == 1


@pytest.mark.parametrize(("box_px", "roll_deg"), [(90, 0), (110, 45), (110, -60), (150, 70), (400, 30)])
def test_small_and_tilted_faces_are_found_with_their_tilt(
    detector: BlazeDetector, portrait: tuple[BgrFrame, Pose], box_px: float, roll_deg: float
) -> None:
    """The best find is the face, within a quarter of its IOD, its size within a quarter, its roll within 12 degrees."""
    frame, pose = placed(portrait, box_px, roll_deg)
    best = max(search(detector, frame), key=lambda d: d.score)
    found = pose_from_box(*best[:4], best.roll)
    assert math.hypot(found.x - pose.x, found.y - pose.y) < 0.25 * pose.iod_px
    assert found.iod_px == pytest.approx(pose.iod_px, rel=0.25)
    assert abs(math.degrees(math.remainder(found.roll - pose.roll, math.tau))) < 12
    assert best.score > 0.5


@pytest.mark.parametrize("model", ["dlib", "mesh"])
@pytest.mark.parametrize(("box_px", "roll_deg"), [(110, 45), (90, 0)])
def test_the_tracker_follows_such_faces_from_the_first_frame(
    portrait: tuple[BgrFrame, Pose], model: str, box_px: float, roll_deg: float
) -> None:
    """A newcomer who tilts the head, or is small, is followed with either model, and its crop is upright at once."""
    frame, pose = placed(portrait, box_px, roll_deg)
    (face,) = FaceTracker(model=model).update(frame, 0.0)
    assert math.degrees(abs(face.pose.roll - pose.roll)) < 8
    assert math.hypot(face.pose.x - pose.x, face.pose.y - pose.y) < 0.15 * pose.iod_px


@pytest.mark.parametrize("model", ["dlib", "mesh"])
def test_what_it_takes_for_a_face_and_is_none_is_never_followed(detector: BlazeDetector, model: str) -> None:
    """Noise of some grains looks like faces to it: it proposes, and nobody follows; nor is a wall a face."""
    rng = np.random.default_rng(0)
    proposed = 0
    for grain in (8, 16, 32) * 4:
        small = rng.integers(0, 256, (720 // grain, 1280 // grain, 3)).astype(np.uint8)
        frame: BgrFrame = cv2.resize(small, (1280, 720))  # type: ignore[assignment]
        proposed += len(search(detector, frame))
        assert FaceTracker(model=model).update(frame, 0.0) == []
    assert proposed > 0
    wall = np.full((720, 1280, 3), (96, 120, 144), np.uint8)
    assert FaceTracker(model=model).update(wall, 0.0) == []


def test_answers_for_one_face_become_one() -> None:
    """Overlapping answers are averaged by their probability, the highest of which stays; others are left apart."""
    rows = np.zeros((3, 8))
    rows[:, 0] = 0.6, 0.9, 0.7
    rows[:, 1] = 100.0, 103.0, 400.0
    rows[:, 3] = 80.0
    one, other = merge(rows)
    assert one[:2].tolist() == pytest.approx([0.9, (0.6 * 100 + 0.9 * 103) / 1.5])
    assert other[:2].tolist() == [0.7, 400.0]
    assert merge(rows[:0]) == []


def test_a_box_and_a_pose_are_each_other() -> None:
    """`box_of` and `pose_from_box` undo each other at any tilt."""
    pose = Pose(300.0, 200.0, 80.0, 0.9, 0.0, 0.0)
    back = pose_from_box(*box_of(pose), 0.9)
    assert (back.x, back.y, back.iod_px, back.roll) == pytest.approx((300.0, 200.0, 80.0, 0.9))


def test_it_searches_in_a_thread_like_in_place(portrait: tuple[BgrFrame, Pose]) -> None:
    """In a thread of its own it finds what it finds here, on copies: the frame may be overwritten."""
    frame, window = portrait[0].copy(), Window(0, 0, 1280, 720, 0.76)
    here = BlazeDetector()
    expected = here.find(here.shrink(frame, window), window)
    assert len(expected) == 1
    worker = Worker()
    finder = Finder(BlazeDetector(), worker)
    finder.submit(frame, [window], 0.0)
    frame[:] = 0
    while finder._task.busy:
        worker._thread.join(timeout=0.01)  # no sleep: waits for the thread, which does not end
    found = finder.poll()
    worker.close()
    assert found == tuple(expected)


def test_a_file_that_is_no_network_is_refused(tmp_path) -> None:
    """Damaged weights are an error with a remedy before OpenCV sees them."""
    path = tmp_path / "face_detection_short_range.tflite"
    path.write_bytes(b"\0" * 229_714)
    with pytest.raises(ModelError, match=r"sha256.*checkout -- models"):
        BlazeDetector(path)
