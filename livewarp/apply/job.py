"""What `apply` is asked to do beside filtering, and what it says it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Compare = Literal["side", "split", "wipe"]


@dataclass(frozen=True)
class Job:
    """Which part of a file, how well, and in what form.

    Attributes
    ----------
    start_s, end_s
        The part of a video, s from its beginning; None: to the end.
    every
        Only every so-many-th frame, for a quick look.
    compare
        Show the original, too: beside the result, left of it in one picture, or left of a line that moves across.
    quality
        1 to 100; None: as good as the input needs.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1
    compare: Compare | None = None
    quality: float | None = None

    @property
    def is_part(self) -> bool:
        """Whether some of the input is left out."""
        return self.start_s > 0 or self.end_s is not None


AS_IT_IS = Job()


@dataclass(frozen=True)
class Applied:
    """What `apply` did.

    Attributes
    ----------
    frames, with_face
        How many there were, and how many had a face.
    notes
        What a person should know, a sentence each.
    media_s
        How long the result is; 0: an image.
    """

    frames: int
    with_face: int
    notes: tuple[str, ...] = ()
    media_s: float = 0.0


Progress = Callable[[int, int | None], None]
"""Called with the frames done and how many there are, None where the file does not say."""


def no_progress(done: int, total: int | None) -> None:
    """Tell nobody."""
