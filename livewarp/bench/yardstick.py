"""A piece of work that is the same in every version: its time says how fast the machine was."""

from __future__ import annotations

import time

import numpy as np

_SIDE = 192  # 110 kB three times: in the second-level cache, as the filter's own data mostly is


class Yardstick:
    """Copies, adds and takes roots of an array; about 30 µs."""

    def __init__(self) -> None:
        self._a = np.linspace(0.0, 1.0, _SIDE * _SIDE, dtype=np.float32)
        self._b = np.empty_like(self._a)

    def measure(self) -> float:
        """What it took, s."""
        start = time.perf_counter()
        np.copyto(self._b, self._a)
        np.sqrt(self._b, out=self._b)
        np.add(self._a, self._b, out=self._b)
        return time.perf_counter() - start
