"""The built-in source: a portrait that moves like a person before a webcam and knows where its face is.

The sitters are those of `livewarp.sources.sitters`; their pictures are in the public domain (credits: the
README.md beside each). The sitter is a cut-out layer that smooth maps warp over a still painted room: the whole
layer moves and scales, the head turns on its neck by the parallax of a head-shaped depth, the upper lids come down.

Guarantees: a frame depends on its number, the size, the frame rate and the motion alone; the room is
byte for byte the same where she is not; the truth moves by the maps that make the pixels.

Convention: portrait px are those of the sitter's person.jpg; head axes are those of `livewarp.face68`
with the portrait as it was taken, its IOD as the unit; layer px are portrait px scaled, plus a border.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray, Landmarks
from livewarp.errors import FrameError, SourceError
from livewarp.face68 import LEFT_EYE, RIGHT_EYE, Pose, fit_pose
from livewarp.sources.headmap import PIVOT, composite, displaced, fill_map, invert
from livewarp.sources.headmotion import HeadPose, Motion, natural
from livewarp.sources.plan import Plan, Request
from livewarp.sources.sitters import SITTERS, Sitter, sitter_named

_SIZE_PX = (720, 600)  # height and width of the frame that a sitter's scale is for
_EYES_FROM_TOP = 0.345  # of the frame's height, at least: headroom above the hat
_CELL_PX = 8  # spacing of the map's nodes in such a frame, frame px
_BORDER_PX = 2  # of transparent layer px, so that her outline blends by interpolation

_LID_ROWS = 4  # drawn per layer row and averaged: the edge of a closed lid is a jump in the map

Pixels = NDArray[np.uint8]
"""(h, w) or (h, w, channels) uint8."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the face of a frame of the portrait is.

    Attributes
    ----------
    pose
        Of the face, as `fit_pose` would like to find it.
    landmarks
        (68, 2) float32, px of the full frame, also where they lie outside it; read-only.
    openness
        Of the right and the left eye: 0 closed, 1 as in the portrait.
    visible
        Share of the landmarks that lie inside the frame, 0 to 1.
    """

    pose: Pose
    landmarks: Landmarks
    openness: tuple[float, float]
    visible: float


def plan_portrait(wanted: str, request: Request) -> Plan:
    """The portrait at the size and rate that are asked for."""
    width, height, fps = request.geometry()
    return Plan(
        wanted, False, width, height, fps, lambda: PortraitSource(width, height, fps, sitter=sitter_named(wanted))
    )


class PortraitSource:
    """Endless frames of the moving portrait.

    Parameters
    ----------
    width, height
        Of the frames, px; any size.
    fps
        Frame `index` shows the time index / fps.
    motion
        The pose at a time, s; None: `headmotion.natural`.
    sitter
        Whom to show.

    Raises
    ------
    FrameError
        A size or a frame rate that is not positive.
    SourceError
        A picture of the package is missing or damaged.
    """

    live = False
    ended = False

    def __init__(
        self,
        width: int = 1280,
        height: int = 720,
        fps: float = 30.0,
        motion: Motion | None = None,
        sitter: Sitter = SITTERS[0],
    ) -> None:
        if width < 1 or height < 1 or not 0.0 < fps < float("inf"):
            raise FrameError("portrait", got=f"{width}x{height} at {fps} fps", allowed="positive numbers")
        self.width, self.height, self.fps = width, height, fps
        self._motion = motion or natural
        self._next = 0
        self.name = sitter.name
        self._room = _cover(sitter.folder, width, height)

        self._base = np.array(json.loads(_asset(sitter.folder, "portrait.json"))["landmarks"])
        self._rest = fit_pose(self._base.astype(np.float32))
        self._lids = tuple(
            (eye, _Lids(self._base[eye], reach))
            for eye, reach in zip((RIGHT_EYE, LEFT_EYE), sitter.lid_reach_px, strict=True)
        )
        share = min(height / _SIZE_PX[0], width / _SIZE_PX[1])
        scale = sitter.scale * share
        self._unit = self._rest.iod_px * scale  # frame px per IOD
        eyes = max(_EYES_FROM_TOP * height, height - sitter.eyes_to_bottom_px * scale)
        self._centre = np.array([(width - 1) / 2, eyes])
        self._pixels, self._to_layer = _layer(sitter.folder, scale, self._rest)
        self._layer = _lanes(self._pixels)
        self._openness = 1.0  # that `_layer` shows
        self._cell = max(2, round(_CELL_PX * share))
        self._grid = np.zeros((-(-height // self._cell) + 1, -(-width // self._cell) + 1, 2), np.float32)

    def read(self, out: BgrFrame) -> float | None:
        """The next frame into `out` (height, width, 3); its time, s from the first."""
        index = self._next
        self._next += 1
        self.render(index, out)
        return index / self.fps

    def render(self, index: int, out: BgrFrame) -> None:
        """Frame `index` into `out` (height, width, 3) uint8; not from two threads at once."""
        if out.shape != self._room.shape or out.dtype != np.uint8:
            raise FrameError("portrait", got=f"{out.dtype} {out.shape}", allowed=f"uint8 {self._room.shape}")
        pose = self._motion(index / self.fps)
        self._blink(pose.openness)
        np.copyto(out, self._room)
        x0, x1 = self._map(pose, self._grid)
        composite(out, self._layer, self._grid, self._cell, x0, x1)

    def truth(self, index: int) -> Truth:
        """Where the face of frame `index` is."""
        pose = self._motion(index / self.fps)
        points = self._base.copy()
        for eye, lids in self._lids:
            points[eye] = lids.moved(points[eye], pose.openness)
        head = (points - [self._rest.x, self._rest.y]) / self._rest.iod_px

        origin, iod_px, rotation = self._place(pose)
        start = origin + iod_px * np.array([displaced(x, y, rotation[:2]) for x, y in head])
        grid = np.zeros_like(self._grid)
        x0, x1 = self._map(pose, grid)
        target = head * self._to_layer[:, 0] + self._to_layer[:, 1]
        landmarks = invert(grid, self._cell, x0, x1, target, start).astype(np.float32)
        landmarks.setflags(write=False)

        pivot = np.array(PIVOT)
        middle = origin + iod_px * (pivot - rotation @ pivot)[:2]
        low, high = -0.5, np.array([self.width, self.height]) - 0.5
        return Truth(
            pose=_pose(middle, iod_px, rotation @ self._rest.rotation()),
            landmarks=landmarks,
            openness=(pose.openness, pose.openness),
            visible=float(((landmarks >= low) & (landmarks < high)).all(axis=1).mean()),
        )

    def close(self) -> None:
        """Nothing to release."""

    def _place(self, pose: HeadPose) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
        """Frame px of the body's origin, frame px per IOD, and the head's rotation (3, 3)."""
        iod_px = self._unit * pose.scale
        origin = self._centre + self._unit * np.array([pose.x, pose.y])
        left, right = self._ends(origin[0], iod_px)
        origin[0] += pose.exit * (self.width - left if pose.exit > 0.0 else right + 1.0)
        return origin, iod_px, Pose(0.0, 0.0, 1.0, pose.roll, pose.yaw, pose.pitch).rotation()

    def _ends(self, x: float, iod_px: float) -> tuple[float, float]:
        """Frame px of the layer's first and last column while the body's origin is at `x`."""
        factor, offset = self._to_layer[0]
        return x - offset / factor * iod_px, x + (self._layer.shape[1] - 1 - offset) / factor * iod_px

    def _map(self, pose: HeadPose, grid: FloatArray) -> tuple[int, int]:
        """Fill the backward map; the columns (from, to), half-open, outside of which nothing is drawn."""
        origin, iod_px, rotation = self._place(pose)
        left, right = self._ends(origin[0], iod_px)
        x0 = min(self.width, max(0, math.floor(left)) // self._cell * self._cell)
        x1 = min(self.width, max(x0, math.ceil(right) + 1))
        if x0 < x1:
            fill_map(grid, self._cell, x0, x1, iod_px, origin, rotation[:2], self._to_layer)
        return x0, x1

    def _blink(self, openness: float) -> None:
        """Redraw the eyes of the layer, if they are not open that far already."""
        if openness == self._openness:
            return
        factor = self._to_layer[:, 0] / self._rest.iod_px  # layer px per portrait px
        offset = self._to_layer[:, 1] - factor * [self._rest.x, self._rest.y]
        for _, lids in self._lids:
            x0, y0 = np.floor(factor * lids.box[:2] + offset).astype(int)
            x1, y1 = np.ceil(factor * lids.box[2:] + offset).astype(int) + 1
            eye = self._pixels[y0:y1, x0:x1]
            if openness < 1.0:
                fine = (np.arange((y1 - y0) * _LID_ROWS) + 0.5) / _LID_ROWS - 0.5 + y0
                x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float64), fine)
                source = lids.source((x - offset[0]) / factor[0], (y - offset[1]) / factor[1], openness)
                rows = (source * factor[1] + offset[1]).astype(np.float32)
                drawn = cv2.remap(self._pixels, x.astype(np.float32), rows, cv2.INTER_LINEAR)
                eye = _resized(cast(Pixels, drawn), (x1 - x0, y1 - y0))
            self._layer[y0:y1, x0:x1] = _lanes(eye)
        self._openness = openness


class _Lids:
    """How the upper lid of one eye comes down, portrait px; straight down, so only y changes.

    Parameters
    ----------
    eye
        (6, 2) landmarks: corner, upper lid twice, corner, lower lid twice, clockwise.
    reach_px
        How far above the lid the skin that follows it begins.
    """

    def __init__(self, eye: NDArray[np.float64], reach_px: float) -> None:
        self._reach_px = reach_px
        self._corners = eye[[0, 3]]
        # Each lid is a cubic through both corners and its two landmarks.
        self._upper = self._through(eye[[1, 2]])
        self._lower = self._through(eye[[4, 5]])
        (left, _), (right, _) = self._corners
        self.box = np.array([left, eye[:, 1].min() - reach_px - 1, right, eye[:, 1].max() + 1])

    def _across(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """-1 to 1 from corner to corner, and y of the straight line between them."""
        (left, y_left), (right, y_right) = self._corners
        u = np.clip((2.0 * x - left - right) / (right - left), -1.0, 1.0)
        return u, (y_left + y_right) / 2 + u * (y_right - y_left) / 2

    def _through(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        u, line = self._across(points[:, 0])
        bulge = (points[:, 1] - line) / (1.0 - u**2)
        return cast(NDArray[np.float64], np.linalg.solve(np.stack([np.ones(2), u], axis=1), bulge))

    def _edges(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Y of the upper and of the lower lid."""
        u, line = self._across(x)
        upper, lower = (line + (1.0 - u**2) * (a + b * u) for a, b in (self._upper, self._lower))
        return upper, np.maximum(upper, lower)

    def source(self, x: NDArray[np.float64], y: NDArray[np.float64], openness: float) -> NDArray[np.float64]:
        """Backward: y in the portrait of what is shown at (x, y)."""
        upper, lower = self._edges(x)
        top = upper - self._reach_px
        lid = lower - openness * (lower - upper)
        skin = top + (y - top) * self._reach_px / (lid - top)
        eye = lower - (lower - y) / max(openness, 1e-6)
        return np.where((y <= top) | (y >= lower), y, np.where(y <= lid, skin, eye))

    def moved(self, points: NDArray[np.float64], openness: float) -> NDArray[np.float64]:
        """Forward: where (n, 2) points of the portrait are shown."""
        x, y = points.T
        upper, lower = self._edges(x)
        top = upper - self._reach_px
        lid = lower - openness * (lower - upper)
        skin = top + (y - top) * (lid - top) / self._reach_px
        eye = lower - (lower - y) * openness
        y = np.where((y <= top) | (y >= lower), y, np.where(y <= upper, skin, eye))
        return np.stack([x, y], axis=1)


def _pose(origin: NDArray[np.float64], iod_px: float, rotation: NDArray[np.float64]) -> Pose:
    """The pose with that rotation (3, 3): the angles of `Pose.rotation`."""
    return Pose(
        x=float(origin[0]),
        y=float(origin[1]),
        iod_px=iod_px,
        roll=math.atan2(rotation[1, 0], rotation[0, 0]),
        yaw=math.asin(max(-1.0, min(1.0, rotation[2, 0]))),
        pitch=math.atan2(rotation[2, 1], rotation[2, 2]),
    )


def _asset(folder: str, name: str) -> bytes:
    try:
        return resources.files("livewarp").joinpath("assets", folder, name).read_bytes()
    except OSError as error:
        raise SourceError(f"portrait: cannot read {name} ({error})", remedy="install livewarp again") from error


def _picture(folder: str, name: str, flags: int) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(_asset(folder, name), np.uint8), flags)
    if pixels is None:
        raise SourceError(f"portrait: {name} is damaged", remedy="install livewarp again")
    return cast(Pixels, pixels)


def _cover(folder: str, width: int, height: int) -> BgrFrame:
    """The room, scaled to cover (height, width, 3) and cut to it about its middle."""
    room = _picture(folder, "background.jpg", cv2.IMREAD_COLOR)
    scale = max(height / room.shape[0], width / room.shape[1])
    size = max(width, round(room.shape[1] * scale)), max(height, round(room.shape[0] * scale))
    room = _resized(room, size)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(room[y : y + height, x : x + width])


def _layer(folder: str, scale: float, rest: Pose) -> tuple[Pixels, NDArray[np.float64]]:
    """The cut-out sitter at `scale`, and the way there from head axes.

    Returns
    -------
    tuple
        (h, w, 4) blue, green, red times alpha, alpha, with a transparent border but below; and
        (2, 2): layer x and y = factor * head axis + offset.
    """
    colours, matte = (
        _picture(folder, name, flags)
        for name, flags in (("person.jpg", cv2.IMREAD_COLOR), ("matte.png", cv2.IMREAD_GRAYSCALE))
    )
    size = max(1, round(matte.shape[1] * scale)), max(1, round(matte.shape[0] * scale))
    alpha = _resized(matte, size)
    tinted = (_resized(colours, size) * (alpha[..., None] / np.float32(255.0)) + 0.5).astype(np.uint8)
    pixels = np.pad(np.dstack([tinted, alpha]), ((_BORDER_PX, 0), (_BORDER_PX, _BORDER_PX), (0, 0)))
    factor = np.array([size[0] / matte.shape[1], size[1] / matte.shape[0]])
    offset = (np.array([rest.x, rest.y]) + 0.5) * factor - 0.5 + _BORDER_PX
    return pixels, np.stack([factor * rest.iod_px, offset], axis=1)


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """To (width, height), by the filter that suits the direction."""
    shrinks = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return cast(Pixels, cv2.resize(pixels, size, interpolation=way))


def _lanes(pixels: Pixels) -> NDArray[np.uint64]:
    """(h, w, 4) uint8 as (h, w) of four 16-bit lanes, for `headmap.composite`."""
    wide = np.zeros(pixels.shape, np.dtype("<u2"))
    wide[...] = pixels
    return wide.view(np.dtype("<u8"))[..., 0]
