"""A webcam's raw picture → BGR, once, with its own range and matrix, straight into the frame.

JPEGs go through libjpeg-turbo: full range and BT.601, as JFIF has it. Uncompressed ones go through OpenCV, which
knows BT.601 with limited range; others are multiplied out with their own matrix, which few cameras need.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.system.streaming import PictureFormat

Plane = NDArray[np.uint8]

_BAND_PX = 1 << 16  # from twice as many on OpenCV wakes its threads, which then spin for a millisecond

# Some cameras leave a few bytes before the end of every JPEG; the picture before them is whole.
_HARMLESS = re.compile(r"(\d{1,2}) extraneous bytes before marker 0xd9")


class Damaged(Exception):
    """A picture of which a part is missing or wrong."""


class Resized(Exception):
    """A picture of another size than `out`: its (height, width)."""


class RawLayout(NamedTuple):
    """How a fourcc lies in memory.

    Attributes
    ----------
    cost
        Of a pixel on the way to BGR, ns of one core; `benchmarks/decoding.py` measures it.
    rows
        Of `stride` bytes, for each row of pixels.
    planes
        Y, U and V (h, w or w / 2, of any height) out of rows of bytes, height and width; None: not YUV.
    code
        OpenCV's, for BT.601 with limited range; of an RGB format, always.
    colour
        False: brightness alone.
    """

    cost: float
    rows: float = 1.0
    planes: Callable[[Plane, int, int], tuple[Plane, Plane, Plane]] | None = None
    code: int = -1
    colour: bool = True


def _packed(y: int, u: int, v: int) -> Callable[[Plane, int, int], tuple[Plane, Plane, Plane]]:
    """Four bytes for two pixels; where the first Y, U and V stand in them."""
    return lambda rows, h, w: (rows[:, y : 2 * w : 2], rows[:, u : 2 * w : 4], rows[:, v : 2 * w : 4])


def _two_planes(u: int, v: int) -> Callable[[Plane, int, int], tuple[Plane, Plane, Plane]]:
    """Y, then U and V in turn for every 2 × 2 pixels."""
    return lambda rows, h, w: (rows[:h, :w], rows[h:, u:w:2], rows[h:, v:w:2])


def _three_planes(u: int, v: int) -> Callable[[Plane, int, int], tuple[Plane, Plane, Plane]]:
    """Y, then U and V on their own, of half the stride each."""

    def split(rows: Plane, h: int, w: int) -> tuple[Plane, Plane, Plane]:
        small = rows[h:].reshape(2, h // 2, -1)
        return rows[:h, :w], small[u, :, : w // 2], small[v, :, : w // 2]

    return split


LAYOUTS: dict[str, RawLayout] = {
    "MJPG": RawLayout(2.6),
    "JPEG": RawLayout(2.6),
    "YUYV": RawLayout(0.4, 1.0, _packed(0, 1, 3), cv2.COLOR_YUV2BGR_YUY2),
    "YVYU": RawLayout(0.4, 1.0, _packed(0, 3, 1), cv2.COLOR_YUV2BGR_YVYU),
    "UYVY": RawLayout(0.4, 1.0, _packed(1, 0, 2), cv2.COLOR_YUV2BGR_UYVY),
    "NV12": RawLayout(0.4, 1.5, _two_planes(0, 1), cv2.COLOR_YUV2BGR_NV12),
    "NV21": RawLayout(0.4, 1.5, _two_planes(1, 0), cv2.COLOR_YUV2BGR_NV21),
    "YU12": RawLayout(0.5, 1.5, _three_planes(0, 1), cv2.COLOR_YUV2BGR_I420),
    "YV12": RawLayout(0.5, 1.5, _three_planes(1, 0), cv2.COLOR_YUV2BGR_YV12),
    "BGR3": RawLayout(0.2),
    "RGB3": RawLayout(0.3, code=cv2.COLOR_RGB2BGR),
    "XR24": RawLayout(0.3, code=cv2.COLOR_BGRA2BGR),
    "AR24": RawLayout(0.3, code=cv2.COLOR_BGRA2BGR),
    "XB24": RawLayout(0.3, code=cv2.COLOR_RGBA2BGR),
    "AB24": RawLayout(0.3, code=cv2.COLOR_RGBA2BGR),
    "GREY": RawLayout(0.2, code=cv2.COLOR_GRAY2BGR, colour=False),
}
"""What can be read, by V4L2's name."""


_CHANNELS = {"GREY": 1, "BGR3": 3, "RGB3": 3, "XR24": 4, "AR24": 4, "XB24": 4, "AB24": 4}  # others: YUV, 2 on average


class Decoder:
    """Turns pictures of one format into frames.

    Attributes
    ----------
    size_hw
        Of the frames, px: even where chroma is shared by two rows or columns.
    stride_bytes
        Of the rows of the picture.
    """

    def __init__(self, format: PictureFormat) -> None:
        self._layout = LAYOUTS[format.fourcc]
        self.stride_bytes = format.stride_bytes
        self._format = format
        self._is_jpeg = format.fourcc in {"MJPG", "JPEG"}
        self._is_limited_601 = not format.full_range and not format.bt709
        self._matrix = _to_bgr(format.full_range, format.bt709)
        self.size_hw = (format.height, format.width)
        if self._layout.planes is not None:
            self.size_hw = (format.height & ~1, format.width & ~1)
        self._chroma: tuple[Plane, ...] = ()

    def decode(self, data: memoryview, out: BgrFrame) -> None:
        """Fill `out` (H, W, 3).

        Raises
        ------
        Damaged
            A part of the picture is missing; `out` holds nothing of use.
        Resized
            It is of another size than `out`.
        """
        if self._is_jpeg:
            decode_jpeg(data, out)
            return
        if out.shape[:2] != self.size_hw:
            raise Resized(*self.size_hw)
        height, stride = self._format.height, self._format.stride_bytes
        wanted = int(height * self._layout.rows) * stride
        if len(data) < wanted:
            raise Damaged(f"{len(data)} bytes of {wanted}")
        rows = np.frombuffer(data, np.uint8, wanted).reshape(-1, stride)
        if self._layout.planes is None or (self._is_limited_601 and self._layout.rows == 1.0):
            self._convert_rows(rows, out)
        elif self._is_limited_601 and self._format.fourcc in {"NV12", "NV21"}:
            _convert_two_planes(rows, self._layout.code, out)
        elif self._is_limited_601 and stride == out.shape[1] and height == out.shape[0]:
            cv2.cvtColor(rows, self._layout.code, dst=out)
        else:
            self._multiply(self._layout.planes(rows, height, out.shape[1]), out)

    def _convert_rows(self, rows: Plane, out: BgrFrame) -> None:
        """Formats whose rows are on their own."""
        h, w = out.shape[:2]
        channels = _CHANNELS.get(self._format.fourcc, 2)
        pixels = rows[:h, : w * channels].reshape(h, w, channels)
        if self._layout.code < 0:
            out[:] = pixels
            return
        step = max(1, _BAND_PX // w)
        for y in range(0, h, step):
            cv2.cvtColor(pixels[y : y + step], self._layout.code, dst=out[y : y + step])
        if self._format.fourcc == "GREY" and not self._format.full_range:
            cv2.convertScaleAbs(np.maximum(out, 16) - 16, dst=out, alpha=255 / 219)

    def _multiply(self, planes: tuple[Plane, Plane, Plane], out: BgrFrame) -> None:
        """By the format's own matrix; a chroma sample counts for all the pixels that share it."""
        h, w = out.shape[:2]
        if not self._chroma:
            self._chroma = (np.empty((h, w), np.uint8), np.empty((h, w), np.uint8), np.empty((h, w), np.uint8))
        np.copyto(self._chroma[0], planes[0][:h])
        for small, large in zip(planes[1:], self._chroma[1:], strict=True):
            cv2.resize(np.ascontiguousarray(small), (w, h), dst=large, interpolation=cv2.INTER_NEAREST)
        cv2.merge(self._chroma, dst=out)
        cv2.transform(out, self._matrix, dst=out)


def decode_jpeg(data: memoryview, out: BgrFrame) -> None:
    """Fill `out` (H, W, 3) from a JPEG; Raises as `Decoder.decode`."""
    try:
        size_hw = simplejpeg.decode_jpeg_header(data)[:2]
    except ValueError as error:
        raise Damaged(str(error)) from error
    if size_hw != out.shape[:2]:
        raise Resized(*size_hw)
    try:
        simplejpeg.decode_jpeg(data, "BGR", fastdct=True, fastupsample=True, buffer=out)
    except ValueError as error:
        found = _HARMLESS.search(str(error))
        if found is None or int(found[1]) > 16:
            raise Damaged(str(error)) from error
        simplejpeg.decode_jpeg(data, "BGR", fastdct=True, fastupsample=True, buffer=out, strict=False)


def _convert_two_planes(rows: Plane, code: int, out: BgrFrame) -> None:
    h, w = out.shape[:2]
    height = len(rows) * 2 // 3
    chroma = rows[height:, :w].reshape(-1, w // 2, 2)
    step = max(2, _BAND_PX // w & ~1)
    for y in range(0, h, step):
        half = chroma[y // 2 : (y + step) // 2]
        cv2.cvtColorTwoPlane(rows[y : y + 2 * len(half), :w], half, code, dst=out[y : y + 2 * len(half)])


def _to_bgr(full_range: bool, bt709: bool) -> NDArray[np.float32]:
    """(3, 4): B, G and R of Y, U, V and 1. Source: ITU-R BT.601-7 and BT.709-6."""
    red, blue = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    green = 1.0 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    of_u, of_v = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    rows = np.array([[luma, of_u, 0.0], [luma, -of_u * blue / green, -of_v * red / green], [luma, 0.0, of_v]])
    offset = -rows @ [black, 128.0, 128.0]
    return np.hstack([rows, offset[:, None]]).astype(np.float32)
