"""The mask of people: the network, how it is carried and doubted, and the kernels behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import naive_background as naive
from livewarp.segmentation import blend_kernels as blending
from livewarp.segmentation import mask_kernels as kernels
from livewarp.segmentation.blurring import Blur
from livewarp.segmentation.people import FULL_S, GONE_S, STILL_S, People
from livewarp.segmentation.person import MASK_SIDE, PersonNetwork, without_weak_parts
from livewarp.segmentation.reduced import buffers_for, reduce_frame
from livewarp.worker import Worker
from samples import face_at


class Bench(Worker):
    """A worker whose jobs are done when the test says so."""

    def __init__(self) -> None:
        super().__init__(synchronous=True)

    synchronous = False  # type: ignore[assignment]

    def add(self, run: Any) -> Any:
        """A task that waits."""
        task = super().add(run)
        task._wake = lambda: None
        return task

    def work(self) -> None:
        """Do what waits."""
        for task in self._tasks:
            task.work()


class ScriptedNetwork:
    """Finds a person where the picture is bright, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bool, bool]] = []  # whether something was expected; whether the wide one was wanted
        self.failure: Exception | None = None

    def find(self, picture: np.ndarray, before: np.ndarray | None, wide: bool = False) -> np.ndarray:
        """The bright pixels."""
        self.asked.append((before is not None, wide))
        if self.failure is not None:
            raise self.failure
        bright = (picture[..., 1] > 150).astype(np.uint8) * 255
        return np.asarray(cv2.resize(bright, (MASK_SIDE, MASK_SIDE)))


def people_of(worker: Worker) -> tuple[People, ScriptedNetwork]:
    """With a scripted network."""
    people, network = People(worker), ScriptedNetwork()
    people._network = network  # type: ignore[assignment]
    return people, network


def room(x: int = 160, shift: int = 0, seed: int = 3) -> np.ndarray:
    """A dark room of 320x180 with some structure, and a bright disc for a person at x."""
    noise = np.random.default_rng(seed).integers(20, 90, (18, 32, 3), dtype=np.uint8)
    frame = cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)
    cv2.circle(frame, (x, 110), 40, (200, 210, 220), -1, cv2.LINE_AA)
    cv2.circle(frame, (x - 12, 100), 6, (60, 60, 60), -1, cv2.LINE_AA)
    cv2.circle(frame, (x + 12, 100), 6, (60, 60, 60), -1, cv2.LINE_AA)
    return np.roll(frame, shift, axis=1)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of two masks, at half."""
    a, b = a > 127, b > 127
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("wide", [False, True])
def test_the_network_finds_a_person_and_no_wall(data: Path, wide: bool) -> None:
    """A head and shoulders are person, the corners above them are not; what was expected decides where it doubts."""
    portrait = cv2.imread(str(data / "portrait" / "astronaut.png"))
    mask = PersonNetwork().find(portrait, None, wide)
    assert mask.shape == (MASK_SIDE, MASK_SIDE)
    assert mask[60, 112] > 240  # the face
    assert mask[200, 60] > 200  # the suit
    assert max(mask[:40, :50].max(), mask[:30, 150:190].max()) < 40
    doubtful = (mask > 90) & (mask < 165)
    expected = PersonNetwork().find(portrait, np.full_like(mask, 255), wide)
    assert (expected[doubtful] > mask[doubtful]).all()
    assert np.abs(expected.astype(int) - mask)[mask > 250].max() < 6


def test_a_mask_moves_with_what_it_masks() -> None:
    """Carried by the flow, and far by the head's pose, a mask of one frame fits a later one."""
    worker = Bench()
    for step, places in ((8, [120, 128, 136, 144]), (60, [120, 180])):
        people, _ = people_of(worker)
        faces = [(face_at(x, 100, 30),) for x in places]
        assert people.update(room(places[0]), faces[0], 0.0, 0) is None
        worker.work()
        now_s = 0.0
        for x, face in zip(places[1:], faces[1:], strict=True):
            now_s += 0.03
            mask = people.update(room(x), face, now_s, 0)
        assert mask is not None
        assert mask.timestamp_s == 0.0
        truth = (room(x)[..., 1] > 150).astype(np.uint8) * 255
        assert iou(cv2.resize(mask.weights, (320, 180)), truth) > 0.88, step
        worker._tasks = ()


def test_a_mask_that_gets_no_successor_is_trusted_less_and_less() -> None:
    """Old and the picture has changed: less trust, then no mask; nothing has changed: it stays, and is renewed."""
    worker = Bench()
    people, network = people_of(worker)
    people.update(room(), (), 0.0, 0)
    worker.work()
    trusts = []
    for i in range(1, 60):
        mask = people.update(room(160 + i), (), i * 0.033, 0)
        trusts.append(0.0 if mask is None else mask.trust)
    times_s = np.arange(1, 60) * 0.033
    assert (np.diff(trusts) <= 0).all()
    assert set(np.array(trusts)[times_s < FULL_S - 0.05]) == {1.0}
    assert set(np.array(trusts)[times_s > GONE_S + 0.05]) == {0.0}
    assert len(network.asked) == 1  # the worker hangs: one job waits, and no more are made
    worker.work()  # it goes on
    people.update(room(219), (), 2.0, 0)
    worker.work()
    assert people.update(room(219), (), 2.03, 0) is not None
    still, asked = room(219), len(network.asked)
    for i in range(90):
        mask = people.update(still, (), 2.1 + i * 0.033, 0)
        worker.work()
        assert mask is not None
        assert mask.trust == 1.0
    assert len(network.asked) - asked <= 90 * 0.033 / STILL_S + 2


@pytest.mark.parametrize("event", ["cut", "silence", "back in time", "another size", "forgotten"])
def test_no_mask_is_of_another_scene(event: str) -> None:
    """After a cut, a silence, a step back in time or another size there is no mask, not even one under way."""
    worker = Bench()
    people, _ = people_of(worker)
    people.update(room(), (), 5.0, 0)
    worker.work()
    assert people.update(room(), (), 5.1, 0) is not None
    people.update(room(170), (), 5.3, 0)
    frame, now_s = room(170), 5.4
    if event == "cut":
        frame = np.clip(255 - room(seed=9).astype(int), 0, 255).astype(np.uint8)
    elif event == "silence":
        now_s = 6.5
    elif event == "back in time":
        now_s = 5.0
    elif event == "another size":
        frame = np.ascontiguousarray(frame[:, :300])
    else:
        people.forget()
    worker_was_busy = people._task.busy
    assert worker_was_busy
    mask = people.update(frame, (), now_s, 0)
    assert mask is None
    if event != "another size":  # that of before was in the same picture's place
        task = people._task
        assert task.busy
    people.update(frame, (), now_s + 0.01, 0)


def test_masks_become_rarer_and_then_smaller_where_there_is_no_time() -> None:
    """Economy 1 asks less often, 2 asks the cheaper network; a failure is a problem, and tried again later."""
    counts = []
    for economy in (0, 1, 2):
        worker = Bench()
        people, network = people_of(worker)
        for i in range(60):
            people.update(room(100 + 2 * i), (), i / 30, economy)
            worker.work()
        counts.append(len(network.asked))
        assert {wide for _, wide in network.asked} == {economy == 2}
    assert counts[0] > 1.6 * counts[1] > 1.6 * counts[2]
    network.failure = RuntimeError("no memory")
    asked = len(network.asked)
    for i in range(60, 120):
        mask = people.update(room(338 - 2 * i), (), i / 30, 0)
        worker.work()
    assert mask is None
    assert "no memory" in str(people.problem)
    assert len(network.asked) - asked == 1
    network.failure = None
    for i in range(120, 300):
        mask = people.update(room(100 + i % 50), (), i / 30, 0)
        worker.work()
    assert mask is not None
    assert people.problem is None


def test_offline_every_frame_has_a_mask_of_its_own() -> None:
    """A synchronous worker gives the mask of that very frame, the same for the same frames, and raises failures."""
    runs = []
    for _ in range(2):
        people, network = people_of(Worker(synchronous=True))
        masks = [people.update(room(100 + 9 * i), (), i / 30, 0) for i in range(4)]
        assert [mask.timestamp_s for mask in masks if mask is not None] == [i / 30 for i in range(4)]
        assert [expected for expected, _ in network.asked] == [False, True, True, True]
        assert masks[-1] is not None
        runs.append(masks[-1].weights.tobytes())
    assert runs[0] == runs[1]
    network.failure = RuntimeError("no memory")
    with pytest.raises(RuntimeError):
        people.update(room(), (), 1.0, 0)


def test_the_kernels_match_their_plain_twins() -> None:
    """Every compiled loop gives what plain loops in float64 give, to rounding."""
    rng = np.random.default_rng(4)
    mask, colours = rng.integers(0, 256, (13, 17), dtype=np.uint8), rng.integers(0, 256, (13, 17, 3), dtype=np.uint8)
    many, four = np.empty((13, 17, 13), np.float32), np.empty((13, 17, 4), np.float32)
    mask[:, :9] = 0
    kernels.fill_moments(colours, mask, many)
    np.testing.assert_allclose(many, naive.moments(colours, mask), atol=1e-6)
    means = cv2.boxFilter(many, -1, (5, 5))
    kernels.solve_planes(means, 4e-4, 0.01, four)
    np.testing.assert_allclose(four, naive.planes(means, 4e-4, 0.01), rtol=1e-3, atol=1e-3)
    half = rng.integers(0, 256, (29, 33, 3), dtype=np.uint8)
    out, flat = np.empty((29, 33), np.uint8), np.empty((13, 17), np.uint8)
    kernels.fill_alpha(four, half, 0.2, 0.7, 0.8, flat, out)
    np.testing.assert_allclose(out, naive.alpha(four, half, 0.2, 0.7, 0.8), atol=0.6)
    assert set(np.unique(flat)) == {0, 2}


def test_the_kernels_of_what_stands_behind_match_their_plain_twins() -> None:
    """Every compiled loop gives what plain loops in float64 give, to rounding; frames of odd sizes, too."""
    rng = np.random.default_rng(5)
    colours, mask = rng.integers(0, 256, (26, 34, 3), dtype=np.uint8), rng.integers(0, 256, (13, 17), dtype=np.uint8)
    four, near, far = (rng.random((13, 17, 4), np.float32) * 255 for _ in range(3))
    blending.weigh_background(colours, mask, 4.0, 6.0, 0.9, four)
    np.testing.assert_allclose(four, naive.weighed(colours, mask, 4.0, 6.0, 0.9), rtol=1e-5, atol=1e-4)
    for radius in (0.4, 3.0, 4.3):
        blending.blur_discs(four, radius, np.empty((13, 4 * 29), np.float32), near)
        np.testing.assert_allclose(near, naive.discs(four, radius), rtol=1e-4, atol=1e-2)
    room = np.empty((13, 17, 3), np.float32)
    far[..., 3] += 0.1
    blending.divide_sums(four, far, 0.01, room)
    np.testing.assert_allclose(room, naive.divided(four, far, 0.01), atol=0.01)
    for height, width in ((27, 71), (26, 64)):
        frame, behind = (rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2))
        words = np.full((height // 2, -(-width // 16)), 0x8080_8080_8080_8080, np.uint64)
        alpha = words.view(np.uint8)
        half = alpha[:, : width // 2]
        half[:] = np.repeat(rng.choice([0, 0, 255, 255, 90], (height // 2, width // 8 + 1)), 4, 1)[:, : width // 2]
        half[2:6], half[6:9] = 0, 255
        flat = height, 3 * width
        columns = np.asarray(cv2.resize(room, (width, 13)), np.float32)
        out = frame.copy()
        blending.blend_blurred(out.reshape(flat), alpha, words, width // 2, columns.reshape(13, -1))
        np.testing.assert_allclose(out, naive.blurred(frame, half, columns), atol=1)
        wall, light = room.astype(np.uint8), np.array([0.06, -0.05, 0.0], np.float32)
        for trust in (1.0, 0.6):
            out = frame.copy()
            args = words, width // 2, behind.reshape(flat), wall, light, trust
            blending.replace_behind(out.reshape(flat), alpha, *args)
            twin = naive.replaced(frame, half, behind, wall, light, blending._APART, trust)
            np.testing.assert_allclose(out.astype(int), twin, atol=1)


def test_only_background_enters_the_blur() -> None:
    """A person of whatever colour leaves no trace in the blur beside them, and a lamp outshines what is around it."""
    frame = room()
    mask = np.zeros((90, 160), np.uint8)
    cv2.circle(mask, (80, 55), 22, 255, -1)
    reduced = buffers_for(360, 640)
    reduce_frame(cv2.resize(frame, (640, 360)), reduced)
    blur = Blur((90, 160))
    before = blur.blur(reduced.small, mask, 0.5, 1.0).copy()
    changed = reduced.small.copy()
    changed[cv2.resize(mask, (320, 180), interpolation=cv2.INTER_NEAREST) > 200] = (0, 0, 255)
    np.testing.assert_array_equal(blur.blur(changed, mask, 0.5, 1.0), before)
    lamp = reduced.small.copy()
    lamp[40:45, 80:85] = 255
    lit = blur.blur(lamp, mask, 0.5, 1.0).mean(axis=2)
    gained = lit - before.mean(axis=2)
    radius = round(0.062 * 90)  # of the disc that the lamp becomes: as bright near its edge as in the middle
    assert gained[21, 41] > 30
    assert gained[21, 41 + radius - 3] > 0.8 * gained[21, 41]
    assert gained[21, 41 + radius + 4] < 0.1 * gained[21, 41]


def test_what_is_sure_nowhere_is_no_person() -> None:
    """A part that stands alone counts only if much of it is sure; what hangs on a sure part stays."""
    mask = np.zeros((MASK_SIDE, MASK_SIDE), np.uint8)
    mask[100:250, 80:180] = 250  # a person
    mask[90:100, 100:160] = 120  # their hair
    mask[20:60, 20:60] = 180  # a lamp
    mask[30:33, 200:203] = 255  # a speck
    kept = without_weak_parts(mask)
    np.testing.assert_array_equal(kept[85:], mask[85:])
    assert not kept[:80].any()
