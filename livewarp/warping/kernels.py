"""The compiled inner loops of the warp: from a coarse displacement field to pixels, on one thread.

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

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Box, DisplacementField
from livewarp.warping.llvm import (
    F32,
    I8,
    I16,
    I32,
    I64,
    arrays_of,
    clamp_lanes,
    element,
    lanes,
    load_lanes,
    mix_lanes,
    number,
    pick_wide,
    shuffle,
    splat,
    store_lanes,
)

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
    # 60 bytes a px of width: cheaper here than as arguments, each of which the dispatcher examines (0.2 µs).
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
    first = int(np.int64(0))  # a literal would have `sample_row` compiled once more
    for y in range(y1 - y0):
        for c in range(2):
            for x in range(x1 - x0):
                shift[c, x] = scale * min(max(field[y, x, c], -most), most)
        sample_row(source, out, x0, x1, y0 + y, first, x1 - x0, origin, shift, offsets, fractions, moving)


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
    first, last = int(np.int64(0)), grid.shape[1] - 1  # no literal, as in `sample_dense`
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
        for x in range(end):  # from 0: numba would test for negative indices otherwise, four times slower
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


# What follows writes LLVM IR; see `livewarp.warping.llvm`.

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
        grid, j, k, weights, i, nodes, slot, x = arrays_of(context, builder, signature, args)
        low, high = lanes(F32, [-MAX_SHIFT] * 4), lanes(F32, [MAX_SHIFT] * 4)
        weight = [load_lanes(builder, element(builder, weights, number(n), i), 4) for n in range(4)]
        for axis in range(2):
            terms = []
            for n in range(4):
                node = builder.load(element(builder, grid, j, builder.add(k, number(n)), number(axis)))
                terms.append(builder.fmul(weight[n], splat(builder, node, 4)))
            value = builder.fadd(builder.fadd(terms[0], terms[1]), builder.fadd(terms[2], terms[3]))
            # what is not a number compares false and becomes -MAX_SHIFT
            value = builder.select(builder.fcmp_ordered(">", value, low), value, low)
            value = builder.select(builder.fcmp_ordered("<", value, high), value, high)
            store_lanes(builder, value, element(builder, nodes, slot, number(axis), x))
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def _locate(
    typingctx: Any, source: Any, shift: Any, x: Any, left: Any, top: Any, offsets: Any, fractions: Any
) -> _Generated:
    """Find where BLOCK pixels come from, the first at (left + x, top) of source; 1 if any moves, else 0."""
    signature = types.int64(source, shift, types.int64, types.int64, types.int64, offsets, fractions)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        source, shift, x, left, top, offsets, fractions = arrays_of(context, builder, signature, args)
        bits = lanes(I32, [FRACTION_BITS] * BLOCK)

        def eight(value: ir.Value) -> ir.Value:
            return splat(builder, builder.trunc(value, I32), BLOCK)

        def displacement(axis: int) -> ir.Value:
            value = load_lanes(builder, element(builder, shift, number(axis), x), BLOCK)
            return builder.fptosi(value, ir.VectorType(I32, BLOCK))

        def position(pixel: ir.Value, displacement: ir.Value, side: int) -> ir.Value:
            # ends 1/65536 short of the last pixel, so that there are always two neighbours to blend
            pixels = builder.sub(builder.extract_value(source.shape, side), number(1))
            end = builder.sub(builder.shl(pixels, number(FRACTION_BITS)), number(1))
            return clamp_lanes(builder, builder.add(builder.shl(pixel, bits), displacement), eight(end))

        dx, dy = displacement(0), displacement(1)
        u = position(builder.add(eight(builder.add(left, x)), lanes(I32, range(BLOCK))), dx, side=1)
        v = position(eight(top), dy, side=0)
        row = builder.mul(builder.lshr(v, bits), eight(builder.extract_value(source.strides, 0)))
        column = builder.mul(builder.lshr(u, bits), lanes(I32, [3] * BLOCK))
        store_lanes(builder, builder.add(row, column), element(builder, offsets, x))
        for axis, fixed in enumerate((u, v)):
            fraction = builder.trunc(fixed, ir.VectorType(I16, BLOCK))
            store_lanes(builder, fraction, element(builder, fractions, number(axis), x))
        block = ir.IntType(32 * BLOCK)
        any_bit = builder.bitcast(builder.or_(dx, dy), block)
        return builder.zext(builder.icmp_unsigned("!=", any_bit, ir.Constant(block, 0)), I64)

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
        source, offsets, fractions, x, count, out, column, row = arrays_of(context, builder, signature, args)
        even, odd = range(0, BLOCK, 2), range(1, BLOCK, 2)

        # Two loads of eight bytes a pixel: BGRBGR of both neighbours in a row. The upper load takes along two
        # bytes after them, the lower one two bytes before: none reads beyond the source's first or last byte.
        stride = builder.extract_value(source.strides, 0)
        lower = builder.gep(source.data, [builder.sub(stride, number(2))])
        cells = []
        for k in range(BLOCK):
            offset = builder.sext(builder.load(element(builder, offsets, builder.add(x, number(k)))), I64)
            rows = [load_lanes(builder, builder.gep(start, [offset]), 8) for start in (source.data, lower)]
            cells.append(shuffle(builder, rows[0], rows[1], range(16)))

        # Four cells of 16 bytes to a vector, even and odd pixels apart: only the last step crosses cells.
        fraction_x = load_lanes(builder, element(builder, fractions, number(0), x), BLOCK)
        sides = []
        for pixels in (even, odd):
            a, b, c, d = (cells[k] for k in pixels)
            ab, cd = shuffle(builder, a, b, range(32)), shuffle(builder, c, d, range(32))
            four = shuffle(builder, ab, cd, range(64))
            left = pick_wide(builder, four, [0, 1, 2, 3, 10, 11, 12, 13])
            right = pick_wide(builder, four, [3, 4, 5, 6, 13, 14, 15, 15])
            weight = shuffle(builder, fraction_x, fraction_x, [k for k in pixels for _ in range(8)])
            sides.append(mix_lanes(builder, left, right, weight))

        # A pixel is now BGR- of the upper row, then BGR- of the lower: all uppers and all lowers, in order.
        uppers = [32 * side + 8 * k + c for k in range(4) for side in (0, 1) for c in range(4)]
        upper_row = shuffle(builder, sides[0], sides[1], uppers)
        lower_row = shuffle(builder, sides[0], sides[1], [lane + 4 for lane in uppers])
        fraction_y = load_lanes(builder, element(builder, fractions, number(1), x), BLOCK)
        weight = shuffle(builder, fraction_y, fraction_y, [k for k in range(BLOCK) for _ in range(4)])
        grey = builder.add(mix_lanes(builder, upper_row, lower_row, weight), lanes(I16, [ROUND] * 4 * BLOCK))
        octets = builder.bitcast(grey, ir.VectorType(I8, 8 * BLOCK))
        upper_halves = [8 * k + 2 * c + 1 for k in range(BLOCK) for c in range(3)]
        pixels = shuffle(builder, octets, octets, upper_halves)

        target = element(builder, out, row, column, number(0))
        with builder.if_else(builder.icmp_signed("==", count, number(BLOCK))) as (whole, narrow):
            with whole:
                store_lanes(builder, pixels, target)
            with narrow:
                with builder.goto_entry_block():
                    spill = builder.alloca(pixels.type)
                builder.store(pixels, spill)
                first = builder.bitcast(spill, I8.as_pointer())
                with cgutils.for_range(builder, builder.mul(count, number(3))) as loop:
                    octet = builder.load(builder.gep(first, [loop.index]))
                    builder.store(octet, builder.gep(target, [loop.index]))
        return context.get_dummy_value()

    return signature, generate
