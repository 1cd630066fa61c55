"""What the control plane has changed, for undo and redo, and the preset that is on.

One for all clients: what one has changed, another may take back. Switches (blank, freeze) are not in it, nor is whether
the room behind people is hidden: no undo shows the camera or the room again.

Guarantees: pure data and the presets' files; everything runs in the hub thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from livewarp.control.protocol.presets import Presets
from livewarp.control.protocol.refusals import NOT_DONE
from livewarp.errors import ControlError
from livewarp.knobs import Choice, Switch, Value
from livewarp.parameters import KNOBS, Parameters, hides_as_much

MAX_STEPS = 50
MERGE_S = 1.0  # changes of the same numbers that follow each other within this are one step: a drag

Files = Mapping[str, str | None]
"""Presets of a person's own by name: the text of each file; None: there is none."""


@dataclass(frozen=True, slots=True)
class Side:
    """What a step leads to, in one direction.

    Attributes
    ----------
    values
        The parameters that it changes.
    files
        The presets that it writes or deletes.
    preset
        The name of the preset that is on then.
    """

    values: Mapping[str, Value]
    files: Files
    preset: str | None


@dataclass(frozen=True, slots=True)
class _Step:
    before: Side
    after: Side
    made_s: float
    alone: bool = False  # no part of a drag


@dataclass
class History:
    """The steps that can be undone and redone.

    Parameters
    ----------
    presets
        Where a preset that is on comes from.
    clock
        Monotonic time, s.

    Attributes
    ----------
    preset
        The preset that was put on last, whatever has been changed since; None: none.
    """

    presets: Presets
    clock: Callable[[], float] = time.monotonic
    preset: str | None = None
    _done: deque[_Step] = field(default_factory=lambda: deque(maxlen=MAX_STEPS))
    _undone: list[_Step] = field(default_factory=list)
    _worn: Mapping[str, Value] = field(default_factory=dict)  # the values of `preset`

    def report(self) -> dict[str, int]:
        """How many steps can be undone and redone, ready for JSON."""
        return {"undo": len(self._done), "redo": len(self._undone)}

    def record(self, before: Parameters, after: Parameters, preset: str | None, alone: bool = False) -> None:
        """Note a change of parameters, after which this preset is on; `alone`: it is no part of a drag."""
        hides_alike = hides_as_much(before, after) and hides_as_much(after, before)
        revealing = {"background_compare"} | (set() if hides_alike else {"background", "hide_alone"})
        names = [name for name, value in after.items() if before.get(name, value) != value and name not in revealing]
        was, self.preset = self.preset, preset
        if preset != was:
            self._reread()
        if names or preset != was:
            old, new = ({name: p[name] for name in names} for p in (before, after))
            self._add(_Step(Side(old, {}, was), Side(new, {}, preset), self.clock(), alone))

    def record_files(self, before: Files, after: Files, preset: str | None) -> None:
        """Note a change of presets, after which this one is on; `before`, `after`: all of them."""
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        was, self.preset = self.preset, preset
        self._reread()
        if names:
            old, new = ({name: files.get(name) for name in names} for files in (before, after))
            self._add(_Step(Side({}, old, was), Side({}, new, preset), self.clock()))

    def undo(self) -> Side:
        """Take the last step back: what that leads to. Raises `ControlError` where there is none."""
        return self._move(self._done, self._undone, "undo", lambda step: step.before)

    def redo(self) -> Side:
        """Do again what was undone last. Raises `ControlError` where there is none."""
        return self._move(self._undone, self._done, "redo", lambda step: step.after)

    def worn(self, parameters: Mapping[str, Value]) -> dict[str, Any]:
        """The preset that is on, ready for JSON: {name, edited}; name None: none is.

        One whose values are all set is on, however they came to be.
        """
        if self.preset is not None:
            return {"name": self.preset, "edited": not _wears(parameters, self._worn)}
        for preset in self.presets.listing()["presets"]:
            if _wears(parameters, preset["values"]):
                self.preset, self._worn = preset["name"], preset["values"]
                return {"name": self.preset, "edited": False}
        return {"name": None, "edited": False}

    def _add(self, step: _Step) -> None:
        self._undone.clear()
        last = self._done[-1] if self._done else None
        if last is not None and _is_one(last, step):
            step = replace(step, before=last.before)
            self._done.pop()
        self._done.append(step)

    def _move(self, source: Any, target: Any, what: str, side: Callable[[_Step], Side]) -> Side:
        if not source:
            raise ControlError(f"there is nothing to {what}", NOT_DONE)
        step = source[-1]
        to = side(step)
        for name, text in to.files.items():  # they may fail: then nothing has changed
            self.presets.restore(name, text)
        source.pop()
        target.append(replace(step, made_s=float("-inf")))  # no later change is one with it
        self.preset = to.preset
        self._reread()
        return replace(to, values={name: value for name, value in to.values.items() if name in KNOBS})

    def _reread(self) -> None:
        """The values of the preset that is on; one that is gone is on no more."""
        own = None if self.preset is None else self.presets.find(self.preset)
        self.preset, self._worn = (None, {}) if own is None else own


def _wears(parameters: Mapping[str, Value], values: Mapping[str, Value]) -> bool:
    return all(parameters.get(name, value) == value for name, value in values.items())


def _is_one(last: _Step, step: _Step) -> bool:
    """Whether two steps are one: a drag of the same numbers or colours."""
    names = step.after.values.keys()
    return (
        names == last.after.values.keys()
        and bool(names)
        and not (last.alone or step.alone)
        and step.made_s - last.made_s <= MERGE_S
        and step.after.preset == last.before.preset
        and not any(isinstance(KNOBS[name].kind, (Switch, Choice)) for name in names)
    )
