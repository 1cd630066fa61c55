"""Where everything lies on a sheet: cards, pictures, headings. Pure."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from livewarp.adjustments import ADJUSTMENTS, Adjustment
from livewarp.arrays import Box
from livewarp.errors import ParameterError

DEFAULT_COLUMNS, DEFAULT_CELL_PX = 2, 200


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
    groups = _by_area(chosen(names))
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


def chosen(names: Sequence[str] | None) -> list[Adjustment]:
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
