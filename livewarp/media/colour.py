"""What the numbers of a video mean as colours, and its frames as BGR and back.

The tags are the code points of ISO/IEC 23091-2 (H.273), as in every container: 1 is BT.709, 9 BT.2020, 2 unspecified.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from livewarp.arrays import BgrFrame

UNSPECIFIED = 2
UNTAGGED = UNSPECIFIED, UNSPECIFIED, UNSPECIFIED
BT709 = 1
PQ, HLG = 16, 18
HD_LINES = 720  # players take untagged video of so many lines for BT.709, and smaller for BT.601

# Code point → libswscale's number of the same matrix; 10, BT.2020 of constant luminance, it does not know.
_SCALER_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

# Without these libswscale drops the low bits and doubles chroma: 44 dB there and back instead of 63 (720p, luma).
_ACCURATE = (
    Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)


class VideoColour(NamedTuple):
    """The tags of a video.

    Attributes
    ----------
    matrix, primaries, transfer
        Code points; 2: unspecified.
    full
        Whether luma goes from 0 to 255, not 16 to 235.
    told
        Whether the video says its range.
    """

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    full: bool = False
    told: bool = True

    def scaler_matrix(self, height: int) -> int:
        """The matrix to calculate with, in libswscale's numbers; that of an untagged video is guessed."""
        return _SCALER_MATRIX.get(self.matrix, 1 if height >= HD_LINES else 5)

    @property
    def av_range(self) -> int:
        """The range in libav's numbers."""
        return int(ColorRange.JPEG if self.full else ColorRange.MPEG)


def is_rgb(frame: VideoFrame) -> bool:
    """Whether a frame has no luma: RGB of some kind, or a palette."""
    name = frame.format.name
    return frame.format.is_rgb or name == "pal8"


def tags_of(described: Any) -> tuple[int, int, int]:
    """Matrix, primaries and transfer of a frame or a codec."""
    return int(described.colorspace), int(described.color_primaries), int(described.color_trc)


def video_colour(frame: VideoFrame, container: tuple[int, int, int] | None = None) -> VideoColour:
    """The tags of a decoded frame, else those of its container; what is RGB will be BT.709."""
    if is_rgb(frame):
        return VideoColour()
    matrix, primaries, transfer = (
        outer if own == UNSPECIFIED else own for own, outer in zip(tags_of(frame), container or UNTAGGED, strict=True)
    )
    told = frame.color_range in {int(ColorRange.MPEG), int(ColorRange.JPEG)}
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith(("yuvj", "gray"))
    return VideoColour(matrix, primaries, transfer, full, told or full)


class Converter:
    """Converts frames of one video; keeps libswscale's tables, so one for each video and thread."""

    def __init__(self, colour: VideoColour, height: int) -> None:
        self._colour = colour
        self._matrix = colour.scaler_matrix(height)
        self._to_yuv, self._to_bgr, self._from_bgr = VideoReformatter(), VideoReformatter(), VideoReformatter()

    def to_yuv420p(self, frame: VideoFrame, size: tuple[int, int] | None = None) -> VideoFrame:
        """The same colours as 8-bit 4:2:0, scaled to (width, height) where that is given."""
        width, height = size or (frame.width, frame.height)
        if frame.format.name in {"yuv420p", "yuvj420p"} and (width, height) == (frame.width, frame.height):
            return frame
        rgb = is_rgb(frame)
        return self._to_yuv.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            src_colorspace=self._matrix,
            dst_colorspace=self._matrix,
            src_color_range=int(ColorRange.JPEG) if rgb else self._colour.av_range,
            dst_color_range=self._colour.av_range,
            interpolation=_ACCURATE,
            threads=1,
        )

    def to_bgr(self, frame: VideoFrame) -> BgrFrame:
        """(H, W, 3) uint8 of a frame of any format."""
        bgr = self._to_bgr.reformat(
            frame,
            format="bgr24",
            src_colorspace=self._matrix,
            dst_colorspace=self._matrix,
            src_color_range=int(ColorRange.JPEG) if is_rgb(frame) else self._colour.av_range,
            dst_color_range=int(ColorRange.JPEG),
            interpolation=_ACCURATE,
            threads=1,
        )
        plane = bgr.planes[0]
        rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)[: bgr.height, : bgr.width * 3]
        return np.ascontiguousarray(rows).reshape(bgr.height, bgr.width, 3)  # rows may have padding

    def from_bgr(self, pixels: BgrFrame) -> VideoFrame:
        """BGR (H, W, 3) as 8-bit 4:2:0 in this video's colours."""
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format="bgr24")
        return self._from_bgr.reformat(
            frame,
            format="yuv420p",
            src_colorspace=self._matrix,
            dst_colorspace=self._matrix,
            src_color_range=int(ColorRange.JPEG),
            dst_color_range=self._colour.av_range,
            interpolation=_ACCURATE,
            threads=1,
        )
