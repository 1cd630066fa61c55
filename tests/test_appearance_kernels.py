"""The appearance's compiled loops do what plain loops do."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from livewarp.appearance import blending, face_kernels, mapping, softening, toning
from livewarp.appearance.spreading import ON_SKIN, Spreader
from livewarp.arrays import BgrFrame, FloatArray
from livewarp.face68 import MEAN_FACE, Face, Pose

ORIGIN = 3, 2  # of the small picture's part of the frame, px
ROWS, COLUMNS = 5, 6


@pytest.fixture(params=[1, 2, 4])
def shrink(request: pytest.FixtureRequest) -> int:
    """Pixels of the frame along the side of a small one."""
    return int(request.param)


def scene(shrink: int) -> tuple[BgrFrame, FloatArray, FloatArray]:
    """A frame that ends within the last small pixels, maps that have no amount on one side, and skin."""
    rng = np.random.default_rng(shrink)
    frame = rng.integers(0, 256, (2 + ROWS * shrink - shrink // 2, 3 + COLUMNS * shrink + 1, 3), np.uint8)
    maps = np.empty((4, ROWS, COLUMNS), np.float32)
    maps[0] = np.linspace(0.1, 0.9, COLUMNS) + 0.02 * rng.random((ROWS, 1))
    maps[1] = np.linspace(0.2, 0.8, ROWS)[:, None]
    maps[2] = np.array([0.0, 0.0, 0.3, 1.0, 0.9, 0.6])
    maps[3] = 1.2
    return frame, maps, rng.uniform(0.5, 1.0, (ROWS, COLUMNS)).astype(np.float32)


def planes_of(maps: FloatArray, skin: FloatArray) -> FloatArray:
    """The planes of `spreading`."""
    return np.stack([*maps[:3], maps[2] * skin, maps[2] * skin * maps[3], 1 - 0.5 * skin])


def flat_of(frame: BgrFrame) -> np.ndarray:
    """The same bytes, a row a row."""
    return frame.reshape(len(frame), -1)


def spans_of(amount: FloatArray, shrink: int) -> np.ndarray:
    """The pixels that an amount reaches."""
    spans = np.empty((len(amount), 2), np.int32)
    face_kernels.find_spans(np.ascontiguousarray(amount), shrink, spans)
    return spans


def test_rasterise_equals_its_twin() -> None:
    """The map drawn triangle by triangle is what solving for every pixel gives."""
    pose = Pose(9.0, 7.0, 16.0, 0.2, 0.4, 0.1)
    placed = mapping.place_mesh(Face.from_landmarks(pose.project(MEAN_FACE).astype(np.float32)))
    maps, expected = np.empty((2, 4, 16, 20), np.float32)
    face_kernels.rasterise(placed, mapping.unit_coordinates(), mapping.triangles(), maps)
    naive.rasterise(placed, mapping.unit_coordinates(), mapping.triangles(), expected)
    assert (expected[2] > 0).mean() > 0.2
    # On an edge of two triangles either may be taken; both mean the same there, but for the slack of 0.001 px.
    np.testing.assert_allclose(maps, expected, atol=2e-4)


def test_measure_small_equals_its_twin(shrink: int) -> None:
    """Small pixels are means, across the frame's border of what is inside; their features follow."""
    frame, maps, _ = scene(shrink)
    small, features, expected = np.empty((3, ROWS, COLUMNS, 3), np.float32)
    likely = np.empty((ROWS, COLUMNS), np.float32)
    face_kernels.measure_small(
        flat_of(frame), ORIGIN, shrink, maps, np.full((9, 9), 0.5, np.float32), small, features, likely
    )
    naive.measure_small(frame, ORIGIN, shrink, expected)
    np.testing.assert_allclose(small, expected, atol=1e-3)
    blue, green, red = np.moveaxis(expected, 2, 0)
    total = blue + green + red + 12
    light = np.log(0.114 * blue + 0.587 * green + 0.299 * red + 4)
    there = (maps[2] > 0)[..., None]
    meant = np.where(there, np.dstack([(red + 4) / total, (green + 4) / total, light]), 0.0)
    np.testing.assert_allclose(features, meant, atol=1e-4)
    np.testing.assert_allclose(likely, 0.5 * maps[2], atol=1e-6)


def test_weigh_skin_equals_its_twin() -> None:
    """Skin is what lies near the model's middle, nearer on the dark side than on the light one."""
    features = np.random.default_rng(1).normal(0, 1, (7, 8, 3)).astype(np.float32)
    model = np.array([[0.1, 0.0, -0.1], [0.8, 1.1, 0.9]], np.float32)
    weights = np.empty((7, 8), np.float32)
    face_kernels.weigh_skin(features, model, np.array([0.36, 0.30, 0.10, 1.3, 4.4], np.float32), weights)
    apart = (features - model[0]) / model[1]
    counts = np.where(apart[..., 2] < 0, 0.30, 0.10)
    distance = 0.36 * (apart[..., 0] ** 2 + apart[..., 1] ** 2) + counts * apart[..., 2] ** 2
    np.testing.assert_allclose(weights, np.clip((4.4 - distance) / 3.1, 0, 1), atol=1e-5)


def test_a_line_is_what_smoothing_and_toning_step_by_step_give() -> None:
    """Smoothing, evening, light, colour and warmth of a pixel, put into one straight line, give the same colour."""
    rng = np.random.default_rng(2)
    _, maps, skin = scene(4)
    near = rng.uniform(40, 220, (ROWS, COLUMNS, 3)).astype(np.float32)
    broad = (near + rng.uniform(-20, 20, near.shape)).astype(np.float32)
    mean, spread = rng.uniform(50, 200, (ROWS, COLUMNS)), rng.uniform(0, 200, (ROWS, COLUMNS))
    moments = np.dstack([mean, mean**2 + spread]).astype(np.float32)
    coefficients = np.broadcast_to(np.float32([0.6, 0.3, 0.4, 0.15, -0.2, 0.1]), (9, 8, 6)).copy()
    lines = np.empty((8, ROWS, COLUMNS), np.float32)
    weighted = np.dstack([broad * 0.5, np.full((ROWS, COLUMNS), 0.5, np.float32)]).astype(np.float32)
    toning.line_up(maps, skin, near, weighted, moments, 0.055, coefficients, lines)
    for i in range(ROWS):
        for j in range(COLUMNS):
            colour, line = rng.uniform(0, 255, 3), lines[:, i, j]
            amount = maps[2, i, j] * skin[i, j]
            expected = naive.tone(
                colour, near[i, j], broad[i, j], spread[i, j], mean[i, j], coefficients[0, 0] * amount
            )
            light = colour @ [0.114, 0.587, 0.299]
            np.testing.assert_allclose(line[:3] * (colour + line[3] * light) + line[4:7], expected, atol=0.05)
            assert bool(line[7]) == bool(amount > 0)


def test_tone_skin_equals_its_twin(shrink: int) -> None:
    """The lines are interpolated between the small pixels, also at the borders; elsewhere no byte changes."""
    frame, maps, _ = scene(shrink)
    rng = np.random.default_rng(3)
    lines = np.zeros((8, ROWS, COLUMNS), np.float32)
    lines[:3] = 1.0
    active = maps[2] > 0
    lines[:, active] = np.float32([0.7, 0.8, 0.9, 0.1, 12.0, 9.0, 3.0, 1.0])[:, None]
    lines[:, active] += 0.1 * rng.random((8, int(active.sum())))
    expected = naive.tone_skin(frame, ORIGIN, shrink, lines)
    out = frame.copy()
    toning.tone_skin(flat_of(out), ORIGIN, shrink, Spreader().spread(lines, shrink), spans_of(lines[7], shrink))
    np.testing.assert_allclose(out, expected, atol=0.51)  # rounding
    assert (out != frame).any()
    np.testing.assert_array_equal(out[:, : 3 + shrink], frame[:, : 3 + shrink])


def test_blend_texture_equals_its_twin(shrink: int) -> None:
    """A joined texture is drawn as its four channels are one by one; where nothing shows, no byte changes."""
    frame, maps, skin = scene(shrink)
    texture = np.random.default_rng(4).integers(0, 256, (30, 24, 4), np.uint8)
    weights = np.array([0.004, 0.003, 0.002, 0.003], np.float32)
    joined, gain, planes = np.empty((30, 24), np.int32), blending.gain_table(), planes_of(maps, skin)
    blending.join_layers(texture, weights, gain, joined)
    expected = naive.blend_texture(frame, ORIGIN, shrink, planes, texture, weights, gain)
    out, spans = frame.copy(), spans_of(planes[ON_SKIN], shrink)
    blending.blend_texture(
        flat_of(out), ORIGIN, shrink, Spreader().spread(planes, shrink), spans, joined.ravel(), joined.shape[1]
    )
    np.testing.assert_allclose(out, expected, atol=1.6)  # ten bits a factor are half a level, and a step of the table
    assert np.abs(out - expected).mean() < 0.35
    np.testing.assert_array_equal(out[:, : 3 + shrink], frame[:, : 3 + shrink])


def test_tone_parts_equals_its_twin(shrink: int) -> None:
    """Parts are toned by what is picked in them; cells that are out of reach keep their bytes."""
    frame, maps, skin = scene(shrink)
    planes = planes_of(maps, skin)
    rng = np.random.default_rng(5)
    coefficients = (np.float32([0.1, -0.2, 0.3, 0.0, 0.15, -0.5]) * rng.uniform(0.5, 1, (20, 16, 6))).astype(np.float32)
    expected = naive.tone_parts(frame, ORIGIN, shrink, planes, 120.0, coefficients)
    by_column = np.moveaxis(coefficients, 2, 0).reshape(6, -1).copy()
    used, wide = 0b110111, Spreader().spread(planes, shrink)
    out = frame.copy()
    toning.tone_parts(flat_of(out), ORIGIN, shrink, wide, maps, np.ones((4, 4), bool), 120.0, by_column, 16, used)
    changed = maps[2].repeat(shrink, 0).repeat(shrink, 1)[: frame.shape[0] - 2, : frame.shape[1] - 3] > 0
    part = slice(2, 2 + changed.shape[0]), slice(3, 3 + changed.shape[1])
    np.testing.assert_allclose(out[part][changed], expected[part][changed], atol=0.6)
    out = frame.copy()
    toning.tone_parts(flat_of(out), ORIGIN, shrink, wide, maps, np.zeros((4, 4), bool), 120.0, by_column, 16, used)
    np.testing.assert_array_equal(out, frame)


def test_softening_equals_its_twin() -> None:
    """The depth of a line is what closing adds, less the grain, within a bound; lightening multiplies by it."""
    rng = np.random.default_rng(6)
    light = rng.integers(40, 160, (7, 9), np.uint8)
    lines = light + rng.integers(0, 30, light.shape, np.uint8)
    folds = lines + rng.integers(0, 30, light.shape, np.uint8)
    depth = np.empty(light.shape, np.float32)
    softening.measure_depth(light, lines, folds, depth)
    here, line, fold = (a.astype(float) for a in (light, lines, folds))
    found = np.maximum(line - here + 0.55 * (fold - line) - 0.8 - 0.01 * here, 0)
    np.testing.assert_allclose(depth, np.minimum(found / (here + 8), 0.35), atol=1e-5)

    part = rng.integers(0, 256, (7, 9, 3), np.uint8)
    out = part.copy()
    softening.lighten(out, depth)
    expected = np.where(depth[..., None] > 0.002, part * (1 + depth[..., None].astype(float)) + 0.5, part)
    np.testing.assert_allclose(out, np.minimum(expected, 255).astype(np.uint8), atol=1)
