"""A source brought to another frame size, letterboxed where the shape differs."""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.sources import Source


class FittedSource:
    """`source`, scaled to fit into (height, width) as large as it goes, black bars beside it."""

    def __init__(self, source: Source, width: int, height: int) -> None:
        self._source = source
        self.width, self.height = width, height
        self.fps: float = source.fps
        self.live: bool = source.live
        self.name: str = f"{source.name} as {width}x{height}"
        scale = min(width / source.width, height / source.height)
        w, h = max(1, round(source.width * scale)), max(1, round(source.height * scale))
        self._inner = (slice((height - h) // 2, (height - h) // 2 + h), slice((width - w) // 2, (width - w) // 2 + w))
        self._size = (w, h)
        self._interpolation = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        self._buffer = np.empty((source.height, source.width, 3), np.uint8)
        self._scaled = np.empty((h, w, 3), np.uint8)

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        return bool(self._source.ended)

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; its timestamp, s, or None where there was none."""
        timestamp_s: float | None = self._source.read(self._buffer)
        if timestamp_s is not None:
            cv2.resize(self._buffer, self._size, dst=self._scaled, interpolation=self._interpolation)
            if self._scaled.shape != out.shape:
                out[:] = 0
            out[self._inner] = self._scaled
        return timestamp_s

    def close(self) -> None:
        """Release the source; may be called more than once."""
        self._source.close()
