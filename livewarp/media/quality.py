"""How well a video must be encoded for its copy to be as good as it is, found by trying."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import VideoFrame

from livewarp.errors import SourceError
from livewarp.media.clip import Clip, Decoded
from livewarp.media.formats import Format, encoder_options
from livewarp.media.planes import packed, planes_of

DEFAULT_CRF = 18.0
_TRIED_FRAMES = 16
_CRFS = 20.0, 14.0  # between which both size and likeness are nearly straight lines
_LEAST_CRF, _MOST_CRF = 6.0, 22.0
_WANTED_DB = 51.0  # of all three planes: nobody tells it from the input, frame beside frame
_MOST_SIZE = 1.35  # of the input's


def needed_crf(path: Path, form: Format) -> float:
    """The rate factor of x264 at which a clip's first frames come out at 51 dB, or at 1.35 times their size.

    Clips that are noisy would need more than that size; those that lost their noise long ago need less.
    """
    if form.codec == "gif" or str(path) == "-":
        return DEFAULT_CRF
    frames, packet_bytes, time_base, fps = _sample(path)
    if len(frames) < 2 or not packet_bytes:
        return DEFAULT_CRF
    tried = [_tried(frames, crf, time_base, fps) for crf in _CRFS]
    (coarse_db, coarse_bytes), (fine_db, fine_bytes) = tried
    by_db = _line(_CRFS, (coarse_db, fine_db), _WANTED_DB)
    by_size = _line(_CRFS, (math.log(coarse_bytes), math.log(fine_bytes)), math.log(_MOST_SIZE * packet_bytes))
    return round(min(max(by_db, by_size, _LEAST_CRF), _MOST_CRF), 1)


def _line(x: tuple[float, float], y: tuple[float, float], wanted: float) -> float:
    """Where the line through two points reaches a height."""
    slope = (y[1] - y[0]) / (x[1] - x[0])
    return x[0] + (wanted - y[0]) / slope if abs(slope) > 1e-6 else x[0]


def _sample(path: Path) -> tuple[list[VideoFrame], int, Fraction, Fraction]:
    """The first frames, how many bytes they take in the file, their time base and rate."""
    try:
        clip = Clip(path)
    except SourceError:
        return [], 0, Fraction(1, 25), Fraction(25)
    try:
        frames = []
        for each in clip.frames():
            if isinstance(each, Decoded):
                frame = clip.upright(each)
                even = frame.height + frame.height % 2, frame.width + frame.width % 2
                frame = packed(planes_of(frame), *even)
                frame.pts, frame.time_base = each.pts, clip.time_base
                frames.append(frame)
                if len(frames) == _TRIED_FRAMES:
                    break
        return frames, clip.packet_bytes(len(frames)), clip.time_base, clip.fps
    finally:
        clip.close()


def _tried(frames: list[VideoFrame], crf: float, time_base: Fraction, fps: Fraction) -> tuple[float, int]:
    """Likeness in dB and size in bytes at a rate factor."""
    form = Format("null", "libx264")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    encoder.time_base, encoder.framerate = time_base, fps
    encoder.options = encoder_options(form, crf, live=False)
    packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = encoder.extradata
    back = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    error = count = 0
    for before, after in zip(frames, back, strict=False):
        for a, b in zip(planes_of(before), planes_of(after), strict=True):
            difference = a.astype(np.int16) - b
            error += int(np.einsum("ij,ij->", difference, difference, dtype=np.int64))
            count += a.size
    decibels = 10 * math.log10(255**2 * count / error) if error else 99.0
    return decibels, max(1, sum(packet.size for packet in packets))
