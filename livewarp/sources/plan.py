"""What a source is, and a plan to open one: what it will be like is known before it is opened.

A webcam may be missing for now, and must not be opened while nobody watches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from livewarp.arrays import BgrFrame  # would import numpy, which the client commands do without

DEFAULT_WIDTH, DEFAULT_HEIGHT, DEFAULT_FPS = 1280, 720, 30.0

Fit = Literal["letterbox", "crop", "stretch"]
"""How a frame of another shape is brought to the output's; see `livewarp.sources.fitted`."""


class Source(Protocol):
    """Where frames come from."""

    @property
    def name(self) -> str:
        """For people: "portrait", "webcam /dev/video0 (1280x720, 30 fps)"."""

    @property
    def width(self) -> int:
        """Of its frames, px; a live one may change it: `read` gives None once, and the new size holds."""

    @property
    def height(self) -> int:
        """Of its frames, px."""

    @property
    def fps(self) -> float:
        """Frames a second, nominal."""

    @property
    def live(self) -> bool:
        """Whether frames come at their own time (a webcam); others come as fast as they are read."""

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; its timestamp, s, or None where there was none."""

    def close(self) -> None:
        """Release it; may be called more than once."""


@dataclass(frozen=True, slots=True)
class Request:
    """The frames that a person wants of a source.

    Attributes
    ----------
    width, height, fps
        px, px, frames a second. None: 1280, 720 and 30, or what a file has of its own.
    loop
        Start a video file again when it ends.
    fit
        How a frame of another shape is brought to that size.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    loop: bool = False
    fit: Fit = "letterbox"

    def geometry(self) -> tuple[int, int, float]:
        """Width, height and rate, with the defaults where a source has none of its own."""
        return self.width or DEFAULT_WIDTH, self.height or DEFAULT_HEIGHT, self.fps or DEFAULT_FPS


class SourceChoice(NamedTuple):
    """A source that a person can choose.

    Attributes
    ----------
    source
        The text for --source.
    name
        For people.
    opened_as
        How the name of the open source, with a space after it, begins.
    """

    source: str
    name: str
    opened_as: str


@dataclass(frozen=True)
class Plan:
    """A source that can be opened, once and again.

    Attributes
    ----------
    name
        What a person asked for.
    live
        Whether it will most likely be a camera: its frames come at their own time, and it is opened on demand.
    width, height, fps
        Of the frames that it will deliver.
    open
        Opens it; blocks for seconds, and raises `SourceError`.
    """

    name: str
    live: bool
    width: int
    height: int
    fps: float
    open: Callable[[], Source]

    def then(self, opened: Callable[[Source], Source]) -> Plan:
        """The same plan, whose source also goes through `opened` each time."""
        return replace(self, open=lambda: opened(self.open()))
