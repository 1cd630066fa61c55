"""Sources: where frames come from. `SOURCE_KINDS` is the one table of them.

A new source is a module with a function that plans it, and an entry here: options, error texts,
`livewarp devices`, `livewarp doctor` and the control method `sources` derive from the table. What an entry
needs is imported when it is called, so that commands which only name sources start at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livewarp.errors import SettingsError, SourceError, did_you_mean
from livewarp.sources.plan import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, Fit, Plan, Request, Source, SourceChoice
from livewarp.sources.sitters import SITTERS
from livewarp.system.regular import expanded

if TYPE_CHECKING:
    from livewarp.sources.attached import AttachedCamera
    from livewarp.system.machine import Machine

__all__ = [
    "ALLOWED",
    "DEFAULT_FPS",
    "DEFAULT_HEIGHT",
    "DEFAULT_WIDTH",
    "SOURCE_KINDS",
    "Fit",
    "Plan",
    "Request",
    "Source",
    "SourceChoice",
    "SourceKind",
    "check_source",
    "check_there",
    "names_path",
    "open_source",
    "plan_source",
    "source_kind",
    "spelled_out",
]


@dataclass(frozen=True)
class SourceKind:
    """A kind of source.

    Attributes
    ----------
    name
        How a person asks for it, up to a colon; "": by any other text.
    forms
        All ways to ask for it, for people.
    pattern
        The whole text that asks for it, as a regular expression.
    plan
        Gets that text. Raises `SourceError` where what it names is not there.
    choices
        What there is of it to choose from now; quick, opens nothing.
    devices
        The cameras of this kind at a machine, as `livewarp devices` and `livewarp doctor` list them; None: it needs
        no device.
    remark
        What a person should know who uses it in a call.
    check
        Raises `SourceError` where what the text names is not there now, though it may come.
    file
        Whether the text is the path of a file.
    """

    name: str
    forms: tuple[str, ...]
    pattern: str
    plan: Callable[[str, Request], Plan]
    choices: Callable[[], list[SourceChoice]] = list
    devices: Callable[[Machine], tuple[AttachedCamera, ...]] | None = None
    remark: str = ""
    check: Callable[[str], None] = lambda wanted: None
    file: bool = False


def _plan_auto(wanted: str, request: Request) -> Plan:
    from livewarp.sources.auto import plan_auto

    return plan_auto(wanted, request)


def _plan_webcam(wanted: str, request: Request) -> Plan:
    from livewarp.sources.webcam import plan_webcam

    return plan_webcam(wanted, request)


def _check_webcam(wanted: str) -> None:
    from livewarp.sources.nodes import check_webcam

    check_webcam(wanted)


def _webcam_choices() -> list[SourceChoice]:
    from livewarp.sources.nodes import webcam_choices

    return webcam_choices()


def _webcams(machine: Machine) -> tuple[AttachedCamera, ...]:
    from livewarp.sources.attached import attached_webcams

    return attached_webcams(machine)


def _plan_session(wanted: str, request: Request) -> Plan:
    from livewarp.sources.sessioncamera import plan_session

    return plan_session(wanted, request)


def _session_choices() -> list[SourceChoice]:
    from livewarp.sources.sessionnodes import session_choices

    return session_choices()


def _session_cameras(machine: Machine) -> tuple[AttachedCamera, ...]:
    from livewarp.sources.sessionnodes import session_cameras

    return session_cameras(machine)


def _plan_portrait(wanted: str, request: Request) -> Plan:
    from livewarp.sources.portrait import plan_portrait

    return plan_portrait(wanted, request)


def _plan_file(wanted: str, request: Request) -> Plan:
    from livewarp.sources.file import plan_file

    return plan_file(wanted, request)


SOURCE_KINDS: tuple[SourceKind, ...] = (
    SourceKind("auto", ("auto (a webcam, else the portrait)",), "auto", _plan_auto, devices=_webcams),
    SourceKind(
        "webcam",
        ("webcam", "webcam:INDEX", "webcam:/dev/...", "INDEX", "/dev/..."),
        "webcam(:([0-9]{1,3}|/.+))?",
        _plan_webcam,
        choices=_webcam_choices,
        devices=_webcams,
        check=_check_webcam,
    ),
    SourceKind(
        "pipewire",
        ("pipewire", "pipewire:NAME"),
        "pipewire(:.+)?",
        _plan_session,
        choices=_session_choices,
        devices=_session_cameras,
    ),
    SourceKind(
        "portrait",
        ("portrait", "portrait:2"),
        "portrait(:[12])?",
        _plan_portrait,
        choices=lambda: [
            SourceChoice(sitter.name, f"built-in portrait ({sitter.credit})", f"{sitter.name} ") for sitter in SITTERS
        ],
        remark="the built-in portrait: a call would see that, not you",
    ),
    SourceKind("", ("the path of a video or image",), "(?s:.+)", _plan_file, file=True),
)
"""In the order in which they are listed; the last one takes every text that is no other's."""

_WEBCAM = re.compile(r"[0-9]{1,3}|/dev/.+")
_FORMS = [form for kind in SOURCE_KINDS for form in kind.forms]
ALLOWED = f"{', '.join(_FORMS[:-1])} or {_FORMS[-1]}"


def spelled_out(wanted: str) -> str:
    """The source in full: a bare index or device node is a webcam's."""
    return f"webcam:{wanted}" if _WEBCAM.fullmatch(wanted) else wanted


def source_kind(wanted: str) -> SourceKind:
    """The kind of source that the text asks for.

    Raises
    ------
    SettingsError
        It names no source.
    """
    wanted = spelled_out(wanted)
    name = wanted.partition(":")[0]
    kind = next((kind for kind in SOURCE_KINDS[:-1] if kind.name == name), SOURCE_KINDS[-1])
    if not re.fullmatch(kind.pattern, wanted):
        raise SettingsError("source", got=repr(wanted), allowed=ALLOWED)
    return kind


def check_source(wanted: str) -> SourceKind:
    """The kind of source that the text asks for; a file is there.

    Raises
    ------
    SettingsError
        It names no source.
    SourceError
        It names a file that is missing.
    """
    kind = source_kind(wanted)
    if kind.file and not expanded(wanted).is_file():
        remedy = did_you_mean(wanted, (kind.name for kind in SOURCE_KINDS[:-1]))
        raise SourceError("source", got=f"{wanted!r}, which is no file", allowed=ALLOWED, remedy=remedy)
    return kind


def check_there(wanted: str) -> None:
    """Raise `SourceError` where the source that the text asks for is not there now."""
    check_source(wanted).check(spelled_out(wanted))


def names_path(wanted: str) -> bool:
    """Whether the text names a path, or may do so: then it is a file that perhaps its owner alone may read."""
    try:
        return source_kind(wanted).file or "/" in wanted
    except SettingsError:
        return True


def plan_source(
    wanted: str,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    loop: bool = False,
    fit: Fit = "letterbox",
) -> Plan:
    """How to open the source that a person asked for; the other parameters are those of `Request`.

    A file is opened at once where it is to say its own size or rate, else when it is needed.

    Raises
    ------
    SettingsError
        `wanted` names no source.
    SourceError
        It names a file that is missing or cannot be opened.
    """
    return check_source(wanted).plan(spelled_out(wanted), Request(width, height, fps, loop, fit))


def open_source(
    wanted: str,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    loop: bool = False,
    fit: Fit = "letterbox",
) -> Source:
    """The source that a person asked for, open; the other parameters are those of `Request`.

    Raises
    ------
    SettingsError
        `wanted` names no source.
    SourceError
        It cannot be opened or delivers no frame.
    """
    return plan_source(wanted, width, height, fps, loop, fit).open()
