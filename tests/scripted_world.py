"""A camera with faults on a clock that goes only when told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from livewarp.errors import SourceError
from livewarp.live.reader import Reader
from livewarp.sources.fitted import FittedSource
from scripted import CAMERA_RED, SHAPE

FPS = 20.0
TICK_S = 1 / 40


@dataclass
class World:
    """What the sequences happen in: a clock, a camera with its faults, and the readers that read it."""

    now: float = 1000.0
    fault: str = ""
    frames: int = 0
    size: tuple[int, int] = (SHAPE[1], SHAPE[0])
    readers: list[Reader] = field(default_factory=list)
    hanging: list[Reader] = field(default_factory=list)

    def clock(self) -> float:
        """What it shows."""
        return self.now

    def open(self) -> FittedSource:
        """The camera, at the size of the output."""
        if self.fault == "refuses":
            raise SourceError("scripted: is in use")
        return FittedSource(Camera(self), SHAPE[1], SHAPE[0], "crop")

    def pass_time(self) -> None:
        """One tick for all readers; a call that hangs has taken its buffer and does not return."""
        self.now += TICK_S
        for reader in list(self.readers):
            hangs = self.fault == "hangs" or (self.fault == "hangs in open" and reader.source is None)
            if reader in self.hanging:
                if hangs:
                    continue
                self.hanging.remove(reader)
                reader._hand_back()
            elif hangs:
                self.hanging.append(reader)
                if reader.source is not None:
                    reader._buffer = reader._mailbox.take()
                continue
            for _ in range(8 if self.fault == "bursts" else 1):
                if not reader.advance():
                    self.readers.remove(reader)
                    break


class Camera:
    """A webcam that does as the world has it."""

    name, live, ended, fps = "scripted", True, False, FPS

    def __init__(self, world: World) -> None:
        self._world = world
        self.width, self.height = world.size
        self._last_s = 0.0

    def read(self, out: np.ndarray) -> float | None:
        """A frame if one is due, or the fault."""
        world = self._world
        if world.fault == "raises":
            raise SourceError("scripted: input/output error")
        if world.fault == "fails unexpectedly":
            raise ValueError("scripted: a bug")
        if (self.width, self.height) != world.size:
            self.width, self.height = world.size
            return None
        if world.fault == "is silent":
            return None
        if world.fault != "bursts" and world.now - self._last_s < 1 / FPS - 1e-6:
            return None
        self._last_s = world.now
        if world.fault != "freezes":
            world.frames += 1
        out[...] = (world.frames % 256, world.frames % 251, CAMERA_RED)
        return world.now - (7.0 if world.fault == "is late" else 0.0)

    def close(self) -> None:
        """Nothing to release."""


CAMERA_FAULTS = (
    *("is silent", "raises", "fails unexpectedly", "hangs", "hangs in open"),
    *("refuses", "freezes", "is late", "bursts"),
)
"""What may be wrong with it."""
