"""Sources: where frames come from. `open_source` turns what a person asked for into one of them.

`plan_source` says what it will be like without opening it where that can be known: a webcam may be
missing for now, and must not be opened while nobody watches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from livewarp.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from livewarp.arrays import BgrFrame
    from livewarp.sources.nodes import Webcam

DEFAULT_WIDTH, DEFAULT_HEIGHT, DEFAULT_FPS = 1280, 720, 30.0
ALLOWED = "auto, webcam, webcam:INDEX, webcam:/dev/..., portrait or the path of a video or image"

Fit = Literal["letterbox", "crop", "stretch"]
"""How a picture of another shape is brought to the output's; see `livewarp.sources.fitted`."""

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where frames come from."""

    @property
    def name(self) -> str:
        """For people: "portrait", "webcam /dev/video0 (1280x720, 30 fps)"."""

    @property
    def width(self) -> int:
        """Of its frames, px; a live one may change it, telling by a `read` without a frame."""

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


@dataclass(frozen=True)
class Plan:
    """A source that can be opened, once and again.

    Attributes
    ----------
    name
        What a person asked for.
    live
        Whether it will most likely be a webcam.
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


def open_source(
    wanted: str,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    loop: bool = False,
    fit: Fit = "letterbox",
) -> Source:
    """The source that a person asked for, open and known to deliver.

    Parameters
    ----------
    wanted
        auto | webcam[:INDEX or /dev/... path] | portrait | PATH of a video or still image.
    width, height, fps
        px, px, frames a second. None: 1280, 720 and 30, or what a file has of its own.
    loop
        Start a video file again when it ends.
    fit
        How a picture of another shape is brought to that size.

    Raises
    ------
    SettingsError
        `wanted` names no source.
    SourceError
        It cannot be opened or delivers no frame.
    """
    check_source(wanted)
    kind, _, rest = wanted.partition(":")
    if kind == "webcam":
        source = _open_webcams(_devices(rest), width, height, fps)
    elif wanted == "portrait":
        source = _open_portrait(width, height, fps)
    elif wanted == "auto":
        source = _open_auto(width, height, fps)
    else:
        source = _open_file(Path(wanted).expanduser(), fps, loop)
    size = (width or source.width, height or source.height)
    if size == (source.width, source.height) and not source.live:
        return source
    from livewarp.sources.fitted import FittedSource

    return FittedSource(source, *_size_like(source, width, height), fit)


def plan_source(
    wanted: str,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    loop: bool = False,
    fit: Fit = "letterbox",
) -> Plan:
    """What `open_source` would open, for the same parameters.

    A file is opened at once where it is to say its own size or rate, else when it is needed.

    Raises
    ------
    SettingsError
        `wanted` names no source.
    SourceError
        A file cannot be opened.
    """
    check_source(wanted)
    kind, _, rest = wanted.partition(":")
    size = (width or DEFAULT_WIDTH, height or DEFAULT_HEIGHT)
    if kind == "webcam" or wanted == "auto":
        opener = _WebcamOpener(rest, *size, fps or DEFAULT_FPS, fit, or_portrait=wanted == "auto")
        return Plan(wanted, True, *size, fps or DEFAULT_FPS, opener)
    if wanted == "portrait":
        rate = fps or DEFAULT_FPS
        return Plan(wanted, False, *size, rate, lambda: _open_portrait(*size, rate))
    if width is not None and height is not None and fps is not None:
        return Plan(wanted, False, width, height, fps, lambda: open_source(wanted, width, height, fps, loop, fit))
    first = open_source(wanted, width, height, fps, loop, fit)
    waiting = [first]

    def open_again() -> Source:
        # The first opening has been done already.
        return waiting.pop() if waiting else open_source(wanted, first.width, first.height, fps, loop, fit)

    return Plan(wanted, False, first.width, first.height, first.fps, open_again)


def check_source(wanted: str) -> None:
    """Raise `SettingsError` where the text names no source, `SourceError` where it names a file that is missing."""
    kind, colon, which = wanted.partition(":")
    if not wanted or (kind == "webcam" and colon and not (which.startswith("/") or which.isdecimal())):
        raise SettingsError(f"source: got {wanted!r}, allowed: {ALLOWED}")
    if kind != "webcam" and wanted not in {"auto", "portrait"} and not Path(wanted).expanduser().is_file():
        raise SourceError(f"source: got {wanted!r}, which is no file; allowed: {ALLOWED}")


class _WebcamOpener:
    """Opens a webcam, and afterwards the same one again, wherever it is plugged in.

    Parameters
    ----------
    which
        Index or path; "": the first that delivers.
    or_portrait
        Use the built-in portrait where at first no webcam delivers.
    """

    def __init__(self, which: str, width: int, height: int, fps: float, fit: Fit, or_portrait: bool = False) -> None:
        self._which = which
        self._asked = (width, height, fps)
        self._fit = fit
        self._or_portrait = or_portrait
        self._known: Webcam | None = None

    def __call__(self) -> Source:
        from livewarp.sources.fitted import FittedSource

        devices = [self._known] if self._known is not None else _devices(self._which)
        try:
            source = _open_webcams(devices, *self._asked)
        except SourceError as error:
            if not self._or_portrait or self._known is not None:
                raise
            _log.info("source: no webcam delivers (%s); using the built-in portrait", error)
            return _open_portrait(*self._asked)
        self._known = getattr(source, "identity", None)
        return FittedSource(source, *self._asked[:2], self._fit)


def _size_like(source: Source, width: int | None, height: int | None) -> tuple[int, int]:
    """The size asked for; one side alone keeps the picture's shape."""
    if width is None and height is None:
        return source.width, source.height
    if width is None:
        assert height is not None
        return max(1, round(source.width * height / source.height)), height
    if height is None:
        return width, max(1, round(source.height * width / source.width))
    return width, height


def _open_portrait(width: int | None, height: int | None, fps: float | None) -> Source:
    from livewarp.sources.portrait import PortraitSource

    return PortraitSource(width or DEFAULT_WIDTH, height or DEFAULT_HEIGHT, fps or DEFAULT_FPS)


def _devices(which: str) -> Sequence[int | str]:
    """The webcams to try."""
    from livewarp.sources.nodes import webcams

    if which:
        return [int(which) if which.isdecimal() else which]
    return webcams()


def _open_webcams(
    devices: Sequence[int | str | Webcam], width: int | None, height: int | None, fps: float | None
) -> Source:
    """The first of them that delivers."""
    from livewarp.sources.webcam import WebcamSource

    problems = []
    for device in devices:
        try:
            return WebcamSource(device, width or DEFAULT_WIDTH, height or DEFAULT_HEIGHT, fps or DEFAULT_FPS)
        except SourceError as error:
            problems.append(str(error))
    raise SourceError("; ".join(problems) or "webcam: none is connected; try --source portrait")


def _open_auto(width: int | None, height: int | None, fps: float | None) -> Source:
    try:
        return _open_webcams(_devices(""), width, height, fps)
    except SourceError as error:
        _log.info("source: no webcam delivers (%s); using the built-in portrait", error)
        return _open_portrait(width, height, fps)


def _open_file(path: Path, fps: float | None, loop: bool) -> Source:
    from livewarp.sources.image import ImageSource, is_image
    from livewarp.sources.video import VideoSource

    openers: list[Callable[[], Source]] = [
        lambda: VideoSource(path, fps, loop),
        lambda: ImageSource(path, fps or DEFAULT_FPS),
    ]
    return openers[is_image(path)]()
