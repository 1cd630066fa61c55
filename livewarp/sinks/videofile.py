"""A video file as a sink: it has its name from the first frame on, and plays however the recording ends."""

from __future__ import annotations

import contextlib
import logging
import os
from fractions import Fraction
from pathlib import Path

from livewarp.arrays import BgrFrame
from livewarp.errors import SinkError
from livewarp.media.colour import Converter, VideoColour
from livewarp.media.formats import FORMATS, format_of
from livewarp.media.rawfile import RawFile
from livewarp.media.writing import VideoWriter
from livewarp.sinks.camera import wrong_size
from livewarp.system.paths import check_output, timed

TIME_BASE = Fraction(1, 90000)  # fine enough for any rate, and usual
CRF = 20.0  # of x264: a call's picture without visible loss

_log = logging.getLogger(__name__)


class VideoFileSink:
    """Writes frames to a video file.

    Guarantees: what has been written half a second ago plays, whatever happens: fragments, or clusters, of
    that length are on their way to the disk. A file that exists is left alone, unless `force`; then it is replaced
    with the first frame, under the same links and permissions.

    Parameters
    ----------
    path
        Its suffix chooses the format, one of `FORMATS`; "{time}" in its name stands for the moment.
    width, height, fps
        Of the frames that will be sent.
    force
        Replace a file of that name.

    Raises
    ------
    SinkError
        The suffix is none of `FORMATS`, or the folder cannot be written.
    SettingsError
        There is a file of that name, and `force` is False.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float, force: bool = False) -> None:
        path = timed(path)
        self.name = f"file {path}"
        self.path = path
        form = format_of(path)
        if form is None:
            raise SinkError(f"{self.name}: suffix", got=repr(path.suffix), allowed=", ".join(FORMATS))
        if not path.parent.is_dir():
            raise SinkError(f"{self.name}: no folder {path.parent}", allowed="a folder that exists")
        if path.is_dir():
            raise SinkError(f"{self.name}: is a folder", allowed="a file in a folder that you may write to")
        check_output(path, force)
        self._form = form
        self._size_hw = (height, width)
        self._fps = Fraction(fps).limit_denominator(1001)
        self._converter = Converter(VideoColour(), height)
        self._writer: VideoWriter | None = None
        self._count = 0
        self._first_s = 0.0
        self._closed = False
        self._descriptor, self._is_new = self._open()

    def send(self, pixels: BgrFrame, at_s: float | None = None) -> None:
        """Append one frame (height, width, 3).

        Parameters
        ----------
        at_s
            When it was sent, s, on any clock; None: one period after the last.

        Raises
        ------
        SinkError
            The frame has another size, or it cannot be written; what was written before plays.
        """
        if self._closed:
            raise SinkError(f"{self.name}: is closed")
        if pixels.shape[:2] != self._size_hw:
            raise wrong_size(self.name, pixels, self._size_hw)
        if self._writer is None:
            self._writer = self._begin()
            self._first_s = at_s or 0.0
        shown_s = Fraction(self._count) / self._fps if at_s is None else Fraction(at_s - self._first_s)
        self._writer.write(
            self._converter.from_bgr(pixels), round(shown_s / TIME_BASE), round(1 / (self._fps * TIME_BASE))
        )
        self._count += 1

    def close(self) -> None:
        """Finish the file; may be called more than once. Without a frame there is none."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._writer.close()
            return
        _log.warning("%s: no frame came, so nothing is written", self.name)
        os.close(self._descriptor)
        if self._is_new:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _open(self) -> tuple[int, bool]:
        """The file's descriptor, and whether it is new; one that is not keeps its content until the first frame."""
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            is_new = not self.path.exists()
            # A name that somebody else takes meanwhile is not overwritten; one that is a link to nothing is followed.
            exclusive = os.O_EXCL if is_new and not self.path.is_symlink() else 0
            return os.open(self.path, flags | (os.O_CREAT | exclusive if is_new else 0), 0o666), is_new
        except OSError as error:
            allowed = "a file in a folder that you may write to"
            raise SinkError(f"{self.name}: cannot be written: {error.strerror or error}", allowed=allowed) from error

    def _begin(self) -> VideoWriter:
        os.ftruncate(self._descriptor, 0)
        file = RawFile(self._descriptor, str(self.path), writing=True)
        height, width = self._size_hw
        return VideoWriter(file, self._form, width, height, self._fps, TIME_BASE, crf=CRF, live=True)
