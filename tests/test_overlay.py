"""The picture after the warp: mirrored in place, and drawn upon with what the tracker believes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from livewarp.arrays import BgrFrame
from livewarp.filtering.overlay import CONTOURS, draw_overlay, mirror
from livewarp.sources.portrait import PortraitSource
from samples import face_at

H, W = 360, 640
MIDDLE = (W - 1) / 2


def blank(level: int = 128) -> BgrFrame:
    """A frame of one gray level."""
    return np.full((H, W, 3), level, np.uint8)


def around(points: np.ndarray, margin: int = 6) -> tuple[slice, slice]:
    """Rows and columns of the box around points."""
    (x0, y0), (x1, y1) = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
    return slice(y0 - margin, y1 + margin + 1), slice(x0 - margin, x1 + margin + 1)


@given(st.integers(1, 9), st.integers(1, 130))
def test_mirroring_swaps_left_and_right_in_place(height: int, width: int) -> None:
    """Every width, odd or even, comes out as numpy's reversed view, in the same memory."""
    frame = np.random.default_rng(width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    expected, memory = frame[:, ::-1].copy(), frame.ctypes.data
    mirror(frame)
    assert frame.ctypes.data == memory
    np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize("yaw", [-0.4, 0.0, 0.4])
def test_the_drawing_follows_the_mirror(yaw: float) -> None:
    """Drawn on a mirrored frame, a face's lines are the mirror image of those on the plain one."""
    face = face_at(250.0, 170.0, 80.0, roll=0.2, yaw=yaw)
    plain, mirrored = blank(), blank()
    draw_overlay(plain, [face])
    draw_overlay(mirrored, [face], is_mirrored=True)
    mirror(mirrored)
    box = around(face.landmarks)
    one, other = ((f[box] != 128).any(axis=2) for f in (plain, mirrored))
    # Positions are rounded to a sixteenth of a pixel, and edges are smoothed: a rim pixel may differ.
    assert (one & other).sum() > 0.95 * (one | other).sum()


def test_the_text_is_not_mirrored() -> None:
    """A tag in the middle of the frame is the same, byte for byte, mirrored or not."""
    face = face_at(MIDDLE, 170.0, 80.0)
    plain, mirrored = blank(), blank()
    draw_overlay(plain, [face])
    draw_overlay(mirrored, [face], is_mirrored=True)
    tag = slice(0, int(face.landmarks[:, 1].min()) - 12)
    assert (plain[tag] != 128).any()
    np.testing.assert_array_equal(plain[tag], mirrored[tag])


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("confidence", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("id", [1, 2, 3, 4, 5, 6])
def test_lines_can_be_told_from_any_ground(level: int, confidence: float, id: int) -> None:
    """Beside every landmark some pixel is at least 60 grey levels from the ground, whatever that is."""
    face = replace(face_at(MIDDLE, 170.0, 80.0), confidence=confidence, id=id)
    frame = blank(level)
    draw_overlay(frame, [face])
    contrast = np.abs(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(int) - level)
    for x, y in face.landmarks.round().astype(int):
        assert contrast[y - 2 : y + 3, x - 2 : x + 3].max() >= 60


def test_the_contours_use_every_landmark_once() -> None:
    """No point of the scheme is missing from the drawing, and none is in two strokes."""
    used = [i for part, _ in CONTOURS for i in range(part.start, part.stop)]
    assert sorted(used) == list(range(68))


def test_the_bar_grows_with_the_confidence() -> None:
    """More confidence fills more of the bar; none fills nothing of it."""

    def filled(confidence: float) -> int:
        frame = np.zeros((H, W, 3), np.uint8)
        draw_overlay(frame, [replace(face_at(MIDDLE, 200.0, 60.0), confidence=confidence)])
        tag = frame[:140].astype(int)
        # Rows of a filled bar are long runs of one colour that is no gray; text and frame are none.
        colour = (tag.max(axis=2) - tag.min(axis=2)) > 8
        return max(int(row.sum()) for row in colour)

    widths = [filled(c) for c in (0.0, 0.25, 0.5, 1.0)]
    assert widths[0] == 0
    # The id is in the same colour, so the bar's own part is what is added: 50 points twice as much as 25.
    assert widths[3] - widths[2] == pytest.approx(2 * (widths[2] - widths[1]), abs=2)
    assert widths[3] > widths[2] > widths[1] > 0


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-900, 1500),
    st.floats(-900, 1200),
    st.floats(1, 900),
    st.integers(1, 700),
    st.integers(1, 500),
    st.booleans(),
)
def test_a_face_may_lie_anywhere(x: float, y: float, iod_px: float, width: int, height: int, is_mirrored: bool) -> None:
    """Half out, far out, tiny or larger than the frame, and in any frame: drawn as far as it goes, no error."""
    frame = np.zeros((height, width, 3), np.uint8)
    draw_overlay(frame, [face_at(x, y, iod_px)], is_mirrored)
    assert frame.shape == (height, width, 3)


def test_the_tag_stays_inside_the_frame() -> None:
    """A face in a corner has its whole tag in the picture: as many of its pixels are dark as elsewhere."""
    counts = []
    for x, y in ((MIDDLE, 170.0), (10.0, 20.0), (W - 10.0, 20.0), (10.0, H - 20.0)):
        frame = np.full((H, W, 3), 255, np.uint8)
        draw_overlay(frame, [face_at(x, y, 60.0)])
        counts.append(int((frame == round(0.30 * 255)).all(axis=2).sum()))  # the tag's ground
    assert min(counts) > 0.8 * counts[0]  # lines of the face may cross it


def test_apply_draws_when_asked(tmp_path: Path) -> None:
    """`livewarp apply --overlay` is `--set overlay=on`, and nothing is drawn without it."""
    from livewarp.cli.main import cli

    source = PortraitSource(W, H)
    frame = np.empty((H, W, 3), np.uint8)
    source.read(frame)
    cv2.imwrite(str(tmp_path / "in.png"), frame)
    still = ["--set", "thin=0", "--set", "eyes=0"]
    pictures = {}
    for name, options in {"plain": [], "option": ["--overlay"], "set": ["--set", "overlay=on"]}.items():
        out = tmp_path / f"{name}.png"
        done = CliRunner().invoke(cli, ["apply", str(tmp_path / "in.png"), str(out), *still, *options])
        assert done.exit_code == 0, done.output
        pictures[name] = cv2.imread(str(out))
    np.testing.assert_array_equal(pictures["plain"], frame)
    np.testing.assert_array_equal(pictures["option"], pictures["set"])
    assert (pictures["option"] != frame).any()
