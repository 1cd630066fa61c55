"""Presets: sets of values by name, those shipped with livewarp and a person's own.

A preset is a value for every knob that presets hold (`Knob.in_presets`); what it does not name changes
nothing: a number is 0, a switch off, a colour or a choice at its default. It says nothing of the rest
(strength, enabled, mirror, ...): loading one does not switch the filter on or off.

A person's own are TOML files in the config folder, one each, that may be written by hand:
`presets/NAME.toml` with lines such as `thin = 0.5`.

Guarantees: a name is never a path; a file is written whole or not at all; a damaged one is skipped,
and named among the problems.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_config_path

from livewarp.control.protocol.refusals import NOT_DONE
from livewarp.errors import ControlError, ParameterError, did_you_mean
from livewarp.knobs import Knob, Value
from livewarp.parameters import KNOBS, check
from livewarp.system.atomic import write_whole
from livewarp.system.regular import read_text

SHIPPED: Mapping[str, Mapping[str, Value]] = {
    # A better day of the same face: a little narrower, eyes a little more open, a hint of a smile.
    "natural": {
        "thin": 0.45,
        "cheekbones": 0.15,
        "jaw": -0.15,
        "eyes": 0.3,
        "eye_openness": 0.15,
        "brow_height": 0.2,
        "nose_width": -0.3,
        "upper_lip": 0.2,
        "smile": 0.2,
    },
    # Narrower everywhere below the eyes, towards a V.
    "slim": {"thin": 1.0, "cheeks": -0.35, "jaw": -0.4, "chin_width": -0.45, "eyes": 0.15, "nose_width": -0.3},
    # Large eyes, small nose and chin, a short face, a small mouth with fuller lips.
    "doll": {
        "thin": 0.5,
        "face_length": -0.3,
        "forehead": 0.3,
        "chin_width": -0.6,
        "chin_length": -0.4,
        "eyes": 0.85,
        "eye_openness": 0.3,
        "brow_height": 0.3,
        "nose_width": -0.6,
        "nose_length": -0.35,
        "mouth_width": -0.35,
        "upper_lip": 0.5,
        "lower_lip": 0.45,
    },
    # High cheekbones over hollow cheeks, a firm jaw and chin, a slim nose, rising eyes and brows.
    "sculpted": {
        "thin": 0.25,
        "cheekbones": 0.75,
        "cheeks": -0.85,
        "jaw": 0.3,
        "chin_width": -0.2,
        "chin_length": 0.4,
        "eye_tilt": 0.5,
        "brow_tilt": 0.45,
        "nose_width": -0.35,
        "nose_bridge": -0.6,
    },
    # A good night's sleep: nothing that anybody would name.
    "fresh": {
        "skin_smooth": 0.25,
        "skin_even": 0.45,
        "under_eye": 0.6,
        "skin_rosy": 0.3,
        "eye_bright": 0.25,
        "teeth": 0.3,
    },
    # As if made up and lit for a broadcast.
    "studio": {
        "thin": 0.15,
        "skin_smooth": 0.6,
        "skin_even": 0.75,
        "under_eye": 0.7,
        "smile_lines": 0.45,
        "eye_bright": 0.4,
        "teeth": 0.5,
    },
    # Made up for the day: nobody would ask.
    "office": {
        "skin_smooth": 0.2,
        "skin_even": 0.45,
        "under_eye": 0.5,
        "lipstick": 0.35,
        "lipstick_colour": "#b5525a",
        "blush": 0.3,
        "eye_shadow": 0.25,
        "eye_liner": 0.3,
        "brow_tint": 0.3,
    },
    # For a dinner: red lips and darker lids.
    "evening": {
        "skin_smooth": 0.3,
        "skin_even": 0.55,
        "under_eye": 0.6,
        "eye_bright": 0.25,
        "lipstick": 0.8,
        "lipstick_colour": "#a8202f",
        "blush": 0.4,
        "eye_shadow": 0.6,
        "eye_shadow_colour": "#6a4a4c",
        "eye_liner": 0.7,
        "brow_tint": 0.45,
    },
    # To be seen from the last row.
    "stage": {
        "skin_smooth": 0.55,
        "skin_even": 0.75,
        "under_eye": 0.7,
        "eye_bright": 0.4,
        "teeth": 0.4,
        "lipstick": 1.0,
        "lipstick_colour": "#c01830",
        "blush": 0.75,
        "eye_shadow": 0.9,
        "eye_shadow_colour": "#5a4a78",
        "eye_liner": 1.0,
        "brow_tint": 0.7,
    },
    # Some thirty years later.
    "grandparent": {"age": 0.8},
}
"""The presets that come with livewarp."""

MAX_OWN = 100
_MAX_BYTES = 65_536
_MAX_NAME = 40  # characters: at most 160 bytes, where file systems take 255
# What the command line means otherwise, and what Windows takes for a device.
_RESERVED = re.compile(r"list|save|delete|rename|export|import|con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)
_NAME_ALLOWED = (
    f"1 to {_MAX_NAME} letters and digits of any script, spaces, - and _, from a letter or digit on; "
    "not list, save, delete, rename, export, import"
)

log = logging.getLogger(__name__)


class _Read(NamedTuple):
    """What a file said when it was read last."""

    stamp: tuple[int, int]
    values: Mapping[str, Value]
    problem: str | None


class Presets:
    """The presets there are.

    Parameters
    ----------
    folder
        Where a person's own are; None: `presets` in the user's config folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = user_config_path("livewarp") / "presets" if folder is None else folder
        self._files: dict[str, _Read] = {}  # by file name, so that a listing reads only what has changed

    def listing(self) -> dict[str, Any]:
        """All of them with their values, and what is wrong with files that are skipped; ready for JSON."""
        own, problems = self._own()
        presets = [(name, True, values) for name, values in SHIPPED.items()]
        presets += [(name, False, values) for name, values in own.items()]
        return {
            "presets": [{"name": n, "shipped": shipped, "values": _complete(v)} for n, shipped, v in presets],
            "problems": problems,
        }

    def values(self, name: str) -> dict[str, Value]:
        """A preset's value for each knob that presets hold. Raises `ParameterError` for a name there is not.

        Upper and lower case are one, and so are the ways to write an accented letter.
        """
        return self.get(name)[1]

    def get(self, name: str) -> tuple[str, dict[str, Value]]:
        """The same, after the name as it is written."""
        found = self.find(name)
        if found is None:
            presets = {**SHIPPED, **self._own()[0]}
            what, remedy = f"unknown preset {name[:80]!r}", did_you_mean(name, presets)
            raise ParameterError("name", name, ", ".join(presets), what, remedy)
        return found

    def find(self, name: str) -> tuple[str, dict[str, Value]] | None:
        """The same, or None."""
        presets: dict[str, Mapping[str, Value]] = {**SHIPPED, **self._own()[0]}
        known = _same(name, presets)
        return None if known is None else (known, _complete(presets[known]))

    def texts(self) -> dict[str, str]:
        """The files of a person's own, by name; damaged ones too, but none that cannot be read."""
        texts = {}
        for name in self._names():
            with contextlib.suppress(OSError, ValueError):
                texts[name] = read_text(self._path(name), _MAX_BYTES)
        return texts

    def restore(self, name: str, text: str | None) -> None:
        """Write a file as `texts` had it; None: delete it. Raises `ControlError`."""
        try:
            if text is None:
                self._path(name).unlink(missing_ok=True)
            else:
                write_whole(self._path(name), text)
        except OSError as error:
            raise _not_done("restore", self.folder, error) from error

    def save(self, name: str, parameters: Mapping[str, Value], replace: bool = False) -> dict[str, Value]:
        """Keep those of these parameters that presets hold under a name; what was kept.

        The name is kept as it was typed, its accents composed (NFC).

        Parameters
        ----------
        replace
            Whether one of that name may be replaced.

        Raises
        ------
        ParameterError
            The name is not allowed, is shipped, or is taken and `replace` is false.
        ControlError
            The file cannot be written.
        """
        name = unicodedata.normalize("NFC", name)
        taken = self._check_new(name)
        if taken is not None and not replace:
            raise ParameterError("name", name, "another name, or replace: true", f"there is a preset {taken!r} already")
        if taken is None and len(self._own()[0]) >= MAX_OWN:
            raise ParameterError("name", name, f"{MAX_OWN} presets", remedy="delete one first")
        values = _complete(parameters)
        try:
            write_whole(self._path(taken or name), text_of(name, values))
        except OSError as error:
            raise _not_done("save", self.folder, error) from error
        return values

    def delete(self, name: str) -> None:
        """Delete one of a person's own, a damaged one too."""
        try:
            self._path(self._check_own(name)).unlink()
        except OSError as error:
            raise _not_done("delete", self.folder, error) from error

    def rename(self, name: str, to: str) -> None:
        """Give one of a person's own another name, which nothing else has."""
        name, to = self._check_own(name), unicodedata.normalize("NFC", to)
        path = self._path(name)
        taken = self._check_new(to, "to")
        if taken is not None and taken != name:  # a change of case alone is one of name, too
            raise ParameterError("to", to, "another name", f"there is a preset {taken!r} already")
        try:
            os.rename(path, self._path(to))
        except OSError as error:
            raise _not_done("rename", self.folder, error) from error

    def _path(self, name: str) -> Path:
        assert _is_name(name)
        return self.folder / f"{name}.toml"

    def _check_new(self, name: str, param: str = "name") -> str | None:
        """The file that has this name already, however written; `ParameterError` if none may have it."""
        if not _is_name(name):
            raise ParameterError(param, name, _NAME_ALLOWED)
        if _same(name, SHIPPED) is not None:
            raise ParameterError(param, name, "another name", f"preset {name!r} is shipped with livewarp")
        return _same(name, self._names())

    def _check_own(self, name: str) -> str:
        if _same(name, SHIPPED) is not None:
            raise ParameterError("name", name, "your own presets", f"preset {name!r} is shipped with livewarp")
        names = self._names()
        known = _same(name, names)
        if known is None:
            allowed = ", ".join(names) or "none, you have not saved one"
            what = f"no preset {name[:80]!r} of your own"
            raise ParameterError("name", name, allowed, what, did_you_mean(name, names))
        return known

    def _names(self) -> list[str]:
        """The names of a person's own, damaged ones too."""
        return sorted(path.stem for path in self._paths() if _is_name(path.stem))

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == ".toml" and path.name[0] != ".")
        except OSError:
            return []  # there is no folder before the first preset

    def _own(self) -> tuple[dict[str, Mapping[str, Value]], list[dict[str, str]]]:
        """A person's own presets, and what is wrong with files that are none."""
        presets: dict[str, Mapping[str, Value]] = {}
        problems: list[dict[str, str]] = []
        before, self._files = self._files, {}
        for path in self._paths():
            read = self._files[path.name] = _read(path, before.get(path.name))
            if read.problem is None:
                presets[path.stem] = read.values
                continue
            problem = {"what": f"preset {path}: {read.problem}", "remedy": "fix the file, or delete it"}
            problems.append(problem)
            if path.name not in before or before[path.name].problem != read.problem:
                log.warning("%s; %s", problem["what"], problem["remedy"])
        return presets, problems


def text_of(name: str, values: Mapping[str, Value]) -> str:
    """A preset as the text of its file: those values that change something."""
    lines = [f"# A preset of livewarp: `livewarp preset '{name}'` puts it on. What is not named is 0 or off.\n"]
    told = {name: values[name] for name, knob in held().items() if values[name] != knob.neutral}
    return "".join([*lines, *(f"{name} = {json.dumps(value)}\n" for name, value in told.items())])


def read_text_of(text: str) -> dict[str, Value]:
    """The values that such a text names. Raises `ValueError` where it is no TOML, `ParameterError` for its values."""
    return check(tomllib.loads(text), held())


def held() -> dict[str, Knob]:
    """The knobs that presets hold, by name."""
    return {name: knob for name, knob in KNOBS.items() if knob.in_presets}


def _is_name(text: str) -> bool:
    """Whether a preset may have this name: a file name on every system, and no word of the command line."""
    if not 1 <= len(text) <= _MAX_NAME or text[-1] == " " or _RESERVED.fullmatch(text):
        return False
    kinds = [unicodedata.category(letter)[0] for letter in text]
    return kinds[0] in "LN" and all(k in "LMN" or c in " _-" for k, c in zip(kinds, text, strict=True))


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _same(name: str, names: Iterable[str]) -> str | None:
    """That of the names which is the same but for case and the way that accents are written; None: none is."""
    given = list(names)
    return name if name in given else next((known for known in given if _key(known) == _key(name)), None)


def _complete(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: values.get(name, knob.neutral) for name, knob in held().items()}


def _read(path: Path, before: _Read | None) -> _Read:
    """What a file says; not read again where it has not changed."""
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if before is not None and before.stamp == stamp:
            return before
        if not _is_name(path.stem):
            return _Read(stamp, {}, f"its name is none that a preset may have; allowed: {_NAME_ALLOWED}")
        if _same(path.stem, SHIPPED) is not None:
            return _Read(stamp, {}, "livewarp has a preset of that name; give yours another")
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:  # reading a pipe would never end
            return _Read(stamp, {}, f"allowed: a plain file of at most {_MAX_BYTES} bytes")
        return _Read(stamp, read_text_of(read_text(path, _MAX_BYTES)), None)
    except (OSError, ValueError, RecursionError) as error:  # not TOML, not UTF-8, a `ParameterError`
        return _Read((0, 0), {}, str(error))


def _not_done(what: str, folder: Path, error: OSError) -> ControlError:
    return ControlError(f"cannot {what} a preset in {folder}: {error.strerror or error}", NOT_DONE)
