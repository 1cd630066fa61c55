"""The webcams' own controls, kept: what a person has set of a camera is set again whenever it is opened.

Kept by the camera's stable path, in a file of the user's state folder. A damaged file is a problem that the next
change mends; it never keeps a camera from being opened.

Guarantees: calls may come from several threads (`restore` from the one that opens the camera).
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from livewarp.errors import ParameterError, Problem, SourceError, did_you_mean
from livewarp.sources import Source
from livewarp.system import controls, v4l2
from livewarp.system.atomic import write_whole
from livewarp.system.controls import Control, ControlValue
from livewarp.system.regular import read_regular

_VERSION = 1
_MAX_BYTES = 262_144

_log = logging.getLogger(__name__)


class Cameras:
    """The controls of webcams, by their stable paths.

    Parameters
    ----------
    path
        The file; None: nothing is kept, and nothing restored.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._problem: Problem | None = None
        self._kept: dict[str, dict[str, ControlValue]] = {} if path is None else self._read(path)

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the file, or with what it should restore, while it lasts."""
        problem = self._problem
        return [] if problem is None else [problem]

    def describe(self, device: str) -> dict[str, Any]:
        """The camera and its controls, ready for JSON. Raises `SourceError` where it cannot be asked."""
        if not device:
            return {"camera": "", "controls": {}}
        with _opened(device) as fd:
            found = controls.controls(fd)
        return {"camera": device, "controls": {name: self._entry(device, name, c) for name, c in found.items()}}

    def set(self, device: str, values: Mapping[str, object]) -> dict[str, Any]:
        """Set these controls, or none where one is refused; keep them; what `describe` gives.

        Raises
        ------
        ParameterError
            There is no such control, or it does not take that.
        SourceError
            The camera cannot be asked, or refuses.
        """
        with _opened(device) as fd:
            found = controls.controls(fd)
            checked = {name: _checked(found, name, value) for name, value in values.items()}
            for name in checked:
                _check_active(found[name], checked)
            for name in controls.in_order(checked):
                _set(fd, found[name], checked[name])
        self._keep(device, {**self._kept.get(device, {}), **checked})
        return self.describe(device)

    def reset(self, device: str, names: Iterable[str] | None) -> dict[str, Any]:
        """Set these controls, or all, back to the camera's own defaults, and keep them no more; what `describe` gives.

        Raises
        ------
        ParameterError, SourceError
            As of `set`.
        """
        with _opened(device) as fd:
            found = controls.controls(fd)
            wanted = [name for name, control in found.items() if control.writable] if names is None else list(names)
            defaults = {name: _checked(found, name, found[name].default if name in found else 0) for name in wanted}
            # What an automatic one overrides comes first, while the camera still takes it.
            for name in reversed(controls.in_order(defaults)):
                if found[name].active:
                    _set(fd, found[name], defaults[name])
        kept = {} if names is None else self._kept.get(device, {})
        self._keep(device, {name: value for name, value in kept.items() if name not in defaults})
        return self.describe(device)

    def restored(self, source: Source) -> Source:
        """A source that has just been opened, with what is kept of its camera."""
        self.restore(getattr(source, "device", ""))
        return source

    def restore(self, device: str) -> None:
        """Set what is kept of a camera that has just been opened; what it does not take is a problem."""
        kept = self._kept.get(device)
        if not kept:
            return
        failed = []
        try:
            with v4l2.opened(device) as fd:
                for name in controls.in_order(kept):
                    # Read anew: switching an automatic one off makes others active.
                    control = controls.controls(fd).get(name)
                    if control is None or not control.writable or not control.active or control.value == kept[name]:
                        continue
                    try:
                        controls.set_control(fd, control, control.check(kept[name]))
                    except (OSError, ValueError):
                        failed.append(name)
        except OSError as error:
            failed = [f"all ({error.strerror})"]
        if failed:
            what = f"{device}: does not take what is kept of {', '.join(failed)}"
            self._problem = Problem(what, "livewarp camera --reset forgets it")
            _log.warning("%s", self._problem)
        else:
            _log.info("webcam %s: set as it was kept: %s", device, ", ".join(f"{n}={v}" for n, v in kept.items()))

    def _entry(self, device: str, name: str, control: Control) -> dict[str, Any]:
        manual = controls.MANUAL.get(name)
        return {
            "label": control.label,
            "type": control.kind,
            "value": control.value,
            "default": control.default,
            "min": control.minimum if control.kind == "number" else None,
            "max": control.maximum if control.kind == "number" else None,
            "step": control.step if control.kind == "number" else None,
            "choices": list(control.choices) if control.kind == "choice" else None,
            "active": control.active,
            "writable": control.writable,
            "overridden_by": manual[0] if manual is not None and not control.active else None,
            "kept": name in self._kept.get(device, {}),
        }

    def _keep(self, device: str, values: dict[str, ControlValue]) -> None:
        with self._lock:
            kept = {**self._kept, device: values}
            if not values:
                del kept[device]
            self._kept = kept
            if self._path is None:
                return
            try:
                write_whole(self._path, json.dumps({"version": _VERSION, "cameras": kept}, indent=1) + "\n")
            except OSError as error:
                what = f"cannot keep the webcam's controls in {self._path}: {error.strerror or error}"
                self._problem = Problem(what, "make room, or mend the rights")
            else:
                self._problem = None

    def _read(self, path: Path) -> dict[str, dict[str, ControlValue]]:
        try:
            document = json.loads(read_regular(path, _MAX_BYTES))
            if document["version"] != _VERSION:
                raise ValueError(f"version {document['version']!r}")
            kept: dict[str, dict[str, ControlValue]] = {}
            for device, values in document["cameras"].items():
                kept[device] = {str(n): v for n, v in values.items() if isinstance(v, (bool, int, str))}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            what = f"the webcam's kept controls are ignored, {path} is none of ours or damaged: {error}"
            self._problem = Problem(what, "the next `livewarp camera NAME=VALUE` mends it")
            _log.warning("%s", self._problem)
            return {}
        return kept


def kept_file() -> Path:
    """Where they are kept."""
    return user_state_path("livewarp") / "cameras.json"


@contextlib.contextmanager
def _opened(device: str) -> Iterator[int]:
    """A descriptor of the camera; what it refuses is a `SourceError`."""
    if not device:
        raise SourceError("camera: no webcam is used", remedy="`livewarp source` lists what there is")
    try:
        with v4l2.opened(device) as fd:
            yield fd
    except OSError as error:
        why = v4l2.refusal(error)
        raise SourceError(f"webcam {device}: {why.what}", remedy=why.remedy or "is it plugged in?") from error


def _checked(found: Mapping[str, Control], name: str, value: object) -> ControlValue:
    control = found.get(name)
    if control is None:
        allowed = ", ".join(found) or "this camera has none"
        raise ParameterError(name, value, allowed, f"camera: no control {name}", did_you_mean(name, found))
    if not control.writable:
        others = ", ".join(other for other, c in found.items() if c.writable)
        raise ParameterError(name, value, others, f"camera: {name} can only be read")
    try:
        return control.check(value)
    except (ValueError, OverflowError):
        raise ParameterError(name, value, control.allowed, f"camera: {name}: got {value!r}") from None


def _check_active(control: Control, wanted: Mapping[str, ControlValue]) -> None:
    """Refuse to set what an automatic control overrides, unless that one is switched off with it."""
    if control.active or control.name not in controls.MANUAL:
        return
    automatic, manual = controls.MANUAL[control.name]
    if wanted.get(automatic) != manual:
        off = str(manual).lower() if isinstance(manual, bool) else manual
        value = wanted[control.name]
        remedy = f"livewarp camera {automatic}={off} {control.name}={value}"
        allowed = f"none while {automatic} is automatic"
        raise ParameterError(control.name, value, allowed, f"camera: {control.name} is automatic now", remedy)


def _set(fd: int, control: Control, value: ControlValue) -> None:
    try:
        controls.set_control(fd, control, value)
    except OSError as error:
        what = f"camera: {control.name}={value} is refused: {(error.strerror or str(error)).lower()}"
        raise SourceError(what, remedy="`livewarp camera` lists what it takes") from error
