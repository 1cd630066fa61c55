"""Coarse grids of displacements to one displacement a pixel, row by row, several grids at once.

Each grid covers a ROI with nodes `step` px apart, any number from 1 on, so that what it costs is smooth in the size of
a face. Rows of nodes are spread to pixels as the picture's rows come to them; four such rows weigh into each row.

numba compiles kernels.py again when that file changes, not when this one does: after a change here, empty its cache
(the `__pycache__` folders).

Guarantees: these hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numpy.typing import NDArray

from livewarp.arrays import Box, FloatArray
from livewarp.warping.llvm import (
    F32,
    I64,
    Generated,
    arrays_of,
    element,
    intrinsic,
    lanes,
    load_lanes,
    number,
    splat,
    store_lanes,
    within_lanes,
)

BLOCK = 8
"""Pixels that are located and blended together: 64 bytes of neighbours to a row, 24 bytes of result."""

FRACTION_BITS = 16
"""Positions are int32 in 1/65536 px: a fraction is then exactly one 16-bit lane."""

MAX_SHIFT = 8192.0
"""Displacements along a node row, and sums of grids, are clamped to this, px: between rows Catmull-Rom adds a quarter
at most."""


LEAST_TAPS = 5
"""Nodes that a block reaches at least: four around each pixel, and mostly there is one between the first and last."""


@njit(nogil=True, cache=True)
def grid_shape(roi: Box, step: float) -> tuple[int, int]:
    """Rows, columns of the coarse grid: node [j, i] lies at (x0 + (i - 1) * step, y0 + (j - 1) * step)."""
    # By the same division as the place of a pixel: 11 / 1.1 is 10, where 11 // 1.1 is 9.
    return int((roi[3] - roi[1] - 1) / step) + 4, int((roi[2] - roi[0] - 1) / step) + LEAST_TAPS


# What is worked out once for a grid. X0, Y0, X1, Y1: its ROI; LEFT: frame column of its first block; WIDE: px from
# there, in whole blocks; COLUMNS, NODES: of its nodes, and where they begin; TAPS: nodes that a block may reach;
# WEIGHTS, RING, BASES: where its own parts of those arrays begin; TAIL: the block in which the last whole one of the
# frame begins, which is blended where the frame ends inside a block. Then where it stands: SPREAD: rows of nodes that
# have been spread; AT: the upper row of nodes; BEGIN, END: the columns that move between this row and the next; FIRST,
# LAST: the same of each row in the ring, four and four.
X0, Y0, X1, Y1, LEFT, WIDE, COLUMNS, NODES, TAPS, WEIGHTS, RING, BASES, TAIL, SPREAD, AT, BEGIN, END = range(17)
FIRST, LAST, PLAN = 17, 21, 25

# forceinline, and whole arrays instead of rows of them: calls and slices would count references to arrays, in every
# row of the picture (measured: a tenth of all the time).


@njit(nogil=True, cache=True, forceinline=True)
def lay_out_grids(
    rois: NDArray[np.int64], steps: NDArray[np.float64], width: int, plan: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Fill the plan (n, PLAN) of grids in a frame of that width; how many weights, px of rings and blocks there are."""
    n_nodes, n_weights, n_ring, n_blocks = 0, 0, 0, 0
    for f in range(rois.shape[0]):
        x0, y0, x1, y1 = rois[f]
        tail = max(width - BLOCK, 0) // BLOCK * BLOCK
        left = min(x0 // BLOCK * BLOCK, tail)
        wide = -(-(x1 - left) // BLOCK) * BLOCK
        rows, columns = grid_shape((x0, y0, x1, y1), steps[f])
        taps = 4 + math.ceil((BLOCK - 1) / steps[f])
        plan[f, X0], plan[f, Y0], plan[f, X1], plan[f, Y1] = x0, y0, x1, y1
        plan[f, LEFT], plan[f, WIDE], plan[f, COLUMNS], plan[f, NODES] = left, wide, columns, n_nodes
        plan[f, TAPS], plan[f, WEIGHTS], plan[f, RING], plan[f, BASES] = taps, n_weights, n_ring, n_blocks
        plan[f, TAIL], plan[f, SPREAD], plan[f, AT], plan[f, BEGIN], plan[f, END] = tail, 0, -1, 0, 0
        n_nodes, n_weights = n_nodes + 2 * rows * columns, n_weights + taps * wide
        n_ring, n_blocks = n_ring + 8 * wide, n_blocks + wide // BLOCK
    return n_weights, n_ring, n_blocks


@njit(nogil=True, cache=True, forceinline=True)
def weigh(t: float) -> tuple[float, float, float, float]:
    """Catmull-Rom: what four nodes weigh at a point t, 0 to 1, from the second to the third."""
    return (
        0.5 * (((2.0 - t) * t - 1.0) * t),
        0.5 * ((3.0 * t - 5.0) * t * t + 2.0),
        0.5 * (((4.0 - 3.0 * t) * t + 1.0) * t),
        0.5 * ((t - 1.0) * t * t),
    )


@njit(nogil=True, cache=True, forceinline=True)
def fill_weights(f: int, plan: NDArray[np.int64], step: float, weights: FloatArray, bases: NDArray[np.int64]) -> None:
    """Of each block the first node that it reaches; of each column what TAPS nodes from there weigh."""
    wide = plan[f, WIDE]
    for x in range(wide):
        place = (x + plan[f, LEFT] - plan[f, X0]) / step
        if x % BLOCK == 0:
            bases[plan[f, BASES] + x // BLOCK] = max(math.floor(place), 0)
        if place < 0.0 or x + plan[f, LEFT] >= plan[f, X1]:
            continue  # a block's columns beside the ROI do not move
        node = int(place)
        at = plan[f, WEIGHTS] + (node - bases[plan[f, BASES] + x // BLOCK]) * wide + x
        a, b, c, d = weigh(place - node)
        weights[at], weights[at + wide], weights[at + 2 * wide], weights[at + 3 * wide] = a, b, c, d


@njit(nogil=True, cache=True, forceinline=True)
def advance(
    f: int,
    plan: NDArray[np.int64],
    step: float,
    y: int,
    nodes: FloatArray,
    weights: FloatArray,
    bases: NDArray[np.int64],
    ring: FloatArray,
) -> bool:
    """Spread the rows of nodes that pixel row `y` needs, and find the columns that move; whether any do."""
    j = int((y - plan[f, Y0]) / step)
    if j != plan[f, AT]:
        plan[f, AT] = j
        while plan[f, SPREAD] <= j + 3:
            spread_nodes(f, plan, step, plan[f, SPREAD], nodes, weights, bases, ring)
            plan[f, SPREAD] += 1
        plan[f, BEGIN] = min(min(plan[f, FIRST], plan[f, FIRST + 1]), min(plan[f, FIRST + 2], plan[f, FIRST + 3]))
        plan[f, END] = max(max(plan[f, LAST], plan[f, LAST + 1]), max(plan[f, LAST + 2], plan[f, LAST + 3]))
    return bool(plan[f, BEGIN] < plan[f, END])


@njit(nogil=True, cache=True, forceinline=True)
def spread_nodes(
    f: int,
    plan: NDArray[np.int64],
    step: float,
    j: int,
    nodes: FloatArray,
    weights: FloatArray,
    bases: NDArray[np.int64],
    ring: FloatArray,
) -> None:
    """Interpolate row `j` of a grid at its columns, into the part j % 4 of its ring, and note which it moves."""
    # Read here, as the compiler cannot know that writing to the ring leaves the plan as it is.
    wide, columns, bases_at, most = plan[f, WIDE], plan[f, COLUMNS], plan[f, BASES], plan[f, TAPS]
    node, at, to = plan[f, NODES] + 2 * j * columns, plan[f, WEIGHTS], plan[f, RING] + (j & 3) * 2 * wide
    first, last = 0, columns - 1
    while first <= last and nodes[node + 2 * first] == 0 and nodes[node + 2 * first + 1] == 0:
        first += 1
    while first < last and nodes[node + 2 * last] == 0 and nodes[node + 2 * last + 1] == 0:
        last -= 1
    begin, end = wide, 0
    if first <= last:  # node k, at px (k - 1) * step, reaches two steps to each side
        beside = plan[f, X0] - plan[f, LEFT]
        begin = (beside + max(int((first - 3) * step), 0)) // BLOCK * BLOCK
        begin = min(begin, plan[f, TAIL] - plan[f, LEFT])
        end = min(-(-(beside + math.ceil((last + 1) * step)) // BLOCK) * BLOCK, wide)
    plan[f, FIRST + (j & 3)], plan[f, LAST + (j & 3)] = plan[f, LEFT] + begin, plan[f, LEFT] + end
    for axis in range(2):
        ring[to + axis * wide : to + axis * wide + begin] = 0.0
        ring[to + axis * wide + end : to + axis * wide + wide] = 0.0
    for block in range(begin // BLOCK, end // BLOCK):
        base, x = bases[bases_at + block], block * BLOCK
        taps = min(most, columns - base)
        _spread_block(nodes, node + 2 * base, weights, at + x, wide, taps, ring, to + x, to + wide + x)


@njit(nogil=True, cache=True, forceinline=True)
def interpolate_row(
    f: int,
    plan: NDArray[np.int64],
    step: float,
    y: int,
    ring: FloatArray,
    shift: FloatArray,
    added: bool,
) -> None:
    """What a grid moves of row `y`, into shift (2, W) or added to it, 1/65536 px."""
    j, wide = plan[f, AT], plan[f, WIDE]
    scale = np.float32(1 << FRACTION_BITS)
    a, b, c, d = weigh((y - plan[f, Y0]) / step - j)
    wa, wb, wc, wd = scale * np.float32(a), scale * np.float32(b), scale * np.float32(c), scale * np.float32(d)
    at, row = plan[f, RING] - plan[f, LEFT], 2 * wide
    pa, pb = at + (j & 3) * row, at + ((j + 1) & 3) * row
    pc, pd = at + ((j + 2) & 3) * row, at + ((j + 3) & 3) * row
    if added:
        for x in range(plan[f, BEGIN], plan[f, END], BLOCK):
            _add_block(ring, pa + x, pb + x, pc + x, pd + x, wide, wa, wb, wc, wd, shift, x)
    else:
        for x in range(plan[f, BEGIN], plan[f, END], BLOCK):
            _write_block(ring, pa + x, pb + x, pc + x, pd + x, wide, wa, wb, wc, wd, shift, x)


@intrinsic
def _spread_block(
    typingctx: Any, nodes: Any, node: Any, weights: Any, at: Any, wide: Any, taps: Any, ring: Any, x: Any, y: Any
) -> Generated:
    """Sum nodes[node + 2n], and those after them, times BLOCK weights[at + n·wide:], over n < taps.

    Into ring[x:], and ring[y:], within ±MAX_SHIFT px.
    """
    index = types.int64
    signature = types.void(nodes, index, weights, index, index, index, ring, index, index)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        nodes, node, weights, at, wide, taps, ring, *to = arrays_of(context, builder, signature, args)

        def tap(n: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            weight = load_lanes(builder, element(builder, weights, builder.add(at, builder.mul(n, wide))), BLOCK)
            first = builder.add(node, builder.shl(n, number(1)))
            values = [builder.load(element(builder, nodes, builder.add(first, number(axis)))) for axis in range(2)]
            terms = [builder.fmul(weight, splat(builder, value, BLOCK)) for value in values]
            return [builder.fadd(total, term) for total, term in zip(sums, terms, strict=True)]

        sums = [lanes(F32, [0.0] * BLOCK)] * 2
        for n in range(LEAST_TAPS):  # written out: a loop of so few turns costs more than what is in it
            sums = tap(number(n), sums)
        before, turn, after = builder.block, builder.append_basic_block("tap"), builder.append_basic_block("summed")
        builder.cbranch(builder.icmp_signed("<", number(LEAST_TAPS), taps), turn, after)
        builder.position_at_end(turn)
        n, *totals = phis = [builder.phi(kind) for kind in (I64, sums[0].type, sums[1].type)]
        following = [builder.add(n, number(1)), *tap(n, totals)]
        for phi, start, value in zip(phis, (number(LEAST_TAPS), *sums), following, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(value, turn)
        builder.cbranch(builder.icmp_signed("<", following[0], taps), turn, after)
        builder.position_at_end(after)
        ends = [builder.phi(total.type) for total in sums]
        for phi, start, value in zip(ends, sums, following[1:], strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(value, turn)
        sums = ends
        for total, place in zip(sums, to, strict=True):
            value = within_lanes(builder, total, MAX_SHIFT)
            store_lanes(builder, value, element(builder, ring, place))
        return context.get_dummy_value()

    return signature, generate


def _rows_block(added: bool) -> Callable[..., Any]:
    """What weighs BLOCK pixels of four rows at once; `added`: to what is there, within ±MAX_SHIFT px."""

    def written(
        typingctx: Any,
        ring: Any,
        a: Any,
        b: Any,
        c: Any,
        d: Any,
        wide: Any,
        wa: Any,
        wb: Any,
        wc: Any,
        wd: Any,
        shift: Any,
        x: Any,
    ) -> Generated:
        index, weight = types.int64, types.float32
        signature = types.void(ring, index, index, index, index, index, weight, weight, weight, weight, shift, index)

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            ring, a, b, c, d, wide, wa, wb, wc, wd, shift, x = arrays_of(context, builder, signature, args)
            weights = [splat(builder, w, BLOCK) for w in (wa, wb, wc, wd)]
            for axis in range(2):
                terms = []
                for w, at in zip(weights, (a, b, c, d), strict=True):
                    at = builder.add(at, wide) if axis else at
                    terms.append(builder.fmul(w, load_lanes(builder, element(builder, ring, at), BLOCK)))
                value = builder.fadd(builder.fadd(terms[0], terms[1]), builder.fadd(terms[2], terms[3]))
                target = element(builder, shift, number(axis), x)
                if added:
                    value = builder.fadd(value, load_lanes(builder, target, BLOCK))
                    value = within_lanes(builder, value, MAX_SHIFT * (1 << FRACTION_BITS))
                store_lanes(builder, value, target)
            return context.get_dummy_value()

        return signature, generate

    return written


_write_block, _add_block = intrinsic(_rows_block(False)), intrinsic(_rows_block(True))
