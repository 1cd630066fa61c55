"""Presets: the shipped looks, a person's own files, and names that are no paths."""

from __future__ import annotations

import os
import tomllib
import unicodedata
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livewarp.adjustments import ADJUSTMENTS
from livewarp.control.protocol.presets import MAX_OWN, SHIPPED, Presets, held
from livewarp.errors import ControlError, ParameterError
from livewarp.parameters import KNOBS, Parameters, check
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import exact_field, limit, place_faces
from samples import face_at


@pytest.fixture
def presets(tmp_path):
    """Presets with a folder of their own, which is made when it is needed."""
    return Presets(tmp_path / "presets")


def names(presets):
    """The names that are listed."""
    return [preset["name"] for preset in presets.listing()["presets"]]


def test_the_shipped_looks_are_valid_and_mild():
    """The shipped looks have names; each is within bounds, changes something, and nothing beyond 1."""
    names = "natural slim doll sculpted fresh studio office evening stage grandparent"
    assert list(SHIPPED) == names.split()
    for values in SHIPPED.values():
        assert check(values, held()) == dict(values)
        assert any(values.values())
        assert max(abs(value) for value in values.values() if not isinstance(value, str)) <= 1.0


def test_the_shipped_shapes_are_unlike_each_other_and_the_default():
    """Between any two of the shapes, the default and no shape at all, landmarks lie 0.9 % of the IOD apart (rms)."""
    face, table = face_at(400, 300, 100), StrokeTable(ADJUSTMENTS.values())
    none = dict(Parameters().replace(**dict.fromkeys(ADJUSTMENTS, 0.0)))
    looks = {"none": none, "default": Parameters()} | {n: none | SHIPPED[n] for n in list(SHIPPED)[:4]}
    fields = {}
    for name, values in looks.items():
        placed = place_faces(table, [face], values, (720, 800))
        limit(placed, (720, 800), np.ones(len(ADJUSTMENTS), np.float32))
        field = exact_field(placed, (0, 0, 800, 720), (720, 800))
        fields[name] = field[tuple(np.rint(face.landmarks.T[::-1]).astype(int))]
    apart = {(a, b): np.sqrt(((fields[a] - fields[b]) ** 2).sum(axis=1).mean()) for a, b in combinations(fields, 2)}
    assert min(apart.values()) > 0.9  # px, at 100 px of IOD
    assert np.hypot(*fields["natural"].T).mean() > np.hypot(*fields["default"].T).mean()


def test_presets_hold_adjustments():
    """A preset holds every adjustment, and says nothing of enabled, strength, mirror and overlay."""
    assert held().keys() >= ADJUSTMENTS.keys()
    assert KNOBS.keys() - held().keys() >= {"enabled", "strength", "mirror", "overlay"}


def test_what_is_saved_is_loaded(presets):
    """A saved preset gives back every adjustment as it was, after a restart too."""
    worn = Parameters(thin=0.1, smile=-0.30000000000000004, enabled=False, strength=0.5)
    presets.save("mine", worn)
    for each in (presets, Presets(presets.folder)):
        assert each.values("mine") == {name: worn[name] for name in held()}
    text = (presets.folder / "mine.toml").read_text()
    assert tomllib.loads(text).keys() == {"thin", "eyes", "smile"}  # eyes has a default that is not 0


@given(st.dictionaries(st.sampled_from(sorted(ADJUSTMENTS)), st.floats(0, 1)))
def test_any_values_survive(tmp_path_factory, values):
    """Whatever the adjustments are, the file gives back the same floats."""
    presets = Presets(tmp_path_factory.mktemp("presets"))
    saved = presets.save("x", Parameters(**values))
    assert Presets(presets.folder).values("x") == saved
    assert {name: saved[name] for name in values} == values


@pytest.mark.parametrize("name", ["a", "Monday look", "x_1-2", "9 to 5", "a" * 40, "concert", "lists"])
def test_names_that_are_allowed(presets, name):
    """Letters, digits, spaces, - and _ make a name."""
    presets.save(name, Parameters())
    assert names(presets)[-1] == name
    assert os.listdir(presets.folder) == [f"{name}.toml"]


PATHS = [
    "",
    " a",
    "a ",
    ".",
    "..",
    "../a",
    "a/b",
    "a\\b",
    "/etc/x",
    "a.toml",
    "a\0",
    "a\n",
    "\ud800",
    "a" * 41,
    "-a",
]
WORDS = ["list", "Save", "delete", "rename", "CON", "nul", "com1", "slim", "Doll", "~", "$HOME", "a;b", "x:y"]


@pytest.mark.parametrize("name", PATHS + WORDS)
def test_names_that_are_refused(presets, name):
    """A name is no path, no word of the command line, no device of Windows, and none of those shipped."""
    for act in (lambda: presets.save(name, Parameters()), lambda: presets.rename("mine", name)):
        presets.save("mine", Parameters(), replace=True)
        with pytest.raises(ParameterError):
            act()
    assert os.listdir(presets.folder) == ["mine.toml"]
    with pytest.raises(ParameterError):
        presets.delete(name)
    assert os.listdir(presets.folder) == ["mine.toml"]


def test_no_name_reaches_another_file(presets, tmp_path):
    """No name loads, renames or deletes a file outside of the folder, which is never left."""
    secret = tmp_path / "secret.toml"
    secret.write_text("thin = 0.5\n")
    presets.save("mine", Parameters())
    for name in ("../secret", str(tmp_path / "secret"), "secret"):
        for act in (presets.values, presets.delete, lambda name: presets.rename(name, "stolen")):
            with pytest.raises(ParameterError):
                act(name)
    assert secret.read_text() == "thin = 0.5\n"


def test_a_name_is_taken_however_it_is_written(presets):
    """Two names that differ in case only would be one file on some systems: the second is refused or replaces."""
    presets.save("Mine", Parameters(thin=0.1))
    with pytest.raises(ParameterError, match="already"):
        presets.save("mine", Parameters(thin=0.2))
    presets.save("mine", Parameters(thin=0.2), replace=True)
    assert names(presets)[len(SHIPPED) :] == ["Mine"]
    assert presets.values("Mine")["thin"] == 0.2
    presets.save("other", Parameters())
    with pytest.raises(ParameterError, match="already"):
        presets.rename("other", "MINE")
    presets.rename("Mine", "mine")
    assert names(presets)[len(SHIPPED) :] == ["mine", "other"]


def test_shipped_looks_stay(presets):
    """Shipped looks cannot be saved over, renamed or deleted."""
    for act in (lambda: presets.delete("slim"), lambda: presets.rename("slim", "thinner")):
        with pytest.raises(ParameterError, match="shipped"):
            act()
    with pytest.raises(ParameterError, match="shipped"):
        presets.save("SLIM", Parameters(), replace=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"thin = ", "Invalid value"),
        (b"thin = 2.0\n", "got 2.0, allowed: a number from 0 to 1.5"),
        (b"thin = true\n", "got True"),
        (b"strength = 0.5\n", "unknown parameter 'strength'"),
        (b"[thin]\nx = 1\n", "got {'x': 1}"),
        (b"\xff\xfe", "UTF-16"),
        (b"#" * 70_000, "at most 65536 bytes"),
        (b"a = " + b"[" * 30_000, ""),
    ],
)
def test_a_damaged_file_is_skipped_and_named(presets, caplog, text, said):
    """A file that is no preset is skipped; the listing tells which, what is wrong and what to do, the log once."""
    presets.save("good", Parameters())
    (presets.folder / "bad.toml").write_bytes(text)
    for _ in range(3):
        listing = presets.listing()
        assert [preset["name"] for preset in listing["presets"]][len(SHIPPED) :] == ["good"]
        [problem] = listing["problems"]
        assert "bad.toml" in problem["what"]
        assert said in problem["what"]
        assert problem["remedy"]
    assert len(caplog.records) == 1
    with pytest.raises(ParameterError, match="unknown preset"):
        presets.values("bad")
    presets.delete("bad")
    assert presets.listing()["problems"] == []


def test_a_file_that_is_mended_is_a_preset_again(presets):
    """A listing sees what a person has changed in the files by hand."""
    presets.folder.mkdir()
    path = presets.folder / "mine.toml"
    path.write_text("thin = 7\n")
    assert presets.listing()["problems"] != []
    path.write_text("thin = 0.7\n")
    assert presets.values("mine")["thin"] == 0.7
    path.write_text("thin = 0.75\n")
    assert presets.values("mine")["thin"] == 0.75
    path.unlink()
    assert names(presets) == list(SHIPPED)


def test_files_with_names_that_no_preset_has(presets):
    """A file by hand whose name no preset may have is a problem that is told, other files are nothing."""
    presets.folder.mkdir()
    for name in ("slim.toml", "(x).toml", "notes.txt", ".mine.toml.x.part"):
        (presets.folder / name).write_text("thin = 0.5\n")
    os.mkfifo(presets.folder / "pipe.toml")  # reading it would never end
    listing = presets.listing()
    assert [preset["name"] for preset in listing["presets"]] == list(SHIPPED)
    assert len(listing["problems"]) == 3


def test_there_is_an_end_to_them(presets):
    """After a hundred presets of a person's own the next is refused; replacing one is not."""
    presets.folder.mkdir()
    for number in range(MAX_OWN):
        (presets.folder / f"look {number}.toml").touch()
    with pytest.raises(ParameterError, match="delete one"):
        presets.save("one more", Parameters())
    presets.save("look 7", Parameters(thin=0.5), replace=True)


def test_a_failed_write_leaves_the_old_one(presets, monkeypatch):
    """Where the disk is full, the preset is as it was, and nothing else lies in the folder."""
    presets.save("mine", Parameters(thin=0.1))

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ControlError, match="No space left on device"):
        presets.save("mine", Parameters(thin=0.2), replace=True)
    assert os.listdir(presets.folder) == ["mine.toml"]
    assert presets.values("mine")["thin"] == 0.1


@pytest.mark.parametrize("name", ["Büro", "朝の会議", "Ελλάδα 2", "हिन्दी", "Свет", "ä"])
def test_names_of_any_script(presets, name):
    """A name in any script is kept, listed, loaded in any case and with its accents written either way, and deleted."""
    presets.save(name, Parameters(thin=0.25))
    decomposed = unicodedata.normalize("NFD", name)
    for written in (name, name.upper(), name.casefold(), decomposed):
        assert presets.values(written)["thin"] == 0.25
    assert [p["name"] for p in presets.listing()["presets"] if not p["shipped"]] == [name]
    with pytest.raises(ParameterError, match="already"):
        presets.save(decomposed.upper(), Parameters())
    presets.delete(decomposed)
    assert not list(presets.folder.iterdir())


def test_shipped_names_in_any_case(presets):
    """A shipped preset is loaded in any case, and a misspelt one is guessed."""
    assert presets.values("DOLL") == presets.values("doll")
    with pytest.raises(ParameterError, match=r"did you mean doll\?"):
        presets.values("dol")
