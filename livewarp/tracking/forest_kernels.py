"""The compiled inner loops of the landmark forest: reading dlib's file, and 68 points from a picture.

The evaluation repeats dlib's arithmetic operation by operation, in its order and precision: a sum
that differs in its last bit now and then reads the neighbour of a pixel, a tree then takes another
branch, and everything after it differs, by up to a pixel in the end.

Guarantees: they hold no GIL, keep no state, and read within the bounds of their arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from livewarp.arrays import FloatArray, GrayFrame
from livewarp.face68 import N_LANDMARKS

N_COORDINATES = 2 * N_LANDMARKS
TREE_DEPTH = 4
N_SPLITS = 2**TREE_DEPTH - 1
N_LEAVES = 2**TREE_DEPTH

# A node in 32 bits, so that a tree is one cache line: two features and a threshold, see `pack_node`.
FEATURE_BITS = 9
MAX_FEATURES = 2**FEATURE_BITS
_FEATURE_MASK = MAX_FEATURES - 1
_THRESHOLD_BIAS = 256  # makes a difference of two bytes, or its threshold, positive

# A leaf is 544 bytes and starts at a multiple of 32: nine cache lines of 64 bytes (16 floats) hold it.
_LEAF_LINES = 9
_LINE_FLOATS = 16

_EXPONENT_MAX = 512  # beyond what any float32 has, and within float64 whatever the mantissa
_FLOAT32_MAX = float(np.finfo(np.float32).max)

_FAILED = -1  # in place of a position in the file


# ------------------------------------------------------------------------------------------------ the file


@njit(nogil=True, cache=True)
def read_integer(data: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """An integer at a position in `data` (n,), and the position after it; -1 if there is none.

    A control byte (sign in bit 7, number of bytes in bits 0 to 3), then the absolute value, lowest
    byte first. Source: dlib/serialize.h (Boost Software License), "integral serialization format".
    """
    if at < 0 or at >= data.size:
        return 0, _FAILED
    control = int(np.int64(data[at]))
    end = at + 1 + (control & 15)
    if control & 0x70 or not 1 <= (control & 15) <= 8 or end > data.size:
        return 0, _FAILED
    value = 0
    for k in range(end - at - 1):
        value |= int(np.int64(data[at + 1 + k])) << (8 * k)
    return (-value if control & 0x80 else value), end


@njit(nogil=True, cache=True)
def read_reals(data: NDArray[np.uint8], at: int, out: FloatArray) -> int:
    """Fill `out` (n,) with floats from a position in `data`; the position after them, -1 on failure.

    Each is a mantissa and an exponent of 2. What is not finite (dlib uses exponents from 32000 on for
    that) is a failure. Source: dlib/float_details.h (Boost Software License).
    """
    for i in range(out.size):
        mantissa, at = read_integer(data, at)
        exponent, at = read_integer(data, at)
        if at < 0 or abs(exponent) > _EXPONENT_MAX:
            return _FAILED
        value = math.ldexp(float(mantissa), exponent)
        if abs(value) > _FLOAT32_MAX:
            return _FAILED
        out[i] = value
    return at


@njit(nogil=True, cache=True)
def pack_node(first: int, second: int, threshold: float) -> int:
    """A split in 32 bits: two features (each below `MAX_FEATURES`) and the difference that goes right.

    Features are bytes, so that a difference exceeds the threshold exactly where it exceeds its floor.
    """
    bound = int(min(max(math.floor(threshold), -_THRESHOLD_BIAS), _THRESHOLD_BIAS - 1))
    return first | second << FEATURE_BITS | (bound + _THRESHOLD_BIAS) << 2 * FEATURE_BITS


def features_of(nodes: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The two features that each of some packed splits compares."""
    return nodes & _FEATURE_MASK, nodes >> FEATURE_BITS & _FEATURE_MASK


@njit(nogil=True, cache=True)
def read_trees(data: NDArray[np.uint8], at: int, nodes: NDArray[np.uint32], leaves: FloatArray) -> int:
    """Fill `nodes` (t, 16) and `leaves` (t, 16, 136) from a position in `data`.

    Returns the position after them, or -1 if they are cut off, of another shape, or out of range. The
    last node of each tree is padding.
    """
    threshold = np.empty(1, np.float32)
    for tree in range(leaves.shape[0]):
        count, at = read_integer(data, at)
        if at < 0 or count != N_SPLITS:
            return _FAILED
        for split in range(N_SPLITS):
            first, at = read_integer(data, at)
            second, at = read_integer(data, at)
            at = read_reals(data, at, threshold)
            if at < 0 or not (0 <= first < MAX_FEATURES and 0 <= second < MAX_FEATURES):
                return _FAILED
            nodes[tree, split] = pack_node(first, second, threshold[0])
        count, at = read_integer(data, at)
        if at < 0 or count != N_LEAVES:
            return _FAILED
        for leaf in range(N_LEAVES):
            # dlib writes the sizes of a matrix negated, to tell it from an older format.
            rows, at = read_integer(data, at)
            columns, at = read_integer(data, at)
            if at < 0 or abs(rows) != N_COORDINATES or abs(columns) != 1:
                return _FAILED
            at = read_reals(data, at, leaves[tree, leaf])
            if at < 0:
                return _FAILED
    return at


@njit(nogil=True, cache=True)
def read_bytes(data: NDArray[np.uint8], at: int, bound: int, out: NDArray[np.uint8]) -> int:
    """Fill `out` (n,) with integers in [0, bound) from a position in `data`; the position after, or -1."""
    for i in range(out.size):
        value, at = read_integer(data, at)
        if at < 0 or not 0 <= value < bound:
            return _FAILED
        out[i] = value
    return at


# ------------------------------------------------------------------------------------------ the evaluation


@intrinsic
def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of array[index] (1-D) ahead of its use; the index is not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flat = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte_pointer = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        address = builder.bitcast(builder.gep(flat.data, [arguments[1]]), byte_pointer)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte_pointer], ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
        )
        # To read, into all levels of cache, data.
        builder.call(function, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


@njit(nogil=True, cache=True)
def similarity(mean: FloatArray, shape: FloatArray) -> tuple[np.float32, np.float32]:
    """The linear part (a, b; float32) of the similarity that takes `mean` (136,) nearest to `shape` (136,).

    It sends (x, y) to (a·x - b·y, b·x + a·y). The closed form for the plane of what dlib solves by
    singular values, in float64 and rounded once, like there. Source: Umeyama 1991, equations 34-43.
    """
    from_x = from_y = to_x = to_y = 0.0  # float64, and so are all sums below
    for i in range(N_LANDMARKS):
        from_x += float(mean[2 * i])
        from_y += float(mean[2 * i + 1])
        to_x += float(shape[2 * i])
        to_y += float(shape[2 * i + 1])
    from_x /= N_LANDMARKS
    from_y /= N_LANDMARKS
    to_x /= N_LANDMARKS
    to_y /= N_LANDMARKS
    a = b = spread = 0.0
    for i in range(N_LANDMARKS):
        ux = float(mean[2 * i]) - from_x
        uy = float(mean[2 * i + 1]) - from_y
        vx = float(shape[2 * i]) - to_x
        vy = float(shape[2 * i + 1]) - to_y
        spread += ux * ux + uy * uy
        a += ux * vx + uy * vy
        b += ux * vy - uy * vx
    return np.float32(a / spread), np.float32(b / spread)


@njit(nogil=True, cache=True)
def read_pixels(
    gray: GrayFrame,
    box: NDArray[np.float64],
    mean: FloatArray,
    shape: FloatArray,
    anchors: NDArray[np.uint8],
    deltas: FloatArray,
    features: NDArray[np.uint8],
) -> None:
    """The pixels that a cascade compares, into `features` (512,): 0 outside the picture.

    Feature k lies at `deltas` (2, n), turned and scaled as `shape` (136,) is against `mean` (136,),
    from the point `anchors` (n,) of `shape`, all as shares of the box; `box` (4,) is the centre of its
    top left pixel and its extent to that of the bottom right one, px.
    """
    height, width = gray.shape
    a, b = similarity(mean, shape)
    for k in range(anchors.size):
        point = 2 * np.intp(anchors[k])
        # float32 up to here, then float64: dlib's types.
        x = (a * deltas[0, k] + -b * deltas[1, k]) + shape[point]
        y = (b * deltas[0, k] + a * deltas[1, k]) + shape[point + 1]
        column = math.floor(box[0] + box[2] * np.float64(x) + 0.5)
        row = math.floor(box[1] + box[3] * np.float64(y) + 0.5)
        features[k] = gray[row, column] if 0 <= row < height and 0 <= column < width else 0


@njit(nogil=True, cache=True)
def walk_trees(
    nodes: NDArray[np.uint32], features: NDArray[np.uint8], flat: FloatArray, starts: NDArray[np.intp]
) -> None:
    """Where in `flat`, the leaves one after another, each tree's leaf starts: into `starts` (t,).

    `nodes` (t, 16); `features` (512,), so that whatever a node names exists. No branch depends on a
    pixel, and the leaf is asked for here, long before `add_leaves` adds it. The two together halve the
    time of a face (benchmarks/bench_forest.py: 0.14 for 0.25 ms; from memory 0.5 for 1.0).
    """
    for tree in range(nodes.shape[0]):
        i = 0
        for _ in range(TREE_DEPTH):
            node = np.int64(nodes[tree, i])
            difference = np.int64(features[node & _FEATURE_MASK]) - np.int64(
                features[node >> FEATURE_BITS & _FEATURE_MASK]
            )
            # The left child is 2·i + 1, the right one the next.
            i = 2 * i + 2 - int(difference + _THRESHOLD_BIAS > node >> 2 * FEATURE_BITS)
        start = (tree * N_LEAVES + i - N_SPLITS) * N_COORDINATES
        starts[tree] = start
        for line in range(_LEAF_LINES):
            _prefetch(flat, start + line * _LINE_FLOATS)  # type: ignore[call-arg]


@njit(nogil=True, cache=True)
def add_leaves(flat: FloatArray, starts: NDArray[np.intp], shape: FloatArray) -> None:
    """Add the 136 floats of `flat` at each of `starts` (t,) to `shape` (136,), in that order."""
    # Four at a time load and store the sum once instead of four times; the order of additions stays.
    in_fours = starts.size // 4 * 4
    for tree in range(0, in_fours, 4):
        first = flat[starts[tree] : starts[tree] + N_COORDINATES]
        second = flat[starts[tree + 1] : starts[tree + 1] + N_COORDINATES]
        third = flat[starts[tree + 2] : starts[tree + 2] + N_COORDINATES]
        fourth = flat[starts[tree + 3] : starts[tree + 3] + N_COORDINATES]
        for k in range(N_COORDINATES):
            shape[k] = (((shape[k] + first[k]) + second[k]) + third[k]) + fourth[k]
    for tree in range(in_fours, starts.size):
        leaf = flat[starts[tree] : starts[tree] + N_COORDINATES]
        for k in range(N_COORDINATES):
            shape[k] += leaf[k]


@njit(nogil=True, cache=True)
def evaluate(
    gray: GrayFrame,
    boxes: NDArray[np.float64],
    mean: FloatArray,
    anchors: NDArray[np.uint8],
    deltas: FloatArray,
    nodes: NDArray[np.uint32],
    leaves: FloatArray,
    points: NDArray[np.float64],
) -> None:
    """The 68 landmarks of the face in each of `boxes` (n, 4) of `gray` (h, w), into `points` (n, 68, 2), px.

    `mean` (136,), `anchors` (c, f), `deltas` (c, 2, f), `nodes` (c, t, 16) and `leaves`
    (c, t, 16, 136) are those of `livewarp.tracking.forest.Forest`; each box as in `read_pixels`.
    Cascade by cascade, so that what one box has fetched from memory the next finds in the cache.
    Source: Kazemi and Sullivan 2014; dlib/image_processing/shape_predictor.h (Boost Software License).
    """
    n = boxes.shape[0]
    shapes = np.empty((n, mean.size), np.float32)
    for k in range(n):
        for i in range(mean.size):  # a row at once would have numba compile how shapes that differ are told
            shapes[k, i] = mean[i]
    features = np.zeros(MAX_FEATURES, np.uint8)
    starts = np.empty((n, nodes.shape[1]), np.intp)
    for cascade in range(nodes.shape[0]):
        flat = leaves[cascade].reshape(-1)
        for k in range(n):
            read_pixels(gray, boxes[k], mean, shapes[k], anchors[cascade], deltas[cascade], features)
            walk_trees(nodes[cascade], features, flat, starts[k])
        for k in range(n):
            add_leaves(flat, starts[k], shapes[k])
    for k in range(n):
        for i in range(N_LANDMARKS):
            points[k, i, 0] = boxes[k, 0] + boxes[k, 2] * np.float64(shapes[k, 2 * i])
            points[k, i, 1] = boxes[k, 1] + boxes[k, 3] * np.float64(shapes[k, 2 * i + 1])


@njit(nogil=True, cache=True)
def agree(each: NDArray[np.float64], cos: float, sin: float, x0: float, y0: float, mean: FloatArray) -> float:
    """The mean of n answers (n, m, 2), taken back through a rotation, into `mean` (m, 2).

    (x, y) came from where cos·u + sin·v + x0 = x and cos·v - sin·u + y0 = y. Returns the RMS distance
    of an answer's points from the mean, before that.
    """
    n, m, _ = each.shape
    square = cos * cos + sin * sin
    total = 0.0
    for i in range(m):
        x = y = 0.0
        for k in range(n):
            x += each[k, i, 0]
            y += each[k, i, 1]
        x /= n
        y /= n
        for k in range(n):
            total += (each[k, i, 0] - x) ** 2 + (each[k, i, 1] - y) ** 2
        mean[i, 0] = (cos * (x - x0) - sin * (y - y0)) / square
        mean[i, 1] = (sin * (x - x0) + cos * (y - y0)) / square
    return math.sqrt(total / (n * m))
