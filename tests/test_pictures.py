"""Backgrounds by name: shipped and own ones, what is refused, and how they stand behind a person."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from livewarp.cli.main import cli
from livewarp.errors import LivewarpError, SettingsError
from livewarp.filtering import pictures
from livewarp.filtering.behind import Scenery
from livewarp.parameters import Parameters
from livewarp.segmentation.blend_kernels import lit
from livewarp.worker import Worker

ROOM = np.full((4, 6, 3), 90, np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a person's own are kept."""
    monkeypatch.setattr(pictures, "own_folder", lambda: tmp_path / "own")
    return tmp_path


def picture_at(path: Path, size: tuple[int, int] = (90, 160), colour: tuple[int, int, int] = (40, 90, 200)) -> Path:
    """A file with one colour and a white middle."""
    image = np.full((*size, 3), colour, np.uint8)
    image[size[0] // 3 : 2 * size[0] // 3, size[1] // 3 : 2 * size[1] // 3] = 255
    assert cv2.imwrite(str(path), image)
    return path


def test_six_come_with_livewarp() -> None:
    """Each is a picture that covers frames of any shape, tall ones too."""
    assert pictures.shipped() == ["dawn", "hills", "lights", "paper", "shelf", "studio"]
    for name in pictures.shipped():
        assert pictures.load_picture(name, 90, 160).std() > 3
    assert pictures.load_picture("dawn", 200, 60).shape == (200, 60, 3)


def test_a_picture_is_added_listed_and_removed_by_commands(folder: Path) -> None:
    """Add keeps a plain copy under a name that the file's gives; list shows it; remove deletes it."""
    path = picture_at(folder / "Grüner Strand (2).png")

    def run(*words: str) -> str:
        result = CliRunner().invoke(cli, ["background", *words])
        assert result.exit_code == 0, result.output
        return result.output

    assert "gr-ner-strand-2" in run("add", str(path))
    assert "gr-ner-strand-2  yours" in run("list")
    path.unlink()
    shown = pictures.load_picture("gr-ner-strand-2", 90, 160)
    np.testing.assert_allclose(shown[5, 5], (40, 90, 200), atol=4)
    np.testing.assert_allclose(shown[45, 80], 255, atol=4)
    run("remove", "gr-ner-strand-2")
    assert pictures.own() == []
    assert not list((folder / "own").iterdir())


def test_what_is_no_picture_and_no_name_is_refused(folder: Path) -> None:
    """Text, nothing, something too large, a taken or impossible name: an error that says so, and nothing is kept."""
    (folder / "text.jpg").write_text("not a picture")
    good = picture_at(folder / "good.png")
    with (folder / "large.jpg").open("wb") as file:
        file.truncate(pictures.MAX_BYTES + 1)
    for path, name in [
        (folder / "text.jpg", None),
        (folder / "nothing.jpg", None),
        (folder / "large.jpg", None),
        (good, "dawn"),
        (good, "../../dawn"),
        (good, "Ünlaut"),
        (good, ""),
    ]:
        with pytest.raises(LivewarpError):
            pictures.add_picture(path, name)
    assert pictures.own() == []
    pictures.add_picture(good)
    with pytest.raises(SettingsError, match="taken"):
        pictures.add_picture(good)
    assert pictures.add_picture(good, replace=True) == "good"
    for name in ("nosuch", "dawn", "../good"):
        with pytest.raises(SettingsError):
            pictures.remove_picture(name)
    with pytest.raises(SettingsError, match="background list"):
        pictures.load_picture("nosuch", 90, 160)


def test_a_large_picture_is_kept_smaller(folder: Path) -> None:
    """It still covers the largest frame."""
    pictures.add_picture(picture_at(folder / "huge.jpg", (1500, 4000)))
    kept = cv2.imread(str(folder / "own" / "huge.jpg"))
    assert kept.shape[0] == 1080


def test_there_is_always_something_to_show(folder: Path) -> None:
    """The colour until a picture is there; then the picture; an unknown one: the colour, and a problem."""
    worker = Worker(synchronous=True)
    behind = Scenery(worker)
    behind._synchronous = False  # errors are problems
    task, wake = behind._task, behind._task._wake
    task._wake = lambda: None
    values = Parameters(background="picture", background_picture="dawn", background_colour="#102030")
    assert (behind.pixels(values, ROOM, 90, 160) == (0x30, 0x20, 0x10)).all()
    task.work()
    dawn = pictures.load_picture("dawn", 90, 160)
    np.testing.assert_array_equal(behind.pixels(values, ROOM, 90, 160), dawn)
    other = values.replace(background_picture="hills")
    np.testing.assert_array_equal(behind.pixels(other, ROOM, 90, 160), dawn)  # until it is there
    task._wake = wake
    unknown = values.replace(background_picture="nosuch")
    assert (behind.pixels(unknown, ROOM, 90, 160) == (0x30, 0x20, 0x10)).all()
    assert "nosuch" in str(behind.problem)
    np.testing.assert_array_equal(behind.pixels(values, ROOM, 90, 160), dawn)
    assert behind.problem is None
    assert (behind.pixels(values.replace(background="colour"), ROOM, 90, 160) == (0x30, 0x20, 0x10)).all()
    assert (behind.pixels(values, ROOM, 45, 80) == pictures.load_picture("dawn", 45, 80)).all()


def test_the_light_follows_the_picture_a_little() -> None:
    """Before a dark picture a person gets slowly darker, by a few levels at most; black and white stay."""
    behind = Scenery(Worker(synchronous=True))
    values = Parameters(background="picture", background_picture="lights")
    lights = []
    for _ in range(120):
        behind.pixels(values, np.full((4, 6, 3), 200, np.float32), 90, 160)
        lights.append(float(behind.light[0]))
    assert -0.1 < lights[-1] < -0.02
    assert (np.diff(lights) <= 0).all()
    behind.pixels(values.replace(background="colour"), np.full((4, 6, 3), 200, np.float32), 90, 160)
    assert behind.light[0] > lights[-1]
    assert [int(lit(np.float32(level), np.float32(lights[-1]))) for level in (0, 255)] == [0, 255]
    assert 128 - 12 < lit(np.float32(128), np.float32(lights[-1])) < 126
