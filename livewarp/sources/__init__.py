"""Sources: where frames come from. `open_source` turns what a person asked for into one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from livewarp.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from livewarp.arrays import BgrFrame

DEFAULT_WIDTH, DEFAULT_HEIGHT, DEFAULT_FPS = 1280, 720, 30.0
ALLOWED = "auto, webcam, webcam:INDEX, webcam:/dev/..., portrait or the path of a video or image"

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where frames come from."""

    @property
    def name(self) -> str:
        """For people: "portrait", "webcam /dev/video0 (1280x720, 30 fps)"."""

    @property
    def width(self) -> int:
        """Of its frames, px."""

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


def open_source(
    wanted: str, width: int | None = None, height: int | None = None, fps: float | None = None, loop: bool = False
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

    Raises
    ------
    SettingsError
        `wanted` names no source.
    SourceError
        It cannot be opened or delivers no frame.
    """
    if not wanted:
        raise SettingsError(f"source: got '', allowed: {ALLOWED}")
    kind, _, rest = wanted.partition(":")
    if kind == "webcam":
        source = _open_webcam(rest, width, height, fps)
    elif wanted == "portrait":
        source = _open_portrait(width, height, fps)
    elif wanted == "auto":
        source = _open_auto(width, height, fps)
    else:
        source = _open_file(Path(wanted).expanduser(), fps, loop)
    if (width or source.width, height or source.height) == (source.width, source.height):
        return source
    from livewarp.sources.fitted import FittedSource

    return FittedSource(source, *_size_like(source, width, height))


def _size_like(source: Source, width: int | None, height: int | None) -> tuple[int, int]:
    """The size asked for; one side alone keeps the picture's shape."""
    if width is None:
        assert height is not None
        return max(1, round(source.width * height / source.height)), height
    if height is None:
        return width, max(1, round(source.height * width / source.width))
    return width, height


def _open_portrait(width: int | None, height: int | None, fps: float | None) -> Source:
    from livewarp.sources.portrait import PortraitSource

    return PortraitSource(width or DEFAULT_WIDTH, height or DEFAULT_HEIGHT, fps or DEFAULT_FPS)


def _open_webcam(which: str, width: int | None, height: int | None, fps: float | None) -> Source:
    from livewarp.sources.webcam import WebcamSource, webcams

    asked = (width or DEFAULT_WIDTH, height or DEFAULT_HEIGHT, fps or DEFAULT_FPS)
    if which:
        return WebcamSource(int(which) if which.isdecimal() else which, *asked)
    problems = []
    for device in webcams():
        try:
            return WebcamSource(device, *asked)
        except SourceError as error:
            problems.append(str(error))
    raise SourceError("; ".join(problems) or "webcam: none is connected; try --source portrait")


def _open_auto(width: int | None, height: int | None, fps: float | None) -> Source:
    try:
        return _open_webcam("", width, height, fps)
    except SourceError as error:
        _log.info("source: no webcam delivers (%s); using the built-in portrait", error)
        return _open_portrait(width, height, fps)


def _open_file(path: Path, fps: float | None, loop: bool) -> Source:
    if not path.is_file():
        raise SourceError(f"source: got {str(path)!r}, which is no file; allowed: {ALLOWED}")
    from livewarp.sources.image import ImageSource, is_image
    from livewarp.sources.video import VideoSource

    openers: list[Callable[[], Source]] = [
        lambda: VideoSource(path, fps, loop),
        lambda: ImageSource(path, fps or DEFAULT_FPS),
    ]
    return openers[is_image(path)]()
