"""Make-up: where it goes, whose light it takes, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import naive
from livewarp.appearance import Painter, dyeing
from livewarp.appearance.contours import CONTOURS
from livewarp.arrays import BgrFrame
from livewarp.effects import EFFECTS, Dye
from livewarp.face68 import MEAN_FACE, MIRROR, Face, Pose
from livewarp.parameters import KNOBS, Parameters, effective
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.sitters import DEMO

NEUTRAL: dict[str, Any] = {name: knob.neutral for name, knob in KNOBS.items() if knob.scaled}
MAKEUP = [name for name, effect in EFFECTS.items() if effect.group == "make-up"]


def made_up(frame: BgrFrame, face: Face, painter: Painter | None = None, **wanted: Any) -> BgrFrame:
    """A copy with this make-up."""
    out = frame.copy()
    (painter or Painter()).apply(out, [face], effective(Parameters(**(NEUTRAL | wanted))))
    return out


@pytest.fixture(scope="module")
def portrait() -> tuple[BgrFrame, Face]:
    """The demo's sitter, smiling with teeth, and her face."""
    source = PortraitSource(640, 360, sitter=DEMO)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    frame.setflags(write=False)
    return frame, Face.from_landmarks(source.truth(0).landmarks)


def near(frame: BgrFrame, points: np.ndarray, reach: int = 1) -> np.ndarray:
    """(n, 3) mean colours around points, levels."""
    places = points.round().astype(int)
    return np.array([frame[y - reach : y + reach + 1, x - reach : x + reach + 1].mean(axis=(0, 1)) for x, y in places])


def lower_lip(face: Face) -> np.ndarray:
    """(3, 2): points in its middle."""
    return (face.landmarks[56:59] + face.landmarks[65:68]) / 2


def test_every_dye_has_a_colour_of_its_own() -> None:
    """An effect that dyes has a colour knob beside it, which presets hold and strength leaves alone."""
    dyeing_effects = [e for e in EFFECTS.values() if any(isinstance(part, Dye) for part in e.parts)]
    assert [e.name for e in dyeing_effects if e.group == "make-up"] == MAKEUP
    names = list(KNOBS)
    for effect in dyeing_effects:
        knob = KNOBS[effect.colour_knob]
        assert names.index(knob.name) == names.index(effect.name) + 1
        assert (knob.default, knob.in_presets, knob.scaled) == (effect.colour, True, False)


@pytest.mark.parametrize(("colour", "channel"), [("#2040c0", 0), ("#208030", 1), ("#c02030", 2)])
def test_lips_take_the_colour_and_keep_their_light(portrait: tuple[BgrFrame, Face], colour: str, channel: int) -> None:
    """The colour's own channel gains on the others, while what was lighter on the lips stays lighter."""
    frame, face = portrait
    drawn = made_up(frame, face, lipstick=1.0, lipstick_colour=colour)
    before, after = near(frame, lower_lip(face)), near(drawn, lower_lip(face))
    shares = (after / after.sum(axis=1, keepdims=True) - before / before.sum(axis=1, keepdims=True)).mean(axis=0)
    assert int(np.argmax(shares)) == channel
    x, y = lower_lip(face)[1].round().astype(int)
    texture = [picture[y - 2 : y + 3, x - 8 : x + 9].mean(axis=2).ravel() for picture in (frame, drawn)]
    assert np.corrcoef(texture)[0, 1] > 0.8


def test_lipstick_leaves_the_teeth(portrait: tuple[BgrFrame, Face]) -> None:
    """Between the inner lips of an open mouth next to nothing changes."""
    frame, face = portrait
    teeth = (face.landmarks[61:64] + face.landmarks[[67, 66, 65]]) / 2
    moved = np.abs(near(made_up(frame, face, lipstick=1.0), teeth) - near(frame, teeth))
    assert moved.mean() < 1.0


def test_a_cup_before_the_mouth_gets_no_lipstick(portrait: tuple[BgrFrame, Face]) -> None:
    """What has not the colours of lips stays as it is, whether the face's own lips are known or not."""
    frame, face = portrait
    middle, iod = face.landmarks[48:68].mean(axis=0), face.pose.iod_px
    x, y, half = (int(v) for v in (*middle, 0.45 * iod))
    painter = Painter()
    assert (made_up(frame, face, painter, lipstick=1.0) != frame).any()
    for colour in ((235, 238, 240), (150, 90, 30), (40, 45, 40)):
        covered = frame.copy()
        covered[y - half : y + half, x - half : x + half] = colour
        for whose in (painter, Painter()):
            np.testing.assert_array_equal(made_up(covered, face, whose, lipstick=1.0), covered)


def test_dark_glasses_get_no_liner(portrait: tuple[BgrFrame, Face]) -> None:
    """Where no skin is seen around an eye, its lid is left alone, and the other eye is not."""
    frame, face = portrait
    covered = frame.copy()
    low, high = face.landmarks[[17, 36]].min(axis=0).astype(int) - 4, face.landmarks[[21, 40]].max(axis=0).astype(int)
    glass = slice(low[1], high[1] + 12), slice(low[0] - 4, high[0] + 6)
    covered[glass] = 20
    drawn = made_up(covered, face, eye_liner=1.0, eye_shadow=1.0)
    assert not (drawn != covered)[glass].any()
    assert (drawn != covered).any()


def test_contours_follow_the_lids_and_the_mouth() -> None:
    """In a blink liner and shadow go down with the lid, and the lips' inner edge opens with the mouth."""
    points = Pose(300.0, 200.0, 100.0, 0.2, 0.3, 0.1).project(MEAN_FACE).astype(np.float32)
    down = np.float32([0.0, 5.0])
    blink, speech = points.copy(), points.copy()
    blink[[37, 38, 43, 44]] += down
    speech[[65, 66, 67, *range(55, 60)]] += down
    for name, moved in (("lash_lines", blink), ("upper_lids", blink), ("lip_skin", speech)):
        contour = CONTOURS[name]
        before, after = (contour.corners.on(Face.from_landmarks(p)) for p in (points, moved))
        apart = (after - before)[contour.amounts > 0.5]
        assert apart[:, 1].max() == pytest.approx(5.0, abs=0.7)
        assert apart[:, 1].min() > -1.0


def test_every_contour_lies_on_its_part_of_the_mean_face() -> None:
    """Its corners lie around the landmarks that it is named after, mirrored on both sides, and a dye uses it."""
    face = Face.from_landmarks(Pose(0.0, 0.0, 100.0, 0.0, 0.0, 0.0).project(MEAN_FACE).astype(np.float32))
    where = {"lip_skin": range(48, 68), "brow_hair": range(17, 27), "lash_lines": range(36, 48)}
    where |= {"upper_lids": range(17, 48), "cheek_bones": range(68)}
    assert {p.region for e in EFFECTS.values() for p in e.parts if isinstance(p, Dye)} == set(CONTOURS) == set(where)
    for name, contour in CONTOURS.items():
        corners, outline = contour.corners.on(face), face.landmarks[list(where[name])]
        assert (corners > outline.min(axis=0) - 12).all()
        assert (corners < outline.max(axis=0) + 12).all()
        assert 0.3 < contour.amounts.max() <= 1.0
        mirror_image = contour.corners.mirrored().on(face) * [-1, 1]
        np.testing.assert_allclose(mirror_image, corners, atol=1e-2)


def test_a_mirrored_face_gets_the_mirrored_makeup(portrait: tuple[BgrFrame, Face]) -> None:
    """Make-up has no side."""
    frame, face = portrait
    wanted = dict.fromkeys(MAKEUP, 1.0)
    swapped = (face.landmarks * [-1, 1] + [frame.shape[1] - 1, 0])[list(MIRROR)].astype(np.float32)
    mirrored = made_up(np.ascontiguousarray(frame[:, ::-1]), Face.from_landmarks(swapped), **wanted)[:, ::-1]
    apart = np.abs(mirrored.astype(int) - made_up(frame, face, **wanted))
    assert apart.mean() < 0.03
    assert np.quantile(apart, 0.999) <= 8


def test_a_grey_picture_stays_grey(portrait: tuple[BgrFrame, Face]) -> None:
    """A dye takes the light of the picture: in one without colours it has none."""
    frame, face = portrait
    gray = np.ascontiguousarray(np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8))
    drawn = made_up(gray, face, **dict.fromkeys(MAKEUP, 1.0)).astype(int)
    assert (drawn != gray).any()
    assert np.ptp(drawn, axis=2).max() <= 2


def _case() -> tuple[BgrFrame, np.ndarray, np.ndarray, np.ndarray]:
    """A frame, weights for a part of it, a dye, and a window that about half of the colours are in."""
    rng = np.random.default_rng(5)
    frame = rng.integers(0, 256, (24, 30, 3), np.uint8)
    weights = rng.random((16, 20)).astype(np.float32)
    dye = np.array([0.6, 0.7, 1.5, 0.8, 0.7, 0.6, 150.0, 0.2], np.float32)
    window = np.array([[0.36, 0.33, 0.8], [-0.06, -0.08, -0.5], [0.1, 0.05, 0.4], [0.05, 0.04, 0.2]], np.float32)
    return frame, weights, dye, window


def test_fill_triangles_equals_its_twin() -> None:
    """Amounts between the corners are what solving for every pixel gives, the greatest where triangles overlap."""
    rng = np.random.default_rng(3)
    points = rng.uniform(-3, 22, (9, 2)).astype(np.float32)
    amounts = rng.random(9).astype(np.float32)
    triangles = np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6], [6, 7, 8], [5, 8, 4]], np.int32)
    weights = np.full((18, 20), 7.0, np.float32)
    sides = np.r_[np.full(4, 0.5), np.ones(5)]
    dyeing.fill_triangles(points * 2 + np.float32(3.5), (3, 3), 0.5, amounts, (0.5, 1.0), triangles, weights)
    expected = naive.fill_triangles(points, amounts * sides, triangles, weights.shape)
    assert (expected > 0).mean() > 0.2
    np.testing.assert_allclose(weights, expected, atol=2e-3)


def test_bounds_and_seen_skin_equal_their_twins() -> None:
    """A window holds all points that lie in the frame; skin is the mean at each half of the points, between bounds."""
    points = np.array([[4.2, 5.9], [9.1, 7.0], [30.0, 11.5], [-3.0, 6.0]], np.float32)
    assert dyeing.bound(points, 20, 40) == (0, 5, 20, 8)
    skin = np.zeros((3, 4), np.float32)
    skin[1, 0], skin[1, 1] = 1.0, 0.4  # where the first two points are, of four px each from (2, 2) on
    first, second = dyeing.see_skin(points, skin, (2, 2), 4, 0.2, 1.2)
    assert (first, second) == (pytest.approx(0.5, abs=1e-6), 0.0)


def test_what_is_meant_and_dyed_equals_its_twins() -> None:
    """Measuring, keeping and dyeing do to each pixel what their rule says, in one formula for all."""
    frame, weights, dye, window = _case()
    corner = 5, 4
    part = frame[4:20, 5:25].astype(np.float64)
    meant = naive.meant(part, dye, window)
    assert 0.1 < (meant > 0.5).mean() < 0.9

    found = dyeing.weigh_colours(frame, corner, np.ones_like(weights), dye, window, 2)
    there, total = meant[::2, ::2], part[::2, ::2].sum(axis=2) + 12.0
    mean = [((part[::2, ::2, k] + 4) / total * there).sum() / there.sum() for k in (2, 1)]
    luminance = (part[::2, ::2] @ [0.114, 0.587, 0.299] * there).sum() / there.sum()
    np.testing.assert_allclose(found, [there.mean(), *mean, luminance], rtol=1e-3)

    kept = weights.copy()
    dyeing.weigh_colours(frame, corner, kept, dye, window, 0)
    np.testing.assert_allclose(kept, weights * (0.2 + 0.8 * meant), atol=1e-4)

    out = frame.copy()
    dyeing.dye_pixels(out, corner, kept, dye)
    np.testing.assert_allclose(out, naive.dye_pixels(frame, corner, kept, dye), atol=1)
    np.testing.assert_array_equal(out[:4], frame[:4])
