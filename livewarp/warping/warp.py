"""The warp: faces and parameters in, a reshaped frame out, each pixel sampled once.

All strokes of all faces add up to one displacement field on a coarse grid; it is limited so that it
cannot fold, interpolated to pixels, and the frame is sampled through it, inside the ROI only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import BgrFrame, Box, DisplacementField, FloatArray
from livewarp.errors import FrameError
from livewarp.face68 import Face
from livewarp.knobs import Value
from livewarp.warping.field import add_strokes, fade_at_border, reached
from livewarp.warping.kernels import MAX_SIDE, grid_shape, sample, sample_dense
from livewarp.warping.strokes import StrokeTable

# Spacing of the field's nodes by IOD, px. What lies between the nodes is then within 0.05 px of the exact
# field (tests/test_warp.py); on the smallest faces only the exact field at every pixel is.
GRID_STEPS = ((0.0, 1), (100.0, 4), (300.0, 8))

# Nearer to the frame's border than this the field fades, to nothing at the border itself: what lies beyond
# is not in the picture, and repeating the last pixels would show as streaks.
BORDER_IOD = 0.4

# Around a ROI in scratch: the map stays inside the ROI, its interpolation reaches a pixel further.
MARGIN_PX = 2

# Squeeze: how far the smallest stretch of the backward map is below 1. Up to SQUEEZE_FREE strokes
# add up as they are; from there the whole field is scaled, smoothly, so as never to pass
# SQUEEZE_MAX. The Jacobian then stays above (1 - SQUEEZE_MAX)², since the symmetric part of the
# map's derivative has no eigenvalue below 1 - SQUEEZE_MAX. Source: own derivation.
SQUEEZE_FREE = 0.55
SQUEEZE_MAX = 0.75


class Warp:
    """The warp with its buffers, for one thread.

    Guarantees: after the first frames of a geometry it allocates no frame-sized memory.
    """

    def __init__(self) -> None:
        self._table = StrokeTable(ADJUSTMENTS.values())
        self._scratch = np.empty(0, np.uint8)

    def apply(
        self,
        frame: BgrFrame,
        faces: Sequence[Face],
        values: Mapping[str, Value],
        out: BgrFrame | None = None,
    ) -> BgrFrame:
        """Reshape the faces; see `warp`."""
        out = copy_into(frame, out)
        if not values["enabled"] or min(frame.shape[:2]) < 2:  # in a single row there is no face
            return out
        size_hw = frame.shape[0], frame.shape[1]
        placed = [(face, self._table.place(face, values)) for face in faces if face.confidence > 0.0]
        for roi, smallest, strokes in _groups(placed, size_hw):
            step_px = grid_step(smallest)
            field = limited_field(strokes, roi, step_px, size_hw, BORDER_IOD * smallest.pose.iod_px)
            source, origin = self._copy_around(frame, roi) if out is frame else (frame, (0, 0))
            if step_px == 1:
                sample_dense(source, out, field, roi, origin)
            else:
                sample(source, out, field, roi, step_px, origin)
        return out

    def _copy_around(self, frame: BgrFrame, roi: Box) -> tuple[BgrFrame, tuple[int, int]]:
        """A contiguous copy of the ROI and its margin, and where its top left pixel (x, y) lies in the frame."""
        height, width = frame.shape[:2]
        x0, y0 = max(0, roi[0] - MARGIN_PX), max(0, roi[1] - MARGIN_PX)
        x1, y1 = min(width, roi[2] + MARGIN_PX), min(height, roi[3] + MARGIN_PX)
        size = (y1 - y0) * (x1 - x0) * 3
        if self._scratch.size < size:
            self._scratch = np.empty(frame.size, np.uint8)
        copy = self._scratch[:size].reshape(y1 - y0, x1 - x0, 3)
        np.copyto(copy, frame[y0:y1, x0:x1])
        return copy, (x0, y0)


def warp(
    frame: BgrFrame,
    faces: Sequence[Face],
    parameters: Mapping[str, Value],
    out: BgrFrame | None = None,
) -> BgrFrame:
    """Reshape the faces in a frame.

    Parameters
    ----------
    frame
        (H, W, 3) uint8 BGR, C-contiguous.
    faces
        Faces with landmarks in px of `frame`; each one's confidence (0..1) scales its effect.
    parameters
        A value for every parameter, normally a `Parameters`.
    out
        Where the result goes: an array like `frame`, or `frame` itself; None makes a new one.

    Returns
    -------
    (H, W, 3) uint8
        `out`. Bytes that no stroke reaches equal those of `frame`; with every adjustment at 0 all do.

    Raises
    ------
    FrameError
        `frame` or `out` is not such an array, or the two overlap partly.

    Notes
    -----
    Convention: the displacement is backward, out[y, x] = frame[y + dy, x + dx], px, bilinear.
    Source: interactive image warping, A. Gustafsson 1993, at a fixed ratio of offset and radius.
    """
    return Warp().apply(frame, faces, parameters, out)


def copy_into(frame: BgrFrame, out: BgrFrame | None) -> BgrFrame:
    """`out`, or a new array where it is None, with a copy of the frame; raises `FrameError` as `warp` does."""
    check_frame(frame)
    if out is None:
        out = np.empty_like(frame)
    elif out.shape != frame.shape or out.dtype != frame.dtype or not out.flags.c_contiguous:
        raise FrameError("out", got=f"{out.dtype} {out.shape}", allowed=f"uint8 {frame.shape}, C-contiguous")
    elif out is not frame and np.may_share_memory(out, frame):
        raise FrameError("out: overlaps frame", allowed="frame itself or memory of its own")
    if out is not frame:
        np.copyto(out, frame)
    return out


def check_frame(frame: BgrFrame) -> None:
    """Raise `FrameError` unless `frame` is a C-contiguous (H, W, 3) uint8 array."""
    if not isinstance(frame, np.ndarray):
        raise FrameError("frame", got=type(frame).__name__, allowed="a uint8 (H, W, 3) BGR array")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise FrameError(
            "frame",
            got=f"{frame.dtype} {frame.shape}",
            allowed="uint8 (H, W, 3) BGR",
            remedy="convert it with cv2.cvtColor",
        )
    if max(frame.shape) > MAX_SIDE:
        raise FrameError("frame", got=f"{frame.shape[1]}x{frame.shape[0]}", allowed=f"sides up to {MAX_SIDE} px")
    if not frame.flags.c_contiguous:
        raise FrameError(
            "frame", got="a strided view", allowed="C-contiguous", remedy="copy it with numpy.ascontiguousarray"
        )


def grid_step(face: Face) -> int:
    """Spacing of the field's nodes for this face, px; 1: a node a pixel."""
    return [step for least_iod_px, step in GRID_STEPS if face.pose.iod_px >= least_iod_px][-1]


def limited_field(
    strokes: FloatArray, roi: Box, step_px: int, frame_hw: tuple[int, int] = (0, 0), border_px: float = 0.0
) -> DisplacementField:
    """The summed field of strokes, px, scaled so as not to fold.

    Parameters
    ----------
    frame_hw, border_px
        Size of the frame, and how near its border the field begins to fade; 0: it does not.

    Returns
    -------
    (h, w, 2) float32
        On the grid of `kernels.sample`; for step 1, at every pixel of the ROI.
    """
    x0, y0, x1, y1 = roi
    shape, margin = ((y1 - y0, x1 - x0), 0) if step_px == 1 else (grid_shape(roi, step_px), step_px)
    field = np.zeros((*shape, 2), np.float32)
    squeeze = np.zeros(shape, np.float32)
    add_strokes(strokes, field, squeeze, x0 - margin, y0 - margin, step_px)
    if border_px > 0.0 and min(x0, y0, frame_hw[1] - x1, frame_hw[0] - y1) < border_px:
        fade_at_border(field, squeeze, x0 - margin, y0 - margin, step_px, *frame_hw, border_px)
    field *= limit(float(squeeze.max()))
    return field


def limit(squeeze: float) -> float:
    """What a field is scaled by so that a squeeze of `squeeze` becomes at most SQUEEZE_MAX; C1, at most 1."""
    if squeeze <= SQUEEZE_FREE:
        return 1.0
    room = SQUEEZE_MAX - SQUEEZE_FREE
    return (SQUEEZE_FREE + room * math.tanh((squeeze - SQUEEZE_FREE) / room)) / squeeze


def roi_of(strokes: FloatArray, height: int, width: int) -> Box:
    """The pixels that strokes (n, N_COLUMNS) can move, clamped to the frame; may be empty."""
    left, top, right, bottom = reached(strokes)
    x0, y0 = max(0, math.ceil(left)), max(0, math.ceil(top))
    x1, y1 = min(width, math.floor(right) + 1), min(height, math.floor(bottom) + 1)
    return x0, y0, x1, y1


class _Group(NamedTuple):
    """Strokes that are summed in one field, what they can move, and the smallest of the faces they lie on."""

    roi: Box
    smallest: Face
    strokes: FloatArray


def _groups(placed: list[tuple[Face, FloatArray]], frame_hw: tuple[int, int]) -> list[_Group]:
    """Faces whose ROIs overlap, together: their sum is what must not fold."""
    groups: list[_Group] = []
    for face, strokes in placed:
        if not len(strokes):
            continue
        roi = roi_of(strokes, *frame_hw)
        if roi[0] >= roi[2] or roi[1] >= roi[3]:
            continue
        new = _Group(roi, face, strokes)
        # Each that is joined makes the ROI larger, which may then touch another.
        while (other := next((g for g in groups if _intersect(g.roi, new.roi)), None)) is not None:
            groups = [g for g in groups if g is not other]
            new = _joined(other, new)
        groups.append(new)
    return groups


def _joined(a: _Group, b: _Group) -> _Group:
    roi = min(a.roi[0], b.roi[0]), min(a.roi[1], b.roi[1]), max(a.roi[2], b.roi[2]), max(a.roi[3], b.roi[3])
    smallest = min(b.smallest, a.smallest, key=lambda face: face.pose.iod_px)
    return _Group(roi, smallest, np.concatenate([a.strokes, b.strokes]))


def _intersect(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
