"""The compiled loops of the warp against their plain twins, exact interpolation and OpenCV."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config
from numpy.typing import NDArray

import naive
from livewarp.warping import grids, kernels

Roi = tuple[int, int, int, int]

compiled = pytest.mark.skipif(
    bool(config.DISABLE_JIT), reason="numba is switched off, and kernels.sample is made of LLVM vectors"
)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """White noise, (height, width, 3): the worst case."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth_grid(roi: Roi, step: float, size_px: float = 3.0, seed: int = 0) -> NDArray[np.float32]:
    """A field that moves everywhere, asymmetric in x and y."""
    gh, gw = grids.grid_shape(roi, step)
    x, y = np.meshgrid((np.arange(gw) - 1) * step, (np.arange(gh) - 1) * step)
    a, b = np.random.default_rng(seed).uniform(0, 6.28, 2)
    return (size_px * np.stack([np.sin(x / 41 + y / 90 + a), np.cos(y / 37 + b)], axis=-1)).astype(np.float32)


def warped(
    source: NDArray[np.uint8], grid: NDArray[np.float32], roi: Roi, step: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The frame warped by the kernel, and by its twin."""
    out, expected = source.copy(), source.copy()
    sample(source, out, grid, roi, step)
    naive.sample(source, expected, [grid], [roi], [step])
    return out, expected


def sample(
    source: NDArray[np.uint8],
    out: NDArray[np.uint8],
    grid: NDArray[np.float32],
    roi: Roi,
    step: float,
    origin: tuple[int, int] = (0, 0),
) -> None:
    """The kernel with one grid."""
    kernels.sample(source, out, grid.reshape(-1), np.array([roi]), np.array([float(step)]), origin)


@compiled
@pytest.mark.parametrize("step", [1.0, 1.7, 3.1, 4, 6.28, 9.4])
@pytest.mark.parametrize(
    "roi",
    [
        (0, 0, 67, 45),
        (3, 5, 60, 41),
        (0, 0, 8, 8),
        (66, 0, 67, 45),
        (0, 44, 67, 45),
        (30, 20, 37, 21),
        (9, 9, 9, 9),
    ],
    ids=["whole frame", "inside", "one block", "last column", "last row", "narrower than a block", "empty"],
)
def test_sample_is_its_twin(roi: Roi, step: float) -> None:
    """The kernel equals the plain loops bit by bit, also at the borders and in odd sizes."""
    out, expected = warped(noise(45, 67), smooth_grid(roi, step), roi, step)
    np.testing.assert_array_equal(out, expected)


@compiled
@settings(max_examples=60, deadline=None)
@given(
    side=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    step=st.floats(1.0, 16.0),
    size=st.sampled_from([0.001, 1.0, 30.0, 1e4, 1e30]),
    still=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_sample_is_its_twin_for_any_field(
    side: tuple[int, int], corners: tuple[float, ...], step: float, size: float, still: float, seed: int
) -> None:
    """Rough, huge and partly still fields in frames from 2 px on: the kernel equals the plain loops."""
    height, width = side
    (x0, x1), (y0, y1) = (
        sorted(round(t * n) for t in ends) for n, ends in ((width, corners[:2]), (height, corners[2:]))
    )
    rng = np.random.default_rng(seed)
    grid = rng.uniform(-size, size, (*grids.grid_shape((x0, y0, x1, y1), step), 2)).astype(np.float32)
    grid[rng.uniform(size=grid.shape[:2]) < still] = 0
    out, expected = warped(noise(height, width, seed), grid, (x0, y0, x1, y1), step)
    np.testing.assert_array_equal(out, expected)


@compiled
def test_zero_is_byte_identical() -> None:
    """A field of zeros changes nothing."""
    frame = noise(45, 67)
    out, _ = warped(frame, np.zeros((*grids.grid_shape((0, 0, 67, 45), 8), 2), np.float32), (0, 0, 67, 45), 8)
    np.testing.assert_array_equal(out, frame)


@compiled
def test_still_pixels_beside_moving_ones_are_byte_identical() -> None:
    """Blending at whole positions returns the very bytes, at the last row and column too."""
    frame = noise(45, 67)
    shift = np.zeros((2, 72), np.float32)
    shift[0, ::8] = 2.0  # 1/32768 px: every block is blended, the fractions of all other pixels are 0
    out = np.zeros_like(frame)
    for y in range(45):
        kernels.sample_row(
            frame, out, y, 0, 72, (0, 0), shift,
            np.empty(72, np.int32), np.empty((2, 72), np.uint16), np.empty(10, np.int32),
        )  # fmt: skip
    np.testing.assert_array_equal(out, frame)


@compiled
def test_nothing_outside_the_roi_changes() -> None:
    """Whatever the width, beside the ROI there is what was there, and beside its blocks nothing is written."""
    frame = noise(20, 64)
    for width in range(1, 40):
        roi = (5, 3, 5 + width, 12)
        out, blocks = np.full_like(frame, 77), np.s_[3:12, : -(-(5 + width) // 8) * 8]
        out[blocks] = frame[blocks]
        expected = out.copy()
        sample(frame, out, smooth_grid(roi, 8, size_px=9), roi, 8)
        out[3:12, 5 : 5 + width] = expected[3:12, 5 : 5 + width]
        np.testing.assert_array_equal(out, expected)


@compiled
def test_positive_dx_takes_from_the_right() -> None:
    """The field is backward: dx = 3, dy = 1 shows what lies 3 px to the right and 1 px below."""
    frame, roi = noise(40, 64), (8, 8, 40, 32)
    grid = np.empty((*grids.grid_shape(roi, 8), 2), np.float32)
    grid[...] = 3.0, 1.0
    out, _ = warped(frame, grid, roi, 8)
    np.testing.assert_array_equal(out[8:32, 8:40], frame[9:33, 11:43])


@compiled
@pytest.mark.parametrize("size_px", [60.0, 1e4, 1e30, np.inf, np.nan])
def test_far_displacements_show_the_border(size_px: float) -> None:
    """Positions outside the source are clamped to it, whatever they are."""
    frame, roi = noise(24, 33), (0, 0, 33, 24)
    grid = np.full((*grids.grid_shape(roi, 8), 2), size_px, np.float32)
    out, expected = warped(frame, grid, roi, 8)
    np.testing.assert_array_equal(out, expected)
    # an infinite sum has no sign left after weighting: it counts as "not a number", which is far up and left
    corner = frame[-1, -1] if np.isfinite(size_px) else frame[0, 0]
    np.testing.assert_array_equal(out, np.broadcast_to(corner, frame.shape))


@compiled
def test_two_sources_of_the_same_pixels_agree() -> None:
    """A copy of the ROI and its margin serves as well as the whole frame."""
    frame, roi = noise(60, 80), (16, 12, 67, 43)
    grid = smooth_grid(roi, 4, size_px=5.0)
    whole, patch = frame.copy(), frame.copy()
    sample(frame, whole, grid, roi, 4)
    sample(np.ascontiguousarray(frame[6:49, 10:73]), patch, grid, roi, 4, (10, 6))
    np.testing.assert_array_equal(patch, whole)


@compiled
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guard pages are made by Linux's mprotect")
def test_reads_end_at_the_first_and_last_byte() -> None:
    """A source between two pages that may not be read is warped without touching them."""
    script = Path(__file__).with_name("guarded.py")
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"{mmap.PAGESIZE} ok"


def smoothed(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Noise with the spectrum of a picture."""
    return cv2.GaussianBlur(frame, (0, 0), 1.2)


@compiled
@pytest.mark.parametrize("step", [3.3, 8])
@pytest.mark.parametrize("prepare", [np.copy, smoothed], ids=["white noise", "smooth"])
def test_sample_is_bilinear(prepare: object, step: int) -> None:
    """Within 0.53 grey levels of exact interpolation (0.5 is rounding), 0.01 on average, even for noise."""
    assert callable(prepare)
    frame, roi = prepare(noise(360, 480)), (0, 0, 480, 360)
    out = frame.copy()
    grid = smooth_grid(roi, step, size_px=8.0)
    sample(frame, out, grid, roi, step)
    x, y = np.meshgrid(np.arange(480), np.arange(360))
    field = naive.dense(grid, 480, 360, step)
    error = out - naive.bilinear(frame, x + field[..., 0], y + field[..., 1])
    # 0.5 of rounding, 3/256 of truncation, 3/256 of ROUND, and positions in float32 to about 1/65536 px
    assert np.abs(error).max() < 0.53
    assert abs(error.mean()) < 0.01


@compiled
def test_sample_agrees_with_remap() -> None:
    """OpenCV's float remap, itself within half a level of exact, differs by one grey level at most."""
    frame, roi = noise(240, 320), (0, 0, 320, 240)
    grid = smooth_grid(roi, 8, size_px=6.0)
    out = frame.copy()
    sample(frame, out, grid, roi, 8)
    x, y = np.meshgrid(np.arange(320), np.arange(240))
    field = naive.dense(grid, 320, 240, 8)
    where = np.stack([x + field[..., 0], y + field[..., 1]], axis=-1).astype(np.float32)
    expected = cv2.remap(frame, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(out.astype(int) - expected).max() <= 1


def test_the_grid_reproduces_quadratics() -> None:
    """Catmull-Rom is exact for polynomials of second degree, between nodes too."""
    roi, step = (0, 0, 50, 30), 8
    gh, gw = grids.grid_shape(roi, step)
    x, y = np.meshgrid((np.arange(gw) - 1.0) * step, (np.arange(gh) - 1.0) * step)
    grid = np.stack([0.01 * x * x - 0.3 * y, 0.02 * x * y + 1.0], axis=-1).astype(np.float32)
    for py in (0, 3, 17, 29):
        shift = naive.shift_row(grid, py, 50, step) / 65536
        px = np.arange(50)
        np.testing.assert_allclose(shift[0], 0.01 * px * px - 0.3 * py, atol=1e-4)  # float32 of about 30 px
        np.testing.assert_allclose(shift[1], 0.02 * px * py + 1.0, atol=1e-4)


def test_a_grid_holds_the_nodes_of_its_last_pixel() -> None:
    """Whatever the step, the last pixel's four nodes are inside: 11 / 1.1 is 10, though 11 // 1.1 is 9."""
    for step in (1.0, 1.1, 1.3, 2.2, 3.3, 4.4, 5.1):
        for size in range(1, 400):
            rows, columns = grids.grid_shape((0, 0, size, size), step)
            assert min(rows, columns) >= int((size - 1) / step) + 4


def test_weights_are_their_twins() -> None:
    """What runs as plain Python too is compared on its own; with NUMBA_DISABLE_JIT=1 it runs uncompiled."""
    for t in (0.0, 0.1, 0.5, 0.93):
        np.testing.assert_array_equal(np.array(grids.weigh(t), np.float32), naive.weights(t))


@compiled
@settings(max_examples=40, deadline=None)
@given(
    corners=st.tuples(*[st.tuples(st.integers(0, 60), st.integers(0, 30)) for _ in range(2)]),
    steps=st.tuples(st.floats(1.0, 6.0), st.floats(1.0, 6.0)),
    seed=st.integers(0, 2**32 - 1),
)
def test_several_grids_add_up(corners: tuple[tuple[int, int], ...], steps: tuple[float, ...], seed: int) -> None:
    """Where two grids overlap, the picture is moved by their sum; where they do not, each on its own."""
    frame, rng = noise(40, 83, seed), np.random.default_rng(seed)
    rois = [(x, y, min(83, x + 24), min(40, y + 12)) for x, y in corners]
    fields = [
        rng.uniform(-3, 3, (*grids.grid_shape(roi, step), 2)).astype(np.float32)
        for roi, step in zip(rois, steps, strict=True)
    ]
    out, expected = frame.copy(), frame.copy()
    nodes = np.concatenate([field.reshape(-1) for field in fields])
    kernels.sample(frame, out, nodes, np.array(rois), np.array(steps), (0, 0))
    naive.sample(frame, expected, fields, rois, list(steps))
    np.testing.assert_array_equal(out, expected)


def test_the_plain_parts_work_uncompiled() -> None:
    """With NUMBA_DISABLE_JIT=1 what is not made of LLVM vectors runs as plain Python and equals its twin."""
    if config.DISABLE_JIT:
        pytest.skip("this is the run without the compiler")
    both = "weights_are_their_twins or what_the_naive_twin_adds"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-k",
        both,
        __file__,
        str(Path(__file__).with_name("test_warp.py")),
    ]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


@compiled
@pytest.mark.parametrize("width", [1, 5, 8, 9, 23, 40, 61])
def test_each_node_moves_all_that_it_reaches(width: int) -> None:
    """A single moving node, wherever it lies: what is skipped beside it is what stays."""
    roi = (2, 1, 2 + width, 7)
    for step in (1.3, 4, 8):
        gh, gw = grids.grid_shape(roi, step)
        for k in sorted({*range(min(gw, 6)), *range(max(gw - 6, 0), gw)}):  # in between they are alike
            grid = np.zeros((gh, gw, 2), np.float32)
            grid[k % gh, k] = 2.5, -1.5
            out, expected = warped(noise(9, 70), grid, roi, step)
            np.testing.assert_array_equal(out, expected)
