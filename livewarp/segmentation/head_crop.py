"""The upright picture of one head that the hair network is given, and the way back into the frame.

Convention: crop axes are the face's own, in px of the crop; a mask in them moves with the head, so that carrying it
to another frame is placing it by that frame's pose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, GrayFrame
from livewarp.face68 import Face, Pose

BELOW_EYES_IOD = 0.15  # of the crop's middle
_IOD_PX = {320: 80.0, 256: 72.0}  # by the crop's side: how large a head the network is given
_OWN_XY, _OWN_RADII = (0.0, -0.35), (1.05, 1.15)  # a head in face axes, IOD: an ellipse from chin to crown
# How the mask fades at the crop's border, beyond which nothing is known: sides and top, and where long hair ends.
_FADE_IOD, _FADE_BELOW_IOD = 0.12, 0.6
_CERTAIN = 230  # of a mask
_INNER, _OUTER = 0.72, 0.94  # of the face's outline: no hair is taken within; where it may fall over the cheeks
_LEAST_AREA_IOD = 0.06  # squared, of a part within the head


class PlacedMask(NamedTuple):
    """A mask in the frame, at half its size: the picture and its corner, px of the frame."""

    weights: GrayFrame
    origin_xy: tuple[int, int]


def to_crop(pose: Pose, side: int) -> NDArray[np.float64]:
    """(2, 3): from px of the frame to px of the crop."""
    scale = _IOD_PX[side] / pose.iod_px
    c, s = math.cos(pose.roll) * scale, math.sin(pose.roll) * scale
    x = pose.x - BELOW_EYES_IOD * pose.iod_px * math.sin(pose.roll)
    y = pose.y + BELOW_EYES_IOD * pose.iod_px * math.cos(pose.roll)
    middle = (side - 1) / 2
    return np.array([[c, s, middle - c * x - s * y], [-s, c, middle + s * x - c * y]])


def cut_head(frame: BgrFrame, pose: Pose, side: int) -> BgrFrame:
    """The head upright, (side, side, 3); what is beyond the frame repeats its border."""
    move = to_crop(pose, side)
    reach = 1
    while reach * _IOD_PX[side] * 2 < pose.iod_px:
        reach *= 2
    if reach > 1:  # else every second pixel would be skipped
        back = np.linalg.inv(move[:, :2])
        corners = (np.array([(0, 0), (side, 0), (0, side), (side, side)]) - move[:, 2]) @ back.T
        left, top = np.clip(corners.min(axis=0), 0, np.array(frame.shape[1::-1]) - reach).astype(int)
        right, bottom = np.maximum(np.ceil(corners.max(axis=0)).astype(int), (left + reach, top + reach))
        near = frame[top:bottom, left:right]
        frame = np.asarray(cv2.resize(near, None, fx=1 / reach, fy=1 / reach, interpolation=cv2.INTER_AREA), np.uint8)
        to_near = [[reach, 0, left + (reach - 1) / 2], [0, reach, top + (reach - 1) / 2], [0, 0, 1]]
        move = move @ np.array(to_near)
    size, border = (side, side), cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(frame, move, size, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)


def own_hair(mask: GrayFrame, pose: Pose, others: Sequence[Pose]) -> GrayFrame:
    """The parts of a mask in crop axes that hang together with this head, and are nearer to it than to another.

    Parameters
    ----------
    mask
        (side, side) uint8.
    pose
        Of this head, in the frame.
    others
        Poses of the other heads there.
    """
    side = mask.shape[0]
    few = np.asarray(cv2.resize(mask, (side // 4, side // 4), interpolation=cv2.INTER_AREA))
    iod_px = _IOD_PX[side] / 4
    grid = np.stack(np.meshgrid(*[(np.arange(side // 4) + 0.5) * 4 - 0.5] * 2), axis=-1)
    distance = _distance(grid, to_crop(pose, side), pose)
    beside = side / 2 - np.abs(grid - (side - 1) / 2).max(axis=2)
    share = np.clip(beside / (_FADE_IOD * _IOD_PX[side]), 0.0, 1.0)
    share = np.minimum(share, np.clip((side - grid[..., 1]) / (_FADE_BELOW_IOD * _IOD_PX[side]), 0.0, 1.0))
    for other in others:
        apart = _distance(grid, to_crop(pose, side), other) - distance
        share *= np.clip(0.5 + apart * 4.0, 0.0, 1.0)
    inner = (few * share).astype(np.uint8)
    hair = (inner > 110).astype(np.uint8)
    joined = cv2.dilate(hair, np.ones((5, 5), np.uint8))  # an ear may part long hair
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    labels *= hair
    at_head = np.bincount(labels[distance < 1.0], minlength=count)
    keep = (at_head >= _LEAST_AREA_IOD * iod_px**2) & (at_head >= 0.1 * boxes[:, cv2.CC_STAT_AREA])
    keep[0] = False
    near = cv2.dilate(keep[labels].astype(np.uint8), np.ones((5, 5), np.uint8))
    weights = cv2.resize((near * share * 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(mask, weights, scale=1 / 255), np.uint8)


def _distance(grid: NDArray[np.float64], move: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """How far px of a crop, (h, w, 2), are from a head's middle: 1 on its outline."""
    back = np.linalg.inv(move[:, :2])
    xy = (grid - move[:, 2]) @ back.T - np.array([pose.x, pose.y])
    c, s = math.cos(pose.roll) / pose.iod_px, math.sin(pose.roll) / pose.iod_px
    face = xy @ np.array([[c, -s], [s, c]])
    return np.asarray(np.hypot(*((face - _OWN_XY) / _OWN_RADII).transpose(2, 0, 1)))


def place_mask(
    mask: GrayFrame, bounds: tuple[int, int, int, int], pose: Pose, frame_hw: tuple[int, int]
) -> PlacedMask | None:
    """A mask of crop axes where its head is by now; None: outside the frame.

    Parameters
    ----------
    mask
        (side, side) uint8.
    bounds
        x0, y0, x1, y1 of what is not 0 in it, px of the crop, half-open.
    pose
        Of the head in the frame.
    frame_hw
        Of the frame, px.
    """
    move = to_crop(pose, mask.shape[0])
    back = np.linalg.inv(move[:, :2])
    x0, y0, x1, y1 = bounds
    corners = (np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)]) - move[:, 2]) @ back.T
    low, high = corners.min(axis=0) - 4.0, corners.max(axis=0) + 4.0
    left, top = (max(0, int(v) // 2 * 2) for v in low)
    right, bottom = min(frame_hw[1] // 2 * 2, int(high[0])), min(frame_hw[0] // 2 * 2, int(high[1]))
    width, height = (right - left) // 2, (bottom - top) // 2
    if min(width, height) < 8:
        return None
    # A small pixel's middle lies between two of the frame's.
    step = np.array([[2.0, 0.0, left + 0.5], [0.0, 2.0, top + 0.5], [0.0, 0.0, 1.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    weights = cv2.warpAffine(mask, move @ step, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return PlacedMask(np.asarray(weights, np.uint8), (left, top))


def without_face(placed: PlacedMask, face: Face) -> GrayFrame:
    """The mask without the face below the brows, with a soft edge; near its outline hair that is certain stays."""
    outline = face.landmarks[[*range(17), *range(26, 16, -1)]]
    middle, weights = outline.mean(axis=0), placed.weights
    side = 2 * round(0.025 * face.pose.iod_px) + 1
    for share in (_OUTER, _INNER):
        inside = np.zeros(weights.shape, np.uint8)
        points = (middle + (outline - middle) * share - placed.origin_xy - 0.5) / 2
        cv2.fillPoly(inside, [np.round(points * 8).astype(np.int32)], 255, shift=3)
        inside = np.asarray(cv2.blur(inside, (side, side)), np.uint8)
        left: GrayFrame = np.asarray(cv2.multiply(weights, 255 - inside, scale=1 / 255), np.uint8)
        weights = np.where(weights > _CERTAIN, weights, left) if share == _OUTER else left
    return weights


def moved_iod(before: Pose, now: Pose) -> float:
    """How far a head has gone, IOD: its place, its size, its turns, whichever moves hair."""
    shift = math.hypot(now.x - before.x, now.y - before.y) / now.iod_px
    size = abs(math.log(now.iod_px / before.iod_px))
    turns = abs(now.yaw - before.yaw) + abs(now.pitch - before.pitch) + 0.3 * abs(now.roll - before.roll)
    return shift * 0.3 + size + turns  # the pose carries shift, size and roll well; turns it cannot
