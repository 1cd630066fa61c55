"""The warp: faces and parameters in, a reshaped frame out, each pixel sampled once.

All strokes of all faces add up to one displacement field. Strokes are weakened where their sum could fold, each face's
are summed on a coarse grid of its own, and the frame is sampled through the sum of the grids, where it moves only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import BgrFrame, Box, DisplacementField, FloatArray
from livewarp.errors import FrameError
from livewarp.face68 import Face
from livewarp.knobs import Value
from livewarp.warping.fading import STEEPEST_AWAY, STEEPEST_FADE, fade_at_border, fade_away
from livewarp.warping.field import add_strokes, reached
from livewarp.warping.grids import BLOCK, grid_shape
from livewarp.warping.kernels import MAX_SIDE, sample
from livewarp.warping.squeeze import LOOK_IOD, crowded, hold, weaken
from livewarp.warping.strokes import StrokeTable

# Spacing of the field's nodes at an IOD of 100 px, px, and the power of the IOD by which it grows. What interpolation
# gets wrong grows with between the second and the third power of the spacing over the IOD, and with the IOD: with these
# it is within 0.05 px of the exact field on any face (tests/test_warp.py). No step in it, so none in what a face costs.
GRID_STEP_PX, GRID_STEP_POWER = 3.6, 0.6

# Nearer to the frame's border than this the field fades, to nothing at the border itself: what lies beyond
# is not in the picture, and repeating the last pixels would show as streaks.
BORDER_IOD = 0.4

# From so far outside a person on the field fades, over so far, to nothing: the world beyond stands still. The edge of
# the person, and what a mask gets wrong of it, moves as a whole. A shorter fade is steeper, so that the limit against
# folding takes more: over 0.3 it takes 6 to 12 % of the narrowing of `thin` at 1, over 0.4 2 % at most
# (benchmarks/straightness.py).
EDGE_IOD, WORLD_IOD = 0.06, 0.4

# Above and below a ROI in scratch: the map stays inside the ROIs, its interpolation reaches a pixel further. To its
# sides there is a block of columns.
MARGIN_PX = 2


class Placed(NamedTuple):
    """The strokes (n, N_COLUMNS) of a face, what they can move of a frame, and where its eyes are, px.

    away: how far each place is from the nearest person, px, (h, w) at any size that covers the frame; None: nobody
    knows, and the world beside the face moves as far as the strokes reach.
    """

    strokes: FloatArray
    roi: Box
    x: float
    y: float
    iod_px: float
    away: FloatArray | None = None


class Warp:
    """The warp with its buffers, for one thread.

    Guarantees: after the first frames of a geometry it allocates no frame-sized memory.
    """

    def __init__(self) -> None:
        self._table = StrokeTable(ADJUSTMENTS.values())
        self._scratch = np.empty(0, np.uint8)
        self._nodes = np.empty(0, np.float32)
        self._kept = np.ones(len(ADJUSTMENTS), np.float32)

    def apply(
        self,
        frame: BgrFrame,
        faces: Sequence[Face],
        values: Mapping[str, Value],
        out: BgrFrame | None = None,
        away: FloatArray | None = None,
    ) -> BgrFrame:
        """Reshape the faces; see `warp`. `away`: as in `Placed`."""
        out = copy_into(frame, out)
        if not values["enabled"] or min(frame.shape[:2]) < 2:  # in a single row there is no face
            return out
        size_hw = frame.shape[0], frame.shape[1]
        kept = np.ones(len(ADJUSTMENTS), np.float32)
        placed = [p._replace(away=away) for p in place_faces(self._table, faces, values, size_hw)]
        limit(placed, size_hw, kept)
        self._kept = kept
        if placed:
            rois, steps = np.array([p.roi for p in placed]), np.array([grid_step(p.iod_px) for p in placed])
            nodes = self._sum(placed, steps, size_hw)
            source, origin = self._copy(frame, placed) if out is frame else (frame, (0, 0))
            sample(source, out, nodes, rois, steps, origin)
        return out

    @property
    def limited(self) -> dict[str, float]:
        """By adjustment, how much of it was taken from the last frame's face that lost most, 0..1; any thread."""
        taken = 1.0 - self._kept
        return {name: float(share) for name, share in zip(ADJUSTMENTS, taken, strict=False) if share > 0.0}

    def _sum(self, placed: Sequence[Placed], steps: FloatArray, frame_hw: tuple[int, int]) -> FloatArray:
        """The strokes of each face on its own grid, one grid after the other."""
        shapes = [(*grid_shape(p.roi, step), 2) for p, step in zip(placed, steps, strict=True)]
        size = sum(math.prod(shape) for shape in shapes)
        if self._nodes.size < size:
            self._nodes = np.empty(2 * size, np.float32)
        nodes = self._nodes[:size]
        nodes[:] = 0.0
        begin = 0
        for p, step, shape in zip(placed, steps, shapes, strict=True):
            end = begin + math.prod(shape)
            sum_strokes(p, nodes[begin:end].reshape(shape), p.roi[0] - step, p.roi[1] - step, step, frame_hw)
            begin = end
        return nodes

    def _copy(self, frame: BgrFrame, placed: Sequence[Placed]) -> tuple[BgrFrame, tuple[int, int]]:
        """A part of the frame in which all is copied that the ROIs may read, and where its top left pixel lies."""
        height, width = frame.shape[:2]
        boxes = [_around(p.roi, height, width) for p in placed]
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
        size = (bottom - top) * (right - left) * 3
        if self._scratch.size < size:
            self._scratch = np.empty(frame.size, np.uint8)
        copy = self._scratch[:size].reshape(bottom - top, right - left, 3)
        for x0, y0, x1, y1 in boxes:
            np.copyto(copy[y0 - top : y1 - top, x0 - left : x1 - left], frame[y0:y1, x0:x1])
        return copy, (left, top)


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


def grid_step(iod_px: float) -> float:
    """Spacing of the field's nodes for a face of this size, px; at 1 it has one at each pixel."""
    return max(1.0, GRID_STEP_PX * math.pow(iod_px / 100.0, GRID_STEP_POWER))


def place_faces(
    table: StrokeTable, faces: Sequence[Face], values: Mapping[str, Value], frame_hw: tuple[int, int]
) -> list[Placed]:
    """The strokes of each face that has any in the frame, as strong as they are wanted; see `limit`."""
    result = []
    for face in faces:
        if face.confidence <= 0.0 or not len(strokes := table.place(face, values)):
            continue
        x0, y0, x1, y1 = roi = roi_of(strokes, *frame_hw)
        if x0 < x1 and y0 < y1:
            result.append(Placed(strokes, roi, face.pose.x, face.pose.y, face.pose.iod_px))
    return result


def limit(placed: Sequence[Placed], frame_hw: tuple[int, int], kept: FloatArray) -> None:
    """Weaken strokes, in place, so that the map of all together does not fold; see `livewarp.warping.squeeze`.

    kept: (adjustments,), lowered to what is left of each on the face that loses most of it.
    """
    if not placed:
        return
    strokes = placed[0].strokes if len(placed) == 1 else np.concatenate([p.strokes for p in placed])
    ends = list(accumulate(len(p.strokes) for p in placed))
    left = np.ones(len(strokes), np.float32)
    for p in placed:
        runs = np.array(
            [(end - len(o.strokes), end) for o, end in zip(placed, ends, strict=True) if _intersect(o.roi, p.roi)]
        )
        # Places that are looked at go with the face, so that a face that moves is not limited now more, now less.
        step = LOOK_IOD * p.iod_px
        i0, j0 = math.floor((p.roi[0] - p.x) / step), math.floor((p.roi[1] - p.y) / step)
        i1, j1 = math.ceil((p.roi[2] - p.x) / step), math.ceil((p.roi[3] - p.y) / step)
        fade = STEEPEST_FADE / _border_px(p) if _is_near_border(p, frame_hw) else 0.0
        fade += STEEPEST_AWAY / (WORLD_IOD * p.iod_px) if p.away is not None else 0.0
        x0, y0, w, h = crowded(strokes, runs, p.x + i0 * step, p.y + j0 * step, step, i1 - i0 + 1, j1 - j0 + 1, fade)
        if w > 0:
            hold(strokes, runs, x0, y0, step, *weigh_nodes(p, x0, y0, step, (h, w), frame_hw), left)
    parts = np.empty(3 * len(kept), np.float32)
    for p, end in zip(placed, ends, strict=True):
        weaken(p.strokes, left[end - len(p.strokes) : end], parts, kept)


def weigh_nodes(
    p: Placed, x0: float, y0: float, step: float, shape: tuple[int, int], frame_hw: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """What a face's field is multiplied by at nodes (h, w), and how steep that is, 1/px."""
    weight, slope = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    if _is_near_border(p, frame_hw):
        fade_at_border(weight, slope, x0, y0, step, *frame_hw, _border_px(p))
    if p.away is not None:
        scale = p.away.shape[1] / frame_hw[1], p.away.shape[0] / frame_hw[0]
        fade_away(weight, slope, x0, y0, step, p.away, scale, EDGE_IOD * p.iod_px, WORLD_IOD * p.iod_px)
    return weight, slope


def sum_strokes(
    p: Placed, field: DisplacementField, x0: float, y0: float, step: float, frame_hw: tuple[int, int]
) -> None:
    """Add the field of a face, weighted, at nodes (h, w, 2); node [j, i] lies at (x0 + i·step, y0 + j·step), px."""
    if not _is_weighted(p, frame_hw):
        add_strokes(p.strokes, field, x0, y0, step)
        return
    own = np.zeros_like(field)
    add_strokes(p.strokes, own, x0, y0, step)
    weight, _ = weigh_nodes(p, x0, y0, step, (field.shape[0], field.shape[1]), frame_hw)
    field += weight[..., None] * own


def exact_field(placed: Sequence[Placed], roi: Box, frame_hw: tuple[int, int]) -> DisplacementField:
    """What faces, limited by `limit`, move at every pixel of a ROI, without a grid, px."""
    x0, y0, x1, y1 = roi
    field = np.zeros((y1 - y0, x1 - x0, 2), np.float32)
    for p in placed:
        sum_strokes(p, field, x0, y0, 1.0, frame_hw)
    return field


def roi_of(strokes: FloatArray, height: int, width: int) -> Box:
    """The pixels that strokes (n, N_COLUMNS) can move, clamped to the frame; may be empty."""
    left, top, right, bottom = reached(strokes)
    x0, y0 = max(0, math.ceil(left)), max(0, math.ceil(top))
    x1, y1 = min(width, math.floor(right) + 1), min(height, math.floor(bottom) + 1)
    return x0, y0, x1, y1


def _around(roi: Box, height: int, width: int) -> Box:
    """A ROI with what its pixels may be sampled from beside it, and the whole blocks that it touches."""
    x0, y0, x1, y1 = roi
    left, right = max(0, x0 // BLOCK * BLOCK - BLOCK), min(width, x1 + BLOCK)
    return left, max(0, y0 - MARGIN_PX), right, min(height, y1 + MARGIN_PX)


def _border_px(p: Placed) -> float:
    return BORDER_IOD * p.iod_px


def _is_weighted(p: Placed, frame_hw: tuple[int, int]) -> bool:
    return p.away is not None or _is_near_border(p, frame_hw)


def _is_near_border(p: Placed, frame_hw: tuple[int, int]) -> bool:
    x0, y0, x1, y1 = p.roi
    return min(x0, y0, frame_hw[1] - x1, frame_hw[0] - y1) < _border_px(p)


def _intersect(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
