"""PipeWire's plain data: the few pods that a camera needs, as bytes, and video formats laid out in memory.

A pod is its size and type, 4 bytes each, and its body, padded to 8. The C library builds them by inline
functions, which no foreign function interface can call.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Of spa/utils/type.h, spa/param/*.h and spa/buffer/*.h.
_ID, _INT, _RECTANGLE, _FRACTION, _OBJECT, _CHOICE = 3, 4, 10, 11, 15, 19
_NUMBERS = {_ID: 1, _INT: 1, _RECTANGLE: 2, _FRACTION: 2}  # in the body of each
_CHOICE_RANGE, _CHOICE_FLAGS = 1, 4
_OBJECT_FORMAT, _OBJECT_BUFFERS, _OBJECT_META = 0x40003, 0x40004, 0x40005
PARAM_ENUM_FORMAT, PARAM_FORMAT, PARAM_BUFFERS, PARAM_META = 3, 4, 5, 6
_MEDIA_TYPE, _MEDIA_SUBTYPE, _VIDEO_FORMAT, _VIDEO_SIZE, _VIDEO_RATE = 1, 2, 0x20001, 0x20003, 0x20004
_COLOUR_RANGE, _COLOUR_MATRIX = 0x2000C, 0x2000D
_VIDEO, _RAW, _MJPG = 2, 1, 0x20002
_FULL_RANGE, _BT709 = 1, 3
_COUNT, _BLOCKS, _BYTES, _STRIDE, _DATA_TYPE = 1, 2, 3, 4, 6
_META_TYPE, _META_BYTES = 1, 2
META_HEADER = 1
_MEMORY = 1 << 1 | 1 << 2  # MemPtr, MemFd

Bytes = NDArray[np.uint8]


class PixelLayout(NamedTuple):
    """How a pixel format lies in memory."""

    code: int  # of spa/param/video/raw.h
    bytes_per_2px: int  # on average, of the whole picture
    stride_per_px: int
    fill: Callable[[Bytes, Bytes, int, int], None]  # (I420, out, width, height), both flat


class Negotiated(NamedTuple):
    """What a viewer and we agreed on."""

    format: str
    width: int
    height: int


def _fill_i420(i420: Bytes, out: Bytes, width: int, height: int) -> None:
    np.copyto(out, i420)


def _fill_nv12(i420: Bytes, out: Bytes, width: int, height: int) -> None:
    luma = width * height
    out[:luma] = i420[:luma]
    out[luma:].reshape(-1, 2).T[:] = i420[luma:].reshape(2, -1)


def _fill_yuy2(i420: Bytes, out: Bytes, width: int, height: int) -> None:
    luma = width * height
    pairs = out.reshape(height // 2, 2, width // 2, 4)
    pairs[..., 0::2] = i420[:luma].reshape(height // 2, 2, width // 2, 2)
    pairs[..., 1::2] = i420[luma:].reshape(2, height // 2, 1, width // 2).transpose(1, 2, 3, 0)


# Best first: browsers take the first that they know without converting.
LAYOUTS: Mapping[str, PixelLayout] = MappingProxyType(
    {
        "I420": PixelLayout(2, 3, 1, _fill_i420),
        "NV12": PixelLayout(23, 3, 1, _fill_nv12),
        "YUY2": PixelLayout(4, 4, 2, _fill_yuy2),
    }
)
_FORMATS = {layout.code: name for name, layout in LAYOUTS.items()}


def frame_bytes(format_: str, width: int, height: int) -> int:
    """What a frame takes."""
    return width * height * LAYOUTS[format_].bytes_per_2px // 2


def stride_bytes(format_: str, width: int) -> int:
    """What a row of the first plane takes."""
    return width * LAYOUTS[format_].stride_per_px


def enum_format(format_: str, width: int, height: int, fps: float) -> bytes:
    """An offer: this format, size and rate and no other."""
    rate = Fraction(fps).limit_denominator(1001)
    return _object(
        _OBJECT_FORMAT,
        PARAM_ENUM_FORMAT,
        (_MEDIA_TYPE, _id(_VIDEO)),
        (_MEDIA_SUBTYPE, _id(_RAW)),
        (_VIDEO_FORMAT, _id(LAYOUTS[format_].code)),
        (_VIDEO_SIZE, _pod(_RECTANGLE, struct.pack("=2I", width, height))),
        (_VIDEO_RATE, _pod(_FRACTION, struct.pack("=2I", rate.numerator, rate.denominator))),
    )


def buffers(agreed: Negotiated) -> bytes:
    """What buffers must be: 2 to 16 of them, 4 at best, a plane after the other without padding."""
    return _object(
        _OBJECT_BUFFERS,
        PARAM_BUFFERS,
        (_COUNT, _choice(_CHOICE_RANGE, 4, 2, 16)),
        (_BLOCKS, _int(1)),
        (_BYTES, _int(frame_bytes(*agreed))),
        (_STRIDE, _int(stride_bytes(agreed.format, agreed.width))),
        (_DATA_TYPE, _choice(_CHOICE_FLAGS, _MEMORY)),
    )


def header(size_bytes: int) -> bytes:
    """An offer to send the time and number of each frame."""
    return _object(_OBJECT_META, PARAM_META, (_META_TYPE, _id(META_HEADER)), (_META_BYTES, _int(size_bytes)))


def parse_format(pod: bytes) -> Negotiated:
    """What was agreed on. Raises KeyError where it is none of what `enum_format` offers."""
    values = parse_object(pod)
    return Negotiated(_FORMATS[values[_VIDEO_FORMAT][0]], *_pair(values, _VIDEO_SIZE))


def parse_object(pod: bytes) -> dict[int, tuple[int, ...]]:
    """The properties of an object, {key: numbers}; of a choice, its default; what has no numbers is left out.

    So is what goes beyond the bytes that there are.
    """
    end = min(8 + int.from_bytes(pod[:4], sys.byteorder), len(pod))
    at, found = 16, {}
    while at + 16 <= end:
        key, _, length, kind = struct.unpack_from("=4I", pod, at)
        body = at + 16
        at = body + _padded(length)
        if kind == _CHOICE and body + 16 <= end:
            length, kind = struct.unpack_from("=2I", pod, body + 8)
            body += 16
        numbers = _NUMBERS.get(kind, 0)
        if numbers and body + 4 * numbers <= end:
            found[key] = struct.unpack_from(f"={numbers}I", pod, body)
    return found


def _pair(values: Mapping[int, tuple[int, ...]], key: int) -> tuple[int, int]:
    """The two numbers of a property. Raises KeyError where it is missing, or of another kind."""
    if len(values[key]) != 2:
        raise KeyError(key)
    return values[key][0], values[key][1]


class Captured(NamedTuple):
    """What a camera and we agreed on.

    Attributes
    ----------
    fourcc
        Video4Linux's name of the format.
    """

    fourcc: str
    width: int
    height: int
    fps: float
    full_range: bool
    bt709: bool


# Of spa/param/video/raw.h, by Video4Linux's names; cheapest on the way to BGR first.
_CAPTURED = {
    "BGR3": 16, "XR24": 8, "AR24": 12, "RGB3": 15, "XB24": 7, "AB24": 11,
    "YUYV": 4, "UYVY": 5, "YVYU": 19, "NV12": 23, "NV21": 24, "YU12": 2, "YV12": 3, "GREY": 25,
}  # fmt: skip
_FOURCCS = {code: fourcc for fourcc, code in _CAPTURED.items()}
_MOST_PX, _MOST_FPS = 8192, 1000


def wanted_format(fourcc: str, width: int, height: int, fps: float) -> bytes:
    """A wish for pictures of a camera: this format, and of its sizes and rates the nearest to these."""
    rate = Fraction(fps).limit_denominator(1001)
    sizes = _rectangles((width, height), (1, 1), (_MOST_PX, _MOST_PX))
    rates = _fractions((rate.numerator, rate.denominator), (0, 1), (_MOST_FPS, 1))
    is_jpeg = fourcc == "MJPG"
    code = () if is_jpeg else ((_VIDEO_FORMAT, _id(_CAPTURED[fourcc])),)
    return _object(
        _OBJECT_FORMAT,
        PARAM_ENUM_FORMAT,
        (_MEDIA_TYPE, _id(_VIDEO)),
        (_MEDIA_SUBTYPE, _id(_MJPG if is_jpeg else _RAW)),
        *code,
        (_VIDEO_SIZE, sizes),
        (_VIDEO_RATE, rates),
    )


WISHES = ("MJPG", *_CAPTURED)
"""The formats that a camera may give, by Video4Linux's names."""


def parse_captured(pod: bytes) -> Captured:
    """What was agreed on. Raises KeyError where it is none of what `wanted_format` offers."""
    values = parse_object(pod)
    is_jpeg = values[_MEDIA_SUBTYPE][0] == _MJPG
    fourcc = "MJPG" if is_jpeg else _FOURCCS[values[_VIDEO_FORMAT][0]]
    width, height = _pair(values, _VIDEO_SIZE)
    numerator, denominator = _pair(values, _VIDEO_RATE) if _VIDEO_RATE in values else (0, 1)
    full = values.get(_COLOUR_RANGE, (0,))[0] == _FULL_RANGE
    hd = values.get(_COLOUR_MATRIX, (0,))[0] == _BT709
    return Captured(fourcc, width, height, numerator / max(denominator, 1), full, hd)


_BYTES_PER_PX = {"BGR3": 3, "RGB3": 3, "XR24": 4, "AR24": 4, "XB24": 4, "AB24": 4, "YUYV": 2, "UYVY": 2, "YVYU": 2}


def bytes_per_px(fourcc: str) -> int:
    """What a pixel takes in a row of the first plane."""
    return _BYTES_PER_PX.get(fourcc, 1)


def mapped_buffers() -> bytes:
    """What buffers of a camera must be: in memory that can be mapped, some of them."""
    return _object(
        _OBJECT_BUFFERS,
        PARAM_BUFFERS,
        (_COUNT, _choice(_CHOICE_RANGE, 4, 2, 16)),
        (_DATA_TYPE, _choice(_CHOICE_FLAGS, _MEMORY)),
    )


def _padded(length: int) -> int:
    return (length + 7) // 8 * 8


def _pod(kind: int, body: bytes) -> bytes:
    return struct.pack("=2I", len(body), kind) + body.ljust(_padded(len(body)), b"\0")


def _id(value: int) -> bytes:
    return _pod(_ID, struct.pack("=I", value))


def _int(value: int) -> bytes:
    return _pod(_INT, struct.pack("=i", value))


def _choice(kind: int, *values: int) -> bytes:
    """The default first; of a range then its bounds."""
    return _pod(_CHOICE, struct.pack(f"=4I{len(values)}i", kind, 0, 4, _INT, *values))


def _rectangles(*values: tuple[int, int]) -> bytes:
    """A range: the default first, then its bounds."""
    body = struct.pack("=4I", _CHOICE_RANGE, 0, 8, _RECTANGLE)
    return _pod(_CHOICE, body + b"".join(struct.pack("=2I", *value) for value in values))


def _fractions(*values: tuple[int, int]) -> bytes:
    """A range: the default first, then its bounds."""
    body = struct.pack("=4I", _CHOICE_RANGE, 0, 8, _FRACTION)
    return _pod(_CHOICE, body + b"".join(struct.pack("=2I", *value) for value in values))


def _object(kind: int, param: int, *properties: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack("=2I", key, 0) + value for key, value in properties)
    return _pod(_OBJECT, struct.pack("=2I", kind, param) + body)
