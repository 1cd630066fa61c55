"""The compiled arithmetic of the face mesh: where its head is, and its points as the 68.

Guarantees: they hold no GIL and keep no state.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def nearest_rotation(model: NDArray[np.float64], points: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Scale, origin and rotation, row by row, that bring `model` (n, 3) nearest to `points` (n, 3) into `out` (13,).

    The nearest rotation is the orthogonal factor of the covariance.
    Precondition: the points are not flat, and no mirror image. Source: Umeyama, "Least-squares estimation of
    transformation parameters between two point patterns", IEEE PAMI 13 (1991).
    """
    n = len(model)
    mean, centre = np.zeros(3), np.zeros(3)
    for i in range(n):
        for k in range(3):
            mean[k] += model[i, k] / n
            centre[k] += points[i, k] / n
    covariance = np.zeros((3, 3))
    spread = 0.0
    for i in range(n):
        for k in range(3):
            a = model[i, k] - mean[k]
            spread += a * a
            for j in range(3):
                covariance[j, k] += (points[i, j] - centre[j]) * a
    r = covariance.copy()
    _make_orthogonal(r)
    scale = 0.0
    for j in range(3):
        for k in range(3):
            scale += r[j, k] * covariance[j, k]
    scale /= spread
    out[0] = scale
    for j in range(3):
        out[1 + j] = centre[j]
        for k in range(3):
            out[1 + j] -= scale * r[j, k] * mean[k]
            out[4 + 3 * j + k] = r[j, k]


@njit(nogil=True, cache=True)
def _make_orthogonal(r: NDArray[np.float64]) -> None:
    """Turn a matrix (3, 3) of positive determinant into its orthogonal factor, by Newton's iteration with scaling.

    Source: Higham, "Computing the polar decomposition", SIAM J. Sci. Stat. Comput. 7 (1986).
    """
    inverse = np.empty((3, 3))
    for _ in range(30):
        if not _invert_transposed(r, inverse):
            return
        own, other = 0.0, 0.0
        for j in range(3):
            for k in range(3):
                own += r[j, k] * r[j, k]
                other += inverse[j, k] * inverse[j, k]
        pace = math.sqrt(math.sqrt(other / own))
        step = 0.0
        for j in range(3):
            for k in range(3):
                new = 0.5 * (pace * r[j, k] + inverse[j, k] / pace)
                step += (new - r[j, k]) ** 2
                r[j, k] = new
        if step < 1e-24:
            return


@njit(nogil=True, cache=True)
def _invert_transposed(r: NDArray[np.float64], inverse: NDArray[np.float64]) -> bool:
    """Write the transposed inverse of `r` (3, 3) to `inverse`; False: it has none, or is a mirror image."""
    for j in range(3):
        for k in range(3):
            # Cofactors: of the transposed inverse, times the determinant.
            a, b, c, d = (j + 1) % 3, (j + 2) % 3, (k + 1) % 3, (k + 2) % 3
            inverse[j, k] = r[a, c] * r[b, d] - r[a, d] * r[b, c]
    determinant = r[0, 0] * inverse[0, 0] + r[0, 1] * inverse[0, 1] + r[0, 2] * inverse[0, 2]
    if determinant < 1e-300:
        return False
    for j in range(3):
        for k in range(3):
            inverse[j, k] /= determinant
    return True
