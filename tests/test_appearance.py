"""The appearance: what effects do to a face, and what they leave alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livewarp.appearance import Painter, mapping, sharpness, textures
from livewarp.appearance.recipe import is_wanted, mix
from livewarp.appearance.regions import REGIONS
from livewarp.arrays import BgrFrame
from livewarp.effects import EFFECTS, OLDER, SAG, YOUNGER, Smooth, Soften, Tone
from livewarp.face68 import MEAN_FACE, MIRROR, Face, Pose
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import KNOBS, Parameters, effective
from livewarp.scene import Scene
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.sitters import DEMO

NEUTRAL = {name: knob.neutral for name, knob in KNOBS.items() if knob.scaled}
DRAWN = [name for name, effect in EFFECTS.items() if effect.parts]


def values(**wanted: float) -> dict[str, object]:
    """Effective values with all else off."""
    return effective(Parameters(**(NEUTRAL | wanted)))


@pytest.fixture(scope="module")
def portrait() -> tuple[BgrFrame, Face]:
    """The demo's sitter, smiling with teeth, and her face."""
    source = PortraitSource(640, 360, sitter=DEMO)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    frame.setflags(write=False)
    return frame, Face.from_landmarks(source.truth(0).landmarks)


def painted(frame: BgrFrame, face: Face, **wanted: float) -> BgrFrame:
    """A copy with these effects, by a painter that remembers nobody."""
    out = frame.copy()
    Painter().apply(out, [face], values(**wanted))
    return out


def change(portrait: tuple[BgrFrame, Face], **wanted: float) -> np.ndarray:
    """(H, W) mean absolute change of the channels, levels."""
    frame, face = portrait
    return np.abs(painted(frame, face, **wanted).astype(np.float32) - frame).mean(axis=2)


@pytest.mark.parametrize("name", DRAWN)
def test_an_effect_changes_the_face_more_the_higher_it_is_and_nothing_else(
    portrait: tuple[BgrFrame, Face], name: str
) -> None:
    """Each effect grows with its value and stays within the face: its outline, and a hair line above the brows."""
    half, full = change(portrait, **{name: 0.5}), change(portrait, **{name: 1.0})
    assert 0.0 < half.sum() < full.sum()
    _, face = portrait
    y, x = np.indices(full.shape)
    reach = np.hypot(x - face.pose.x, y - face.pose.y - 0.3 * face.pose.iod_px) / face.pose.iod_px
    assert not full[reach > 1.6].any()


def test_without_effects_no_byte_changes_and_no_time_is_spent(portrait: tuple[BgrFrame, Face]) -> None:
    """At 0 the stage is not wanted: the frame comes back as it was."""
    frame, face = portrait
    assert not is_wanted(values())
    face_filter = FaceFilter(Parameters(**NEUTRAL), glide_s=0.0)
    np.testing.assert_array_equal(face_filter.render(frame, Scene((face,))), frame)
    assert not face_filter.times_s.any()
    np.testing.assert_array_equal(painted(frame, face), frame)


def test_every_effect_has_its_knob_at_nothing(portrait: tuple[BgrFrame, Face]) -> None:
    """Effects are off to begin with, and strength 0 or `enabled` off leaves nothing of them."""
    assert all(Parameters()[name] == 0.0 for name in EFFECTS)
    off = effective(Parameters(age=1.0, enabled=False))
    assert not is_wanted(off)
    assert not any(off[name] for name in SAG)


def test_age_gives_to_others_within_their_bounds() -> None:
    """`age` and `sag` add to what others have themselves, and never lead beyond their bounds."""
    older = values(age=0.5, wrinkles=0.2, jaw=0.95)
    assert older["wrinkles"] == pytest.approx(0.2 + 0.5 * OLDER["wrinkles"])
    assert older["jaw"] == 1.0
    assert older["nose_length"] == pytest.approx(0.5 * SAG["nose_length"])
    assert values(age=1.0, wrinkles=0.8)["wrinkles"] == 1.0
    younger = values(age=-1.0)
    assert {name: younger[name] for name in YOUNGER} == pytest.approx(YOUNGER)
    assert younger["wrinkles"] == younger["sag"] == 0.0


def test_teeth_need_an_open_mouth(portrait: tuple[BgrFrame, Face]) -> None:
    """Whitening teeth changes nothing where the inner lips meet."""
    frame, face = portrait
    points = face.landmarks.copy()
    points[60:68, 1] = points[60:68, 1].mean()
    shut = Face.from_landmarks(points)
    before = np.abs(painted(frame, face, teeth=1.0).astype(int) - frame).sum()
    assert np.abs(painted(frame, shut, teeth=1.0).astype(int) - frame).sum() < 0.1 * before


def test_eyes_and_lips_get_no_wrinkles(portrait: tuple[BgrFrame, Face]) -> None:
    """Within the lids and the lips next to nothing is drawn of wrinkles, spots and smoothing."""
    moved = change(portrait, wrinkles=1.0, spots=1.0, skin_smooth=1.0)
    _, face = portrait
    for part in (slice(36, 42), slice(42, 48), slice(48, 60)):
        x, y = face.landmarks[part].mean(axis=0).round().astype(int)
        assert moved[y - 1 : y + 2, x - 2 : x + 3].mean() < 0.3


def test_a_sheet_before_the_face_stays_as_it_is(portrait: tuple[BgrFrame, Face]) -> None:
    """What has not this face's colours is not skin: a blue sheet before the cheeks gets no wrinkles."""
    frame, face = portrait
    covered = frame.copy()
    y0, y1 = (int(face.landmarks[i, 1]) for i in (30, 57))
    covered[y0:y1] = (150, 110, 60)
    moved = np.abs(painted(covered, face, wrinkles=1.0, spots=1.0).astype(int) - covered)
    assert moved[y0 + 3 : y1 - 3].mean() < 0.3
    assert moved.any()


def test_lines_are_no_sharper_than_the_face(portrait: tuple[BgrFrame, Face]) -> None:
    """On a blurred face lines are drawn blurred: the sharp part of what changes goes, the rest of it stays."""
    frame, face = portrait
    drawn = []
    for picture in (frame, cv2.GaussianBlur(frame, (0, 0), 3.0)):
        moved = painted(picture, face, wrinkles=1.0).astype(np.float32) - picture
        broad = cv2.GaussianBlur(moved, (0, 0), 3.0)
        drawn.append((np.abs(moved - broad).mean(), np.abs(broad).mean()))
    (sharp, broad), (blurred, left) = drawn
    assert blurred < 0.7 * sharp
    assert left > 0.8 * broad


def test_sharpness_is_measured_and_does_not_flutter(portrait: tuple[BgrFrame, Face]) -> None:
    """The blur of the eyes' edges is found within a quarter; a small one that comes and goes changes no step."""
    frame, face = portrait
    own = sharpness.blur_px(frame, face)
    assert own is not None
    for added in (2.0, 3.0):
        found = sharpness.blur_px(cv2.GaussianBlur(frame, (0, 0), added), face)
        assert found == pytest.approx(np.hypot(own, added), rel=0.25)
    assert sharpness.blur_px(np.full_like(frame, 90), face) is None
    seen = sharpness.Sharpness()
    pictures = [cv2.GaussianBlur(frame, (0, 0), px) for px in (1.2, 1.35)]
    assert len({seen.step(pictures[i // 6 % 2], face) for i in range(60)}) == 1


def test_hair_is_no_brow(portrait: tuple[BgrFrame, Face]) -> None:
    """A dark place is a brow only where skin is beside it: under a dark fringe nothing turns grey."""
    frame, face = portrait
    fringe = frame.copy()
    brows = face.landmarks[17:27]
    low = int(brows[:, 1].max()) + 6
    fringe[: low + 1] = (22, 24, 30)
    moved = np.abs(painted(fringe, face, age=1.0).astype(int) - fringe)
    assert moved[: low - 5].mean() < 0.05
    assert np.abs(painted(frame, face, age=1.0).astype(int) - frame)[: low - 5].mean() > 0.1


def test_what_is_dear_is_shed_first(portrait: tuple[BgrFrame, Face]) -> None:
    """Short of time, skin is worked on in larger pixels, then neither smoothed nor toned; lines stay."""
    frame, face = portrait
    moved = []
    for economy, wanted in ((0, "skin_smooth"), (1, "skin_smooth"), (2, "skin_smooth"), (3, "wrinkles")):
        out = frame.copy()
        Painter().apply(out, [face], values(**{wanted: 1.0}), economy)
        moved.append(int(np.abs(out.astype(int) - frame).sum()))
    assert moved[1] > 0.5 * moved[0] > 0 == moved[2] < moved[3]


def test_a_doubted_face_gets_less(portrait: tuple[BgrFrame, Face]) -> None:
    """Confidence scales what is done, and at 0 nothing is."""
    frame, face = portrait
    sums = []
    for confidence in (0.0, 0.5, 1.0):
        doubted = Face.from_landmarks(face.landmarks, confidence=confidence)
        sums.append(int(np.abs(painted(frame, doubted, wrinkles=1.0).astype(int) - frame).sum()))
    assert sums[0] == 0 < sums[1] < sums[2]


def test_a_face_keeps_its_own_spots(portrait: tuple[BgrFrame, Face]) -> None:
    """The id is the seed: one face has the same spots in every painter, another has others."""
    frame, face = portrait
    other = Face.from_landmarks(face.landmarks, id=2)
    first, again, second = (painted(frame, f, spots=1.0) for f in (face, face, other))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


def test_a_mirrored_face_gets_the_mirrored_tones(portrait: tuple[BgrFrame, Face]) -> None:
    """Regions and smoothing have no side: only the textures' own asymmetry may differ."""
    frame, face = portrait
    wanted = {"skin_tone": 1.0, "teeth": 1.0, "under_eye": 1.0}
    swapped = (face.landmarks * [-1, 1] + [frame.shape[1] - 1, 0])[list(MIRROR)].astype(np.float32)
    mirrored = painted(np.ascontiguousarray(frame[:, ::-1]), Face.from_landmarks(swapped), **wanted)[:, ::-1]
    apart = np.abs(mirrored.astype(int) - painted(frame, face, **wanted))
    # The small pictures' grid begins at the other side of the face, so skin differs by a fraction of a pixel there.
    assert apart.mean() < 0.02
    assert np.quantile(apart, 0.999) <= 6


def test_parts_of_the_face_that_are_cut_off_are_no_trouble(portrait: tuple[BgrFrame, Face]) -> None:
    """A face across any border, or far outside, or tiny, is drawn where it is and raises nothing."""
    frame, _ = portrait
    everything = dict.fromkeys(EFFECTS, 1.0)
    for x, y, iod_px in ((0, 0, 90), (639, 359, 90), (-500, 100, 90), (320, 180, 3), (320, 180, 400), (5, 350, 15)):
        pose = Pose(float(x), float(y), float(iod_px), 0.4, 0.5, 0.2)
        face = Face.from_landmarks(pose.project(MEAN_FACE).astype(np.float32))
        painted(frame, face, **everything)


def test_lines_beside_a_mouth_go_flat_as_it_opens() -> None:
    """An open mouth makes the lines below the nose shallower, raised brows those of the forehead deeper."""
    points = Pose(300.0, 200.0, 100.0, 0.0, 0.0, 0.0).project(MEAN_FACE).astype(np.float32)
    rest = mapping.place_mesh(Face.from_landmarks(points))[:, 3]
    opened = points.copy()
    opened[[55, 56, 57, 58, 59, 65, 66, 67, *range(5, 12)], 1] += 45.0
    raised = points.copy()
    raised[17:27, 1] -= 12.0
    assert mapping.place_mesh(Face.from_landmarks(opened))[:, 3].min() < 0.6 * rest.min()
    assert mapping.place_mesh(Face.from_landmarks(raised))[:, 3].max() > 1.2


def test_the_mesh_goes_where_the_landmarks_go() -> None:
    """A vertex near a landmark moves with it when it leaves the pose: the corner of the mouth, by most of the way."""
    points = Pose(300.0, 200.0, 100.0, 0.0, 0.0, 0.0).project(MEAN_FACE).astype(np.float32)
    moved = points.copy()
    moved[48, 0] -= 10.0
    before, after = (mapping.place_mesh(Face.from_landmarks(p)) for p in (points, moved))
    nearest = int(np.argmin(np.linalg.norm(before[:, :2] - points[48], axis=1)))
    assert -10.5 < after[nearest, 0] - before[nearest, 0] < -5.0


def test_texture_levels_halve_and_suit_the_size() -> None:
    """Each level is half the one before, and a face takes the one that is about as fine as its pixels."""
    texture = textures.of_person(1)
    assert [p.shape[0] for p in texture.pictures] == [texture.pictures[0].shape[0] >> k for k in range(textures.LEVELS)]
    levels = [textures.level_for(texture, iod_px) for iod_px in (400.0, 140.0, 70.0, 30.0)]
    assert levels == sorted(levels)
    assert levels[0] == 0
    assert levels[-1] == textures.LEVELS - 1


def test_every_region_lies_in_the_face_and_is_used() -> None:
    """Regions are weights between 0 and 1; each one's name stands in an effect."""
    parts = [part for effect in EFFECTS.values() for part in effect.parts]
    named = {part.region for part in parts if isinstance(part, (Tone, Smooth, Soften))}
    assert named == set(REGIONS)
    for region in REGIONS.values():
        assert region.weights.min() >= 0.0
        assert 0.3 < region.weights.max() <= 1.0


def test_lines_that_a_face_has_are_softened_and_its_pores_stay(portrait: tuple[BgrFrame, Face]) -> None:
    """A dark line drawn on a cheek loses a good part of its depth; the finest grain keeps most of its contrast."""
    frame, face = portrait
    lined, iod = frame.copy(), face.pose.iod_px
    x, y = (int(v) for v in (face.landmarks[2] + face.landmarks[31]) / 2)
    half = int(0.13 * iod)
    line = slice(y, y + 2), slice(x - half, x + half)
    grain = slice(y + 7, y + 11), slice(x - half, x + half)
    lined[line] = lined[line] * 0.8
    lined[grain][::2, ::2] += 8
    drawn = painted(lined, face, skin_lines=1.0)

    def depth(picture: BgrFrame) -> float:
        rows = picture[y - 4 : y + 6, x - half : x + half].mean(axis=(1, 2))
        return float(rows[[0, 1, 8, 9]].mean() - rows[4:6].mean())

    assert depth(drawn) < 0.7 * depth(lined)
    contrast = [np.diff(picture[grain].astype(float), axis=1).std() for picture in (lined, drawn)]
    assert contrast[1] > 0.75 * contrast[0]


def test_below_zero_age_has_parts_of_its_own() -> None:
    """Younger is no mirror image of older: lips and brows change less, and other effects do the rest."""
    older, younger = (EFFECTS["age"].parts_at(value) for value in (1.0, -1.0))
    assert {part.region for part in older} == {part.region for part in younger}
    assert all(abs(b.light) < abs(a.light) for a, b in zip(older, younger, strict=True) if a.light)
    assert EFFECTS["skin_tone"].parts_at(-1.0) == EFFECTS["skin_tone"].parts_at(1.0)


def test_a_recipe_adds_up() -> None:
    """Two effects on one region are the sum of both."""
    both, one, other = (
        mix(values(**w)) for w in ({"skin_tone": 0.5, "skin_even": 0.4}, {"skin_tone": 0.5}, {"skin_even": 0.4})
    )
    np.testing.assert_allclose(both.skin, one.skin + other.skin, atol=1e-6)
    assert both.texture is None
