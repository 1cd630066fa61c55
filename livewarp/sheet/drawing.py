"""Draws the pictures of a sheet and the text around them. Pure: pixels in, pixels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import cv2
import numpy as np

from livewarp.adjustments import ADJUSTMENTS
from livewarp.appearance import Painter
from livewarp.arrays import BgrFrame, Box, DisplacementField
from livewarp.face68 import Face
from livewarp.knobs import Value
from livewarp.parameters import KNOBS, Parameters, effective
from livewarp.sheet.layout import DEFAULT_CELL_PX, DEFAULT_COLUMNS, Cell, Layout, drawables, lay_out
from livewarp.warping import warp
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import exact_field, limit, place_faces

CROP_IOD = 2.7  # the side of a picture
FACE_MIDDLE_IOD = (0.0, 0.40, 0.0)  # face axes: halfway between forehead and chin

GRID_STEP_IOD = 0.12  # between two lines
LINE_PX = 1.3  # width of a line at the default cell size
MOVED_IOD = 0.02  # where the picture moves that far, lines have their full strength
STILL = 0.25  # where it does not move, this much of it

PAPER, HAIRLINE = (252, 252, 252), (226, 226, 226)
INK, GREY = (48, 44, 42), (136, 130, 126)
LINE = np.array([150, 78, 24], np.float32)  # of the grid: a calm blue
FADED = 0.40  # of its contrast is left to the face under the grid

REGULAR, SEMIBOLD = 400, 600
_FONT = cv2.FontFace("sans")  # comes inside OpenCV


def contact_sheet(
    frame: BgrFrame,
    face: Face,
    names: Sequence[str] | None = None,
    strength: float = 1.0,
    base: Parameters | None = None,
    columns: int = DEFAULT_COLUMNS,
    cell_px: int = DEFAULT_CELL_PX,
) -> BgrFrame:
    """Draw adjustments and effects on a face.

    Parameters
    ----------
    frame, face
        The face, in px of the frame; its confidence scales every effect, as in the filter.
    names
        Which adjustments and effects; None: all. They appear in the order of the tables.
    strength
        How much of each one's range is drawn, 0 to 1.
    base
        The other parameters; None: every adjustment at 0.
    columns
        Cards side by side.
    cell_px
        Side of a picture.

    Returns
    -------
    (H, W, 3) uint8
        The sheet; `lay_out` with the same arguments says where its pictures are.

    Raises
    ------
    ParameterError
        A name that is no adjustment.
    """
    layout = lay_out(names, strength, columns, cell_px)
    base = neutral() if base is None else base
    sheet = np.full((layout.height, layout.width, 3), PAPER, np.uint8)
    _draw_title(sheet, layout, strength, base)
    for y, text in layout.headings:
        _write(sheet, text, layout.margin, y, 27 * layout.unit, INK, SEMIBOLD)
        rule = y + round(14 * layout.unit)
        sheet[rule : rule + max(1, round(layout.unit)), layout.margin : layout.width - layout.margin] = HAIRLINE
    crop = _crop_of(frame, face)
    for card in layout.cards():
        _draw_caption(sheet, card, layout.unit)
        for cell in card:
            x0, y0, x1, y1 = cell.box
            values = base.replace(**{cell.name: cell.value})
            picture = _scaled(_filtered(frame, face, values), crop, cell_px)
            if cell.is_grid:
                picture = _with_grid(picture, *_field(face, crop, effective(values), cell_px))
            sheet[y0:y1, x0:x1] = picture
            text = f"grid at {_signed(cell.value)}" if cell.is_grid else _signed(cell.value)
            _write(sheet, text, x0, y1 + round(21 * layout.unit), 15 * layout.unit, GREY)
    return sheet


def _filtered(frame: BgrFrame, face: Face, values: Parameters) -> BgrFrame:
    """A copy of the frame with the face as these values want it."""
    out, wanted = frame.copy(), effective(values)
    Painter().apply(out, [face], wanted)
    return warp(out, [face], wanted)


def neutral(**values: Value) -> Parameters:
    """Every adjustment and effect at 0, but for these values."""
    return Parameters(**({name: knob.neutral for name, knob in KNOBS.items() if knob.in_presets} | values))


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−") if value else "0"


def _crop_of(frame: BgrFrame, face: Face) -> Box:
    """The square around the face that the pictures show; inside the frame."""
    height, width = frame.shape[:2]
    x, y = face.pose.project(np.array(FACE_MIDDLE_IOD))
    side = max(2, min(round(CROP_IOD * face.pose.iod_px), height, width))
    x0 = min(width - side, max(0, round(x - side / 2)))
    y0 = min(height - side, max(0, round(y - side / 2)))
    return x0, y0, x0 + side, y0 + side


def _scaled(frame: BgrFrame, crop: Box, cell_px: int) -> BgrFrame:
    """The crop of a frame, (cell_px, cell_px, 3)."""
    x0, y0, x1, y1 = crop
    way = cv2.INTER_AREA if x1 - x0 > cell_px else cv2.INTER_CUBIC
    return cast(BgrFrame, cv2.resize(frame[y0:y1, x0:x1], (cell_px, cell_px), interpolation=way))


def _field(face: Face, crop: Box, values: Mapping[str, Value], cell_px: int) -> tuple[Face, DisplacementField]:
    """The face in px of a cell that shows the crop, and the field there, (cell_px, cell_px, 2)."""
    factor = cell_px / (crop[2] - crop[0])
    points = (face.landmarks + 0.5 - np.array(crop[:2], np.float32)) * factor - 0.5
    face = Face.from_landmarks(points, face.id, face.confidence)
    field = np.zeros((cell_px, cell_px, 2), np.float32)
    if values["enabled"]:
        # In the middle of a frame so large that nothing fades at its border, and nothing is cut off.
        frame_hw = 3 * cell_px, 3 * cell_px
        middle = Face.from_landmarks(face.landmarks + np.float32(cell_px), face.id, face.confidence)
        placed = place_faces(StrokeTable(ADJUSTMENTS.values()), [middle], values, frame_hw)
        limit(placed, frame_hw, np.ones(len(ADJUSTMENTS), np.float32))
        field = exact_field(placed, (cell_px, cell_px, 2 * cell_px, 2 * cell_px), frame_hw)
    return face, field


def _with_grid(picture: BgrFrame, face: Face, field: DisplacementField) -> BgrFrame:
    """The picture (cell_px, cell_px, 3) in pale grey under a grid that was straight before the warp.

    Notes
    -----
    The field is backward: a pixel lies on a line where the place that it shows did before the warp. The
    distance to the line, there, over the gradient of the map is that in the picture. Source: own derivation.
    """
    cell_px = len(picture)
    pixels = np.arange(cell_px, dtype=np.float32)
    step, half = GRID_STEP_IOD * face.pose.iod_px, LINE_PX / 2 * max(1.0, cell_px / DEFAULT_CELL_PX)
    covered = np.zeros((cell_px, cell_px))
    for before, middle in (
        (pixels[None, :] + field[..., 0], face.pose.x),
        (pixels[:, None] + field[..., 1], face.pose.y),
    ):
        distance = np.abs((before - middle + step / 2) % step - step / 2) / np.hypot(*np.gradient(before))
        covered = np.maximum(covered, np.clip(half + 0.5 - distance, 0.0, 1.0))
    moved = np.minimum(1.0, np.hypot(field[..., 0], field[..., 1]) / (MOVED_IOD * face.pose.iod_px))
    alpha = (covered * (STILL + (1 - STILL) * moved))[..., None]
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)[..., None]
    pale = 255 - FADED * (255 - grey)
    return np.rint(pale + (LINE - pale) * alpha).astype(np.uint8)


def _draw_title(sheet: BgrFrame, layout: Layout, strength: float, base: Parameters) -> None:
    u, x = layout.unit, layout.margin
    _write(sheet, "Adjustments and effects", x, round(82 * u), 44 * u, INK, SEMIBOLD)
    range_ = "its whole range" if strength == 1.0 else f"{strength:g} of its range"
    text = f"Each over {range_}; where pixels move, on the right a grid that was straight before the warp"
    others = [f"{k} {v:g}" for k, v in base.items() if v != neutral()[k]]
    if others:
        text += f"; with {', '.join(others)}"
    _write(sheet, _fitting(text, 17 * u, layout.width - 2 * x), x, round(116 * u), 17 * u, GREY)


def _draw_caption(sheet: BgrFrame, card: tuple[Cell, ...], unit: float) -> None:
    """The adjustment's name and what it does, above its pictures."""
    x0, top = card[0].box[:2]
    y = top - round(14 * unit)
    x = _write(sheet, card[0].name, x0, y, 22 * unit, INK, SEMIBOLD) + round(14 * unit)
    help_ = _fitting(drawables()[card[0].name].help.rstrip("."), 15 * unit, card[-1].box[2] - x)
    _write(sheet, help_, x, y, 15 * unit, GREY)


def _write(
    sheet: BgrFrame, text: str, x: int, y: int, size_px: float, colour: tuple[int, int, int], weight: int = REGULAR
) -> int:
    """Text with its baseline at y; where it ends, x."""
    if not text:
        return x
    (end, _), _ = cv2.putText(sheet, text, (x, y), colour, _FONT, _type_size(size_px), weight)
    return end


def _type_size(size_px: float) -> int:
    return max(9, round(size_px))  # below 9 px letters run into one another


def _fitting(text: str, size_px: float, width: int) -> str:
    """As many of the text's words as fit into the width, px."""
    words = text.split()
    for n in range(len(words), 0, -1):
        shown = " ".join(words[:n]) + ("..." if n < len(words) else "")
        if cv2.getTextSize((0, 0), shown, (0, 0), _FONT, _type_size(size_px), REGULAR)[2] <= width:
            return shown
    return ""
