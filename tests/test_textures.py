"""A person's own textures: from a picture to a knob, and what is refused on the way."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from livewarp.appearance import Painter, collection, own
from livewarp.appearance.unwrapping import checked_points, of_template, template, template_points, unwrapped
from livewarp.cli.texture_commands import texture
from livewarp.effects import EFFECTS
from livewarp.errors import LivewarpError, SettingsError, SourceError
from livewarp.face68 import Face
from livewarp.filtering.glide import Glide
from livewarp.parameters import KNOBS, Parameters, effective, refitted
from livewarp.sources.image import read_given
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.sitters import DEMO

EXAMPLES = Path(__file__).parents[1] / "docs" / "textures"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A collection of the test's own; afterwards there are no own textures again."""
    place = tmp_path / "textures"
    monkeypatch.setattr(collection, "folder", lambda: place)
    monkeypatch.setenv("LIVEWARP_CONTROL", "127.0.0.1:9")  # where no daemon is
    yield place
    monkeypatch.setattr(collection, "folder", lambda: tmp_path / "none")
    collection.install_textures()


def run(*words: str | Path) -> Result:
    """The command, with no daemon to tell; expected errors are raised as they are."""
    return CliRunner().invoke(texture, [str(word) for word in words], catch_exceptions=False)


def refused(*words: str | Path) -> LivewarpError:
    """The error of a command that must not work."""
    with pytest.raises(LivewarpError) as caught:
        CliRunner().invoke(texture, [str(word) for word in words], catch_exceptions=False, standalone_mode=False)
    return caught.value


def dotted() -> np.ndarray:
    """A painted template (H, W, 4) with one dark dot on the right cheek."""
    painted = template()
    x, y = np.mean([template_points()[name] for name in ("right_jaw", "right_eye_inner")], axis=0)
    cv2.circle(painted, (round(x), round(y)), 40, (20, 30, 60), -1)
    return cv2.cvtColor(painted, cv2.COLOR_BGR2BGRA)


def face_and_frame() -> tuple[np.ndarray, Face]:
    """The demo's sitter."""
    source = PortraitSource(640, 360, sitter=DEMO)
    frame = np.empty((360, 640, 3), np.uint8)
    source.render(0, frame)
    return frame, Face.from_landmarks(source.truth(0).landmarks)


@pytest.mark.parametrize("blend", own.BLENDS)
def test_what_is_painted_is_drawn_there_and_nowhere_else(blend: own.Blend) -> None:
    """A dot on the cheek of the template darkens that cheek of a face, more the higher its knob, and no other place."""
    collection.add("dot", of_template(dotted(), template(), blend), False)
    assert collection.install_textures() == ["dot"]
    frame, face = face_and_frame()
    changes = []
    for value in (0.4, 1.0):
        out = frame.copy()
        Painter().apply(out, [face], effective(Parameters(dot=value)))
        changes.append(frame.astype(int).sum(axis=2) - out.astype(int).sum(axis=2))
    assert 0 < changes[0].sum() < changes[1].sum()
    y, x = np.nonzero(np.abs(changes[1]) > 12)
    middle = face.landmarks[[4, 39]].mean(axis=0)
    assert np.hypot(x.mean() - middle[0], y.mean() - middle[1]) < 0.1 * face.pose.iod_px
    assert np.hypot(x - x.mean(), y - y.mean()).max() < 0.2 * face.pose.iod_px


def test_a_picture_goes_where_its_points_say() -> None:
    """A picture that shows the template smaller, turned and shifted unwraps to the template again."""
    original = cv2.cvtColor(template(), cv2.COLOR_BGR2BGRA)
    turn = cv2.getRotationMatrix2D((500, 700), 20, 0.6)
    picture = cv2.warpAffine(original, turn, (1100, 1300), flags=cv2.INTER_AREA)
    points = {name: (turn @ [*place, 1.0]).tolist() for name, place in template_points().items()}
    flat = unwrapped(picture, checked_points(points, 1100, 1300))
    expected = cv2.resize(original, (own.WIDTH, own.HEIGHT), interpolation=cv2.INTER_AREA)
    shown = flat[..., 3] > 250
    assert shown[200:700, 100:540].all()
    assert np.abs(flat[shown].astype(int) - expected[shown])[:, :3].mean() < 2.5  # twice resampled: fine lines blur


def test_the_documented_example_works(folder: Path, tmp_path: Path) -> None:
    """Both files of docs/textures.md become textures, are listed, shown, and removed again."""
    sheet = tmp_path / "sheet.png"
    assert "livewarp set freckles" in run("add", "freckles", EXAMPLES / "freckles.png").output
    run("add", "War Paint", EXAMPLES / "stripes.png", "--points", EXAMPLES / "stripes.json", "--blend", "paint")
    assert KNOBS["war_paint"].group == "own"
    listed = json.loads(run("list", "--json").output)
    assert [(row["name"], row["parameter"], row["blend"]) for row in listed] == [
        ("War Paint", "war_paint", "paint"),
        ("freckles", "freckles", "both"),
    ]
    run("show", "war-paint", "portrait:2", sheet)
    assert cv2.imread(str(sheet)) is not None
    assert "exists" in str(refused("add", "FRECKLES", EXAMPLES / "freckles.png"))
    run("remove", "freckles")
    assert [path.name for path in folder.iterdir()] == ["War Paint.npz"]
    collection.install_textures()
    assert "freckles" not in KNOBS
    assert "freckles" not in EFFECTS


def test_template_is_written_once(tmp_path: Path) -> None:
    """The template and its points are written, and not over files that are there."""
    out = tmp_path / "mine.png"
    run("template", out)
    points = json.loads((tmp_path / "mine.json").read_text())
    assert len(checked_points(points, own.WIDTH * 2, own.HEIGHT * 2)) >= 8
    assert "exists" in str(refused("template", out))
    assert "nothing is painted" in str(refused("add", "x", out))


@pytest.mark.parametrize("name", ["", "../x", "a/b", "list", "con", "thin", "age", "x" * 41, ".x", "ä"])
def test_names_that_no_texture_may_have(name: str) -> None:
    """Names are never paths, never words of the command, and never those of other parameters."""
    assert "texture name" in str(refused("add", name, EXAMPLES / "freckles.png"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: dict(list(p.items())[:7]), "7 of them"),
        (lambda p: [*p.values()], "list"),
        (lambda p: p | {"navel": [1, 2]}, "navel"),
        (lambda p: p | {"chin": [1, "2"]}, "chin"),
        (lambda p: p | {"chin": [float("nan"), 2]}, "chin"),
        (lambda p: p | {"chin": [90_000, 2]}, "chin"),
        (lambda p: p | {"chin": [9_000, 2]}, "outside"),
        (lambda p: {name: [place[0], 100 + 0.001 * place[0]] for name, place in p.items()}, "one line"),
        (lambda p: {name: [1280 - place[0], place[1]] for name, place in p.items()}, "swapped"),
    ],
)
def test_points_that_place_nothing(change, said: str) -> None:
    """Too few, unknown, far outside, on one line, swapped: each is refused with its reason."""
    with pytest.raises(SettingsError) as caught:
        checked_points(change(template_points()), 1280, 1600)
    assert said in str(caught.value)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_pictures_that_are_not_decoded(tmp_path: Path) -> None:
    """A bomb, a file that is too long, a link, a pipe, a folder and what is no picture are refused, unread."""
    path = tmp_path / "given.png"
    for data, said in (
        (bomb(60_000, 60_000), "60000x60000"),
        (bomb(200, 200), "decoded"),
        (b"GIF89a", "decoded"),
        (b"", "decoded"),
    ):
        path.write_bytes(data)
        with pytest.raises(SourceError, match=said):
            read_given(path)
    with path.open("wb") as file:
        file.truncate(40_000_000)
    with pytest.raises(SourceError, match="too large"):
        read_given(path)
    link = tmp_path / "link.png"
    link.symlink_to(EXAMPLES / "freckles.png")
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for other in (link, pipe, tmp_path, tmp_path / "nothing.png"):
        with pytest.raises(SourceError):
            read_given(other)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_pictures_of_each_format_are_read(tmp_path: Path, suffix: str) -> None:
    """PNG, JPEG and WebP, gray, colour and 16 bits, become (H, W, 4), opaque where they say nothing else."""
    for pixels in (np.full((40, 50), 90, np.uint8), np.full((40, 50, 3), 90, np.uint8)):
        cv2.imwrite(str(tmp_path / f"x{suffix}"), pixels)
        picture = read_given(tmp_path / f"x{suffix}")
        assert picture.shape == (40, 50, 4)
        assert abs(int(picture[20, 20, 0]) - 90) <= 2
        assert (picture[..., 3] == 255).all()


def test_damaged_files_are_skipped_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is no texture, a link and a wrong array are no knobs; the good one beside them is."""
    collection.add("good", of_template(dotted(), template(), "both"), False)
    (folder / "bad.npz").write_bytes(b"nothing")
    np.savez(folder / "small.npz", picture=np.zeros((2, 2, 5), np.uint8), blend=np.array("both"))
    (folder / "link.npz").symlink_to(folder / "good.npz")
    assert collection.install_textures() == ["good"]
    assert "bad" in caplog.text
    assert "small" in caplog.text
    run("remove", "bad")
    assert not (folder / "bad.npz").exists()


def test_textures_come_and_go_under_a_running_filter() -> None:
    """Values made before a texture came, or went, still work in the engine's thread until they are swapped."""
    before = Parameters()
    collection.add("dot", of_template(dotted(), template(), "both"), False)
    collection.install_textures()
    frame, face = face_and_frame()
    painter, glide = Painter(), Glide(0.2)
    painter.apply(frame, [face], effective(glide.at(before, 0.0)))
    with_dot = refitted(before).replace(dot=1.0)
    painter.apply(frame, [face], effective(glide.at(with_dot, 0.1)))
    collection.remove("dot")
    collection.install_textures()
    painter.apply(frame, [face], effective(glide.at(with_dot, 0.2)))
    assert "dot" not in refitted(with_dot)
    painter.apply(frame, [face], effective(glide.at(refitted(with_dot), 0.3)))


def test_the_loop_equals_its_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled loop draws what plain Python draws."""
    rng = np.random.default_rng(2)
    frame = rng.integers(0, 256, (12, 16, 3), np.uint8)
    wide = rng.random((5, 3, 16)).astype(np.float32)
    spans = np.array([[2, 16], [0, 13], [0, 0]], np.int32)
    picture = rng.integers(0, 256, (5, 64), np.uint8)
    results = []
    for function in (own.draw_own, own.draw_own.py_func):
        if results:
            monkeypatch.setattr(own, "_draw", own._draw.py_func)
        out = frame.copy()
        function(out.reshape(12, -1), (0, 0), 4, wide, spans, picture, 8, (0.8, 0.009, 0.5, 0.5, 120.0))
        results.append(out.astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1  # fastmath and the rounding of float32
    assert (results[0] != frame).any()
