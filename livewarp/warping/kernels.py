"""The compiled inner loops of the warp: from a coarse displacement field to pixels, on one thread.

A row of the picture goes through three loops: nodes of the coarse fields become one displacement a pixel,
displacements become byte offsets and 16-bit fractions, and eight pixels at a time are blended from their four
neighbours. Blocks of eight in which nothing moves are left alone. The innermost steps are written as LLVM
vectors, without an instruction of any one processor: LLVM lowers them to SSE, AVX2, AVX-512 or NEON, and all
of them produce the same bytes (tests/naive.py holds the arithmetic as plain loops).

Convention: displacements are backward, out[y, x] = source[y + dy, x + dx], in pixels between pixel centres;
positions outside the source are clamped to it.

Guarantees: they hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray
from livewarp.warping.grids import (
    BEGIN,
    BLOCK,
    END,
    FRACTION_BITS,
    PLAN,
    Y0,
    Y1,
    advance,
    fill_weights,
    interpolate_row,
    lay_out_grids,
)
from livewarp.warping.llvm import (
    I8,
    I16,
    I32,
    I64,
    Generated,
    arrays_of,
    clamp_lanes,
    element,
    intrinsic,
    lanes,
    load_lanes,
    mix_lanes,
    number,
    pick_wide,
    shuffle,
    splat,
    store_lanes,
)

MAX_SIDE = 16384
"""Longest side of source and out, px: a position plus a displacement has 15 bits before the fraction."""

ROUND = 131
"""Half a grey level in 1/256, plus 3 for what four truncated products lose: mean error 0.002 levels."""


@njit(nogil=True, cache=True)
def sample(
    source: BgrFrame,
    out: BgrFrame,
    nodes: FloatArray,
    rois: NDArray[np.int64],
    steps: NDArray[np.float64],
    origin: tuple[int, int],
) -> None:
    """Warp `out` from `source`, whose top left pixel lies at `origin` (x, y) of `out`, by the sum of several grids.

    source, out: (H, W, 3), C-contiguous, apart in memory, sides 2..MAX_SIDE, equal where nothing moves, in all blocks
    of columns that a ROI touches; nodes: one grid (gh, gw, 2) after the other, px, see `grid_shape`; rois: (n, 4),
    the `Box` of each, inside out; steps: (n,), px between its nodes, 1 or more.
    """
    n_grids, width = rois.shape[0], out.shape[1]
    padded = -(-width // BLOCK) * BLOCK
    plan = np.empty((n_grids, PLAN), np.int64)
    n_weights, n_ring, n_blocks = lay_out_grids(rois, steps, width, plan)
    weights, bases = np.zeros(n_weights, np.float32), np.empty(n_blocks, np.int64)
    ring = np.empty(n_ring, np.float32)  # the last four rows of nodes of each grid, spread to pixels
    for f in range(n_grids):
        fill_weights(f, plan, steps[f], weights, bases)
    shift = np.zeros((2, padded), np.float32)
    offsets, fractions = np.empty(padded, np.int32), np.empty((2, padded), np.uint16)
    moving = np.empty(padded // BLOCK + 1, np.int32)
    active = np.empty(n_grids, np.int64)
    for y in range(rois[:, 1].min(), rois[:, 3].max()):
        count = 0
        for f in range(n_grids):
            if not plan[f, Y0] <= y < plan[f, Y1] or not advance(f, plan, steps[f], y, nodes, weights, bases, ring):
                continue
            k = count  # kept in the order in which they begin
            while k > 0 and plan[active[k - 1], BEGIN] > plan[f, BEGIN]:
                active[k] = active[k - 1]
                k -= 1
            active[k], count = f, count + 1
        first = 0
        while first < count:  # what touches in this row, together
            begin, end, last = plan[active[first], BEGIN], plan[active[first], END], first + 1
            while last < count and plan[active[last], BEGIN] < end:
                end, last = max(end, plan[active[last], END]), last + 1
            several = last > first + 1
            if several:
                for x in range(begin, end):
                    shift[0, x], shift[1, x] = 0.0, 0.0
            for k in range(first, last):
                interpolate_row(active[k], plan, steps[active[k]], y, ring, shift, several)
            sample_row(source, out, y, begin, end, origin, shift, offsets, fractions, moving)
            first = last


# Not inlined: in a loop of its own it has enough registers (measured: a tenth of all the time).


@njit(nogil=True, cache=True)
def sample_row(
    source: BgrFrame,
    out: BgrFrame,
    y: int,
    begin: int,
    end: int,
    origin: tuple[int, int],
    shift: FloatArray,
    offsets: NDArray[np.int32],
    fractions: NDArray[np.uint16],
    moving: NDArray[np.int32],
) -> None:
    """Warp out[y, begin:end], in whole blocks, by shift (2, W), 1/65536 px, which is 0 beyond the frame.

    offsets (W,), fractions (2, W), moving (W / BLOCK + 1,): working memory.
    """
    width = out.shape[1]
    n = 0
    for x in range(begin, end, BLOCK):
        moving[n] = x  # without a branch: overwritten by the next block unless this one moves
        n += _locate(source, shift, x, x - origin[0], y - origin[1], offsets, fractions)
    # Where the frame ends inside a block, the last one begins earlier and repeats some pixels.
    last, count = max(width - BLOCK, 0), min(width, BLOCK)
    for k in range(n):
        _blend(source, offsets, fractions, min(moving[k], last), count, out, y)


# What follows writes LLVM IR; see `livewarp.warping.llvm`.


@intrinsic
def _locate(
    typingctx: Any, source: Any, shift: Any, x: Any, left: Any, top: Any, offsets: Any, fractions: Any
) -> Generated:
    """Find where BLOCK pixels come from, the first at (left, top) of source; 1 if any moves, else 0."""
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
        u = position(builder.add(eight(left), lanes(I32, range(BLOCK))), dx, side=1)
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


@intrinsic
def _blend(
    typingctx: Any,
    source: Any,
    offsets: Any,
    fractions: Any,
    x: Any,
    count: Any,
    out: Any,
    row: Any,
) -> Generated:
    """Bilinear blend of BLOCK located pixels from column `x` on; the first `count` go to out[row, x:]."""
    index = types.int64
    signature = types.void(source, offsets, fractions, index, index, out, index)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        source, offsets, fractions, x, count, out, row = arrays_of(context, builder, signature, args)
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

        target = element(builder, out, row, x, number(0))
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
