"""How well a video must be encoded for its copy to be as good as it is, found by trying."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av import VideoFrame

from livewarp.errors import SourceError
from livewarp.media.clip import Clip, Decoded
from livewarp.media.formats import QUICK, THOROUGH, Format, encoder_options
from livewarp.media.planes import packed, planes_of

DEFAULT_CRF = 18.0
_CRFS = 20.0, 14.0  # between which both size and likeness are nearly straight lines
_LEAST_CRF, _MOST_CRF = 4.0, 22.0
_WANTED_DB = 50.7  # of all three planes, half a decibel over what is promised
_MOST_SIZE = 1.42  # of the input's, where 1.5 is promised
_STEP = 1.0  # a rate factor further than this from those tried is tried itself
_PIXELS = 24_000_000  # that are tried: a fifth of a second with the quick preset
_PLACES = 3  # of a clip that has more
_LEAST_FRAMES, _MOST_FRAMES = 8, 512  # of a place


class Effort(NamedTuple):
    """How x264 encodes: its rate factor, and its preset."""

    crf: float
    preset: str


class _Part(NamedTuple):
    """Frames that follow each other, and how many bytes they take in the file."""

    frames: list[VideoFrame]
    size: int


def needed_effort(path: Path, form: Format) -> Effort:
    """With what a clip's copy is within 50 dB of it, at no more than 1.5 times its size.

    Found by encoding a short clip whole and three places of a long one. Where the quick preset cannot have both, the
    thorough one is taken; where that cannot either (a small clip that was compressed hard), the size is held.
    """
    if form.codec == "gif" or str(path) == "-":
        return Effort(DEFAULT_CRF, QUICK)
    parts, time_base, fps = _sample(path)
    if not parts:
        return Effort(DEFAULT_CRF, QUICK)
    if form.codec != "libx264":
        form = Format("null", "libx264")

    def tried(effort: Effort) -> tuple[float, float]:
        return _tried(parts, form, effort, time_base, fps)

    by_db, by_size = _bounds(tried, QUICK)
    if by_db >= by_size or form.container == "null":
        return Effort(max(by_db, by_size), QUICK)
    return Effort(max(_bounds(tried, THOROUGH)), THOROUGH)


def _bounds(tried: Callable[[Effort], tuple[float, float]], preset: str) -> tuple[float, float]:
    """The most that the rate factor may be for likeness, and the least for size."""
    points = {crf: tried(Effort(crf, preset)) for crf in _CRFS}
    found = _crossings(points)
    further = max(found)
    if min(abs(further - crf) for crf in points) > _STEP:
        points[further] = tried(Effort(further, preset))
        found = _crossings(points)
    return found


def _crossings(points: dict[float, tuple[float, float]]) -> tuple[float, float]:
    """Where likeness and size reach their bounds, on the line through the two points that are nearest to each."""

    def at(which: int, bound: float) -> float:
        near = sorted(points, key=lambda crf: abs(points[crf][which] - bound))[:2]
        crf = _line((near[0], near[1]), (points[near[0]][which], points[near[1]][which]), bound)
        return round(min(max(crf, _LEAST_CRF), _MOST_CRF), 1)

    return at(0, _WANTED_DB), at(1, math.log(_MOST_SIZE))


def _line(x: tuple[float, float], y: tuple[float, float], wanted: float) -> float:
    """Where the line through two points reaches a height."""
    slope = (y[1] - y[0]) / (x[1] - x[0])
    return x[0] + (wanted - y[0]) / slope if abs(slope) > 1e-6 else x[0]


def _sample(path: Path) -> tuple[list[_Part], Fraction, Fraction]:
    """A short clip whole, three places of a long one; its time base and rate."""
    try:
        clip = Clip(path)
    except SourceError:
        return [], Fraction(1, 25), Fraction(25)
    try:
        affordable = _PIXELS // (clip.width * clip.height)
        count, duration_s = clip.frame_count(), clip.duration_s
        is_short = count is not None and count <= min(affordable, _MOST_FRAMES)
        starts_s = [0.0] if is_short or not duration_s else [duration_s * i / _PLACES for i in range(_PLACES)]
        share = min(max(affordable // len(starts_s), _LEAST_FRAMES), _MOST_FRAMES)
        parts, last = [], -1
        for start_s in starts_s:
            if start_s:
                clip.seek(start_s)
            frames = _read(clip, share, last)
            size = clip.packet_bytes(len(frames))
            if len(frames) > 1 and size:
                parts.append(_Part(frames, size))
                last = frames[-1].pts or 0
        return parts, clip.time_base, clip.fps
    finally:
        clip.close()


def _read(clip: Clip, most: int, after: int) -> list[VideoFrame]:
    """The next frames; none where they begin no later than `after`, as few key frames make it."""
    frames: list[VideoFrame] = []
    for each in clip.frames():
        if isinstance(each, Decoded):
            if each.pts <= after:
                return []
            frame = clip.upright(each)
            even = frame.height + frame.height % 2, frame.width + frame.width % 2
            frame = packed(planes_of(frame), *even)
            frame.pts, frame.time_base = each.pts, clip.time_base
            frames.append(frame)
            if len(frames) == most:
                break
    return frames


def _tried(parts: list[_Part], form: Format, effort: Effort, time_base: Fraction, fps: Fraction) -> tuple[float, float]:
    """Likeness in dB, and the logarithm of the size as a multiple of the input's."""
    error = count = size = 0
    for part in parts:
        first = part.frames[0]
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = first.width, first.height, "yuv420p"
        encoder.time_base, encoder.framerate = time_base, fps
        encoder.options = encoder_options(form, effort.crf, live=False, preset=effort.preset)
        packets = [packet for frame in [*part.frames, None] for packet in encoder.encode(frame)]
        size += sum(packet.size for packet in packets)
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata = encoder.extradata
        back = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
        for before, after in zip(part.frames, back, strict=False):
            for a, b in zip(planes_of(before), planes_of(after), strict=True):
                difference = a.astype(np.int16) - b
                error += int(np.einsum("ij,ij->", difference, difference, dtype=np.int64))
                count += a.size
    decibels = 10 * math.log10(255**2 * count / error) if error else 99.0
    return decibels, math.log(max(1, size) / sum(part.size for part in parts))
