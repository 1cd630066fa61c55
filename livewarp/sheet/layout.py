"""Where everything lies on a sheet: cards, pictures, headings. Pure."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import Box
from livewarp.effects import EFFECTS
from livewarp.errors import ParameterError

DEFAULT_COLUMNS, DEFAULT_CELL_PX = 2, 200


@dataclass(frozen=True, slots=True)
class Drawable:
    """An adjustment or an effect, as a sheet shows it.

    Attributes
    ----------
    area
        The heading that it stands under.
    moves
        Whether it moves pixels: then its last picture is a grid.
    """

    name: str
    area: str
    help: str
    minimum: float
    maximum: float
    moves: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the sheet.

    Attributes
    ----------
    name, value
        The adjustment or effect and its value in the picture.
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
        """The cells of one adjustment or effect after the other."""
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
        for i, drawable in enumerate(group):
            row, column = divmod(i, columns)
            left = margin + column * (card_width + between)
            top = y + row * (above + cell_px + below) + above
            for k, value in enumerate(_values(drawable, strength)):
                x = left + k * (cell_px + gap)
                is_grid = drawable.moves and k == 3
                cells.append(Cell(drawable.name, value, (x, top, x + cell_px, top + cell_px), is_grid))
        y += -(-len(group) // columns) * (above + cell_px + below)
    width = 2 * margin + columns * card_width + (columns - 1) * between
    return Layout(width, y, margin, unit, tuple(cells), tuple(headings))


def drawables() -> dict[str, Drawable]:
    """All that a sheet can show, by name, in the order of the tables."""
    listed = [Drawable(a.name, a.area, a.help, a.minimum, a.maximum, True) for a in ADJUSTMENTS.values()]
    listed += [Drawable(e.name, e.group, e.help, e.minimum, 1.0, e.name == "sag") for e in EFFECTS.values()]
    return {each.name: each for each in listed}


def chosen(names: Sequence[str] | None) -> list[Drawable]:
    """The adjustments and effects of these names, in the order of the tables."""
    there = drawables()
    for name in names or ():
        if name not in there:
            raise ParameterError(name, None, ", ".join(there), f"unknown adjustment {reprlib.repr(name)}")
    return [each for each in there.values() if not names or each.name in names]


def _by_area(listed: Sequence[Drawable]) -> list[tuple[str, list[Drawable]]]:
    areas = dict.fromkeys(each.area for each in listed)
    return [(area, [each for each in listed if each.area == area]) for area in areas]


def _values(drawable: Drawable, strength: float) -> tuple[float, float, float, float]:
    """Of the four pictures; where pixels move, the last is the grid at the most."""
    low, high = drawable.minimum * strength, drawable.maximum * strength
    if drawable.moves:
        return (low, 0.0, high, high) if low < 0.0 else (0.0, high / 2, high, high)
    return (low, 0.0, high * 0.6, high) if low < 0.0 else (0.0, high * 0.3, high * 0.6, high)
