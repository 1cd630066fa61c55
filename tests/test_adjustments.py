"""The table of adjustments: sound as data, and each does to a face what its name says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

import naive
from livewarp.adjustments import ADJUSTMENTS, Stroke
from livewarp.face68 import MIRROR, N_LANDMARKS, Face
from livewarp.parameters import KNOBS, Parameters
from livewarp.warping.field import CX, CY, INV_RX_HIGH, INV_RX_LOW, INV_RY
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import limit, place_faces
from measures import MARKS, MEASURES, SHARED, shared, values
from samples import face_at

AREAS = ("face", "eyes", "brows", "nose", "mouth")
NAMES = list(ADJUSTMENTS)
TABLE = StrokeTable(ADJUSTMENTS.values())
NEUTRAL = dict.fromkeys(ADJUSTMENTS, 0.0)
EXTREMES = [(n, v) for n, a in ADJUSTMENTS.items() for v in (a.minimum, a.maximum) if v != 0.0]
LIDS = {37, 38, 40, 41, 43, 44, 46, 47}

# On the mean face, another measure that moves by more than a third of the intended one, and why.
SPILLS = {
    ("face_length", "mouth_height"): "the mouth goes down with the chin, or the chin alone would grow",
    ("eye_inner_corner", "pupils"): "the white between a corner and the iris stretches, and takes it along",
    ("eye_outer_corner", "pupils"): "the white between a corner and the iris stretches, and takes it along",
    ("eye_height", "eye_lower_lid"): "the whole eye goes up, and its lower lid with it",
    ("eye_openness", "brow_thickness"): "the upper lid pulls at the lower edge of the brow",
    ("pupils", "eye_openness"): "the iris reaches from lid to lid",
    ("pupils", "eye_lower_lid"): "the iris reaches from lid to lid",
    ("pupils", "eye_inner_corner"): "a smaller iris takes a little of the white along",
    ("pupils", "eye_outer_corner"): "a smaller iris takes a little of the white along",
    ("nose_size", "upper_lip"): "a smaller nose pulls at the skin between it and the lip",
    ("nose_length", "upper_lip"): "a shorter nose pulls at the skin between it and the lip",
    ("upper_lip", "lower_lip"): "what one lip gains is taken from what is beside it",
    ("upper_lip", "smile"): "the line between the lips moves, their corners do not",
}


def strokes_of(face: Face, name: str, value: float) -> NDArray[np.float32]:
    """The placed strokes of one adjustment alone."""
    return TABLE.place(face, values_of(name, value))


def values_of(name: str, value: float) -> Parameters:
    """One adjustment alone."""
    return Parameters(**(NEUTRAL | {name: value}))


def forward(strokes: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the exact field takes points (n, 2), px: out[q] = frame[q + u(q)] shows p at q = p - u(q)."""
    moved = points.copy()
    for _ in range(40):
        moved = points - np.array([naive.displacement(strokes, x, y) for x, y in moved])
    return moved


def effect(name: str, value: float) -> dict[str, float]:
    """Every measure of what one adjustment alone does to the mean face, IOD."""
    face = face_at(500, 400, 100)
    points = np.concatenate([face.landmarks.astype(float), MARKS * 100 + [500, 400]])
    return values((forward(strokes_of(face, name, value), points) - points) / 100)


def all_strokes() -> list[tuple[str, Stroke]]:
    """Every stroke of the table with the name of its adjustment."""
    return [(name, stroke) for name, a in ADJUSTMENTS.items() for stroke in a.strokes]


def test_each_is_known_by_its_own_name() -> None:
    """Keys are names, names are words that a shell takes as they are, and none hides another knob."""
    for name, a in ADJUSTMENTS.items():
        assert name == a.name
        assert name.isidentifier()
        assert name == name.lower()
    assert KNOBS.keys() - ADJUSTMENTS.keys() >= {"enabled", "strength", "mirror", "overlay"}


def test_they_are_ordered_by_area() -> None:
    """Face, eyes, brows, nose, mouth: people see them in that order, in one group each."""
    order = [AREAS.index(a.area) for a in ADJUSTMENTS.values()]
    assert order == sorted(order)
    assert set(order) == set(range(len(AREAS)))


@pytest.mark.parametrize("name", NAMES)
def test_bounds_hold_zero_and_the_default(name: str) -> None:
    """0 does nothing and can always be chosen; one direction, or both alike."""
    a = ADJUSTMENTS[name]
    assert a.minimum in {0.0, -a.maximum}
    assert a.maximum == (1.5 if name == "thin" else 1.0)
    assert a.minimum <= a.default <= a.maximum
    assert math.isfinite(a.default)


def test_only_thinning_and_larger_eyes_are_on_by_default() -> None:
    """A person who starts livewarp gets those two, and nothing else."""
    assert {n: a.default for n, a in ADJUSTMENTS.items() if a.default} == {"thin": 0.35, "eyes": 0.25}


@pytest.mark.parametrize("name", NAMES)
def test_help_is_one_sentence(name: str) -> None:
    """It fits beside its name in --help, and on a panel."""
    text = ADJUSTMENTS[name].help
    assert "\n" not in text
    assert text.endswith(".")
    assert text[0].isupper()
    assert len(text) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_strokes_are_sane(name: str) -> None:
    """Anchors exist; radii are finite, not so small that the grid misses them, not larger than a face."""
    assert ADJUSTMENTS[name].strokes
    for s in ADJUSTMENTS[name].strokes:
        assert s.kind in {"shift", "scale"}
        assert s.anchor
        assert len(set(s.anchor)) == len(s.anchor)
        assert all(0 <= i < N_LANDMARKS for i in s.anchor)
        assert all(0.25 <= r <= (2.0 if name == "head_size" else 1.2) for r in s.radius)
        assert 0.5 <= s.outer <= 1.0
        assert any(s.amount)
        assert max(map(abs, s.amount)) <= (0.15 if s.kind == "shift" else 0.5)
        assert max(map(abs, s.offset)) <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_strokes_in_the_middle_pull_straight(name: str) -> None:
    """What is not paired treats both halves alike: anchors in mirror pairs, no shift to the side."""
    for s in ADJUSTMENTS[name].strokes:
        if s.paired:
            continue
        assert {MIRROR[i] for i in s.anchor} == set(s.anchor)
        assert s.offset[0] == 0.0
        assert s.outer == 1.0
        assert s.kind == "scale" or s.amount[0] == 0.0


def test_no_anchor_is_a_lid() -> None:
    """Lids move in every blink: what hangs on them would pulse."""
    assert not [(name, s.anchor) for name, s in all_strokes() if LIDS & set(s.anchor)]


@pytest.mark.parametrize(("name", "value"), EXTREMES)
def test_alone_none_is_limited(name: str, value: float) -> None:
    """The limit against folding is for sums: one adjustment up to 1 stays below where it begins."""
    value = max(-1.0, min(value, 1.0))
    for roll, yaw, pitch in ((0, 0, 0), (0.4, 0, 0), (0, 0.25, 0), (-0.2, -0.5, 0.2), (0, 0.1, -0.3)):
        placed = place_faces(TABLE, [face_at(400, 400, 120, roll, yaw, pitch)], values_of(name, value), (800, 800))
        kept = np.ones(len(ADJUSTMENTS), np.float32)
        limit(placed, (800, 800), kept)
        assert kept.min() == 1.0


def test_every_adjustment_has_a_measure() -> None:
    """One each, normalised alike, and groups name adjustments that there are."""
    assert set(MEASURES) == set(ADJUSTMENTS)
    assert {name for group in SHARED for name in group} <= set(ADJUSTMENTS)
    for weights in MEASURES.values():
        assert np.abs(weights).sum() in (pytest.approx(1.0), pytest.approx(2.0))  # a mean, or a difference of two


@pytest.mark.parametrize(("name", "value"), EXTREMES)
def test_each_does_what_its_name_says(name: str, value: float) -> None:
    """Its own measure moves the right way by over 1 % of the IOD, to be seen, and under 13.5 %, to be a face."""
    own = effect(name, value)[name] * np.sign(value)
    assert 0.01 < own < 0.135


@pytest.mark.parametrize("name", NAMES)
def test_half_the_value_is_about_half_the_effect(name: str) -> None:
    """A slider has no dead end: each half of its way brings at least a third of the effect."""
    half, full = effect(name, 0.5)[name], effect(name, 1.0)[name]
    assert full / 3 < half < full * 2 / 3


def spilled(name: str) -> dict[str, float]:
    """Other measures, but for those that share its points, that moved by over a third of its own, times it."""
    told = {}
    for _, value in (e for e in EXTREMES if e[0] == name):
        found = effect(name, value)
        for other, moved in found.items():
            if other != name and not shared(name, other) and abs(moved) > abs(found[name]) / 3:
                told[other] = round(moved / found[name], 2)
    return told


@pytest.mark.parametrize("name", NAMES)
def test_no_other_measure_moves_by_more_than_a_third(name: str) -> None:
    """But for those that share its points by definition, and the few that are named with a reason."""
    told = spilled(name)
    assert set(told) == {other for one, other in SPILLS if one == name}, told


@pytest.mark.parametrize("value", [0.4, 1.0])
def test_thinning_leaves_the_mouth_as_wide_as_it_is(value: float) -> None:
    """Its corners move by less than a sixth of what the jaw beside them does."""
    found = effect("thin", value)
    assert abs(found["mouth_width"]) < abs(found["cheeks"]) / 6


@pytest.mark.parametrize("name", ["eyes", "eye_width", "eye_openness"])
def test_a_blink_does_not_change_what_the_eyes_get(name: str) -> None:
    """With the lids shut, anchors and radii are where they were, to 0.01 IOD."""
    face = face_at(300, 300, 100)
    shut = face.landmarks.copy()
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shut[upper] = shut[lower]
    placed, blinking = strokes_of(face, name, 1.0), strokes_of(Face.from_landmarks(shut), name, 1.0)
    np.testing.assert_allclose(blinking[:, [CX, CY]], placed[:, [CX, CY]], atol=1.0)
    inverse_radii = [INV_RX_LOW, INV_RX_HIGH, INV_RY]
    np.testing.assert_allclose(blinking[:, inverse_radii], placed[:, inverse_radii], rtol=0.01)
