"""Kept values: the live parameters as they were left, and whether the picture was blank, for the next start.

What is kept is what differs from the settings, each value beside the one of the settings that it was made
over: when that has changed since, a person has edited config.toml, and the kept value is dropped.

Guarantees: pure file work, no clock; `write` may be called in any thread, the rest in one; a damaged file never loses
`blank` or a hidden background: where it does not say that nothing was hidden, all is; what cannot be read or written is
a problem while it lasts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_state_path

from livewarp.errors import ParameterError, Problem
from livewarp.knobs import Value
from livewarp.parameters import Parameters, hides, knob
from livewarp.system.atomic import PRIVATE, write_whole
from livewarp.system.regular import read_regular
from livewarp.system.runtime import make_private

_VERSION = 1
_MAX_DAEMONS = 16  # of one user at a time, that keep values
# Names that Windows lacks, where nothing is locked.
_LOCK_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_OPEN = (b'"blank": false', b'"hides": false')  # as `_text` writes it: nothing was to be hidden
_MAX_BYTES = 65_536
_NEVER = frozenset({"overlay", "background_compare"})  # never shown without being asked for

log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    value: Value
    over: Value  # what the settings said when it was made


class Kept:
    """The values that outlive the daemon.

    Parameters
    ----------
    path
        The file; None: `kept.json` in the user's state folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = user_state_path("livewarp") / "kept.json" if path is None else path
        self._entries: dict[str, _Entry] = {}  # swapped whole, as `_blank` is: `write` may read in another thread
        self._blank = False
        self._config: Mapping[str, Value] = {}
        self._initial: Mapping[str, Value] = {}
        self._last: Mapping[str, Value] = {}  # as `note` saw them last
        self._written = _text({}, False)
        self._writing = threading.Lock()
        self._shared: Problem | None = None
        self._reading: Problem | None = None
        self._writing_problem: Problem | None = None

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the file, while it lasts."""
        return [problem for problem in (self._shared, self._reading, self._writing_problem) if problem is not None]

    @property
    def is_written(self) -> bool:
        """Whether the last attempt to write worked."""
        return self._writing_problem is None

    def claim(self) -> None:
        """Have the file for oneself: where another daemon of this user has it, take the next one, and say so."""
        try:
            import fcntl
        except ImportError:
            return  # Windows: two daemons there share it
        first = self.path
        for number in range(1, _MAX_DAEMONS + 1):
            path = first if number == 1 else first.with_stem(f"{first.stem}-{number}")
            try:
                make_private(path.parent)
                lock = os.open(path.with_suffix(".lock"), _LOCK_FLAGS, PRIVATE)  # held to the end of the process
            except OSError:
                return  # `write` will say that nothing can be written there
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            self.path = path
            break
        if self.path != first:
            what = f"another livewarp of yours keeps its values in {first}; this one uses {self.path}"
            self._shared = Problem(what, "stop one of them to have one set of values")

    def load(self, config: Parameters, options: Mapping[str, Value] | None = None) -> tuple[Parameters, bool]:
        """The parameters to start with, and whether to start blank.

        Parameters
        ----------
        config
            The values of the settings, over which kept ones go.
        options
            What the command line says, which goes over kept ones. It is for this run: the kept value stays
            for the next one until somebody changes the parameter.
        """
        self._config = config
        self._initial = config.replace(**(options or {}))
        self._entries, self._blank, self._reading = _read(self.path, config)
        self._written = _text(self._entries, self._blank) if self._reading is None else ""
        values = {name: entry.value for name, entry in self._entries.items()}
        start = config.replace(**values).replace(**(options or {}))
        self._last = start
        if values:
            names = ", ".join(f"{name}={knob(name).kind.show(value)}" for name, value in values.items())
            log.info("kept from the last run: %s (for the values of the settings: livewarp reset)", names)
        return start, self._blank

    def reload(self, config: Mapping[str, Value], initial: Mapping[str, Value]) -> None:
        """The settings were read anew: what was kept over another value is dropped."""
        self._config, self._initial = config, initial
        self._entries = {name: e for name, e in self._entries.items() if config.get(name) == e.over}

    def note(self, parameters: Mapping[str, Value], blank: bool) -> None:
        """Take over what has been changed since the last time."""
        entries = dict(self._entries)
        for name, value in parameters.items():
            if value == self._last[name] or name in _NEVER:
                continue
            if value == self._initial[name]:
                entries.pop(name, None)
            else:
                entries[name] = _Entry(value, self._config[name])
        self._last, self._entries, self._blank = parameters, entries, blank

    def write(self) -> None:
        """Write what is new, whole or not at all."""
        with self._writing:
            text = _text(self._entries, self._blank)
            if text == self._written:
                return
            try:
                write_whole(self.path, text)
            except OSError as error:
                what = f"cannot keep the parameters in {self.path}: {error.strerror or error}"
                if self._writing_problem is None:
                    log.warning(what)
                self._writing_problem = Problem(
                    what, "a restart would lose them, and blank: make room, or mend the rights"
                )
                return
            if self._writing_problem is not None:
                log.info("the parameters are kept again, in %s", self.path)
            self._writing_problem = self._reading = None
            self._written = text


def _text(entries: Mapping[str, _Entry], blank: bool) -> str:
    parameters = {name: entry._asdict() for name, entry in entries.items()}
    hidden = hides(
        {"background": "none", "hide_alone": False, **{name: entry.value for name, entry in entries.items()}}
    )
    document = {"version": _VERSION, "blank": blank, "hides": hidden, "parameters": parameters}
    return json.dumps(document, indent=1) + "\n"


def _read(path: Path, config: Mapping[str, Value]) -> tuple[dict[str, _Entry], bool, Problem | None]:
    """The kept values that still hold, blank, and why they are not all.

    A file that cannot be read as ours starts blanked, unless it says, intact, that neither the picture was nor the room
    behind people hidden.
    """
    text = b""
    try:
        text = read_regular(path, _MAX_BYTES)
        document = json.loads(text)
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']!r}")
        blank = document["blank"] is True
        entries = {}
        given: dict[str, dict[str, Any]] = document["parameters"]
        for name, entry in given.items():
            value, over = entry["value"], entry["over"]
            with contextlib.suppress(ParameterError):  # its bounds are others by now
                if config.get(name) == over and name not in _NEVER:
                    entries[name] = _Entry(knob(name).check(value), over)
    except (FileNotFoundError, NotADirectoryError):
        return {}, False, None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        blank = not all(each in text for each in _OPEN)
        what = f"kept values ignored, {path} is none of ours or damaged: {error}"
        log.warning("%s%s", what, "; blanked, as it or the background may have been hidden" if blank else "")
        return (
            {},
            blank,
            Problem(what, "`livewarp blank off` shows the picture" if blank else "the next change mends it"),
        )
    return entries, blank, None
