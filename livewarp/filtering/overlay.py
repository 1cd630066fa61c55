"""What is done to the picture after the warp: mirrored, and drawn upon with what the tracker believes.

Per face: contours and landmarks, the axes of the head (x towards the subject's left, y down, z out of the face)
and a tag with the id, a bar of the confidence, and yaw, pitch and roll in degrees. Every line has a dark
rim and the tag a dark ground, so that they can be read on anything; sizes follow the frame's, 480p to 4K.

Guarantees: both work in place and allocate nothing of the frame's size.

Convention: landmarks are those that were tracked, px of the frame before the warp and before the mirror.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.face68 import JAW, LEFT_BROW, LEFT_EYE, MEAN_FACE, RIGHT_BROW, RIGHT_EYE, Face

# The strokes of a face: which points, and whether the last is joined to the first.
CONTOURS: tuple[tuple[slice, bool], ...] = (
    (JAW, False),
    (RIGHT_BROW, False),
    (LEFT_BROW, False),
    (slice(27, 31), False),  # bridge of the nose
    (slice(31, 36), False),  # base of the nose
    (RIGHT_EYE, True),
    (LEFT_EYE, True),
    (slice(48, 60), True),  # outer lips
    (slice(60, 68), True),  # inner lips
)
NOSE_TIP = 30

# Blue, green, red. Told apart by the colour-blind, and light enough for a dark rim; by id, in turn.
# Source: Okabe and Ito, "Color Universal Design", 2008, but the last, a pale violet.
COLOURS = ((233, 180, 86), (66, 228, 240), (115, 200, 60), (167, 121, 204), (0, 159, 230), (255, 190, 200))
DOUBT = (150, 150, 150)  # the colour that lines fade to with the confidence
RIM = (24, 20, 18)
INK = (245, 245, 245)
AXES = ((72, 72, 235), (96, 205, 96), (240, 140, 60))  # x red, y green, z blue
AXIS_IOD = 0.55
GROUND = 0.30  # of the picture's light is left under a tag

UNIT_HEIGHT_PX = 720  # the frame's height at which the unit of all sizes is 1
LEAST_UNIT = 0.72  # 13 px letters, also at 480p and below
TEXT_PX = 18.0
_FINE = 4  # bits of fraction of positions: a sixteenth of a pixel

_FONT = cv2.FontFace("sans")  # comes inside OpenCV


def mirror(frame: BgrFrame) -> None:
    """Swap left and right, in place (0.2 ms at 720p)."""
    # OpenCV swaps the pixels of a row in pairs where input and output are one; a test holds it to that.
    cv2.flip(frame, 1, frame)


def draw_overlay(frame: BgrFrame, faces: Sequence[Face], is_mirrored: bool = False) -> None:
    """Draw the faces on the frame, in place.

    Parameters
    ----------
    frame
        (H, W, 3) uint8 BGR.
    faces
        As the tracker gave them.
    is_mirrored
        Whether `frame` has been mirrored since; the drawing follows, the text does not.
    """
    height, width = frame.shape[:2]
    unit = max(LEAST_UNIT, height / UNIT_HEIGHT_PX)
    for face in faces:
        points = face.landmarks.astype(np.float64)
        rows = face.pose.rotation()[:2]
        tip = face.pose.project(MEAN_FACE[NOSE_TIP])
        ends = tip + AXIS_IOD * face.pose.iod_px * (rows * (1.0, 1.0, -1.0)).T
        if is_mirrored:
            for xy in (points, tip[None], ends):
                xy[:, 0] = width - 1 - xy[:, 0]
        if not np.isfinite(points).all() or np.abs(points).max() > 4 * max(height, width):
            continue  # fixed-point positions would overflow
        # A small face in a large frame takes thinner lines, so that the face can still be seen.
        stroke = max(1.0, min(1.6 * unit, 0.02 * face.pose.iod_px))
        _draw_face(frame, points, _colour(face), stroke)
        _draw_axes(frame, tip, ends, stroke)
        _draw_tag(frame, face, points, unit)


def _colour(face: Face) -> tuple[float, ...]:
    """Of the id, the greyer the less is believed."""
    full = np.array(COLOURS[(face.id - 1) % len(COLOURS)], np.float64)
    grey = np.array(DOUBT, np.float64)
    return tuple(grey + min(1.0, max(0.0, face.confidence)) * (full - grey))


def _draw_face(frame: BgrFrame, points: NDArray[np.float64], colour: tuple[float, ...], stroke: float) -> None:
    """Contours and points; all of the rim first, so that it crosses no line."""
    fixed = _fixed(points)
    lines = [(fixed[part].reshape(-1, 1, 2), is_closed) for part, is_closed in CONTOURS]
    for paint, line_px, dot_px in ((RIM, stroke + 2.0, 1.3 * stroke + 1.0), (colour, stroke, 1.3 * stroke)):
        for line, is_closed in lines:
            cv2.polylines(frame, [line], is_closed, paint, round(line_px), cv2.LINE_AA, _FINE)
        for x, y in fixed:
            cv2.circle(frame, (int(x), int(y)), round(dot_px * (1 << _FINE)), paint, cv2.FILLED, cv2.LINE_AA, _FINE)


def _draw_axes(frame: BgrFrame, tip: NDArray[np.float64], ends: NDArray[np.float64], stroke: float) -> None:
    start, *stops = (tuple(map(int, xy)) for xy in _fixed(np.vstack([tip, ends])))
    for width_px, paints in ((stroke + 3.0, (RIM,) * 3), (stroke + 1.0, AXES)):
        for stop, paint in zip(stops, paints, strict=True):
            cv2.line(frame, start, stop, paint, round(width_px), cv2.LINE_AA, _FINE)


def _draw_tag(frame: BgrFrame, face: Face, points: NDArray[np.float64], unit: float) -> None:
    """Id, bar and figure of the confidence; below them the angles. Above the face, or where there is room."""
    size = max(9, round(TEXT_PX * unit))
    gap, line = round(0.45 * size), round(1.45 * size)
    bar = round(4.2 * size)
    name, share = f"#{face.id}", f"{100 * face.confidence:.0f} %"
    degrees = (math.degrees(angle) for angle in (face.pose.yaw, face.pose.pitch, face.pose.roll))
    angles = "  ".join(f"{what} {angle:+.0f}°" for what, angle in zip(("yaw", "pitch", "roll"), degrees, strict=True))
    angles = angles.replace("-", "−")
    small = max(9, round(0.8 * size))
    name_px, angles_px = _text_px(name, size), _text_px(angles, small)
    # The widest figure, so that the tag does not tremble with it.
    w = max(name_px + bar + _text_px("100 %", size) + 2 * gap, angles_px) + 2 * gap
    h = line + round(1.2 * small) + gap

    height, width = frame.shape[:2]
    x0, top = points[:, 0].mean() - w / 2, points[:, 1].min() - 0.45 * face.pose.iod_px - h
    if top < 0:
        top = points[:, 1].max() + 0.15 * face.pose.iod_px
    x0, y0 = round(min(max(0.0, x0), max(0, width - w))), round(min(max(0.0, top), max(0, height - h)))
    ground = frame[y0 : y0 + h, x0 : x0 + w]
    if not ground.size:
        return
    cv2.convertScaleAbs(ground, ground, GROUND)

    baseline = y0 + round(1.1 * size)
    colour = _colour(face)
    _write(frame, name, x0 + gap, baseline, size, colour, 600)
    left, right = x0 + gap + name_px + gap, x0 + gap + name_px + gap + bar
    upper, lower = baseline - round(0.72 * size), baseline
    filled = left + round(min(1.0, max(0.0, face.confidence)) * bar)
    cv2.rectangle(frame, (left, upper), (right, lower), DOUBT, max(1, round(unit)), cv2.LINE_AA)
    if filled > left:
        cv2.rectangle(frame, (left, upper), (filled, lower), colour, cv2.FILLED)
    _write(frame, share, right + gap, baseline, size, INK, 400)
    _write(frame, angles, x0 + gap, baseline + round(1.3 * small), small, INK, 400)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(points * (1 << _FINE)).astype(np.int32)


def _text_px(text: str, size: int) -> int:
    return int(cv2.getTextSize((0, 0), text, (0, 0), _FONT, size, 600)[2])


def _write(frame: BgrFrame, text: str, x: int, y: int, size: int, colour: tuple[float, ...], weight: int) -> None:
    cv2.putText(frame, text, (x, y), colour, _FONT, size, weight)
