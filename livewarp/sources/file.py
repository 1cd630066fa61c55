"""Videos and still images as a source."""

from __future__ import annotations

from pathlib import Path

from livewarp.sources.fitted import FittedSource
from livewarp.sources.image import ImageSource, holds_image
from livewarp.sources.plan import DEFAULT_FPS, Plan, Request, Source
from livewarp.sources.video import VideoSource
from livewarp.system.regular import expanded


def plan_file(wanted: str, request: Request) -> Plan:
    """A file, opened at once where it is to say its own size or rate.

    Raises
    ------
    SourceError
        It cannot be opened.
    """
    path = expanded(wanted)
    width, height, fps = request.width, request.height, request.fps
    if width is not None and height is not None and fps is not None:
        return Plan(wanted, False, width, height, fps, lambda: _open(path, request))
    first = _open(path, request)
    again = Request(first.width, first.height, fps, request.loop, request.fit)
    waiting = [first]
    return Plan(
        wanted,
        False,
        first.width,
        first.height,
        first.fps,
        lambda: waiting.pop() if waiting else _open(path, again),  # the first opening has been done already
    )


def _open(path: Path, request: Request) -> Source:
    source: Source
    if holds_image(path):
        source = ImageSource(path, request.fps or DEFAULT_FPS)
    else:
        source = VideoSource(path, request.fps, request.loop)
    size = _size_like(source, request.width, request.height)
    return source if size == (source.width, source.height) else FittedSource(source, *size, request.fit)


def _size_like(source: Source, width: int | None, height: int | None) -> tuple[int, int]:
    """The size asked for; one side alone keeps the frame's proportions."""
    if width is not None and height is not None:
        return width, height
    if width is not None:
        return width, max(1, round(source.height * width / source.width))
    if height is not None:
        return max(1, round(source.width * height / source.height)), height
    return source.width, source.height
