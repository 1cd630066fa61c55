"""Hair: its masks, whose they are and how they are carried and doubted; its colour; and what goes on without a network.

Most masks here are drawn: a scripted network takes what is green for hair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import naive_hair as naive
from livewarp.appearance import hair_kernels as kernels
from livewarp.appearance.hair_colour import Dyer, dyes, table_for
from livewarp.effects import OLDER
from livewarp.face68 import LEFT_BROW, RIGHT_BROW, Face
from livewarp.fetch import fetch_hair
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import HAIR, KNOBS, Parameters, effective
from livewarp.scene import Hair
from livewarp.segmentation.hair_masks import AGAIN_S, FULL_S, GONE_S, STILL_S, HairMasks
from livewarp.segmentation.head_crop import own_hair, to_crop
from livewarp.tracking.weights import HAIR as NETWORK
from livewarp.tracking.weights import kept_path
from livewarp.worker import Worker
from samples import face_at

GREEN, SKIN, WALL = (40, 160, 40), (120, 150, 200), (90, 90, 90)
VALUES = {knob.name: knob.default for knob in HAIR}


class ScriptedNetwork:
    """Takes what is green for hair, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []  # side; whether a mask before was given
        self.sure = 255

    def find(self, picture: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        """The green pixels."""
        self.asked.append((picture.shape[0], before is not None))
        b, g, r = picture.astype(int).transpose(2, 0, 1)
        return ((g > b + 50) & (g > r + 50)).astype(np.uint8) * np.uint8(self.sure)


class Waiting(Worker):
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


@pytest.fixture
def masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes masks with a scripted network, and gives both."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept_path(NETWORK).parent.mkdir(parents=True)
    kept_path(NETWORK).touch()

    def make(worker: Worker | None = None) -> tuple[HairMasks, ScriptedNetwork]:
        made, network = HairMasks(Worker(synchronous=True) if worker is None else worker), ScriptedNetwork()
        made._network = network  # type: ignore[assignment]
        return made, network

    return make


def scene(x: float = 240.0, y: float = 170.0, iod: float = 60.0, extra: Any = None) -> tuple[np.ndarray, Face]:
    """A head with a cap of green hair before a wall, and its face."""
    frame = np.full((360, 480, 3), WALL, np.uint8)
    if extra is not None:
        extra(frame)
    at = round(x), round(y - 0.5 * iod)
    cv2.ellipse(frame, at, (round(0.95 * iod), round(0.95 * iod)), 0, 150, 390, GREEN, -1, cv2.LINE_AA)
    middle = round(x), round(y + 0.35 * iod)
    cv2.ellipse(frame, middle, (round(0.75 * iod), round(1.0 * iod)), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    return frame, face_at(x, y, iod)


def whole(hair: Hair, shape: tuple[int, ...]) -> np.ndarray:
    """A mask as large as the frame."""
    out = np.zeros(shape[:2], np.uint8)
    x, y = hair.origin_xy
    rows, columns = hair.weights.shape
    out[y : y + 2 * rows, x : x + 2 * columns] = hair.weights.repeat(2, 0).repeat(2, 1)
    return out


def iou(mask: np.ndarray, frame: np.ndarray) -> float:
    """Of a mask and what is green, at half."""
    b, g, r = frame.astype(int).transpose(2, 0, 1)
    green, found = (g > b + 50) & (g > r + 50), mask > 127
    return float((green & found).sum() / (green | found).sum())


def test_the_kernels_do_what_their_plain_twins_do() -> None:
    """Both compiled loops match loops that a reader can follow, at any place in the frame."""
    rng = np.random.default_rng(5)
    small, hair = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8), rng.integers(0, 256, (18, 24)).astype(np.uint8)
    hair[:4], hair[10:] = 0, 255
    sides, right = np.empty((9, 12, 4), np.float32), np.empty((9, 12, 4))
    kernels.weigh_sides(small, hair[::2, ::2].copy(), sides)
    naive.weigh_sides(small, hair[::2, ::2], right)
    np.testing.assert_allclose(sides, right, atol=1e-3)
    settled, right = np.empty((9, 12, 3), np.float32), np.empty((9, 12, 3))
    kernels.settle_sides(sides, settled)
    naive.settle_sides(sides.astype(float), right)
    np.testing.assert_allclose(settled, right, rtol=1e-4, atol=1e-3)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (60, 70, 3)).astype(np.uint8), (3, 3), 1.0)
    table, kept = table_for(np.array([70.0, -8.0, 9.0]), VALUES | {"hair": 0.7, "hair_grey": 0.4})
    own = np.array([-8.0, 9.0, kept], np.float32)
    to_face = np.array([[0.02, 0.003, -0.7], [-0.003, 0.02, -0.6]], np.float32)
    for grey in (0.0, 0.4):
        made = frame.copy()
        kernels.dye(made, (6, 8), hair, settled, table, own, grey, to_face, 0.9)
        twin = naive.dye(frame, (6, 8), hair, settled, table, own, grey, to_face, 0.9)
        assert np.abs(made - twin).max() < 0.6  # rounding
        assert (made != frame).mean() > 0.1


def test_hair_is_found_followed_and_kept_from_the_face(masks: Any) -> None:
    """The mask is the hair, where the head is, at any size and roll, and nothing of the face below the brows."""
    for x, y, iod in ((240, 170, 60), (200, 190, 40), (300, 200, 90)):
        frame, face = scene(x, y, iod)
        [hair] = masks()[0].update(frame, [face], 0.0, 0)
        mask = whole(hair, frame.shape)
        assert iou(mask, frame) > 0.9
        assert mask[round(y), round(x)] == 0
        assert hair.trust == 1.0


def test_the_last_mask_is_fed_back_and_dropped_with_its_head(masks: Any) -> None:
    """A followed head's mask goes back into the network; another id, a cut and a silence begin anew."""
    made, network = masks()
    frame, face = scene()
    other = Face.from_landmarks(face.landmarks, id=9)
    for now_s, who in ((0.0, face), (0.03, face), (0.06, other), (0.09, other), (5.0, other), (0.0, other)):
        assert made.update(frame, [who], now_s, 0)
    assert [before for _, before in network.asked] == [False, True, False, True, False, False]
    made.update(frame, [other], 0.03, 2)
    assert network.asked[-1] == (256, True)


def test_what_is_not_on_this_head_is_not_its_hair(masks: Any) -> None:
    """A stain apart, a collar and another head's hair are left out, also where that head is near."""

    def extra(frame: np.ndarray) -> None:
        cv2.circle(frame, (120, 60), 25, GREEN, -1)
        cv2.rectangle(frame, (190, 285), (290, 330), GREEN, -1)

    frame, face = scene(extra=extra)
    [hair] = masks()[0].update(frame, [face], 0.0, 0)
    mask = whole(hair, frame.shape)
    assert mask[60, 120] == mask[310, 240] == 0
    assert mask[100, 240] > 250
    full = np.full((320, 320), 255, np.uint8)
    near = face_at(face.pose.x + 100, face.pose.y, 60)
    kept = own_hair(full, face.pose, [near.pose])
    middle, beyond = (to_crop(face.pose, 320) @ [x, face.pose.y, 1] for x in (face.pose.x, near.pose.x))
    assert kept[round(middle[1]), round(middle[0])] > 250
    assert kept[round(beyond[1]), round(beyond[0])] == 0


def test_where_it_is_doubtful_nothing_is_hair(masks: Any) -> None:
    """A network that is not sure, a bald head and a head far too small give no hair."""
    made, network = masks()
    network.sure = 190
    frame, face = scene()
    assert made.update(frame, [face], 0.0, 0) == ()
    network.sure = 255
    bald = np.full_like(frame, WALL)
    assert masks()[0].update(bald, [face], 0.0, 0) == ()
    assert masks()[0].update(frame, [face_at(240, 170, 12)], 0.0, 0) == ()


def test_a_mask_is_carried_by_the_head_and_asked_for_beside_the_loop(masks: Any) -> None:
    """Between two masks the last one goes where the head goes; a head that stays as it is is asked about rarely."""
    worker = Waiting()
    made, network = masks(worker)
    for index in range(4):
        frame, face = scene(240 + 6 * index, 170 + 2 * index)
        shown = made.update(frame, [face], 0.03 * index, 0)
        if index == 0:
            assert shown == ()
            worker.work()
    assert len(network.asked) == 1
    assert iou(whole(shown[0], frame.shape), frame) > 0.85
    asked = 0
    for index in range(90):
        worker.work()
        made.update(frame, [face], 0.2 + index / 30, 0)
        asked = max(asked, len(network.asked))
    assert asked <= 90 / 30 / STILL_S + 3


def test_an_old_mask_fades_and_so_does_one_of_a_head_that_turns_fast(masks: Any) -> None:
    """Trust falls with age, to nothing, never by a jump; and at once where the head has turned far."""
    worker = Waiting()
    made, _ = masks(worker)
    frame, face = scene()
    made.update(frame, [face], 0.0, 0)
    worker.work()
    trusts = []
    for index in range(1, 50):
        frame, moved = scene(240 + index % 3)  # the worker hangs
        hair = made.update(frame, [moved], index / 30, 0)
        trusts.append(hair[0].trust if hair else 0.0)
    times_s = np.arange(1, 50) / 30
    assert max(trusts) == 1.0
    assert np.abs(np.diff(trusts)).max() <= 0.26
    assert set(np.array(trusts)[times_s > GONE_S + 0.2]) == {0.0}
    assert np.array(trusts)[(times_s > 0.35) & (times_s < FULL_S)].min() == 1.0


def test_without_its_network_hair_stays_and_a_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hair knobs say what is missing and change no byte; whoever only asks for age is not told; fetched, it works."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    frame, face = scene()
    made = HairMasks(Worker(synchronous=True))
    assert made.update(frame, [face], 0.0, 0) == ()
    assert made.problem is not None
    assert made.problem.remedy == "livewarp fetch hair"
    kept_path(NETWORK).parent.mkdir(parents=True)
    kept_path(NETWORK).touch()
    made._network = ScriptedNetwork()  # type: ignore[assignment]
    assert made.update(frame, [face], 0.5, 0) == ()  # it is not looked for with every frame
    for step in range(1, 13):
        hair = made.update(frame, [face], 0.5 * step, 0)
    assert AGAIN_S < 0.5 * 12
    assert hair
    assert made.problem is None


def test_the_filter_tells_who_asked_for_hair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem is among the filter's where a hair knob is on, and the frame goes as it came."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    nothing = {name: knob.neutral for name, knob in KNOBS.items() if knob.scaled}
    frame, _ = scene()
    face_filter = FaceFilter(Parameters(**nothing | {"hair": 1.0}), glide_s=0.0)
    np.testing.assert_array_equal(face_filter.apply(frame, 0.0), frame)
    assert [problem.remedy for problem in face_filter.problems()] == ["livewarp fetch hair"]
    face_filter.parameters = Parameters(**nothing)
    np.testing.assert_array_equal(face_filter.apply(frame, 0.1), frame)
    assert face_filter.problems() == []
    face_filter.close()


def dyed(frame: np.ndarray, weights: np.ndarray, face: Face, **values: Any) -> np.ndarray:
    """The frame with hair of these values."""
    out = frame.copy()
    hair = Hair(weights, (0, 0), face.id, 1.0)
    Dyer().apply(out, [face], [hair], VALUES | values)
    return out


@pytest.fixture(scope="module")
def strands() -> tuple[np.ndarray, np.ndarray, Face]:
    """A frame of dark strands beside a bright wall, a mask with a soft edge, and a face."""
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur(rng.normal(0, 60, (120, 160)).astype(np.float32), (0, 0), 1.0)
    frame = np.clip(np.dstack([30 + noise, 40 + noise, 55 + noise]), 5, 120).astype(np.uint8)
    weights = np.full((60, 80), 255, np.uint8)
    weights[:, 60:] = 0
    weights = cv2.blur(weights, (5, 1))
    frame[:, 122:] = 235
    return frame, weights, face_at(60, 60, 40)


def luminance(frame: np.ndarray) -> np.ndarray:
    """Levels."""
    return frame @ np.array([0.114, 0.587, 0.299])


def test_strands_keep_their_light(strands: tuple[np.ndarray, np.ndarray, Face]) -> None:
    """Dyed, lit or grey, what is lighter stays lighter, and the colour is the one asked for; 0 changes no byte."""
    frame, weights, face = strands
    inside = np.s_[10:110, 10:100]
    before = luminance(frame)[inside].ravel()
    np.testing.assert_array_equal(dyed(frame, weights, face), frame)
    assert not dyes(VALUES)
    for colour, channel in (("#c02020", 2), ("#2040c0", 0), ("#20b030", 1)):
        made = dyed(frame, weights, face, hair=1.0, hair_colour=colour)
        assert np.corrcoef(before, luminance(made)[inside].ravel())[0, 1] > 0.97
        means = made[inside].reshape(-1, 3).mean(axis=0)
        assert means.argmax() == channel
        assert means.max() > 1.6 * np.sort(means)[1]
    for light in (-1.0, -0.5, 0.5, 1.0):
        made = luminance(dyed(frame, weights, face, hair_light=light))[inside]
        assert np.sign(made.mean() - before.mean()) == np.sign(light)
        assert np.corrcoef(before, made.ravel())[0, 1] > 0.97
    grey = dyed(frame, weights, face, hair_grey=1.0)[inside].reshape(-1, 3).astype(int)
    assert np.abs(grey[:, 0] - grey[:, 2]).mean() < 8
    assert luminance(grey).mean() > before.mean() + 60
    halves = [luminance(dyed(frame, weights, face, hair_grey=g))[inside].mean() for g in (0.2, 0.4, 0.6, 0.8)]
    assert np.all(np.diff([before.mean(), *halves]) > 0)


def test_age_gives_grey_hair_and_grey_brows() -> None:
    """The effective value is one's own and age's share; younger gives none; of the face only brows turn grey."""
    assert effective(Parameters(age=1.0))["hair_grey"] == OLDER["hair_grey"] > 0.5
    assert effective(Parameters(age=0.5, hair_grey=0.2))["hair_grey"] == 0.2 + 0.5 * OLDER["hair_grey"]
    assert effective(Parameters(age=-1.0))["hair_grey"] == 0.0
    frame, face = np.full((240, 320, 3), SKIN, np.uint8), face_at(160, 110, 90)
    for part in (RIGHT_BROW, LEFT_BROW):
        points = np.round(face.landmarks[part] + [0, 3]).astype(np.int32)
        cv2.polylines(frame, [points], False, (30, 40, 60), 7, cv2.LINE_AA)
    made = dyed(frame, np.zeros((40, 40), np.uint8), face, hair_grey=1.0).astype(int)
    x, y = np.round(face.landmarks[19] + [0, 3]).astype(int)
    assert made[y, x].sum() > frame[y, x].astype(int).sum() + 120
    assert abs(made[y, x, 0] - made[y, x, 2]) < 15
    changed = np.abs(made - frame).max(axis=2)
    assert changed[round(face.pose.y) - 5 :].max() == 0
    assert changed[:, :60].max() == 0


def test_light_behind_hair_makes_no_halo(strands: tuple[np.ndarray, np.ndarray, Face]) -> None:
    """A bright wall just beside dark hair hardly changes, whatever the hair becomes."""
    frame, weights, face = strands
    wall = np.s_[10:110, 124:]
    for values in ({"hair_grey": 1.0}, {"hair": 1.0, "hair_colour": "#c02020"}, {"hair_light": 1.0}):
        change = np.abs(dyed(frame, weights, face, **values).astype(int) - frame)[wall]
        assert change.mean() < 0.5
        assert change.max() < 40


def test_the_network_finds_hair_and_no_wall(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a portrait the real network's mask has the crown in it, and neither face nor suit nor wall."""
    copy = data.parent / "models" / "hair_segmentation.tflite"
    if not copy.is_file():
        pytest.skip(f"no hair network here: {copy.parent.name}/{copy.name} is not beside the repository")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetch_hair(copy)
    frame = cv2.imread(str(data / "portrait" / "astronaut.png"))
    nothing = {name: knob.neutral for name, knob in KNOBS.items() if knob.scaled}
    face_filter = FaceFilter(Parameters(**nothing | {"hair": 1.0, "hair_colour": "#c02020"}), glide_s=0.0)
    for index in range(3):
        found = face_filter.track(frame, index / 30)
    made = face_filter.render(frame, found)
    face_filter.close()
    mask = whole(found.hair[0], frame.shape)
    assert mask[30, 210] > 230  # the crown
    assert max(mask[110, 222], mask[300, 200], mask[60, 400]) < 10
    changed = np.abs(made.astype(int) - frame).sum(axis=2)
    assert changed[30, 210] > 30
    assert changed[:, 330:].max() == 0
