"""The compiled loops that make small pictures of large ones and compare them.

Guarantees: they hold no GIL, keep no state, and read within the bounds of their arrays.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import FloatArray

_FLAT = 2.0  # grey levels: a picture of less contrast keeps its smallness instead of having its noise blown up


@njit(nogil=True, cache=True)
def sample_cells(frame: NDArray[np.uint8], each: int, cells: FloatArray) -> None:
    """Mean green level of each of `cells` (rows, columns) of `frame` (h, w, 3), from `each` x `each` of its pixels."""
    h, w, _ = frame.shape
    rows, columns = cells.shape
    for r in range(rows):
        for c in range(columns):
            total = 0
            for i in range(each):
                y = ((r * each + i) * 2 + 1) * h // (2 * rows * each)
                for j in range(each):
                    x = ((c * each + j) * 2 + 1) * w // (2 * columns * each)
                    total += int(frame[y, x, 1])
            cells[r, c] = total / (each * each)


@njit(nogil=True, cache=True)
def share_changed(before: FloatArray, now: FloatArray, levels: float) -> float:
    """Share of the cells (rows, columns) that differ by more than so many levels."""
    count = 0
    for r in range(now.shape[0]):
        for c in range(now.shape[1]):
            if abs(now[r, c] - before[r, c]) > levels:
                count += 1
    return count / now.size


@njit(nogil=True, cache=True)
def normalise(gray: NDArray[np.uint8], top: int, left: int, cell: int, appearance: FloatArray) -> None:
    """Means over cells of `cell` x `cell` px of `gray` (h, w) from (top, left) on, made of mean 0, variance 1."""
    n = appearance.shape[0]
    mean = square = 0.0
    for r in range(n):
        for c in range(n):
            total = 0
            for i in range(cell):
                for j in range(cell):
                    total += int(gray[top + r * cell + i, left + c * cell + j])
            value = total / (cell * cell)
            appearance[r, c] = value
            mean += value
            square += value * value
    mean /= n * n
    deviation = max(_FLAT, math.sqrt(max(0.0, square / (n * n) - mean * mean)))
    for r in range(n):
        for c in range(n):
            appearance[r, c] = (appearance[r, c] - mean) / deviation


@njit(nogil=True, cache=True)
def difference(a: FloatArray, b: FloatArray) -> float:
    """RMS difference of two appearances (n, n): 0 the same, 1.4 unlike."""
    total = 0.0
    for r in range(a.shape[0]):
        for c in range(a.shape[1]):
            total += (a[r, c] - b[r, c]) ** 2
    return math.sqrt(total / a.size)
