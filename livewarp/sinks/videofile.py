"""A video file as a sink. It is written under another name and gets its own when it is complete."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import cv2

from livewarp.arrays import BgrFrame
from livewarp.errors import SinkError
from livewarp.sinks.camera import wrong_size
from livewarp.system.atomic import begin, complete, discard

# Container → codecs, best first. OpenCV's wheels carry no H.264 encoder.
CODECS = {
    ".mp4": ("mp4v",),
    ".m4v": ("mp4v",),
    ".mov": ("mp4v",),
    ".mkv": ("mp4v", "MJPG"),
    ".avi": ("MJPG",),
}

SPACE_CHECK_FRAMES = 100
SPACE_NEEDED_BYTES = 50_000_000  # some seconds of any video, and room for the file's index

_log = logging.getLogger(__name__)


class VideoFileSink:
    """Writes frames to a video file.

    Parameters
    ----------
    path
        Its suffix chooses the format: .mp4, .mov, .m4v, .mkv or .avi.
    width, height, fps
        Of the frames that will be sent.

    Raises
    ------
    SinkError
        The suffix is none of `CODECS`, or the folder cannot be written.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        self.name = f"file {path}"
        self._path = path
        codecs = CODECS.get(path.suffix.lower())
        if codecs is None:
            raise SinkError(f"{self.name}: suffix", got=repr(path.suffix), allowed=", ".join(CODECS))
        if not path.parent.is_dir():
            raise SinkError(f"{self.name}: no folder {path.parent}", allowed="a folder that exists")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise SinkError(f"{self.name}: cannot be written", allowed="a file in a folder that you may write to")
        try:
            self._partial = begin(path)
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror or error}") from error
        self._writer: cv2.VideoWriter | None = None
        for codec in codecs:
            writer = cv2.VideoWriter(
                str(self._partial.resolve()), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (width, height)
            )
            if writer.isOpened():
                self._writer = writer
                break
        if self._writer is None:
            discard(self._partial)
            raise SinkError(
                f"{self.name}: FFmpeg cannot write {width}x{height} at {fps:g} fps as {'/'.join(codecs)}",
                allowed="another suffix or size",
            )
        self._size_hw = (height, width)
        self._count = 0
        self._closed = False

    def send(self, pixels: BgrFrame) -> None:
        """Append one frame (height, width, 3)."""
        if self._writer is None:
            raise SinkError(f"{self.name}: is closed")
        if pixels.shape[:2] != self._size_hw:
            raise wrong_size(self.name, pixels, self._size_hw)
        if self._count % SPACE_CHECK_FRAMES == 0:
            free = shutil.disk_usage(self._path.parent).free
            if free < SPACE_NEEDED_BYTES:  # OpenCV is silent about a failed write
                needed = f"at least {SPACE_NEEDED_BYTES / 1e6:.0f} MB"
                raise SinkError(f"{self.name}: disk full: {free / 1e6:.0f} MB free", allowed=needed)
        self._count += 1
        self._writer.write(pixels)

    def finish(self) -> Path:
        """End writing; the complete file, which still has its temporary name."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        return self._partial

    def close(self) -> None:
        """Finish the file and give it its name; may be called more than once. Without a frame there is none."""
        if self._closed:
            return
        if self._count == 0:  # such a file cannot be played
            _log.warning("%s: no frame came, so nothing is written", self.name)
            self.discard()
            return
        self._closed = True
        try:
            complete(self.finish(), self._path)
        except OSError as error:
            raise SinkError(f"{self.name}: cannot be written: {error.strerror or error}") from error

    def discard(self) -> None:
        """Remove what was written, unless it is closed and has its name."""
        if not self._closed:
            self._closed = True
            discard(self.finish())
