"""The warp: what it must do, and what it must never do, for any parameters and any pose."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import naive
from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import BgrFrame
from livewarp.errors import FrameError
from livewarp.face68 import MIRROR, Face
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.reshaping import Reshaping
from livewarp.filtering.stages import STAGES
from livewarp.parameters import Parameters
from livewarp.scene import Mask, Scene
from livewarp.segmentation.distance import away_from_people
from livewarp.tracking import FaceTracker
from livewarp.warping import Warp, warp
from livewarp.warping.fading import STEEPEST_FADE, fade_at_border
from livewarp.warping.field import AX, AY, CX, CY, INV_RX_HIGH, INV_RX_LOW, INV_RY, add_strokes
from livewarp.warping.grids import grid_shape
from livewarp.warping.kernels import sample
from livewarp.warping.squeeze import SQUEEZE_FREE, SQUEEZE_MAX, cap, squeeze_row
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import Placed, exact_field, grid_step, limit, place_faces, roi_of, sum_strokes
from samples import face_at

TABLE = StrokeTable(ADJUSTMENTS.values())
NEUTRAL = dict.fromkeys(ADJUSTMENTS, 0.0)

values = st.fixed_dictionaries({n: st.floats(a.minimum, a.maximum) for n, a in ADJUSTMENTS.items()})
poses = st.tuples(
    st.floats(-50, 530), st.floats(-50, 410), st.floats(8, 160), st.floats(-0.9, 0.9), st.floats(-0.7, 0.7)
)


def extremes(**changes: float) -> Parameters:
    """Every adjustment at its maximum, but for these."""
    return Parameters(**({n: a.maximum for n, a in ADJUSTMENTS.items()} | changes))


def strokes_of(face: Face, parameters: Parameters) -> np.ndarray:
    """The placed strokes of a face."""
    return TABLE.place(face, parameters)


def limited(
    faces: list[Face], parameters: Parameters, frame_hw: tuple[int, int] = (720, 1280)
) -> tuple[list[Placed], np.ndarray]:
    """The faces' strokes after the limit, and what is left of each adjustment."""
    placed, kept = place_faces(TABLE, faces, parameters, frame_hw), np.ones(len(ADJUSTMENTS), np.float32)
    limit(placed, frame_hw, kept)
    return placed, kept


def least_jacobian(field: np.ndarray) -> float:
    """The smallest determinant of the map's derivative, by central differences over 2 px."""
    dx, dy = np.gradient(field, axis=1), np.gradient(field, axis=0)
    return float(((1 + dx[..., 0]) * (1 + dy[..., 1]) - dx[..., 1] * dy[..., 0]).min())


@given(poses)
@settings(deadline=None, max_examples=30)
def test_zero_is_byte_identical(pose: tuple[float, ...]) -> None:
    """With every adjustment at 0, or strength 0, or enabled off, the frame comes back as it was."""
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 256, (360, 480, 3)).astype(np.uint8)
    for parameters in (Parameters(**NEUTRAL), extremes(strength=0.0), extremes(enabled=False)):
        np.testing.assert_array_equal(warp(frame, [face_at(*pose)], parameters), frame)


def test_no_face_is_byte_identical(noise: BgrFrame) -> None:
    """Without a face, and with a face that is quite faded out, nothing changes."""
    ghost = Face.from_landmarks(face_at(240, 150, 60).landmarks, confidence=0.0)
    np.testing.assert_array_equal(warp(noise, [], extremes()), noise)
    np.testing.assert_array_equal(warp(noise, [ghost], extremes()), noise)


@given(poses, values)
@settings(deadline=None)  # the first example loads the kernels
def test_nothing_outside_the_roi_changes(pose: tuple[float, ...], values: dict[str, float]) -> None:
    """Bytes that no stroke reaches equal the input's."""
    frame = np.random.default_rng(2).integers(0, 256, (360, 480, 3)).astype(np.uint8)
    face, parameters = face_at(*pose), Parameters(**values)
    result = warp(frame, [face], parameters)
    strokes = strokes_of(face, parameters)
    inside = np.zeros(frame.shape[:2], bool)
    if len(strokes):
        x0, y0, x1, y1 = roi_of(strokes, *frame.shape[:2])
        inside[y0 : max(y0, y1), x0 : max(x0, x1)] = True
    np.testing.assert_array_equal(result[~inside], frame[~inside])


@given(values, poses, poses)
@settings(max_examples=60, deadline=None)
def test_the_map_never_folds(values: dict[str, float], one: tuple[float, ...], other: tuple[float, ...]) -> None:
    """The Jacobian of the backward map stays above (1 - SQUEEZE_MAX)², two overlapping faces included."""
    parameters = Parameters(**values)
    faces = [face_at(*one), face_at(other[0] % 60 + one[0], other[1] % 60 + one[1], *other[2:])]
    placed, _ = limited(faces, parameters, (360, 480))
    # Central differences over 2 px against the exact derivative, on faces down to 8 px: a hundredth.
    assert least_jacobian(exact_field(placed, (0, 0, 480, 360), (360, 480))) > (1 - SQUEEZE_MAX) ** 2 - 0.01


def squeezes(strokes: np.ndarray, shape: tuple[int, int], x0: float, y0: float, step: float) -> np.ndarray:
    """(2, h, w): how much strokes squeeze at nodes, summed, and how far they move them, px."""
    total, row, moved = np.zeros((2, *shape)), np.empty(shape[1], np.float32), np.empty(shape[1], np.float32)
    for stroke in strokes:
        for j in range(shape[0]):
            squeeze_row(stroke, x0, y0 + j * step, step, shape[1], row, moved)
            total[:, j] += row, moved
    return total


def lowest_stretch(field: np.ndarray, step: float) -> np.ndarray:
    """The smaller eigenvalue of the symmetric part of a field's derivative."""
    dx, dy = np.gradient(field.astype(float), step, axis=1), np.gradient(field.astype(float), step, axis=0)
    a, d, b = dx[..., 0], dy[..., 1], (dx[..., 1] + dy[..., 0]) / 2
    return (a + d) / 2 - np.sqrt(((a - d) / 2) ** 2 + b**2)


def test_the_squeeze_bounds_the_jacobian() -> None:
    """`squeeze` is what it says: the symmetric part of the derivative has no eigenvalue below minus it."""
    strokes = strokes_of(face_at(120, 75, 40, 0.3), extremes())
    step = 0.25
    field = np.zeros((600, 800, 2), np.float32)
    add_strokes(strokes, field, 20.0, 10.0, step)
    # Differences over half a px against the exact derivative: 0.018 at the rims, where it bends.
    assert (lowest_stretch(field, step) > -squeezes(strokes, (600, 800), 20.0, 10.0, step)[0] - 0.024).all()


def test_the_limit_is_smooth_and_keeps_below_the_bound() -> None:
    """What is left of a squeeze grows with it, never passes the bound, and starts off unchanged."""
    squeeze = np.linspace(0, 20, 4001)[1:]
    left = np.array([cap(s) for s in squeeze])
    assert (np.diff(left) > -1e-12).all()  # but for rounding where it has reached the bound
    assert left.max() <= SQUEEZE_MAX + 1e-12
    np.testing.assert_array_equal(left[squeeze < SQUEEZE_FREE], squeeze[squeeze < SQUEEZE_FREE])
    slope = np.diff(left) / np.diff(squeeze)
    assert np.abs(np.diff(slope)).max() < 0.1  # no kink: it is tanh, sampled every 0.005


def test_the_kernel_adds_what_the_naive_twin_adds() -> None:
    """The compiled field equals the plain-loop one."""
    strokes = strokes_of(face_at(60, 50, 30, 0.4, 0.2), extremes())
    field = np.zeros((40, 50, 2), np.float32)
    add_strokes(strokes, field, -8.0, -8.0, 4.0)
    # float32 strokes against doubles: displacements of some px are exact to 1e-4.
    np.testing.assert_allclose(field, naive.field(strokes, 40, 50, -8.0, -8.0, 4.0), atol=1e-4)


def test_each_pixel_is_the_exact_bilinear_value(noise: BgrFrame) -> None:
    """The smallest faces have a node at every pixel: what is drawn is bilinear to half a grey level."""
    face, parameters = face_at(240, 150, 11.5, 0.1), Parameters(thin=0.8, eyes=0.6)
    assert grid_step(11.5) == 1.0
    result = warp(noise, [face], parameters)
    height, width = noise.shape[:2]
    y, x = np.mgrid[:height, :width]
    field = exact_field(limited([face], parameters)[0], (0, 0, width, height), (height, width))
    exact = naive.bilinear(noise, x + field[..., 0], y + field[..., 1])
    # 0.5 of rounding, and the fixed point of tests/test_kernels.py.
    assert np.abs(result - exact).max() < 0.55


def test_a_backward_displacement_to_the_right_moves_the_picture_left(noise: BgrFrame) -> None:
    """Convention: out[y, x] = frame[y + dy, x + dx], pinned with a constant asymmetric shift."""
    field = np.zeros((20, 20, 2), np.float32)
    field[..., 0], field[..., 1] = 3.0, -2.0
    out = noise.copy()
    sample(noise, out, field.reshape(-1), np.array([(100, 80, 200, 170)]), np.array([8.0]), (0, 0))
    np.testing.assert_array_equal(out[80:170, 100:200], noise[78:168, 103:203])


def test_sampling_agrees_with_remap(noise: BgrFrame) -> None:
    """OpenCV's remap with the exact field gives the same picture to a grey level or two."""
    face, (height, width) = face_at(240, 150, 60), noise.shape[:2]
    out = warp(noise, [face], extremes())
    y, x = np.mgrid[:height, :width].astype(np.float32)
    exact = exact_field(limited([face], extremes(), (height, width))[0], (0, 0, width, height), (height, width))
    expected = cv2.remap(noise, x + exact[..., 0], y + exact[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    difference = out.astype(int) - expected
    assert abs(difference.mean()) < 0.1
    assert np.percentile(np.abs(difference), 99.9) <= 2


@pytest.mark.parametrize("iod", [12.0, 20.0, 33.0, 50.0, 80.0, 101.0, 160.0, 250.0, 301.0])
def test_the_grid_is_as_good_as_the_exact_field(iod: float) -> None:
    """Interpolated to pixels, the gridded field of all adjustments together differs by less than 0.05 px."""
    face = face_at(400, 300, iod, 0.2)
    for parameters in (extremes(), Parameters(**{n: a.minimum for n, a in ADJUSTMENTS.items()})):
        assert _grid_error(face, parameters) < 0.05


@pytest.mark.parametrize("name", list(ADJUSTMENTS))
@pytest.mark.parametrize("iod", [20.0, 101.0])
def test_the_grid_is_as_good_for_each_adjustment_alone(name: str, iod: float) -> None:
    """So is that of each at its extremes, where no limit makes it smaller."""
    face = face_at(400, 300, iod, 0.2)
    for value in (ADJUSTMENTS[name].minimum, ADJUSTMENTS[name].maximum):
        assert value == 0.0 or _grid_error(face, Parameters(**(NEUTRAL | {name: value}))) < 0.05


def _grid_error(face: Face, parameters: Parameters) -> float:
    """How far the interpolated field is from the exact one at most, px."""
    placed, _ = limited([face], parameters, (720, 1280))
    step = grid_step(face.pose.iod_px)
    error = 0.0
    for p in placed:
        x0, y0, x1, y1 = p.roi
        grid = np.zeros((*grid_shape(p.roi, step), 2), np.float32)
        sum_strokes(p, grid, x0 - step, y0 - step, step, (720, 1280))
        exact = exact_field([p], p.roi, (720, 1280))
        error = max(error, float(np.abs(naive.dense(grid, x1 - x0, y1 - y0, step) - exact).max()))
    return error


@pytest.mark.parametrize("name", list(ADJUSTMENTS))
def test_more_strength_moves_the_anchors_further(name: str) -> None:
    """Alone, every adjustment moves its own anchors monotonically."""
    face = face_at(240, 150, 60)
    moved = []
    for value in np.linspace(0, ADJUSTMENTS[name].maximum, 9):
        total = 0.0
        for p in limited([face], Parameters(**(NEUTRAL | {name: value})))[0]:
            # A scale stroke leaves its anchor in place: look beside it.
            total = sum(np.hypot(*naive.displacement(p.strokes, s[CX] + 8, s[CY] + 3)) for s in p.strokes)
        moved.append(total)
    assert moved[0] == 0
    assert (np.diff(moved) > 0).all()


@given(values, st.floats(-0.6, 0.6), st.floats(-0.6, 0.6))
@settings(max_examples=20, deadline=None)
def test_a_mirrored_face_gives_the_mirrored_result(values: dict[str, float], roll: float, yaw: float) -> None:
    """Left and right are treated alike."""
    rng = np.random.default_rng(5)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (240, 240, 3)).astype(np.uint8), (0, 0), 3)
    face = face_at(118, 90, 50, roll, yaw)
    points = face.landmarks[list(MIRROR)] * np.array([-1, 1], np.float32) + np.array([239, 0], np.float32)
    parameters = Parameters(**values)
    straight = warp(frame, [face], parameters)
    mirrored = warp(np.ascontiguousarray(frame[:, ::-1]), [Face.from_landmarks(points)], parameters)
    # The coarse grids do not fall on mirrored places: 0.05 px on a picture of 10 levels a pixel.
    difference = np.abs(straight[:, ::-1].astype(int) - mirrored)
    assert difference.max() <= 3


def test_the_effect_is_independent_of_scale() -> None:
    """A face twice as big is moved twice as far."""
    for parameters in (extremes(), Parameters(thin=0.5, eyes=0.5)):
        small = strokes_of(face_at(100, 80, 40), parameters)
        big = strokes_of(face_at(200, 160, 80), parameters)
        for x, y in ((60, 100), (90, 85), (130, 140)):
            expected = np.array(naive.displacement(small, x, y)) * 2
            np.testing.assert_allclose(naive.displacement(big, 2 * x, 2 * y), expected, atol=1e-3)


def test_confidence_and_strength_scale_the_effect() -> None:
    """Half the confidence is half the stroke, as is half the strength."""
    face = face_at(100, 80, 40)
    doubtful = Face.from_landmarks(face.landmarks, confidence=0.5)
    full = strokes_of(face, Parameters())
    for half in (strokes_of(doubtful, Parameters()), strokes_of(face, Parameters(strength=0.5))):
        np.testing.assert_allclose(half[:, [AX, AY]], full[:, [AX, AY]] / 2, rtol=1e-6)


def test_a_turned_head_keeps_its_far_cheek() -> None:
    """Nose to picture right: the subject's left cheek, against the background, is let go."""
    strokes = strokes_of(face_at(100, 80, 40, yaw=0.6), Parameters(thin=1.0, eyes=0.0))
    x, pull = strokes[:, CX], strokes[:, AX]
    near, far = np.abs(pull[x < 100]).max(), np.abs(pull[x > 110]).sum()
    assert near > 0
    assert far < 0.3 * near


@given(poses, values)
@settings(max_examples=60, deadline=None)
def test_the_border_stays_where_it_is(pose: tuple[float, ...], values: dict[str, float]) -> None:
    """A face half out of the picture: the outermost pixels do not move, so nothing smears in from outside."""
    frame = np.random.default_rng(8).integers(0, 256, (360, 480, 3)).astype(np.uint8)
    result = warp(frame, [face_at(*pose)], Parameters(**values))
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        # The grid's interpolation leaves a hundredth of a px, which is two levels of white noise.
        np.testing.assert_allclose(result[edge].astype(int), frame[edge], atol=3)


def test_fading_at_the_border_bounds_its_own_squeeze() -> None:
    """The window's slope counts towards the squeeze: the derivative of the faded field stays above minus it."""
    strokes = strokes_of(face_at(15, 165, 40, 0.2), extremes())
    step, shape = 0.25, (360, 360)
    field = np.zeros((*shape, 2), np.float32)
    weight, slope = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    add_strokes(strokes, field, 0.0, 90.0, step)
    fade_at_border(weight, slope, 0.0, 90.0, step, 180, 240, 16.0)
    squeeze, moved = squeezes(strokes, shape, 0.0, 90.0, step)
    assert np.abs(weight[..., None] * field).max() > 1.0
    lowest = lowest_stretch(weight[..., None] * field, step)
    assert (lowest > -(weight * squeeze + slope * moved) - 0.024).all()
    assert slope.max() <= STEEPEST_FADE / 16.0


def test_a_blink_does_not_pulse() -> None:
    """Closed lids leave anchors, radii and axes of the eye strokes where they were, to a thousandth of the IOD."""
    face = face_at(240, 150, 100)
    shut = face.landmarks.copy()
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shut[upper] = shut[lower] = (shut[upper] + 3 * shut[lower]) / 4
    only_eyes = Parameters(**(NEUTRAL | {"eyes": 1.0}))
    before, after = strokes_of(face, only_eyes), strokes_of(Face.from_landmarks(shut), only_eyes)
    np.testing.assert_allclose(after[:, [CX, CY]], before[:, [CX, CY]], atol=0.1)  # px at 100 px IOD
    inverse_radii = [INV_RX_LOW, INV_RX_HIGH, INV_RY]
    np.testing.assert_allclose(1 / after[:, inverse_radii], 1 / before[:, inverse_radii], atol=0.1)


@given(values, st.sampled_from(sorted(ADJUSTMENTS)), st.floats(0.05, 1.0))
@settings(max_examples=60, deadline=None)
def test_more_of_one_never_takes_its_own_push_back(values: dict[str, float], name: str, more: float) -> None:
    """In any combination, raising one adjustment never lowers what is left of its own push by the limit."""
    face = face_at(240, 150, 60)
    a = ADJUSTMENTS[name]
    start = values[name]
    end = start + more * ((a.maximum if start >= 0 else a.minimum) - start)
    pushes = []
    for value in (start, end):
        _, kept = limited([face], Parameters(**(values | {name: value})))
        pushes.append(abs(value) * kept[list(ADJUSTMENTS).index(name)])
    assert pushes[1] >= pushes[0] - 1e-5


@pytest.mark.parametrize("centre", [(0, 0), (479, 359), (5, 200), (240, -20)])
def test_a_face_at_the_border_shows_no_garbage(centre: tuple[int, int]) -> None:
    """Outside the frame its edge repeats: a frame of one colour stays that colour."""
    frame = np.full((360, 480, 3), (10, 120, 240), np.uint8)
    np.testing.assert_array_equal(warp(frame, [face_at(*centre, 60)], extremes()), frame)


def test_in_place_equals_out_of_place(noise: BgrFrame) -> None:
    """`out` may be the frame itself, or another array, with the same result."""
    faces = [face_at(150, 120, 50), face_at(330, 180, 60, 0.3)]
    expected = warp(noise, faces, extremes())
    other = np.zeros_like(noise)
    frame = noise.copy()
    kept = Warp()
    assert kept.apply(noise, faces, extremes(), other) is other
    assert kept.apply(frame, faces, extremes(), frame) is frame
    np.testing.assert_array_equal(other, expected)
    np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 3), (16, 16, 3), (7, 500, 3), (500, 3, 3)])
def test_frames_of_any_size_are_warped(shape: tuple[int, int, int]) -> None:
    """Tiny and odd frames give a frame of the same size."""
    frame = np.full(shape, 77, np.uint8)
    assert warp(frame, [face_at(shape[1] / 2, shape[0] / 2, 20)], extremes()).shape == shape


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (np.zeros((20, 20), np.uint8), r"uint8 \(20, 20\)"),
        (np.zeros((20, 20, 4), np.uint8), r"\(20, 20, 4\)"),
        (np.zeros((20, 20, 3), np.float32), "float32"),
        (np.zeros((0, 20, 3), np.uint8), r"\(0, 20, 3\)"),
        (np.zeros((20, 40, 3), np.uint8)[:, ::2], "strided"),
        (np.zeros((2, 16385, 3), np.uint8), "sides up to 16384"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_frame_is_refused(frame: np.ndarray, told: str) -> None:
    """The error says what it got and what is allowed."""
    with pytest.raises(FrameError, match=told):
        warp(frame, [], Parameters())


def test_an_out_that_overlaps_partly_is_refused() -> None:
    """Reading what has just been written would smear."""
    memory = np.zeros((30, 20, 3), np.uint8)
    with pytest.raises(FrameError, match="overlaps"):
        warp(memory[:20], [], Parameters(), memory[10:])


@pytest.fixture(scope="module")
def real_faces(data: Path) -> list[Face]:
    """The ground-truth landmarks of 40 photographs, moved into view and brought to IODs from 30 to 150 px."""
    items = json.loads((data / "images68" / "manifest.json").read_text())["items"]
    faces = []
    for i, item in enumerate(items):
        points = np.array(item["points68_zero_based"], np.float32)
        iod = 30 + 120 * i / (len(items) - 1)
        points = (points - points.mean(axis=0)) * (iod / np.hypot(*(points[45] - points[36])))
        faces.append(Face.from_landmarks(points + np.array([240, 180], np.float32)))
    assert len(faces) == 40
    return faces


@given(values=values, shift=st.tuples(st.floats(-220, 220), st.floats(-160, 160)), two=st.booleans())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_real_poses_keep_the_rules(
    real_faces: list[Face], values: dict[str, float], shift: tuple[float, float], two: bool
) -> None:
    """On every ground-truth pose: no fold, zero is byte-identical, nothing outside the ROI, the border stays."""
    frame = np.random.default_rng(9).integers(0, 256, (360, 480, 3)).astype(np.uint8)
    parameters, zero = Parameters(**values), Parameters(**NEUTRAL)
    for k, face in enumerate(real_faces):
        moved = Face.from_landmarks(face.landmarks + np.array(shift, np.float32))
        faces = [moved, real_faces[k - 1]] if two else [moved]
        np.testing.assert_array_equal(warp(frame, faces, zero), frame)
        placed, _ = limited(faces, parameters, (360, 480))
        assert least_jacobian(exact_field(placed, (0, 0, 480, 360), (360, 480))) > (1 - SQUEEZE_MAX) ** 2 - 0.01
        result = warp(frame, faces, parameters)
        outside = np.ones(frame.shape[:2], bool)
        for p in placed:
            x0, y0, x1, y1 = p.roi
            outside[y0:y1, x0:x1] = False
        np.testing.assert_array_equal(result[outside], frame[outside])
        np.testing.assert_allclose(result[0].astype(int), frame[0], atol=3)


def test_limits_stay_where_they_belong() -> None:
    """Cheeks, jaw and chin take nothing from the eyes, and a neighbour nothing that its own strokes do not reach."""
    hollow = Parameters(**(NEUTRAL | {"eyes": 1.0, "cheeks": -1.0, "jaw": -1.0, "chin_width": -1.0, "thin": 1.0}))
    face = face_at(400, 300, 80)
    (alone,), kept = limited([face], hollow)
    assert kept[list(ADJUSTMENTS).index("eyes")] == 1.0
    assert kept[list(ADJUSTMENTS).index("jaw")] < 1.0
    (beside, _), _ = limited([face, face_at(400 + 80 * 2.2, 310, 80)], hollow)  # their cheeks overlap
    changed = np.abs(beside.strokes - alone.strokes)[:, [AX, AY]].max(axis=1) > 1e-6
    assert changed.any()
    assert (alone.strokes[changed, CX] > 400).all()


def test_what_is_held_back_is_told(noise: BgrFrame) -> None:
    """By knob, 0 to 1, of the last frame; nothing where nothing is held back, and nothing of a frame without faces."""
    kept = Warp()
    kept.apply(noise, [face_at(240, 150, 60)], extremes())
    assert kept.limited.keys() == ADJUSTMENTS.keys()
    assert all(0.0 < share < 1.0 for share in kept.limited.values())
    kept.apply(noise, [face_at(240, 150, 60)], Parameters())
    assert kept.limited == {}
    kept.apply(noise, [face_at(240, 150, 60)], extremes())
    kept.apply(noise, [], extremes())
    assert kept.limited == {}


def test_the_world_beside_a_person_stands_still() -> None:
    """With a mask of people, thin keeps 95 % of its narrowing, the world half of its bend, and nothing folds."""
    face, hw = face_at(640, 260, 100), (720, 1280)
    jaw = face.landmarks[:17]
    nobody = Mask(np.zeros((180, 320), np.uint8), 0.0)
    thin = Parameters(**(NEUTRAL | {"thin": 1.0}))
    fields = []
    for away in (None, away_from_people(nobody, [face], hw)):
        placed = [p._replace(away=away) for p in place_faces(TABLE, [face], thin, hw)]
        limit(placed, hw, np.ones(len(ADJUSTMENTS), np.float32))
        fields.append(exact_field(placed, (0, 0, 1280, 720), hw))
    free, held = fields
    x, y = np.round(jaw[3:14]).astype(int).T
    assert np.abs(held[y, x, 0]).sum() > 0.95 * np.abs(free[y, x, 0]).sum() > 10.0
    lines = np.round([jaw[:, 0].min() - 30, jaw[:, 0].max() + 30]).astype(int)
    rows = np.s_[int(face.landmarks[:, 1].min()) : int(jaw[8, 1])]
    assert np.abs(held[rows, lines]).max() < 0.5 * np.abs(free[rows, lines]).max()
    assert least_jacobian(held) > (1 - SQUEEZE_MAX) ** 2
    assert away_from_people(nobody, [], hw) is None


def test_the_world_moves_as_ever_without_a_mask_or_where_that_is_off(noise: BgrFrame) -> None:
    """Without a mask, and with protect off, each byte is the plain warp's; with a mask that is used, some are not."""
    face = face_at(noise.shape[1] / 2, noise.shape[0] / 2, 40)
    masks = (Mask(np.zeros((90, 160), np.uint8), 0.0),)
    plain = warp(noise, [face], extremes())
    for scene, protect, is_same in (
        (Scene((face,)), "on", True),
        (Scene((face,), masks), "off", True),
        (Scene((face,), masks), "auto", False),
    ):
        frame = noise.copy()
        Reshaping().run(frame, scene, extremes().replace(protect=protect), 0)
        assert np.array_equal(frame, plain) == is_same, protect


def test_a_mask_that_comes_or_goes_moves_the_wall_slowly(noise: BgrFrame) -> None:
    """The first frame has the mask at once; later it eases in and out, down to the very bytes of the plain warp."""
    face = face_at(noise.shape[1] / 2, noise.shape[0] / 2, 40)
    plain, masked = Scene((face,)), Scene((face,), (Mask(np.zeros((90, 160), np.uint8), 0.0),))

    def frames(stage: Reshaping, *scenes: Scene) -> list[BgrFrame]:
        outs = [noise.copy() for _ in scenes]
        for out, scene in zip(outs, scenes, strict=True):
            stage.run(out, scene, extremes(), 0)
        return outs

    [held] = frames(Reshaping(), masked)
    stage = Reshaping()
    [free] = frames(stage, plain)
    outs = frames(stage, *[masked] * 21, *[plain] * 21)
    assert not np.array_equal(free, held)
    assert [np.array_equal(out, held) for out in (outs[10], outs[20], outs[31])] == [False, True, False]
    assert np.array_equal(outs[-1], free)


def test_a_mask_is_made_for_the_wall_where_there_is_time() -> None:
    """By auto live with time to spare, by on always, by off never, and never where nothing is reshaped."""
    stage = next(stage for stage in STAGES if stage.name == "warp")
    asked = [
        [stage.wants_masks(Parameters(protect=protect), has_time) for has_time in (False, True)]
        for protect in ("auto", "on", "off")
    ]
    assert asked == [[False, True], [True, True], [False, False]]
    filter_ = FaceFilter(Parameters(**NEUTRAL), FaceTracker(model="mesh"))
    filter_.has_spare_time = True
    frame = np.zeros((48, 64, 3), np.uint8)
    filter_.apply(frame)
    assert filter_._people.reduced is None
    filter_.parameters = Parameters(**(NEUTRAL | {"thin": 1.0}))
    filter_.apply(frame)
    assert filter_._people.reduced is not None
