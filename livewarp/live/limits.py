"""When a run ends by itself, and whether its webcam waits for somebody to watch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a run lasts; None: until it is stopped.

    Attributes
    ----------
    frames
        Of the source, sent or held back by a switch.
    duration_s
        Since the loop began.
    """

    frames: int | None = None
    duration_s: float | None = None

    @property
    def is_endless(self) -> bool:
        """Whether it lasts until it is stopped."""
        return self.frames is None and self.duration_s is None


@dataclass(frozen=True, slots=True)
class Demand:
    """When a webcam is open.

    Attributes
    ----------
    is_required
        Only while somebody watches, and for `grace_s` afterwards.
    """

    is_required: bool = False
    grace_s: float = 10.0
