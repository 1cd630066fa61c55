"""The compiled inner loops of the warp: strokes to a coarse displacement field, and that to pixels.

A row of the picture goes through three loops: nodes of the coarse field become one displacement a pixel,
displacements become byte offsets and 16-bit fractions, and eight pixels at a time are blended from their four
neighbours. Blocks of eight in which nothing moves are left alone. The innermost steps are written as LLVM
vectors, without an instruction of any one processor: LLVM lowers them to SSE, AVX2, AVX-512 or NEON, and all
of them produce the same bytes (tests/naive.py holds the arithmetic as plain loops).

Convention: displacements are backward, out[y, x] = source[y + dy, x + dx], in pixels between pixel centres;
positions outside the source are clamped to it.

Guarantees: they hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Box, DisplacementField, FloatArray, Landmarks

BLOCK = 8
"""Pixels that are located and blended together: 64 bytes of neighbours to a row, 24 bytes of result."""

FRACTION_BITS = 16
"""Positions are int32 in 1/65536 px: a fraction is then exactly one 16-bit lane."""

MAX_SIDE = 16384
"""Longest side of source and out, px: a position plus a displacement has 15 bits before the fraction."""

MAX_SHIFT = 8192.0
"""Displacements along a node row are clamped to this, px: between rows Catmull-Rom adds a quarter at most."""

ROUND = 131
"""Half a grey level in 1/256, plus 3 for what four truncated products lose: mean error 0.002 levels."""

# A shift's profile is Gustafsson's k(s) = ((1 - s²) / (1 - s² + q²))ⁿ, s the distance over the radius,
# at a fixed ratio q = 1 of offset and radius: the offset is what strength scales.
# n = 3 instead of his 2 makes the second derivative continuous at the rim, too: with 2, a grid
# interpolated between its nodes is four times as far off there.
_Q2 = np.float32(1.0)
_PEAK = (np.float32(1.0) + _Q2) ** 3  # 1 / k(0): an amount is the shift at the anchor itself
_ZERO, _HALF, _ONE, _FOUR, _SIX = (np.float32(v) for v in (0.0, 0.5, 1.0, 4.0, 6.0))

_Start = tuple[np.float32, np.float32, np.float32]
"""The first node of a row from a stroke's anchor, x and y, and from one node to the next, px."""


@njit(nogil=True, cache=True)
def place_strokes(
    table: NDArray[np.float64],
    anchors: NDArray[np.int64],
    gains: NDArray[np.float64],
    side_gains: tuple[float, float, float],
    landmarks: Landmarks,
    iod: float,
    roll: float,
) -> FloatArray:
    """Strokes (n, 10), px, of table rows (see `livewarp.warping.strokes`) on a face, those without effect left out.

    anchors: (rows, k), landmarks to average, -1 where there are fewer; gains: of each adjustment; side_gains:
    of strokes in the middle, on the subject's left and on the right.
    """
    placed = np.empty((table.shape[0], 10), np.float32)
    c, s = math.cos(roll), math.sin(roll)
    n = 0
    for row in range(table.shape[0]):
        adjustment, side, is_scale, outer, offset_x, offset_y, amount_x, amount_y, radius_x, radius_y = table[row]
        gain = gains[int(adjustment)] * side_gains[int(side)]
        if gain == 0.0:
            continue
        x, y, count = 0.0, 0.0, 0
        for point in anchors[row]:
            if point >= 0:
                x, y, count = x + landmarks[point, 0], y + landmarks[point, 1], count + 1
        placed[n, 0] = x / count + iod * (c * offset_x - s * offset_y)
        placed[n, 1] = y / count + iod * (s * offset_x + c * offset_y)
        placed[n, 2], placed[n, 3] = c, s
        placed[n, 4] = 1.0 / (iod * radius_x * (outer if side < 0.0 else 1.0))
        placed[n, 5] = 1.0 / (iod * radius_x * (outer if side > 0.0 else 1.0))
        placed[n, 6] = 1.0 / (iod * radius_y)
        unit = 1.0 if is_scale != 0.0 else iod
        placed[n, 7], placed[n, 8], placed[n, 9] = unit * gain * amount_x, unit * gain * amount_y, is_scale
        n += 1
    return placed[:n]


@njit(nogil=True, cache=True, forceinline=True)
def _reach(stroke: FloatArray) -> tuple[float, float]:
    """How far a stroke (10,) reaches along picture x and y, px."""
    rx, ry = 1.0 / min(stroke[4], stroke[5]), 1.0 / stroke[6]
    cos, sin = stroke[2], stroke[3]
    return math.sqrt((rx * cos) ** 2 + (ry * sin) ** 2), math.sqrt((rx * sin) ** 2 + (ry * cos) ** 2)


@njit(nogil=True, cache=True)
def reached(strokes: FloatArray) -> tuple[float, float, float, float]:
    """Smallest and largest x, then y, that strokes (n, 10) can move, px."""
    x0, y0, x1, y1 = math.inf, math.inf, -math.inf, -math.inf
    for n in range(strokes.shape[0]):
        reach_x, reach_y = _reach(strokes[n])
        x0, x1 = min(x0, strokes[n, 0] - reach_x), max(x1, strokes[n, 0] + reach_x)
        y0, y1 = min(y0, strokes[n, 1] - reach_y), max(y1, strokes[n, 1] + reach_y)
    return x0, y0, x1, y1


@njit(nogil=True, cache=True, fastmath=True)
def add_strokes(
    strokes: FloatArray, field: DisplacementField, squeeze: FloatArray, x0: float, y0: float, step: float
) -> None:
    """Add strokes (n, 10) to a field (h, w, 2) and to the bound (h, w) of how much it squeezes.

    Node (j, i) lies at (x0 + i·step, y0 + j·step), px. `squeeze` gains, per stroke, how far the
    smallest stretch of its own backward map is below 1, where it is.
    """
    h, w = squeeze.shape
    rows = np.zeros((h, 3, w), np.float32)  # x, y and squeeze apart: what is adjacent is done at once
    for n in range(strokes.shape[0]):
        cx, cy, ax, ay = strokes[n, 0], strokes[n, 1], strokes[n, 7], strokes[n, 8]
        reach_x, reach_y = _reach(strokes[n])
        i0 = max(0, math.ceil((cx - reach_x - x0) / step))
        i1 = min(w, math.floor((cx + reach_x - x0) / step) + 1)
        j0 = max(0, math.ceil((cy - reach_y - y0) / step))
        j1 = min(h, math.floor((cy + reach_y - y0) / step) + 1)
        if i0 >= i1:
            continue
        for j in range(j0, j1):
            start = np.float32(x0 + i0 * step - cx), np.float32(y0 + j * step - cy), np.float32(step)
            to = rows[j, 0, i0:i1], rows[j, 1, i0:i1], rows[j, 2, i0:i1]
            if strokes[n, 9] != 0.0:
                _add_scale(strokes[n], start, ax, ay, *to)
            else:
                _add_shift(strokes[n], start, ax, ay, *to)
    for j in range(h):
        for i in range(w):
            field[j, i, 0] += rows[j, 0, i]
            field[j, i, 1] += rows[j, 1, i]
            squeeze[j, i] += rows[j, 2, i]


# One row of nodes of one stroke. No branches, and nothing wider than float32, so that the compiler takes eight
# nodes at a time (six times faster); error_model="numpy", since a division that may raise is a branch, too.
# Outside the stroke t is 0, and so is all that is added.


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _add_shift(
    stroke: FloatArray, start: _Start, ax: float, ay: float, x: FloatArray, y: FloatArray, squeeze: FloatArray
) -> None:
    cos, sin, inv_low, inv_high, inv_y = stroke[2], stroke[3], stroke[4], stroke[5], stroke[6]
    dx0, dy, step = start
    for i in range(x.size):
        dx = dx0 + np.float32(i) * step
        fx, fy = cos * dx + sin * dy, cos * dy - sin * dx
        inv_x = inv_low if fx < _ZERO else inv_high
        nx, ny = fx * inv_x, fy * inv_y
        t = max(_ONE - nx * nx - ny * ny, _ZERO)
        inv = _ONE / (t + _Q2)
        ratio = t * inv
        k = _PEAK * ratio * ratio * ratio
        # Gradient of the profile k in face axes: g = (dk/ds²)·2·(nx/rx, ny/ry).
        slope = -_SIX * _PEAK * ratio * ratio * _Q2 * inv * inv  # 2·dk/ds²
        gx, gy = slope * nx * inv_x, slope * ny * inv_y
        squeeze[i] += _squeezed(-ax * gx, -_HALF * (ax * gy + ay * gx), -ay * gy)
        x[i] -= (cos * ax - sin * ay) * k
        y[i] -= (sin * ax + cos * ay) * k


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _add_scale(
    stroke: FloatArray, start: _Start, ax: float, ay: float, x: FloatArray, y: FloatArray, squeeze: FloatArray
) -> None:
    cos, sin, inv_low, inv_high, inv_y = stroke[2], stroke[3], stroke[4], stroke[5], stroke[6]
    dx0, dy, step = start
    for i in range(x.size):
        dx = dx0 + np.float32(i) * step
        fx, fy = cos * dx + sin * dy, cos * dy - sin * dx
        inv_x = inv_low if fx < _ZERO else inv_high
        nx, ny = fx * inv_x, fy * inv_y
        t = max(_ONE - nx * nx - ny * ny, _ZERO)
        k = t * t * t
        slope = -_SIX * t * t
        gx, gy = slope * nx * inv_x, slope * ny * inv_y
        ux, uy = -ax * fx * k, -ay * fy * k
        squeeze[i] += _squeezed(-ax * (k + fx * gx), -_HALF * (ax * fx * gy + ay * fy * gx), -ay * (k + fy * gy))
        x[i] += cos * ux - sin * uy
        y[i] += sin * ux + cos * uy


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _squeezed(jxx: float, jxy: float, jyy: float) -> float:
    """How far below 0 the smaller eigenvalue of a symmetric matrix is."""
    d = jxx - jyy
    return max(_HALF * (np.sqrt(d * d + _FOUR * jxy * jxy) - jxx - jyy), _ZERO)  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def fade_at_border(
    field: DisplacementField,
    squeeze: FloatArray,
    x0: float,
    y0: float,
    step: float,
    height: int,
    width: int,
    reach: float,
) -> None:
    """Let a field and its squeeze (see `add_strokes`) fall to 0 over `reach` px before the frame's border."""
    for j in range(squeeze.shape[0]):
        y = y0 + j * step
        wy, gy = _rise(min(y, height - 1 - y) / reach)
        for i in range(squeeze.shape[1]):
            x = x0 + i * step
            wx, gx = _rise(min(x, width - 1 - x) / reach)
            if wx == 1.0 and wy == 1.0:
                continue
            # (w·d)' = w·d' + d·∇w, and the second term squeezes by no more than |d|·|∇w|.
            slope = math.hypot(gx * wy, gy * wx) / reach
            moved = math.hypot(field[j, i, 0], field[j, i, 1])
            w = wx * wy
            squeeze[j, i] = w * squeeze[j, i] + moved * slope
            field[j, i, 0] *= w
            field[j, i, 1] *= w


@njit(nogil=True, cache=True, forceinline=True)
def _rise(t: float) -> tuple[float, float]:
    """From 0 to 1 for t from 0 to 1, flat to the second derivative at both ends, and its slope."""
    if t <= 0.0:
        return 0.0, 0.0
    if t >= 1.0:
        return 1.0, 0.0
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0), 30.0 * t * t * (t - 1.0) * (t - 1.0)


def grid_shape(roi: Box, step: int) -> tuple[int, int]:
    """Rows, columns of the coarse grid: node [j, i] lies at (x0 + (i - 1) * step, y0 + (j - 1) * step)."""
    x0, y0, x1, y1 = roi
    return -(-(y1 - y0) // step) + 3, -(-(x1 - x0) // step) + 3


@njit(nogil=True, cache=True)
def sample(
    source: BgrFrame, out: BgrFrame, grid: DisplacementField, roi: Box, step: int, origin: tuple[int, int]
) -> None:
    """Warp `roi` of `out` from `source`, whose top left pixel lies at `origin` (x, y) of `out`.

    source, out: (H, W, 3), C-contiguous, apart in memory, sides 2..MAX_SIDE; grid: (gh, gw, 2), C-contiguous,
    px, see `grid_shape`; step: a multiple of 4; roi inside out. Out holds the picture where nothing moves.
    """
    x0, y0, x1, y1 = roi
    width = -(-(x1 - x0) // BLOCK) * BLOCK
    # 60 bytes a px of width: cheaper here than as arguments, each of which the dispatcher looks at (0.2 µs).
    weights = np.empty((4, step), np.float32)
    nodes = np.empty((4, 2, width), np.float32)
    shift = np.zeros((2, width), np.float32)  # stays 0 beyond the ROI, where the last block reads on
    offsets = np.empty(width, np.int32)
    fractions = np.empty((2, width), np.uint16)
    moving = np.empty(width // BLOCK + 1, np.int32)
    fill_weights(step, weights)
    for j in range(3):
        spread_nodes(grid, j, step, x1 - x0, weights, nodes)
    for j in range((y1 - y0 + step - 1) // step):
        spread_nodes(grid, j + 3, step, x1 - x0, weights, nodes)
        begin, end = moving_span(grid, j, step, x1 - x0)
        if begin >= end:
            continue
        for i in range(min(step, y1 - y0 - j * step)):
            interpolate_row(nodes, j, weights, i, end, shift)
            y = y0 + j * step + i
            sample_row(source, out, x0, x1, y, begin, end, origin, shift, offsets, fractions, moving)


@njit(nogil=True, cache=True)
def sample_dense(source: BgrFrame, out: BgrFrame, field: DisplacementField, roi: Box, origin: tuple[int, int]) -> None:
    """As `sample`, from a field (h, w, 2) that holds the displacement of every pixel of the ROI, px."""
    x0, y0, x1, y1 = roi
    width = -(-(x1 - x0) // BLOCK) * BLOCK
    scale = np.float32(1 << FRACTION_BITS)
    most = np.float32(MAX_SHIFT)
    shift = np.zeros((2, width), np.float32)
    offsets = np.empty(width, np.int32)
    fractions = np.empty((2, width), np.uint16)
    moving = np.empty(width // BLOCK + 1, np.int32)
    for y in range(y1 - y0):
        for c in range(2):
            for x in range(x1 - x0):
                shift[c, x] = scale * min(max(field[y, x, c], -most), most)
        sample_row(source, out, x0, x1, y0 + y, 0, x1 - x0, origin, shift, offsets, fractions, moving)


# forceinline: calls would count references to their arrays, in every row (measured: a tenth of all the time).


@njit(nogil=True, cache=True, forceinline=True)
def fill_weights(step: int, weights: NDArray[np.float32]) -> None:
    """Catmull-Rom, (4, step): [:, i] are for four nodes around a point i / step from the 2nd to the 3rd."""
    for i in range(step):
        t = i / step
        weights[0, i] = 0.5 * (((2.0 - t) * t - 1.0) * t)
        weights[1, i] = 0.5 * ((3.0 * t - 5.0) * t * t + 2.0)
        weights[2, i] = 0.5 * (((4.0 - 3.0 * t) * t + 1.0) * t)
        weights[3, i] = 0.5 * ((t - 1.0) * t * t)


@njit(nogil=True, cache=True, forceinline=True)
def spread_nodes(
    grid: DisplacementField,
    j: int,
    step: int,
    width: int,
    weights: NDArray[np.float32],
    nodes: NDArray[np.float32],
) -> None:
    """Interpolate row `j` of grid (gh, gw, 2) at `width` px, rounded up to 4, into nodes[j % 4] (4, 2, w)."""
    for i in range(0, step, 4):
        for k in range((width - i + step - 1) // step):
            _spread_four(grid, j, k, weights, i, nodes, j & 3, k * step + i)


@njit(nogil=True, cache=True, forceinline=True)
def moving_span(grid: DisplacementField, j: int, step: int, width: int) -> tuple[int, int]:
    """First px and end, in whole blocks, of what node rows j .. j + 3 of grid (gh, gw, 2) move; else 0, 0."""
    first, last = 0, grid.shape[1] - 1
    while first <= last and not _any_moves(grid, j, first):
        first += 1
    if first > last:
        return 0, 0
    while not _any_moves(grid, j, last):
        last -= 1
    # node k, at px (k - 1) * step, reaches two steps to each side; the last block may begin earlier
    begin = max(min((first - 3) * step, width - BLOCK), 0)
    return begin // BLOCK * BLOCK, min(-(-(last + 1) * step // BLOCK) * BLOCK, width)


@njit(nogil=True, cache=True, forceinline=True)
def _any_moves(grid: DisplacementField, j: int, k: int) -> bool:
    """Whether one of the nodes grid[j:j + 4, k] is not 0."""
    for row in range(j, j + 4):  # noqa: SIM110 - numba compiles no generators here
        if grid[row, k, 0] != 0 or grid[row, k, 1] != 0:
            return True
    return False


@njit(nogil=True, cache=True, forceinline=True)
def interpolate_row(
    nodes: NDArray[np.float32],
    j: int,
    weights: NDArray[np.float32],
    i: int,
    end: int,
    shift: NDArray[np.float32],
) -> None:
    """Node rows j .. j + 3, held in nodes (4, 2, w), px, by weights[:, i] into shift[:, :end], 1/65536 px."""
    scale = np.float32(1 << FRACTION_BITS)
    a, b, c, d = j & 3, (j + 1) & 3, (j + 2) & 3, (j + 3) & 3
    wa, wb = scale * weights[0, i], scale * weights[1, i]
    wc, wd = scale * weights[2, i], scale * weights[3, i]
    for k in range(2):
        for x in range(end):  # from 0: numba would look for negative indices otherwise, four times slower
            before = wa * nodes[a, k, x] + wb * nodes[b, k, x]
            shift[k, x] = before + (wc * nodes[c, k, x] + wd * nodes[d, k, x])


@njit(nogil=True, cache=True, forceinline=True)
def sample_row(
    source: BgrFrame,
    out: BgrFrame,
    x0: int,
    x1: int,
    y: int,
    begin: int,
    end: int,
    origin: tuple[int, int],
    shift: NDArray[np.float32],
    offsets: NDArray[np.int32],
    fractions: NDArray[np.uint16],
    moving: NDArray[np.int32],
) -> None:
    """Warp out[y, x0 + begin:x0 + end] by shift[:, begin:end], 1/65536 px; see `moving_span`.

    shift (2, w) is 0 from x1 - x0 on; w: whole blocks.

    offsets (w,), fractions (2, w), moving (w / BLOCK + 1,): working memory.
    """
    width = x1 - x0
    n = 0
    for x in range(begin, end, BLOCK):
        moving[n] = x  # without a branch: overwritten by the next block unless this one moves
        n += _locate(source, shift, x, x0 - origin[0], y - origin[1], offsets, fractions)
    # Where the ROI ends inside a block, the last one begins earlier and repeats some pixels.
    last, count = max(width - BLOCK, 0), min(width, BLOCK)
    for k in range(n):
        x = min(moving[k], last)
        _blend(source, offsets, fractions, x, count, out, x0 + x, y)


# What follows writes LLVM IR. `builder` appends instructions; the values are their results, not numbers.

_I8, _I16, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _lanes(lane: ir.Type, values: Sequence[float]) -> ir.Constant:
    """A constant vector."""
    return ir.Constant(ir.VectorType(lane, len(values)), list(values))


def _shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, picks: Sequence[int]) -> ir.Value:
    """The picked lanes of a, counted from 0, and of b, counted from the length of a."""
    return builder.shuffle_vector(a, b, _lanes(_I32, picks))


def _splat(builder: ir.IRBuilder, value: ir.Value, n: int) -> ir.Value:
    """Equal lanes."""
    empty = ir.Constant(ir.VectorType(value.type, n), ir.Undefined)
    single = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return _shuffle(builder, single, single, [0] * n)


def _element(builder: ir.IRBuilder, array: Any, *index: ir.Value) -> ir.Value:
    """Pointer to an element of a C-contiguous array, unchecked."""
    flat = index[0]
    for axis in range(1, len(index)):
        flat = builder.add(builder.mul(flat, builder.extract_value(array.shape, axis)), index[axis])
    return builder.gep(array.data, [flat])


def _load(builder: ir.IRBuilder, pointer: ir.Value, n: int) -> ir.Value:
    """Adjacent lanes, aligned like a single one."""
    lane = pointer.type.pointee
    value = builder.load(builder.bitcast(pointer, ir.VectorType(lane, n).as_pointer()))
    value.align = 4 if lane == _F32 else lane.width // 8
    return value


def _store(builder: ir.IRBuilder, value: ir.Value, pointer: ir.Value) -> None:
    lane = value.type.element
    align = 4 if lane == _F32 else lane.width // 8
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=align)


def _clamp(builder: ir.IRBuilder, value: ir.Value, high: ir.Value) -> ir.Value:
    """Signed lanes within 0 .. high."""
    low = ir.Constant(value.type, [0] * value.type.count)
    value = builder.select(builder.icmp_signed("<", value, low), low, value)
    return builder.select(builder.icmp_signed(">", value, high), high, value)


def _mix(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, weight: ir.Value) -> ir.Value:
    """u16 lanes a * (1 - weight) + b * weight, weight in 1/65536; of each product the upper half is kept."""
    wide = ir.VectorType(_I32, weight.type.count)

    def upper_half(x: ir.Value, y: ir.Value) -> ir.Value:  # one multiplication where the machine has it
        product = builder.mul(builder.zext(x, wide), builder.zext(y, wide))
        return builder.trunc(builder.lshr(product, _lanes(_I32, [16] * weight.type.count)), weight.type)

    # ~weight is 1/65536 short of 1 - weight, because 1 itself would take a 17th bit; ROUND makes up for it
    return builder.add(upper_half(a, builder.not_(weight)), upper_half(b, weight))


def _arrays(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> list[Any]:
    """The arguments, arrays among them as structures with `data`, `shape` and `strides`."""
    return [
        context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


_Generated = tuple[Any, Callable[..., Any]]  # the signature, and what writes the instructions
_intrinsic: Callable[..., Any] = intrinsic  # callers leave `typingctx` out, which its own type does not say


@_intrinsic
def _spread_four(
    typingctx: Any, grid: Any, j: Any, k: Any, weights: Any, i: Any, nodes: Any, slot: Any, x: Any
) -> _Generated:
    """Weigh grid[j, k:k + 4] by weights[:, i:i + 4] into nodes[slot, :, x:x + 4], within ±MAX_SHIFT px."""
    index = types.int64
    signature = types.void(grid, index, index, weights, index, nodes, index, index)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        grid, j, k, weights, i, nodes, slot, x = _arrays(context, builder, signature, args)
        low, high = _lanes(_F32, [-MAX_SHIFT] * 4), _lanes(_F32, [MAX_SHIFT] * 4)
        weight = [_load(builder, _element(builder, weights, _number(n), i), 4) for n in range(4)]
        for axis in range(2):
            terms = []
            for n in range(4):
                node = builder.load(_element(builder, grid, j, builder.add(k, _number(n)), _number(axis)))
                terms.append(builder.fmul(weight[n], _splat(builder, node, 4)))
            value = builder.fadd(builder.fadd(terms[0], terms[1]), builder.fadd(terms[2], terms[3]))
            # what is not a number compares false and becomes -MAX_SHIFT
            value = builder.select(builder.fcmp_ordered(">", value, low), value, low)
            value = builder.select(builder.fcmp_ordered("<", value, high), value, high)
            _store(builder, value, _element(builder, nodes, slot, _number(axis), x))
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def _locate(
    typingctx: Any, source: Any, shift: Any, x: Any, left: Any, top: Any, offsets: Any, fractions: Any
) -> _Generated:
    """Find where BLOCK pixels come from, the first at (left + x, top) of source; 1 if any moves, else 0."""
    signature = types.int64(source, shift, types.int64, types.int64, types.int64, offsets, fractions)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        source, shift, x, left, top, offsets, fractions = _arrays(context, builder, signature, args)
        bits = _lanes(_I32, [FRACTION_BITS] * BLOCK)

        def splat(value: ir.Value) -> ir.Value:
            return _splat(builder, builder.trunc(value, _I32), BLOCK)

        def displacement(axis: int) -> ir.Value:
            value = _load(builder, _element(builder, shift, _number(axis), x), BLOCK)
            return builder.fptosi(value, ir.VectorType(_I32, BLOCK))

        def position(pixel: ir.Value, displacement: ir.Value, side: int) -> ir.Value:
            # ends 1/65536 short of the last pixel, so that there are always two neighbours to blend
            pixels = builder.sub(builder.extract_value(source.shape, side), _number(1))
            end = builder.sub(builder.shl(pixels, _number(FRACTION_BITS)), _number(1))
            return _clamp(builder, builder.add(builder.shl(pixel, bits), displacement), splat(end))

        dx, dy = displacement(0), displacement(1)
        u = position(builder.add(splat(builder.add(left, x)), _lanes(_I32, range(BLOCK))), dx, side=1)
        v = position(splat(top), dy, side=0)
        row = builder.mul(builder.lshr(v, bits), splat(builder.extract_value(source.strides, 0)))
        column = builder.mul(builder.lshr(u, bits), _lanes(_I32, [3] * BLOCK))
        _store(builder, builder.add(row, column), _element(builder, offsets, x))
        for axis, fixed in enumerate((u, v)):
            fraction = builder.trunc(fixed, ir.VectorType(_I16, BLOCK))
            _store(builder, fraction, _element(builder, fractions, _number(axis), x))
        block = ir.IntType(32 * BLOCK)
        any_bit = builder.bitcast(builder.or_(dx, dy), block)
        return builder.zext(builder.icmp_unsigned("!=", any_bit, ir.Constant(block, 0)), _I64)

    return signature, generate


@_intrinsic
def _blend(
    typingctx: Any,
    source: Any,
    offsets: Any,
    fractions: Any,
    x: Any,
    count: Any,
    out: Any,
    column: Any,
    row: Any,
) -> _Generated:
    """Bilinear blend of BLOCK located pixels from index `x` on; the first `count` go to out[row, column:]."""
    index = types.int64
    signature = types.void(source, offsets, fractions, index, index, out, index, index)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        source, offsets, fractions, x, count, out, column, row = _arrays(context, builder, signature, args)
        even, odd = range(0, BLOCK, 2), range(1, BLOCK, 2)

        # Two loads of eight bytes a pixel: BGRBGR of both neighbours in a row. The upper load takes along two
        # bytes after them, the lower one two bytes before: none reads beyond the source's first or last byte.
        stride = builder.extract_value(source.strides, 0)
        lower = builder.gep(source.data, [builder.sub(stride, _number(2))])
        cells = []
        for k in range(BLOCK):
            offset = builder.sext(builder.load(_element(builder, offsets, builder.add(x, _number(k)))), _I64)
            rows = [_load(builder, builder.gep(start, [offset]), 8) for start in (source.data, lower)]
            cells.append(_shuffle(builder, rows[0], rows[1], range(16)))

        # Four cells of 16 bytes to a vector, even and odd pixels apart: only the last step crosses cells.
        fraction_x = _load(builder, _element(builder, fractions, _number(0), x), BLOCK)
        sides = []
        for pixels in (even, odd):
            a, b, c, d = (cells[k] for k in pixels)
            ab, cd = _shuffle(builder, a, b, range(32)), _shuffle(builder, c, d, range(32))
            four = _shuffle(builder, ab, cd, range(64))
            left = _pick_wide(builder, four, [0, 1, 2, 3, 10, 11, 12, 13])
            right = _pick_wide(builder, four, [3, 4, 5, 6, 13, 14, 15, 15])
            weight = _shuffle(builder, fraction_x, fraction_x, [k for k in pixels for _ in range(8)])
            sides.append(_mix(builder, left, right, weight))

        # A pixel is now BGR- of the upper row, then BGR- of the lower: all uppers and all lowers, in order.
        uppers = [32 * side + 8 * k + c for k in range(4) for side in (0, 1) for c in range(4)]
        upper_row = _shuffle(builder, sides[0], sides[1], uppers)
        lower_row = _shuffle(builder, sides[0], sides[1], [lane + 4 for lane in uppers])
        fraction_y = _load(builder, _element(builder, fractions, _number(1), x), BLOCK)
        weight = _shuffle(builder, fraction_y, fraction_y, [k for k in range(BLOCK) for _ in range(4)])
        grey = builder.add(_mix(builder, upper_row, lower_row, weight), _lanes(_I16, [ROUND] * 4 * BLOCK))
        octets = builder.bitcast(grey, ir.VectorType(_I8, 8 * BLOCK))
        upper_halves = [8 * k + 2 * c + 1 for k in range(BLOCK) for c in range(3)]
        pixels = _shuffle(builder, octets, octets, upper_halves)

        target = _element(builder, out, row, column, _number(0))
        with builder.if_else(builder.icmp_signed("==", count, _number(BLOCK))) as (whole, narrow):
            with whole:
                _store(builder, pixels, target)
            with narrow:
                with builder.goto_entry_block():
                    spill = builder.alloca(pixels.type)
                builder.store(pixels, spill)
                first = builder.bitcast(spill, _I8.as_pointer())
                with cgutils.for_range(builder, builder.mul(count, _number(3))) as loop:
                    octet = builder.load(builder.gep(first, [loop.index]))
                    builder.store(octet, builder.gep(target, [loop.index]))
        return context.get_dummy_value()

    return signature, generate


def _pick_wide(builder: ir.IRBuilder, four: ir.Value, picks: Sequence[int]) -> ir.Value:
    """Picked bytes of each of four 16-byte cells as u16 lanes, times 256: one shuffle (little-endian)."""
    zero = _lanes(_I8, [0] * 64)
    lanes = [byte for cell in range(0, 64, 16) for pick in picks for byte in (64, cell + pick)]
    return builder.bitcast(_shuffle(builder, four, zero, lanes), ir.VectorType(_I16, 32))
