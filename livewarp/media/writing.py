"""Writes a video file: 8-bit 4:2:0 frames with time stamps of their own, and packets of other streams as they are."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from av import VideoFrame
from av.filter import Graph

from livewarp.errors import SinkError
from livewarp.media.colour import VideoColour
from livewarp.media.formats import FRAGMENT_S, QUICK, Format, encoder_options
from livewarp.media.planes import packed, planes_of
from livewarp.media.rawfile import RawFile

GIF_TIME_BASE = Fraction(1, 100)
BUFFER_BYTES = 1 << 16

# A palette for each frame: the colours of a film change, and a face needs most of them.
_PALETTE = ("split", "palettegen", "paletteuse")


class VideoWriter:
    """Encodes frames into an open file.

    Parameters
    ----------
    file
        Empty, and written from its beginning. It is closed by `close`.
    form, crf, preset
        How, and with which of x264's rate factors and presets.
    width, height, fps
        Of the frames; fps: nominal.
    time_base
        Unit of their time stamps, s.
    aspect
        Width by height of a pixel.
    live
        Whether it must play however the writing ends; else it plays when it is closed.
    reopen
        Opens the same file for reading, which puts the index in front.

    Raises
    ------
    SinkError
        It cannot be written.
    """

    def __init__(
        self,
        file: RawFile,
        form: Format,
        width: int,
        height: int,
        fps: Fraction,
        time_base: Fraction,
        *,
        colour: VideoColour = VideoColour(),  # noqa: B008  # a tuple
        aspect: Fraction = Fraction(1),
        crf: float = 18.0,
        preset: str = QUICK,
        live: bool = False,
        reopen: Callable[[], RawFile] | None = None,
    ) -> None:
        self.name = file.title
        self.form = form
        self._file = file
        self._closed = False
        self._began = False
        self._time_base = time_base
        self._fps = fps
        self._grid = Fraction(1) / fps if not form.varying else None
        self._last_pts: int | None = None  # in units of the encoder
        self._last_frame: VideoFrame | None = None
        self._durations: dict[int, int] = {}
        options = {**form.live, "fflags": "+flush_packets"} if live else form.whole

        def open_again(url: str, flags: int, options: dict[str, Any]) -> RawFile:
            if reopen is None:
                raise OSError(errno.EPERM, "is not opened twice")
            return reopen()

        try:
            self.container = av.open(
                file, "w", form.container, options=options, buffer_size=BUFFER_BYTES, io_open=open_again
            )
            self._stream: Any = self.container.add_stream(
                form.codec, rate=fps, options=encoder_options(form, crf, live, preset)
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            file.close()
            raise self._explained(error) from error
        self._size = (width + width % 2, height + height % 2) if form.even else (width, height)
        context: Any = self._stream.codec_context
        context.width, context.height = self._size
        context.time_base = self._encoder_base(time_base)
        context.sample_aspect_ratio = aspect
        if live:
            context.gop_size = max(1, round(4 * FRAGMENT_S * fps))
        self._palette: Graph | None = None
        if form.codec == "gif":
            context.pix_fmt = "pal8"
        else:
            context.pix_fmt = "yuv420p"
            context.colorspace, context.color_primaries, context.color_trc = (
                colour.matrix,
                colour.primaries,
                colour.transfer,
            )
            context.color_range = colour.av_range if colour.told else 0

    def write(self, frame: VideoFrame, pts: int, duration: int) -> None:
        """Append a yuv420p frame, shown from `pts` on for `duration`, both in units of the time base.

        Raises
        ------
        SinkError
            It cannot be written; what was written before can be played.
        """
        if (frame.width, frame.height) != self._size:
            frame = packed(planes_of(frame), self._size[1], self._size[0])
        base = self._stream.codec_context.time_base if self._grid is None else self._grid
        own = round(pts * self._time_base / base)
        try:
            if self._grid is not None:
                while self._last_frame is not None and self._last_pts is not None and self._last_pts + 1 < own:
                    self._encode(self._last_frame, self._last_pts + 1, 1)
                if self._last_pts is not None and own <= self._last_pts:
                    return  # two in one period: the first stays
            elif self._last_pts is not None:
                own = max(own, self._last_pts + 1)
            self._encode(frame, own, max(1, round(duration * self._time_base / base)))
            self._last_frame = frame
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._explained(error) from error

    def mux(self, packets: list[Any]) -> None:
        """Append packets of another stream. Raises SinkError."""
        try:
            self._begin()
            self.container.mux(packets)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._explained(error) from error

    def begin(self) -> None:
        """Write the header; `write` does it otherwise. Raises SinkError."""
        try:
            self._begin()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Finish the file; may be called more than once. Raises SinkError."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._file.error is None and self._began:
                for packet in self._drain():
                    self.container.mux(packet)
            self.container.close()
            self._file.sync()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if self._file.error is None or self._last_pts is None:
                raise self._explained(error) from error
        finally:
            self._file.close()

    def _begin(self) -> None:
        if not self._began:
            self._began = True
            self.container.start_encoding()

    def _encode(self, frame: VideoFrame, pts: int, duration: int) -> None:
        self._begin()
        frame.pts, frame.time_base, frame.duration = pts, self._stream.codec_context.time_base, duration
        frame.pict_type = 0  # the encoder's choice, not the source's
        self._last_pts = pts
        self._durations[pts] = duration
        for packet in self._encoded(frame):
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self.container.mux(packet)
        self._file.mark()

    def _encoded(self, frame: VideoFrame) -> Iterator[Any]:
        if self.form.codec == "gif":
            frame = self._with_palette(frame)
        yield from self._stream.encode(frame)

    def _drain(self) -> Iterator[Any]:
        for packet in self._stream.encode(None):
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            yield packet

    def _with_palette(self, frame: VideoFrame) -> Any:
        """The frame in 256 colours of its own."""
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        split, make, use = (graph.add(name) for name in _PALETTE)
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(make, 1, 0)
        make.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        graph.push(frame)
        graph.push(None)
        result: Any = graph.pull()
        result.pts, result.time_base, result.duration = frame.pts, frame.time_base, frame.duration
        return result

    def _encoder_base(self, time_base: Fraction) -> Fraction:
        if self._grid is not None:
            return self._grid
        return GIF_TIME_BASE if self.form.codec == "gif" else time_base

    def _explained(self, error: Exception) -> SinkError:
        cause = self._file.error or error
        if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return SinkError(f"file {self.name}: disk full", remedy="free some space, or name another folder")
        text = getattr(cause, "strerror", None) or str(cause)
        return SinkError(f"file {self.name}: cannot be written: {text}")
