"""Opens a video file: whatever its name, and only itself.

Guarantees: a playlist inside a file opens no other file and no address. Names may be any bytes that the system allows.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from livewarp.errors import SourceError
from livewarp.media.rawfile import RawFile

STANDARD = Path("-")
"""Standard input or output."""

MAX_PIXELS = 8192 * 8192  # of a frame: 200 MB as BGR; what declares more is damaged, or made to harm
BUFFER_BYTES = 1 << 20

_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe; `-` reads standard input"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISSOCK, "is a socket"),
)

av.logging.set_level(None)  # what FFmpeg would print of a file, we say


def open_regular(path: Path) -> RawFile:
    """A regular file, open for reading.

    Raises
    ------
    SourceError
        It is missing, no regular file, or may not be read.
    """
    allowed = "a video or image file"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = next((text for test, text in _KINDS if test(status.st_mode)), "is no file")
            raise SourceError(f"{path}: {what}", allowed=allowed)
        return RawFile(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)))
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file", allowed=allowed) from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SourceError(f"{path}: {getattr(error, 'strerror', None) or error}", allowed=allowed) from error


def _refuse(url: str, flags: int, options: dict[str, Any]) -> None:
    raise OSError(f"it refers to {url}")


def open_container(path: Path) -> tuple[RawFile, InputContainer]:
    """The open file and what FFmpeg finds in it; `STANDARD` is standard input.

    Raises
    ------
    SourceError
        It cannot be read, or is no video.
    """
    file = _standard_input() if path == STANDARD else open_regular(path)
    try:
        container = av.open(
            file, "r", buffer_size=BUFFER_BYTES, metadata_errors="replace", io_open=_refuse, container_options=_CAUTION
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        is_empty = file.seekable() and file.seek(0, os.SEEK_END) == 0
        file.close()
        what = "is empty" if is_empty else "FFmpeg cannot read it"
        raise SourceError(f"video {path}: {what}", allowed="a video or image file") from error
    return file, container


_CAUTION = {"protocol_whitelist": "none"}


def _standard_input() -> RawFile:
    if sys.stdin is None:
        raise SourceError("video -: standard input is closed", allowed="a video, as y4m or in a container")
    # Read from the descriptor: Python's own buffer may end, and a terminal is no video.
    return RawFile(os.dup(sys.stdin.fileno()))


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream to filter: the first that is no cover picture.

    Raises
    ------
    SourceError
        There is none, or its frames are too large.
    """
    cover = av.stream.Disposition.attached_pic
    found = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not found:
        what = "holds sound alone" if container.streams.audio else "holds no video"
        raise SourceError(f"video {path}: {what}", allowed="a file with a picture")
    stream = max(found, key=lambda s: (bool(s.disposition & av.stream.Disposition.default), -s.index))
    check_size(stream.codec_context.width, stream.codec_context.height, path)
    return stream


def check_size(width: int, height: int, path: Path) -> None:
    """Refuse frames that would not fit into memory, before they are decoded."""
    if width * height > MAX_PIXELS:
        raise SourceError(f"video {path}: frames", got=f"{width}x{height} px", allowed=f"{MAX_PIXELS} px at most")
