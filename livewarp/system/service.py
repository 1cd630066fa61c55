"""`livewarp service`: the daemon as a systemd user unit, hardened as far as a camera and a compiler allow.

The unit is one table; its second half, the sandbox, is left out where it cannot work.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path, user_config_path, user_data_path, user_state_path

from livewarp.errors import LivewarpError
from livewarp.system.atomic import SHARED, write_whole
from livewarp.system.machine import Machine

UNIT = "livewarp.service"
LOG_LINES = 10

Entry = tuple[str, str]  # key and value; of an empty key the value is a comment

_SERVICE: tuple[Entry, ...] = (
    ("Type", "notify"),
    ("NotifyAccess", "main"),
    ("", "A start may have to compile the kernels."),
    ("TimeoutStartSec", "180"),
    ("TimeoutStopSec", "15"),
    ("WatchdogSec", "20"),
    ("", "Exit status 2 is a mistake in the settings: trying again would not mend it."),
    ("Restart", "on-failure"),
    ("RestartSec", "2"),
    ("RestartPreventExitStatus", "2"),
    ("Environment", "PYTHONUNBUFFERED=1"),
)
# By seccomp and prctl: these work in every user manager. MemoryDenyWriteExecute is not among them, because numba
# compiles the kernels while the program runs; nor PrivateDevices, because the camera is a device.
_HARDENED: tuple[Entry, ...] = (
    ("NoNewPrivileges", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallErrorNumber", "EPERM"),
    ("UMask", "0077"),
    ("LimitCORE", "0"),
)
# By name spaces: a user manager needs a user name space for them. From inside one, other processes' open files
# cannot be seen, and without v4l2loopback's events (before 0.13) that is how livewarp finds out that someone watches.
_SANDBOX: tuple[Entry, ...] = (
    ("PrivateUsers", "yes"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "read-only"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectControlGroups", "yes"),
    ("PrivateTmp", "yes"),
    ("RuntimeDirectory", "livewarp"),
    ("RuntimeDirectoryMode", "0700"),
)
# systemd replaces % and $ in a command, and % everywhere.
_PLAIN = re.compile(r"[\w@%+=:,./-]+")


class ServiceError(LivewarpError):
    """systemd cannot be asked, or said no."""


@dataclass(frozen=True)
class Unit:
    """The unit as it is to be.

    Attributes
    ----------
    text
        What the file holds.
    notes
        What is worth saying about it, for people.
    """

    text: str
    notes: tuple[str, ...] = ()


def unit_path() -> Path:
    """Where the unit of this user lies."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "systemd" / "user" / UNIT


def unit(
    machine: Machine,
    options: Sequence[str] = (),
    files: Sequence[Path] = (),
    *,
    sandbox: bool = True,
    try_out: bool = True,
) -> Unit:
    """The unit that runs `livewarp run OPTIONS`.

    Parameters
    ----------
    files
        Which the daemon is to write beside its own.
    sandbox
        With its own view of the file system, where that works.
    try_out
        Ask systemd whether it does.
    """
    notes = []
    if sandbox and (why := _why_no_sandbox(machine, try_out)):
        sandbox = False
        notes.append(f"without the file system sandbox: {why}")
    entries: list[Entry] = [("ExecStart", command_line([sys.executable, "-m", "livewarp", "run", *options]))]
    # Relative names in the options mean what they meant to the person who typed them.
    entries += [("WorkingDirectory", _escaped(str(Path.cwd()))), *_SERVICE, *_HARDENED]
    if sandbox:
        # The folder of the installed package is read-only in there: compiled kernels go to the user's cache.
        cache = user_cache_path("livewarp") / "numba"
        entries += [("Environment", quoted(f"NUMBA_CACHE_DIR={cache}"))]
        entries += [*_SANDBOX, ("ReadWritePaths", " ".join(quoted(str(path)) for path in _written(files)))]
    return Unit(_as_text("Written by `livewarp service install`, which writes it anew.", entries), tuple(notes))


def packaged_unit(command: Sequence[str]) -> str:
    """The unit of an installed package, the same for every user: it runs `command` in the user's home."""
    entries = [("ExecStart", command_line(command)), ("WorkingDirectory", "~"), *_SERVICE, *_HARDENED]
    return _as_text("Of the livewarp package; `livewarp service install` writes one of your own beside it.", entries)


def _as_text(origin: str, service: Sequence[Entry]) -> str:
    return "\n".join(
        [
            f"# {origin}",
            "[Unit]",
            "Description=livewarp, a face filter between webcam and virtual camera",
            "After=pipewire.service wireplumber.service graphical-session-pre.target",
            "StartLimitIntervalSec=60",
            "StartLimitBurst=5",
            "",
            "[Service]",
            *(f"{key}={value}" if key else f"# {value}" for key, value in service),
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )


def install(machine: Machine, wanted: Unit) -> list[str]:
    """Write the unit, have it started now and with every login; what was done. Doing it twice is as good as once."""
    _need_systemd(machine)
    path, done = unit_path(), []
    before = path.read_text() if path.is_file() else None
    if before != wanted.text:
        write_whole(path, wanted.text, SHARED)
        done.append(f"{'wrote' if before is None else 'changed'} {path}")
    for folder in _own_folders():
        folder.mkdir(parents=True, exist_ok=True)  # the sandbox lets through what is there at the start
    _systemctl(machine, "daemon-reload")
    _systemctl(machine, "enable", UNIT)
    active = machine.run(["systemctl", "--user", "is-active", UNIT]).text.strip()
    if active not in ("active", "activating"):
        _systemctl(machine, "--no-block", "start", UNIT)
        done.append("started it; it starts with every login")
    elif before != wanted.text:
        _systemctl(machine, "--no-block", "restart", UNIT)
        done.append("restarted it")
    return done or ["installed and running already: nothing to do"]


def uninstall(machine: Machine) -> list[str]:
    """Stop the service and remove its unit; settings, presets and kept state stay."""
    path = unit_path()
    if not path.exists():
        return [f"not installed: no {path}"]
    _need_systemd(machine)
    _systemctl(machine, "disable", "--now", UNIT)
    path.unlink()
    _systemctl(machine, "daemon-reload")
    machine.run(["systemctl", "--user", "reset-failed", UNIT])  # says no where nothing has failed
    return [f"stopped it and removed {path}"]


def unit_status(machine: Machine) -> dict[str, Any]:
    """Whether it is installed, enabled and active, what it said of itself, and its last log lines."""
    _need_systemd(machine)
    keys = ("UnitFileState", "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "StatusText")
    said = _systemctl(machine, "show", UNIT, "--property", ",".join(keys))
    shown = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    journal = machine.run(
        ["journalctl", "--user", "--unit", UNIT, "--lines", str(LOG_LINES), "--no-pager", "--output", "cat"]
    )
    log = journal.text.splitlines() if journal.status == 0 else []
    return {
        "installed": unit_path().exists(),
        "enabled": shown.get("UnitFileState") == "enabled",
        "active": shown.get("ActiveState", "unknown"),
        "what": shown.get("SubState", ""),
        "pid": int(shown.get("MainPID") or 0) or None,
        "restarts": int(shown.get("NRestarts") or 0),
        "result": shown.get("Result", ""),
        "says": shown.get("StatusText", ""),
        "unit": str(unit_path()),
        "log": [line for line in log if not line.startswith("-- No entries")],
    }


def unit_status_as_text(found: dict[str, Any]) -> str:
    """A status, for people."""
    if not found["installed"]:
        return "not installed; livewarp service install -- --source webcam --sink virtualcam"
    enabled = "enabled" if found["enabled"] else "not enabled"
    pid = f", pid {found['pid']}" if found["pid"] else ""
    restarts = f", restarted {found['restarts']}×" if found["restarts"] else ""
    result = f", {found['result']}" if found["result"] not in ("", "success") else ""
    lines = [
        f"{enabled}, {found['active']} ({found['what']}{pid}{restarts}{result})",
        *([found["says"]] if found["says"] else []),
        found["unit"],
        *itertools.chain([""], found["log"]),
    ]
    return "\n".join(lines).rstrip()


def command_line(words: Sequence[str]) -> str:
    """A command for ExecStart=, in which nothing is replaced."""
    return " ".join(quoted(word.replace("$", "$$")) for word in words)


def quoted(word: str) -> str:
    """One word of a unit file, as it is."""
    word = _escaped(word)
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _written(files: Sequence[Path]) -> list[Path]:
    """Folders that the daemon writes to: its own, and those of these files."""
    return [*_own_folders(), *dict.fromkeys(file.absolute().parent for file in files)]


def _own_folders() -> list[Path]:
    return [path("livewarp") for path in (user_cache_path, user_config_path, user_data_path, user_state_path)]


def _why_no_sandbox(machine: Machine, try_out: bool) -> str | None:
    loaded = machine.path("/sys/module/v4l2loopback")
    if loaded.exists() and not (loaded / "version").exists():
        return "v4l2loopback before 0.13 does not tell who watches, and from in there nobody could be seen"
    if not try_out:
        return None
    properties = (f"--property={key}={value}" for key, value in _SANDBOX if not key.startswith("Runtime"))
    said = machine.run(["systemd-run", "--user", "--wait", "--collect", "--quiet", *properties, "true"])
    if said.status:
        last = said.text.strip().splitlines()[-1:] or [f"status {said.status}"]
        return f"it does not work on this system ({last[0]})"
    return None


def _need_systemd(machine: Machine) -> None:
    said = machine.run(["systemctl", "--user", "is-system-running"])
    if said.status == 127:
        raise ServiceError(
            "service: no systemctl here", allowed="Linux with systemd", remedy="docs/service.md has recipes for others"
        )
    if "connect to bus" in said.text or said.text.strip() in ("offline", "unknown"):
        why = said.text.strip().splitlines()[0]
        raise ServiceError(
            f"service: no systemd user manager answers ({why})",
            allowed="a login session",
            remedy="by ssh or sudo: sudo loginctl enable-linger $USER, then export XDG_RUNTIME_DIR=/run/user/$(id -u)",
        )


def _systemctl(machine: Machine, *words: str) -> str:
    command = ["systemctl", "--user", *words]
    said = machine.run(command)
    if said.status:
        raise ServiceError(f"service: {shlex.join(command)} failed: {' '.join(said.text.split())}")
    return said.text
