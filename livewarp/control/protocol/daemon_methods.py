"""The control methods about the daemon: its source, its model, its settings, its figures, its end."""

from __future__ import annotations

import os
from typing import Any

from livewarp import __version__
from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import PROTOCOL, Method
from livewarp.control.protocol.schema import BOOL, INTEGER, NONE, TEXT, listing, nullable, record, reference
from livewarp.errors import LivewarpError, ParameterError, SettingsError
from livewarp.settings import MODEL_NAMES
from livewarp.sources import names_path

_LISTED = "one that `sources` lists"


def _sources(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.daemon.sources()


def _switch_source(changes: Changes, params: dict[str, Any]) -> Any:
    wanted = params["source"]
    # Any user of this machine reaches a loopback port, and may watch the preview: a path given there would
    # show them files that only this user may read.
    if not (changes.session is not None and changes.session.private) and not _is_device(changes, wanted):
        raise ParameterError("source", wanted, f"{_LISTED}; a path only over the Unix socket (control.socket)")
    try:
        changes.switch_source(wanted)
    except SettingsError as error:
        raise _refused("source", wanted, error, _LISTED) from error
    return {"source": wanted}


def _is_device(changes: Changes, wanted: str) -> bool:
    """Whether a source names no path of a person's, or is one that the settings name."""
    if wanted == changes.daemon.settings.video.source or not names_path(wanted):
        return True
    return any(source["source"] == wanted for source in changes.daemon.sources())


def _use_model(changes: Changes, params: dict[str, Any]) -> Any:
    try:
        changes.daemon.use_model(params["name"])
    except SettingsError as error:
        raise _refused("name", params["name"], error, " or ".join(MODEL_NAMES)) from error
    return {"model": params["name"]}


def _refused(name: str, got: object, error: LivewarpError, allowed: str) -> ParameterError:
    """The refusal of a param that the daemon could not use."""
    problem = error.what if error.got is None else f"{error.what}: got {error.got}"
    return ParameterError(name, got, allowed, problem, error.remedy)


def _reload(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.reload()


def _stats(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.daemon.stats()


def _state(changes: Changes, params: dict[str, Any]) -> Any:
    return {**changes.daemon.state(), "preset": changes.history.worn(changes.parameters)}


def _version(changes: Changes, params: dict[str, Any]) -> Any:
    path = changes.socket_path
    socket = None if path is None else str(path)
    return {"version": __version__, "protocol": PROTOCOL, "pid": os.getpid(), "socket": socket}


def _stop(changes: Changes, params: dict[str, Any]) -> Any:
    changes.daemon.stop()
    return {"stopping": True, "pid": os.getpid()}


SETUP_METHODS = (
    Method("sources", _sources, "What `source.switch` may be given.", NONE, listing(reference("source"))),
    Method(
        "source.switch",
        _switch_source,
        "Take frames from another source; `state` says whether they come.",
        record({"source": TEXT}),
        record({"source": TEXT}),
        True,
        ("state",),
    ),
    Method(
        "model",
        _use_model,
        "Find landmarks with another model, once it is loaded; `state` says which one is used.",
        record({"name": {**TEXT, "description": " or ".join(MODEL_NAMES)}}),
        record({"model": TEXT}),
        True,
        ("state",),
    ),
    Method(
        "reload",
        _reload,
        "Read config.toml anew; what needs a restart is named.",
        NONE,
        record({"parameters": reference("parameters"), "restart": listing(TEXT)}, more=True),
        True,
        ("parameters", "preset", "history", "state"),
    ),
)

DAEMON_METHODS = (
    Method("stats", _stats, "Speed, latency, faces, load.", NONE, reference("stats")),
    Method("state", _state, "What the daemon is doing, and why.", NONE, reference("state")),
    Method(
        "version",
        _version,
        "Version, protocol, process id and Unix socket.",
        NONE,
        record({"version": TEXT, "protocol": INTEGER, "pid": INTEGER, "socket": nullable(TEXT)}),
    ),
    Method("stop", _stop, "End the daemon.", NONE, record({"stopping": BOOL, "pid": INTEGER}), True, urgent=True),
)
