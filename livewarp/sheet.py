"""`livewarp sheet`: every adjustment on a face as a labelled contact sheet, to choose from by eye.

A card per adjustment: the face at its minimum, at 0 and at its maximum (at 0, half and all of it, where it begins
at 0), and a straight grid through the same warp, over the faded face.

Guarantees: `lay_out` and `contact_sheet` are pure; the pictures are what the filter delivers, cut and scaled.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from livewarp.adjustments import ADJUSTMENTS, Adjustment
from livewarp.arrays import BgrFrame, Box, DisplacementField
from livewarp.errors import ParameterError, SettingsError, SinkError, SourceError
from livewarp.face68 import Face
from livewarp.parameters import Parameters
from livewarp.sources.image import is_image, read_image
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.video import VideoSource
from livewarp.tracking import FaceTracker
from livewarp.warping import warp
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import limited_field

PORTRAIT = "portrait"
"""The name of the built-in face."""

SEARCHED_S = 60.0
"""How much of a video is searched for a face; a search is 20-40 ms a frame."""

DEFAULT_COLUMNS, DEFAULT_CELL_PX = 2, 200

PORTRAIT_HW = (1080, 1920)

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


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the sheet.

    Attributes
    ----------
    name, value
        The adjustment and its value in the picture.
    box
        Where it lies on the sheet.
    is_grid
        Whether it shows the grid instead of the face.
    """

    name: str
    value: float
    box: Box
    is_grid: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies on a sheet.

    Attributes
    ----------
    width, height
        Of the sheet, px.
    margin
        Left and right of the cards, px.
    unit
        Typographic unit, px: 1 at the default cell size.
    cells
        Every picture: card after card, from left to right.
    headings
        The baseline (y, px) of every heading, and its text.
    """

    width: int
    height: int
    margin: int
    unit: float
    cells: tuple[Cell, ...]
    headings: tuple[tuple[int, str], ...]

    def cards(self) -> Iterator[tuple[Cell, ...]]:
        """The cells of one adjustment after the other."""
        for i in range(0, len(self.cells), 4):
            yield self.cells[i : i + 4]


def lay_out(
    names: Sequence[str] | None = None,
    strength: float = 1.0,
    columns: int = DEFAULT_COLUMNS,
    cell_px: int = DEFAULT_CELL_PX,
) -> Layout:
    """Where the pictures of these adjustments go; the parameters are those of `contact_sheet`."""
    groups = _by_area(_chosen(names))
    columns = min(columns, max(len(group) for _, group in groups))
    unit = max(0.6, cell_px / DEFAULT_CELL_PX)
    margin, between, gap = round(56 * unit), round(56 * unit), max(2, round(6 * unit))
    card_width = 4 * cell_px + 3 * gap
    above, below = round(38 * unit), round(70 * unit)

    cells: list[Cell] = []
    headings: list[tuple[int, str]] = []
    y = round(156 * unit)
    for area, group in groups:
        y += round(28 * unit)
        headings.append((y, area.capitalize()))
        y += round(44 * unit)
        for i, adjustment in enumerate(group):
            row, column = divmod(i, columns)
            left = margin + column * (card_width + between)
            top = y + row * (above + cell_px + below) + above
            values = _values(adjustment, strength)
            for k, value in enumerate((*values, values[-1])):
                x = left + k * (cell_px + gap)
                cells.append(Cell(adjustment.name, value, (x, top, x + cell_px, top + cell_px), k == len(values)))
        y += -(-len(group) // columns) * (above + cell_px + below)
    width = 2 * margin + columns * card_width + (columns - 1) * between
    return Layout(width, y, margin, unit, tuple(cells), tuple(headings))


def contact_sheet(
    frame: BgrFrame,
    face: Face,
    names: Sequence[str] | None = None,
    strength: float = 1.0,
    base: Parameters | None = None,
    columns: int = DEFAULT_COLUMNS,
    cell_px: int = DEFAULT_CELL_PX,
) -> BgrFrame:
    """Draw adjustments on a face.

    Parameters
    ----------
    frame, face
        The face, in px of the frame; its confidence scales every effect, as in the filter.
    names
        Which adjustments; None: all. They appear in the order of the table.
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
            picture = _scaled(warp(frame, [face], values), crop, cell_px)
            if cell.is_grid:
                picture = _with_grid(picture, *_field(face, crop, values, cell_px))
            sheet[y0:y1, x0:x1] = picture
            text = f"grid at {_signed(cell.value)}" if cell.is_grid else _signed(cell.value)
            _write(sheet, text, x0, y1 + round(21 * layout.unit), 15 * layout.unit, GREY)
    return sheet


def neutral(**values: bool | float) -> Parameters:
    """Every adjustment at 0, but for these values."""
    return Parameters(**(dict.fromkeys(ADJUSTMENTS, 0.0) | values))


def find_face(
    path: str | Path = PORTRAIT, at_s: float | None = None, tracker: FaceTracker | None = None
) -> tuple[BgrFrame, Face]:
    """The largest face of an image, or of the first frame of a video that has one.

    Parameters
    ----------
    path
        An image, a video, or "portrait".
    at_s
        Where to begin in a video or in the portrait's motion, s; None: at its beginning.
    tracker
        What finds it, and is closed; None: a new one.

    Returns
    -------
    tuple
        The frame, and the face at full confidence.

    Raises
    ------
    SourceError
        The file cannot be read, or has no face.
    SettingsError
        `at_s` was given for an image.
    """
    path = Path(path)
    if str(path) != PORTRAIT and is_image(path) and at_s is not None:
        raise SettingsError(f"--at: got {at_s:g} for the image {path}, allowed: with a video")
    tracker = FaceTracker() if tracker is None else tracker
    try:
        for timestamp_s, frame in _frames(path, at_s or 0.0):
            faces = tracker.update(frame, timestamp_s)
            if faces:
                # In a later frame than the first, a face is only just fading in.
                return frame, replace(max(faces, key=lambda f: f.pose.iod_px), confidence=1.0)
    finally:
        tracker.close()
    where = "in it" if is_image(path) else f"in the {SEARCHED_S:g} s from {at_s or 0:g} s"
    raise SourceError(f"{path}: no face {where}; allowed: one that looks at the camera, an eighth of the width or more")


def _frames(path: Path, at_s: float) -> Iterator[tuple[float, BgrFrame]]:
    """The frames of a file to search, with their times, s."""
    if str(path) == PORTRAIT:
        source = PortraitSource(PORTRAIT_HW[1], PORTRAIT_HW[0])
        frame = np.empty((*PORTRAIT_HW, 3), np.uint8)
        source.render(round(at_s * source.fps), frame)
        yield at_s, frame
    elif is_image(path):
        yield 0.0, read_image(path)
    else:
        video = VideoSource(path)
        try:
            frame = np.empty((video.height, video.width, 3), np.uint8)
            last_s = None
            while (timestamp_s := video.read(frame)) is not None:
                last_s = timestamp_s
                if timestamp_s > at_s + SEARCHED_S:
                    return
                if timestamp_s >= at_s:
                    yield timestamp_s, frame
            if last_s is None or last_s < at_s:
                raise SourceError(f"video {path}: ends at {last_s or 0:.2f} s; allowed: --at up to that")
        finally:
            video.close()


def sheet_file(
    path_in: str | Path,
    path_out: Path,
    names: Sequence[str] | None = None,
    strength: float = 1.0,
    base: Parameters | None = None,
    columns: int = DEFAULT_COLUMNS,
    cell_px: int = DEFAULT_CELL_PX,
    at_s: float | None = None,
    tracker: FaceTracker | None = None,
    force: bool = False,
) -> int:
    """Draw the sheet of the face in a file into an image file; how many adjustments it shows.

    Parameters
    ----------
    path_in, at_s, tracker
        As in `find_face`.
    path_out
        An image, by its suffix.
    names, strength, base, columns, cell_px
        As in `contact_sheet`.
    force
        Overwrite `path_out`.

    Raises
    ------
    ParameterError
        A name that is no adjustment.
    SettingsError
        `path_out` exists and `force` is False, it is `path_in` itself, or no image by its suffix.
    SourceError, SinkError
        The one cannot be read or has no face, or the other cannot be written.
    """
    if not is_image(path_out):
        raise SettingsError(f"output {path_out}: got suffix {path_out.suffix!r}, allowed: .png, .jpg, ...")
    if path_out.exists():
        if Path(path_in).exists() and path_out.samefile(path_in):
            raise SettingsError(f"output {path_out}: is the input itself; allowed: another name")
        if not force:
            raise SettingsError(f"output {path_out}: exists; allowed: a new name, or --force to overwrite it")
    shown = _chosen(names)
    frame, face = find_face(path_in, at_s, tracker)
    _write_image(path_out, contact_sheet(frame, face, names, strength, base, columns, cell_px))
    return len(shown)


def _write_image(path: Path, pixels: BgrFrame) -> None:
    """Encode by the suffix; under another name, and renamed when it is complete."""
    try:
        done, data = cv2.imencode(path.suffix, pixels)
    except cv2.error:  # WebP, for one, ends at 16383 px
        done = False
    if not done:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise SinkError(f"image {path}: {size} cannot be encoded as {path.suffix}; allowed: .png, .jpg, ...")
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        raise SinkError(f"image {path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _chosen(names: Sequence[str] | None) -> list[Adjustment]:
    """The adjustments of these names, in the order of the table."""
    for name in names or ():
        if name not in ADJUSTMENTS:
            raise ParameterError(name, None, ", ".join(ADJUSTMENTS), f"unknown adjustment {reprlib.repr(name)}")
    return [a for a in ADJUSTMENTS.values() if not names or a.name in names]


def _by_area(adjustments: Sequence[Adjustment]) -> list[tuple[str, list[Adjustment]]]:
    areas = dict.fromkeys(a.area for a in adjustments)
    return [(area, [a for a in adjustments if a.area == area]) for area in areas]


def _values(adjustment: Adjustment, strength: float) -> tuple[float, float, float]:
    high = adjustment.maximum * strength
    return (adjustment.minimum * strength, 0.0, high) if adjustment.minimum < 0.0 else (0.0, high / 2, high)


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


def _field(face: Face, crop: Box, values: Parameters, cell_px: int) -> tuple[Face, DisplacementField]:
    """The face in px of a cell that shows the crop, and the field there, (cell_px, cell_px, 2)."""
    factor = cell_px / (crop[2] - crop[0])
    points = (face.landmarks + 0.5 - np.array(crop[:2], np.float32)) * factor - 0.5
    face = Face.from_landmarks(points, face.id, face.confidence)
    field = np.zeros((cell_px, cell_px, 2), np.float32)
    strokes = StrokeTable(ADJUSTMENTS.values()).place(face, values)
    if len(strokes) and values["enabled"]:
        # Around the cell, too: what lies there counts for the limit of the whole.
        around = cell_px // 2
        roi = (-around, -around, cell_px + around, cell_px + around)
        field = limited_field(strokes, roi, 1)[around : around + cell_px, around : around + cell_px]
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
    _write(sheet, "Adjustments", x, round(82 * u), 44 * u, INK, SEMIBOLD)
    range_ = "its whole range" if strength == 1.0 else f"{strength:g} of its range"
    text = f"Each over {range_}; on the right a grid that was straight before the warp"
    others = [f"{k} {v:g}" for k, v in base.items() if v != neutral()[k]]
    if others:
        text += f"; with {', '.join(others)}"
    _write(sheet, _fitting(text, 17 * u, layout.width - 2 * x), x, round(116 * u), 17 * u, GREY)


def _draw_caption(sheet: BgrFrame, card: tuple[Cell, ...], unit: float) -> None:
    """The adjustment's name and what it does, above its pictures."""
    x0, top = card[0].box[:2]
    y = top - round(14 * unit)
    x = _write(sheet, card[0].name, x0, y, 22 * unit, INK, SEMIBOLD) + round(14 * unit)
    help_ = _fitting(ADJUSTMENTS[card[0].name].help.rstrip("."), 15 * unit, card[-1].box[2] - x)
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
