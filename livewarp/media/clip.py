"""A video file, decoded: upright frames with the file's own time stamps; damaged places are skipped and counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import av
import numpy as np
from av import VideoFrame

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError
from livewarp.media.colour import HLG, PQ, Converter, is_rgb, tags_of, video_colour
from livewarp.media.opening import check_size, open_container, video_stream
from livewarp.media.planes import UPRIGHT, Orientation, letterboxed, orientation_of, oriented

# What cameras and phones write; beyond it a header is more likely damaged than right.
MAX_FPS = 1000
DEFAULT_FPS = Fraction(25)
USUAL_FPS = 120  # the finest rate that a clip of varying rate is believed to be made for

_SIZES = 1024
_MAX_ERRORS = 1000  # one after the other, from a place that cannot be read: the rest is not worth waiting for
_LATE_START_S = 10.0  # a clip that begins later was cut out of a longer recording: it begins at 0
_STREAMS = frozenset({"mpegts", "mpeg", "rtsp", "hls"})  # whose clocks begin anywhere


class Decoded(NamedTuple):
    """A frame: as the decoder gave it, when it is shown, and for how long, both in units of the clip's time base."""

    frame: VideoFrame
    pts: int
    duration: int


class Clip:
    """An open video file.

    Parameters
    ----------
    path
        The file; "-": standard input.
    square
        Whether its pixels are to be square, whatever they are in the file.

    Attributes
    ----------
    width, height
        Of its frames, upright, px.
    aspect
        Width by height of one of its pixels.
    fps
        Frames a second, nominal: of a varying rate the usual one.
    time_base
        Unit of its time stamps, s.
    colour
        What its numbers mean.
    orientation
        What makes a decoded frame upright; `upright` has done it.
    damaged
        Places so far that could not be read.

    Raises
    ------
    SourceError
        It is missing, is no video, holds no frame that can be read, or frames too large.
    """

    def __init__(self, path: Path, square: bool = False) -> None:
        self.path = path
        self.damaged = 0
        self._file, self.container = open_container(path)
        try:
            self.stream = video_stream(self.container, path)
            self.stream.thread_type = "AUTO"
            self.time_base = Fraction(self.stream.time_base or Fraction(1, 90000))
            self.fps = _nominal_rate(self.stream)
            self._offset_s = _offset_s(self.container)
            self._last: Decoded | None = None
            self._sizes: list[int] = []  # of the first packets from where it was opened or moved to, bytes
            self._packets: Iterator[Any] = iter(())
            self._waiting: list[Any] = []
            tags = tags_of(self.stream.codec_context)  # before the decoder has its say
            first = self._first()
        except BaseException:
            self.close()
            raise
        self.orientation = _orientation(first)
        size, aspect = (first.width, first.height), Fraction(self.stream.sample_aspect_ratio or 1)
        if not aspect:
            aspect = Fraction(1)
        self._coded_size = size
        self.width, self.height = size[::-1] if self.orientation.transposed else size
        self.aspect = 1 / aspect if self.orientation.transposed else aspect
        if square:
            (self.width, self.height), self.aspect = self.display_size, Fraction(1)
        self.colour = video_colour(first, tags)
        self._converter = Converter(self.colour, first.height)
        self.first_format = first.format
        self.has_alpha = _has_alpha(first)
        self.is_rgb = is_rgb(first)
        self.interlaced = first.interlaced_frame

    def frame_count(self) -> int | None:
        """How many frames there are, as far as the file's header knows."""
        if self.stream.frames > 0:
            return self.stream.frames
        duration_s = self.duration_s
        return round(duration_s * self.fps) if duration_s else None

    @property
    def duration_s(self) -> float | None:
        """How long it is, as far as the header knows, s."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        return self.container.duration / av.time_base if self.container.duration else None

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height, px, with square pixels of the same height or, where that is more, width."""
        if self.aspect >= 1:
            return round(self.width * self.aspect), self.height
        return self.width, round(self.height / self.aspect)

    def notes(self) -> list[str]:
        """What of it an 8-bit 4:2:0 copy cannot keep, for people."""
        found, layout = [], self.first_format
        if layout.components and layout.components[0].bits > 8:
            kind = {PQ: " of HDR (PQ)", HLG: " of HDR (HLG)"}.get(self.colour.transfer, "")
            found.append(f"its {layout.components[0].bits} bits{kind} become 8")
        if self.has_alpha:
            found.append("what is transparent becomes white")
        chroma = layout.components[1:3] if len(layout.components) >= 3 and not self.is_rgb else ()
        if any((c.width, c.height) != (-(-layout.width // 2), -(-layout.height // 2)) for c in chroma):
            found.append("its finer colour (4:2:2 or 4:4:4) becomes 4:2:0")
        return found

    def frames(self) -> Iterator[Any]:
        """All frames from the first on, in order of time; between them the packets of sound and subtitles."""
        while self._waiting:
            yield self._waiting.pop(0)
        yield from self._packets

    def upright(self, decoded: Decoded) -> VideoFrame:
        """The frame as 8-bit 4:2:0, upright, of the clip's size."""
        frame = decoded.frame
        if self.has_alpha:
            frame = _on_white(frame)
        size = self._coded_size
        if (frame.width, frame.height) == size:
            return self._sized(oriented(self._converter.to_yuv420p(frame), self.orientation))
        scale = min(size[0] / frame.width, size[1] / frame.height)
        fitted = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
        if abs(fitted[0] - size[0]) <= 2 and abs(fitted[1] - size[1]) <= 2:
            fitted = size
        scaled = self._converter.to_yuv420p(frame, fitted)
        whole = scaled if fitted == size else letterboxed(scaled, size, self.colour.full)
        return self._sized(oriented(whole, self.orientation))

    def _sized(self, upright: VideoFrame) -> VideoFrame:
        """Of the clip's size, where its pixels are made square."""
        return self._converter.to_yuv420p(upright, (self.width, self.height))

    def packet_bytes(self, frames: int) -> int:
        """What the first frames take in the file, from its beginning or where `seek` went; those that were read."""
        return sum(self._sizes[:frames])

    def bgr(self, decoded: Decoded) -> BgrFrame:
        """The frame (h, w, 3) as it was decoded: neither upright nor, where its size has changed, of the clip's."""
        return self._converter.to_bgr(_on_white(decoded.frame) if self.has_alpha else decoded.frame)

    @property
    def converter(self) -> Converter:
        """What converts its frames; for one thread."""
        return self._converter

    def shift(self, packet: Any, start_s: Fraction = Fraction(0)) -> None:
        """Move a packet of another stream: times then count from `start_s` of the clip."""
        unit = packet.time_base
        if unit and (by := round((self._offset_s + start_s) / unit)):
            packet.pts = packet.pts - by if packet.pts is not None else None
            packet.dts = packet.dts - by if packet.dts is not None else None

    def seek(self, time_s: float) -> None:
        """Go on from the key frame before this time."""
        offset = round((time_s + float(self._offset_s)) / self.time_base)
        with contextlib.suppress(av.error.FFmpegError):  # no index, or a pipe: decode from here on
            self.container.seek(max(0, offset), stream=self.stream)
        self._last = None
        self._waiting = []
        self._sizes = []
        self._packets = self._decode()

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._packets = iter(())
        self.container.close()
        self._file.close()

    def _first(self) -> VideoFrame:
        """The first frame; it stays in what `frames` gives."""
        self._packets = self._decode()
        for each in self._packets:
            self._waiting.append(each)
            if isinstance(each, Decoded):
                return each.frame
        raise SourceError(f"video {self.path}: holds no readable frame", allowed="a video that FFmpeg can decode")

    def _decode(self) -> Iterator[Any]:
        """Frames and packets, from where the file stands."""
        errors = 0
        at_end = False
        wanted = [s for s in self.container.streams if s.type in {"audio", "subtitle"} or s is self.stream]
        while not at_end and errors < _MAX_ERRORS:
            try:
                packet: Any
                for packet in self.container.demux(wanted):
                    if packet.stream is not self.stream:
                        if packet.dts is not None or packet.pts is not None:
                            yield packet
                        continue
                    is_flush = packet.size == 0
                    if len(self._sizes) < _SIZES:
                        self._sizes.append(packet.size)
                    try:
                        frames = packet.decode()
                    except (av.error.InvalidDataError, av.error.PatchWelcomeError):
                        errors += 1
                        self.damaged += 1
                        continue
                    errors = 0 if frames else errors
                    for frame in frames:
                        self.damaged += frame.is_corrupt
                        check_size(frame.width, frame.height, self.path)
                        yield self._timed(frame)
                    at_end = at_end or is_flush
                at_end = True
            except av.error.EOFError:
                at_end = True
            except (av.error.FFmpegError, OSError):
                errors += 1
                self.damaged += 1

    def _timed(self, frame: VideoFrame) -> Decoded:
        """Later than the one before, by the file's own time where it says one."""
        usual = max(1, round(1 / (self.fps * self.time_base)))
        pts, last = frame.pts, self._last
        if pts is not None:
            pts -= round(self._offset_s / self.time_base)
        if last is not None and (pts is None or pts <= last.pts):
            pts = last.pts + (last.duration or usual)
        told = frame.duration or 0  # some containers say a tick
        decoded = Decoded(frame, 0 if pts is None else pts, told if 2 * told >= usual else usual)
        self._last = decoded
        return decoded


def _nominal_rate(stream: Any) -> Fraction:
    """Frames a second; of a varying rate the finest that it is likely made for."""
    mean, usual = (Fraction(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    if not 0 < mean <= MAX_FPS:
        mean = usual
    if mean < usual <= min(4 * mean, Fraction(USUAL_FPS)):
        mean = usual
    return mean if 0 < mean <= MAX_FPS else DEFAULT_FPS


def _offset_s(container: Any) -> Fraction:
    """What to take from every time stamp: streams' clocks begin anywhere, and a file's may."""
    start_s = Fraction(container.start_time or 0, av.time_base)
    names = set(container.format.name.split(","))
    return start_s if names & _STREAMS or start_s > _LATE_START_S else Fraction(0)


def _orientation(frame: VideoFrame) -> Orientation:
    data = frame.side_data.get("DISPLAYMATRIX")
    return orientation_of(np.frombuffer(bytes(cast(Any, data)), np.int32).tolist()) if data is not None else UPRIGHT


def _has_alpha(frame: VideoFrame) -> bool:
    """Whether it has transparency of its own, not merely room for it."""
    if not any(c.is_alpha for c in frame.format.components):
        return False
    return bool((frame.reformat(format="bgra").to_ndarray()[:, :, 3] < 255).any())


def _on_white(frame: VideoFrame) -> VideoFrame:
    if not any(c.is_alpha for c in frame.format.components):
        return frame
    pixels = frame.reformat(format="bgra").to_ndarray()
    alpha = pixels[:, :, 3:].astype(np.uint16)
    mixed = (pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    result = VideoFrame.from_ndarray(np.ascontiguousarray(mixed.astype(np.uint8)), format="bgr24")
    result.pts, result.time_base = frame.pts, frame.time_base
    return result
