"""Which face is which: faces that were lost are remembered for some seconds and come back as themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livewarp.face68 import Pose
from livewarp.tracking.detector import Detection
from livewarp.tracking.landmarks import pose_from_box
from livewarp.tracking.motion import Velocity, moved
from livewarp.tracking.picture_kernels import difference

REMEMBER_S = 5.0  # a lost face that comes back nearby is the same one
_FOREIGN = 1.0  # two appearances of one face differ by less, of two people mostly by more
_REACH = 1.5  # IOD, and log of the size: so far from its last place a lost face may come back at once ...
_DRIFT = 1.5  # ... and farther by so much for each second that it was gone ...
_FARTHEST_DRIFT = 1.5  # ... up to this
_FORESEEN_S = 1.0  # for so long it may have gone on as it moved


@dataclass(frozen=True, eq=False)
class Memory:
    """A face as it was when its place was last certain."""

    id: int
    pose: Pose
    velocity: Velocity  # over the last third of a second
    appearance: NDArray[np.float32]
    last_s: float

    def expected(self, now_s: float) -> Pose:
        """Where it would be now if it had gone on for a while."""
        return moved(self.pose, self.velocity, min(_FORESEEN_S, now_s - self.last_s))

    def distance(self, found: Detection, now_s: float) -> float:
        """How far a detection is from where it would be, IOD, and how unlike its size."""
        at, there = self.expected(now_s), pose_from_box(*found[:4])
        return math.hypot(there.x - at.x, there.y - at.y) / at.iod_px + abs(math.log(there.iod_px / at.iod_px))

    def may_be(self, found: Detection, now_s: float) -> bool:
        """Whether it may have come back there: the farther, the longer it was gone."""
        return self.distance(found, now_s) < _REACH + min(_FARTHEST_DRIFT, _DRIFT * (now_s - self.last_s))


class Identities:
    """Gives out ids, and remembers lost faces.

    Attributes
    ----------
    memories
        The faces that are remembered, the longest lost first.
    """

    def __init__(self) -> None:
        self.memories: list[Memory] = []
        self._next_id = 1

    def forget(self) -> None:
        """Drop all memories."""
        self.memories = []

    def expire(self, now_s: float) -> None:
        """Drop the memories that are too old."""
        self.memories = [m for m in self.memories if now_s - m.last_s < REMEMBER_S]

    def remember(self, memory: Memory) -> None:
        """Remember a face, unless it is remembered already."""
        if all(m.id != memory.id for m in self.memories):
            self.memories.append(memory)

    def near(self, found: Detection, now_s: float) -> list[Memory]:
        """The remembered faces that may have come back there, the nearest in place and size first."""
        candidates = [m for m in self.memories if m.may_be(found, now_s)]
        return sorted(candidates, key=lambda m: m.distance(found, now_s))

    def recognise(self, found: Detection, appearance: NDArray[np.float32], now_s: float) -> Memory | None:
        """The remembered face that this one is, by place, size and appearance."""
        best = min(self.near(found, now_s), key=lambda m: difference(m.appearance, appearance), default=None)
        return best if best is not None and difference(best.appearance, appearance) < _FOREIGN else None

    def take_back(self, memory: Memory) -> int:
        """The id of a remembered face, which is followed again."""
        self.memories.remove(memory)
        return memory.id

    def new_id(self) -> int:
        """An id that no face has had."""
        id, self._next_id = self._next_id, self._next_id + 1
        return id
