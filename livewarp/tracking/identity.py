"""Which face is which: lost faces are remembered, for some seconds by their place, much longer by their looks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from livewarp.face68 import Pose
from livewarp.tracking.detector import Detection
from livewarp.tracking.landmarks import pose_from_box
from livewarp.tracking.looks import SAME, Gallery, Looks
from livewarp.tracking.motion import Velocity, moved
from livewarp.tracking.picture_kernels import difference

REMEMBER_S = 5.0  # a lost face that comes back nearby is the same one
MOST = 16  # people who are remembered by their looks; beyond, the longest lost is forgotten
_UNLIKE = 2.5  # looks of someone else, for certain: a face that comes back blurred or half hidden differs by less
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
    gallery: Gallery = field(default_factory=Gallery)

    def is_recent(self, now_s: float) -> bool:
        """Whether it may be near the place where it was lost."""
        return now_s - self.last_s < REMEMBER_S

    def expected(self, now_s: float) -> Pose:
        """Where it would be now if it had gone on for a while."""
        return moved(self.pose, self.velocity, min(_FORESEEN_S, now_s - self.last_s))

    def distance(self, found: Detection, now_s: float) -> float:
        """How far a detection is from where it would be, IOD, and how unlike its size."""
        at, there = self.expected(now_s), pose_from_box(*found[:4])
        return math.hypot(there.x - at.x, there.y - at.y) / at.iod_px + abs(math.log(there.iod_px / at.iod_px))

    def may_be(self, found: Detection, now_s: float) -> bool:
        """Whether it may have come back there: the farther, the longer it was gone."""
        if not self.is_recent(now_s):
            return False
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

    def forget_places(self) -> None:
        """Another scene begins: of those who were lost nothing but their looks counts."""
        self.memories = [replace(m, last_s=-math.inf) for m in self.memories]

    def recent(self, now_s: float) -> list[Memory]:
        """Those whose place may still be searched."""
        return [m for m in self.memories if m.is_recent(now_s)]

    def remember(self, memory: Memory) -> None:
        """Remember a face, unless it is remembered already."""
        if all(m.id != memory.id for m in self.memories):
            self.memories = [*self.memories, memory][-MOST:]

    def near(self, found: Detection, now_s: float) -> list[Memory]:
        """The remembered faces that may have come back there, the nearest in place and size first."""
        candidates = [m for m in self.memories if m.may_be(found, now_s)]
        return sorted(candidates, key=lambda m: m.distance(found, now_s))

    def recognise(
        self,
        found: Detection,
        appearance: NDArray[np.float32],
        looks: Looks,
        now_s: float,
        doubtful: Iterable[Memory] = (),
    ) -> Memory | None:
        """The remembered face that this one is: by its looks wherever it is, or by place, size and appearance.

        `doubtful`: faces that are still followed, but may have been lost.
        """
        candidates = [*self.memories, *(m for m in doubtful if all(m.id != mine.id for mine in self.memories))]
        best = min(candidates, key=lambda m: m.gallery.distance(looks), default=None)
        if best is not None and best.gallery.distance(looks) < SAME:
            return best
        near = [m for m in self.near(found, now_s) if not m.gallery.looks or m.gallery.distance(looks) < _UNLIKE]
        best = min(near, key=lambda m: difference(m.appearance, appearance), default=None)
        return best if best is not None and difference(best.appearance, appearance) < _FOREIGN else None

    def take_back(self, memory: Memory) -> int:
        """The id of a remembered face, which is followed again."""
        self.memories = [m for m in self.memories if m.id != memory.id]
        return memory.id

    def new_id(self) -> int:
        """An id that no face has had."""
        id, self._next_id = self._next_id, self._next_id + 1
        return id
