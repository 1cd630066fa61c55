"""`livewarp sheet`: a picture per adjustment and value, each what the filter delivers; and the docs made of it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import BgrFrame
from livewarp.effects import EFFECTS
from livewarp.errors import LivewarpError, ParameterError, SettingsError, SinkError, SourceError
from livewarp.face68 import Face
from livewarp.sheet import Cell, contact_sheet, drawing, find_face, lay_out, neutral, sheet_file
from livewarp.sinks.imagefile import write_image
from livewarp.sources.portrait import PortraitSource
from livewarp.warping import warp
from samples import face_at, write_video

REPOSITORY = Path(__file__).resolve().parents[1]
CELL_PX = 108
FACE = face_at(240, 150, 80.0)


def crop_of(frame: BgrFrame, cell_px: int = CELL_PX) -> BgrFrame:
    """The 216 px around FACE in the fixture `noise`, as a picture of the sheet."""
    return cv2.resize(frame[74:290, 132:348], (cell_px, cell_px), interpolation=cv2.INTER_AREA)  # type: ignore


def shown(sheet: BgrFrame, cell: Cell) -> BgrFrame:
    """What a sheet shows in a cell."""
    x0, y0, x1, y1 = cell.box
    return sheet[y0:y1, x0:x1]


@pytest.fixture(scope="module")
def portrait() -> BgrFrame:
    """The portrait at its beginning, 640x360."""
    frame = np.empty((360, 640, 3), np.uint8)
    PortraitSource(640, 360).render(0, frame)
    return frame


def test_every_adjustment_has_its_values_and_its_grid() -> None:
    """Least, 0 and most, or 0, half and all of what begins at 0; then the grid at the last of them."""
    cards = {card[0].name: card for card in lay_out().cards()}
    assert list(cards) == [*ADJUSTMENTS, *EFFECTS]
    for name, a in ADJUSTMENTS.items():
        card = cards[name]
        values = [a.minimum, 0, a.maximum] if a.minimum < 0 else [0, a.maximum / 2, a.maximum]
        assert [c.value for c in card] == [*values, a.maximum]
        assert [c.is_grid for c in card] == [False, False, False, True]
        assert {c.name for c in card} == {name}


def test_an_effect_has_four_pictures_and_no_grid() -> None:
    """What moves no pixels is shown at 0, 0.3, 0.6 and 1, or from its least to its most."""
    cards = {card[0].name: card for card in lay_out(["wrinkles", "age"]).cards()}
    assert [c.value for c in cards["wrinkles"]] == [0.0, 0.3, 0.6, 1.0]
    assert [c.value for c in cards["age"]] == [-1.0, 0.0, 0.6, 1.0]
    assert not any(c.is_grid for card in cards.values() for c in card)


@pytest.mark.parametrize("columns", [1, 2, 3, 8])
def test_pictures_lie_side_by_side_on_the_sheet(columns: int) -> None:
    """No two pictures share a pixel, for any number of columns, and all lie on the sheet."""
    layout = lay_out(columns=columns, cell_px=CELL_PX)
    taken = np.zeros((layout.height, layout.width), int)
    for cell in layout.cells:
        x0, y0, x1, y1 = cell.box
        taken[y0:y1, x0:x1] += 1
    assert taken.max() == 1
    assert taken.sum() == len(layout.cells) * CELL_PX**2


def test_areas_have_a_heading_each() -> None:
    """The headings are the areas, in the order of the table, above their pictures."""
    areas = [*dict.fromkeys(a.area for a in ADJUSTMENTS.values()), *dict.fromkeys(e.group for e in EFFECTS.values())]
    assert [text for _, text in lay_out().headings] == [area.capitalize() for area in areas]
    layout = lay_out(["eyes", "smile"])
    assert [text for _, text in layout.headings] == ["Eyes", "Mouth"]
    assert layout.headings[0][0] < layout.cells[0].box[1] < layout.headings[1][0] < layout.cells[4].box[1]


def test_pictures_are_what_the_filter_delivers(noise: BgrFrame) -> None:
    """At 0 a picture is the input's crop; at the extremes it differs; the input is not touched."""
    before = noise.copy()
    sheet = contact_sheet(noise, FACE, cell_px=CELL_PX)
    layout = lay_out(cell_px=CELL_PX)
    assert sheet.shape == (layout.height, layout.width, 3)
    expected = crop_of(noise)
    for cell in layout.cells:
        if not cell.is_grid:
            same = np.array_equal(shown(sheet, cell), expected)
            assert same == (cell.value == 0), cell
    np.testing.assert_array_equal(noise, before)


def test_less_strength_changes_less(noise: BgrFrame) -> None:
    """At 0.4 of the range the labels, and the pictures, are those of 0.4."""
    names, expected = ["jaw"], crop_of(noise).astype(int)
    changes = []
    for strength in (0.4, 1.0):
        cell = lay_out(names, strength, cell_px=CELL_PX).cells[2]
        assert cell.value == strength
        sheet = contact_sheet(noise, FACE, names, strength, cell_px=CELL_PX)
        changes.append(np.abs(shown(sheet, cell) - expected).mean())
    assert 0 < changes[0] < changes[1]


def test_the_base_is_in_every_picture(noise: BgrFrame) -> None:
    """With other parameters set, the picture at 0 has them, but not the adjustment's own value."""
    cell = lay_out(["eyes"], cell_px=CELL_PX).cells[0]
    with_thin = shown(contact_sheet(noise, FACE, ["eyes"], base=neutral(thin=1.0), cell_px=CELL_PX), cell)
    own_value = shown(contact_sheet(noise, FACE, ["eyes"], base=neutral(eyes=1.0), cell_px=CELL_PX), cell)
    assert np.abs(with_thin.astype(int) - crop_of(noise)).max() > 10
    np.testing.assert_array_equal(own_value, crop_of(noise))


def grid(frame: BgrFrame, face: Face, **values: float) -> BgrFrame:
    """The grid's picture in the crop of `crop_of`, (216, 216, 3)."""
    placed, field = drawing._field(face, (132, 74, 348, 290), neutral(**values), 216)
    return drawing._with_grid(crop_of(frame, 216), placed, field)


def test_the_grid_goes_through_the_same_map_as_the_picture(noise: BgrFrame) -> None:
    """OpenCV, sampling through the grid's field, draws what the filter delivers, but for rounding."""
    values = neutral(jaw=1.0, eyes=1.0, smile=-1.0)
    field = drawing._field(FACE, (132, 74, 348, 290), values, 216)[1]
    y, x = np.mgrid[74:290, 132:348].astype(np.float32)
    expected = cv2.remap(noise, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR)
    delivered = warp(noise, [FACE], values)[74:290, 132:348]
    assert np.abs(field).max() > 3
    # The filter's field is interpolated between nodes (0.05 px) and its positions are fixed point.
    np.testing.assert_allclose(delivered.astype(int), expected, atol=5)


def test_grid_lines_lie_where_the_field_puts_them() -> None:
    """The field is backward: with dx = 3 everywhere, lines appear 3 px further to the left, as thick as before."""
    paper = np.full((216, 216, 3), 255, np.uint8)
    face = face_at(108, 76, 80.0)
    shift = np.zeros((216, 216, 2), np.float32)
    shift[..., 0] = 3
    narrower = shift.copy()
    narrower[..., 0] += 0.5 * np.arange(216)  # half as wide in the picture as before
    still = np.zeros_like(shift)
    straight, moved, squeezed = (
        drawing._with_grid(paper, face, field)[80, :, 2].astype(float) for field in (still, shift, narrower)
    )
    lines = np.flatnonzero((straight[1:-1] < straight[:-2]) & (straight[1:-1] <= straight[2:])) + 1
    assert len(lines) == pytest.approx(216 / (drawing.GRID_STEP_IOD * 80), abs=1)
    for x in lines[lines >= 5]:
        assert moved[x - 3] == moved[x - 5 : x].min()
    # 1.5 times as many lines, each with the same ink.
    assert (255 - squeezed).sum() == pytest.approx(1.5 * (255 - moved).sum(), rel=0.1)


def test_the_grid_is_dark_where_something_moves(noise: BgrFrame) -> None:
    """Straight and pale where nothing moves, and everywhere while the filter is off."""
    still, moved = grid(noise, FACE), grid(noise, FACE, eyes=1.0)
    off = drawing._field(FACE, (132, 74, 348, 290), neutral(eyes=1.0, enabled=False), 216)[1]
    changed = (still != moved).any(axis=2)
    assert changed[60:95, 50:170].mean() > 0.2  # around the eyes
    assert not changed[150:].any()  # below the nose
    assert moved[60:95, 50:170].mean() < still[60:95, 50:170].mean()
    assert not off.any()


def test_a_face_at_the_border_and_a_small_one_have_pictures(noise: BgrFrame) -> None:
    """The crop stays inside the frame; it is enlarged where the face is smaller than a picture."""
    for face in (face_at(10, 10, 80.0), face_at(470, 350, 80.0), face_at(240, 150, 20.0), face_at(240, 150, 400.0)):
        sheet = contact_sheet(noise, face, ["thin"], cell_px=CELL_PX)
        cell = lay_out(["thin"], cell_px=CELL_PX).cells[0]
        assert shown(sheet, cell).std() > 5


@pytest.mark.parametrize("name", ["nose", "enabled", "strength", ""])
def test_an_unknown_adjustment_is_refused(noise: BgrFrame, name: str) -> None:
    """The error names what there is; knobs that are no adjustments are unknown, too."""
    with pytest.raises(ParameterError, match=r"unknown adjustment .*allowed: thin, "):
        contact_sheet(noise, FACE, ["eyes", name])


def test_the_face_of_a_video_is_that_of_its_first_frame_with_one(portrait: BgrFrame, tmp_path: Path) -> None:
    """Frames without a face are passed over; the face has full confidence though it has only just come."""
    empty = np.full_like(portrait, 90)
    path = write_video(tmp_path / "in.mp4", [empty] * 3 + [portrait] * 3)
    frame, face = find_face(path)
    assert np.abs(frame.astype(int) - portrait).mean() < 6  # lossy
    assert face.confidence == 1.0
    expected = PortraitSource(640, 360).truth(0).pose
    assert (face.pose.x, face.pose.y) == pytest.approx((expected.x, expected.y), abs=0.1 * expected.iod_px)


def test_a_search_in_a_video_begins_where_it_is_told(portrait: BgrFrame, tmp_path: Path) -> None:
    """--at passes over a face before it; beyond the end it is refused."""
    path = write_video(tmp_path / "in.mp4", [portrait] * 2 + [np.full_like(portrait, 90)] * 4)
    assert find_face(path)[1].pose.iod_px > 10
    with pytest.raises(SourceError, match=r"no face in the 60 s from 0\.1 s"):
        find_face(path, at_s=0.1)
    with pytest.raises(SourceError, match=r"ends at 0\.20 s"):
        find_face(path, at_s=5.0)


def write(path: Path, frame: BgrFrame) -> Path:
    """A picture as a file."""
    assert cv2.imwrite(str(path), frame)
    return path


def test_problems_with_files_are_errors_of_ours(portrait: BgrFrame, tmp_path: Path) -> None:
    """Each names its cause, and nothing is written or overwritten."""
    face, empty = write(tmp_path / "face.png", portrait), write(tmp_path / "empty.png", np.full_like(portrait, 90))
    (tmp_path / "text.jpg").write_text("no picture")
    out = tmp_path / "out.png"
    before = face.read_bytes()
    cases: list[tuple[Path, Path, dict[str, object], type[LivewarpError], str]] = [
        (empty, out, {}, SourceError, "empty.png: no face in it"),
        (tmp_path / "none.png", out, {}, SourceError, "no such file"),
        (tmp_path / "none.mp4", out, {}, SourceError, "no such file"),
        (tmp_path / "text.jpg", out, {}, SourceError, "cannot be decoded"),
        (face, tmp_path / "out.txt", {}, SettingsError, "got suffix '.txt'"),
        (face, empty, {}, SettingsError, "exists; allowed: a new name, or --force"),
        (face, face, {"force": True}, SettingsError, "is the input itself"),
        (face, out, {"at_s": 1.0}, SettingsError, "--at: got 1 for the image"),
        (face, out, {"names": ["nix"]}, ParameterError, "unknown adjustment 'nix'"),
        (face, tmp_path / "no" / "out.png", {"names": ["eyes"]}, SinkError, "cannot be written: No such file"),
    ]
    for path_in, path_out, options, error, text in cases:
        with pytest.raises(error, match=text):
            sheet_file(path_in, path_out, **options)  # type: ignore[arg-type]
    assert face.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"face.png", "empty.png", "text.jpg"}


def test_a_sheet_too_large_for_its_format_is_refused(tmp_path: Path) -> None:
    """WebP ends at 16383 px."""
    with pytest.raises(SinkError, match=r"20x16400 cannot be encoded as \.webp"):
        write_image(tmp_path / "out.webp", np.zeros((16400, 20, 3), np.uint8))


def test_the_command_draws_into_a_file(portrait: BgrFrame, tmp_path: Path) -> None:
    """One line with the path; a second run needs --force; a wrong name is bad usage, no face a failure."""
    write(tmp_path / "me.png", portrait)
    write(tmp_path / "wall.png", np.full_like(portrait, 90))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "livewarp", "sheet", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)

    options = ["--adjustment", "smile", "--adjustment", "thin", "--strength", "0.4", "--set", "jaw=0.5", "--cell", "64"]
    done = run("me.png", *options)
    assert (done.returncode, done.stdout) == (0, "sheet.png: 2 cards on me.png\n"), done.stderr
    layout = lay_out(["thin", "smile"], cell_px=64)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (layout.height, layout.width, 3)

    again, unknown, wall = (
        run("me.png", *options),
        run("me.png", "a.png", "--adjustment", "x"),
        run("wall.png", "a.png"),
    )
    assert (again.returncode, unknown.returncode, wall.returncode) == (2, 2, 1)
    assert [len(r.stderr.splitlines()) for r in (again, unknown, wall)] == [1, 1, 1]
    assert "no face" in wall.stderr


def test_the_page_in_the_docs_is_that_of_the_table() -> None:
    """docs/adjustments.md is what `make docs` writes; its picture is there and opens quickly."""
    tool = runpy.run_path(str(REPOSITORY / "tools" / "make_pictures.py"))
    page = (REPOSITORY / "docs" / "adjustments.md").read_text(encoding="utf-8")
    assert page == tool["adjustments_page"](), "run `make docs`"
    assert all(f"| `{name}` |" in page for name in ADJUSTMENTS)
    assert (REPOSITORY / "docs" / "images" / "adjustments.jpg").stat().st_size < 900_000
