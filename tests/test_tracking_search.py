"""The search for newcomers: where the picture has changed, often enough, never waiting."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from livewarp.arrays import BgrFrame
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking.detector import Detection, Window
from livewarp.tracking.finder import Finder
from livewarp.tracking.hog import HogDetector, shrink
from livewarp.tracking.search import (
    FAR_S,
    NEAR_S,
    SWEEP_S,
    SearchPlan,
    is_cut,
    thumbnail,
    window_around,
)
from livewarp.worker import Worker

SHAPE = (720, 1280)
WHOLE = (0, 0, 1280, 720)
FACE = (500.0, 200.0, 700.0, 400.0)


def noisy(level: int = 100, seed: int = 0) -> BgrFrame:
    """A flat picture with the noise of a bad camera."""
    return np.random.default_rng(seed).normal(level, 4, (*SHAPE, 3)).clip(0, 255).astype(np.uint8)


def test_noise_is_no_change_and_asks_for_no_search() -> None:
    """After the first look at everything, a still noisy picture is not searched until the next sweep."""
    plan = SearchPlan()
    windows = [plan.next(SHAPE, thumbnail(noisy(seed=i)), 0.25 * i, [FACE], 1.0) for i in range(40)]
    assert windows[0][0][:4] == WHOLE
    assert all(w == [] for w in windows[1:])
    assert plan.next(SHAPE, thumbnail(noisy(seed=41)), SWEEP_S + 1.0, [FACE], 1.0)[0][:4] == WHOLE


@pytest.mark.parametrize(("face_px", "within_s"), [(110, 1.0), (90, 3.0)])
def test_a_newcomer_is_searched_for_in_time_and_at_a_scale_that_finds_it(face_px: int, within_s: float) -> None:
    """Where something new of a face's size is, a window around it follows in time, with the face at 80 px or more."""
    frame = noisy()
    plan = SearchPlan()
    plan.next(SHAPE, thumbnail(frame), 0.0, [FACE], 1.0)
    frame[100 : 100 + face_px, 1000 : 1000 + face_px] = 200
    searched = [
        (t, w) for t in np.arange(1 / 30, within_s, 1 / 30) for w in plan.next(SHAPE, thumbnail(frame), t, [FACE], 1.0)
    ]
    fitting = [w for _, w in searched if w.scale * face_px >= 80]
    assert fitting
    x0, y0, x1, y1, _ = fitting[0]
    assert x0 <= 1000 - 40
    assert y0 <= 60
    assert x1 >= 1000 + face_px
    assert y1 >= 100 + face_px
    assert (x1 - x0) * (y1 - y0) < 0.4 * 1280 * 720


def test_what_moves_within_a_followed_face_is_not_searched() -> None:
    """A face that is followed and talks asks for no search at all."""
    frame, plan = noisy(), SearchPlan()
    plan.next(SHAPE, thumbnail(frame), 0.0, [FACE], 1.0)
    frame[280:380, 560:640] = 200
    assert all(plan.next(SHAPE, thumbnail(frame), t, [FACE], 1.0) == [] for t in np.arange(0.1, SWEEP_S, 0.1))
    assert plan.next(SHAPE, thumbnail(frame), SWEEP_S - 0.1, [], 1.0) != []


def test_the_pace_stretches_the_intervals() -> None:
    """At a third of the rate there are a third of the searches; an always changing picture without it has all."""

    def count(pace: float) -> int:
        plan = SearchPlan()
        pictures = [thumbnail(noisy(60)), thumbnail(noisy(160))]
        return sum(bool(plan.next(SHAPE, pictures[i % 2], i / 30, [FACE], pace)) for i in range(1, 600))

    # 20 s: one at each NEAR_S, of which those at each FAR_S are for small faces.
    assert count(1.0) == pytest.approx(20 / NEAR_S, abs=4)
    assert count(3.0) == pytest.approx(20 / NEAR_S / 3, abs=4)
    assert FAR_S > NEAR_S


def test_a_scale_that_is_given_is_the_scale() -> None:
    """`detect_scale` goes over what would be chosen."""
    assert SearchPlan(0.5).next(SHAPE, thumbnail(noisy()), 0.0, [], 1.0)[0] == Window(0, 0, 1280, 720, 0.5)


def test_another_scene_is_a_cut_and_a_moving_person_is_not() -> None:
    """Consecutive frames of one scene are no cut, those of two scenes are."""
    source = PortraitSource(640, 360)
    frames = [np.empty((360, 640, 3), np.uint8) for _ in range(8)]
    for index, frame in enumerate(frames):
        source.render(10 * index, frame)  # a third of a second apart
    cells = [thumbnail(frame) for frame in frames]
    assert not any(is_cut(a, b) for a, b in itertools.pairwise(cells))
    assert is_cut(cells[0], thumbnail(cv2.flip(255 - frames[0], 0)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (16, 16), (720, 1280), (1280, 720)])
def test_thumbnails_of_any_size(shape: tuple[int, int]) -> None:
    """Every cell of a flat picture has its level, whatever its shape."""
    cells = thumbnail(np.full((*shape, 3), 77, np.uint8))
    assert cells.ndim == 2
    assert (cells == 77).all()


def test_a_window_around_a_box_lies_in_the_frame() -> None:
    """It is clamped; of a box far outside there is none."""
    assert window_around((10, 20, 110, 120), SHAPE, 0.5, 100) == Window(0, 0, 160, 170, 1.0)
    assert window_around((2000, 20, 2100, 120), SHAPE, 0.5) is None


def test_shrinking_gives_the_window_at_its_scale() -> None:
    """A window is cut, made gray and scaled; one to one it is the picture itself."""
    frame = np.random.default_rng(1).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    gray = shrink(frame, Window(10, 20, 50, 40, 1.0))
    np.testing.assert_array_equal(gray, cv2.cvtColor(frame[20:40, 10:50], cv2.COLOR_BGR2GRAY))
    assert shrink(frame, Window(10, 20, 50, 40, 0.3)).shape == (6, 12)
    assert shrink(frame, Window(10, 20, 50, 40, 2.0)).shape == (40, 80)


def test_the_threaded_search_finds_the_same_boxes_without_making_anyone_wait() -> None:
    """In a thread of its own the detector gives what it gives in place; boxes are those of the full frame."""
    source = PortraitSource(640, 360)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    window = Window(100, 0, 560, 360, 1.2)
    here = Finder(HogDetector(), Worker(synchronous=True))
    here.submit(frame, [window], 0.0)
    expected = here.poll()
    assert here.poll() is None
    assert here.is_ready(0.0)
    assert expected is not None
    (found,) = expected
    pose = source.truth(0).pose
    assert found.x0 < pose.x < found.x1
    assert found.y0 < pose.y < found.y1

    worker = Worker()
    there = Finder(HogDetector(), worker)
    assert there.is_ready(0.0)
    there.submit(frame, [window], 0.0)
    assert not there.is_ready(1e9)
    frame[:] = 0  # the worker has its own copy
    assert result_of(there, worker) == expected
    assert not there.is_ready(0.0)  # it rests in proportion to what it took
    assert there.is_ready(1e9)
    worker.close()


def result_of(finder: Finder, worker: Worker) -> tuple[Detection, ...] | None:
    """What a search in the worker's thread has found."""
    assert worker._thread is not None
    while finder._task.busy:
        worker._thread.join(timeout=0.01)  # no sleep: waits for the thread, which does not end
    return finder.poll()


def test_a_search_of_another_scene_finds_nobody() -> None:
    """What was under way when a scene ended is dropped, and the next search needs no rest."""
    source = PortraitSource(640, 360)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    worker = Worker()
    finder = Finder(HogDetector(), worker)
    for is_over in (True, False):
        finder.submit(frame, [Window(100, 0, 560, 360, 1.2)], 0.0)
        if is_over:
            finder.forget()
        found = result_of(finder, worker)
        assert (found is None) == is_over
        finder.forget()
        assert finder.is_ready(0.0)
    worker.close()
