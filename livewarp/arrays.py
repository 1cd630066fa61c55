"""Names for the arrays that modules hand to one another, each with shape, dtype and unit.

numpy's types cannot carry a shape, so these aliases do it for the reader.
Convention: positions are (x, y), pixels, origin at the *centre* of the top left pixel, y down.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
"""float32, any shape; the function says which."""

BgrFrame: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8, C-contiguous, channels blue, green, red."""

GrayFrame: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8, C-contiguous."""

Landmarks: TypeAlias = NDArray[np.float32]
"""(68, 2) float32, x then y, pixels of the full frame, iBUG-68 order, 0-based."""

DisplacementField: TypeAlias = NDArray[np.float32]
"""(h, w, 2) float32, pixels, backward: out[y, x] = frame[y + d[y, x, 1], x + d[y, x, 0]]."""

Box: TypeAlias = tuple[int, int, int, int]
"""(x0, y0, x1, y1), pixels, half-open: x1 and y1 lie just outside."""
