"""`livewarp doctor --fix` and `--undo`: the steps of the findings, shown, done, and taken back.

What needs root is one script that is run once, by pkexec or sudo. Files are those that docs/apps.md names, and no
others. What was done is kept in the state folder, so that all of it, and nothing else, can be taken back.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from platformdirs import user_state_path

from livewarp.doctor.finding import Finding, Mending
from livewarp.errors import LivewarpError
from livewarp.system.atomic import write_whole
from livewarp.system.machine import Machine
from livewarp.system.regular import read_regular

_VERSION = 1
_MAX_BYTES = 262_144

Run = Callable[[Sequence[str]], int]


def steps_of(findings: Iterable[Finding]) -> list[Mending]:
    """What would be done about them, each thing once, in their order."""
    return list(dict.fromkeys(step for finding in findings for step in finding.fix))


def described(steps: Sequence[Mending], home: str = "") -> list[str]:
    """What will be run and written, for people: root's first, as it is done."""
    lines = []
    for step in _ordered(steps):
        lines.append(f"{'as root' if step.root else 'as you'}: {step.what}")
        if step.path:
            lines += [f"    write {_real(step.path, home)}", *(f"      {line}" for line in step.text.splitlines())]
        if step.command:
            lines.append(f"    {step.command}")
    return lines


def fix(machine: Machine, steps: Sequence[Mending], run: Run = subprocess.call) -> None:
    """Do them. Raises `LivewarpError` where one fails; what was done before is kept for `undo` all the same."""
    home = machine.environ.get("HOME", "")
    for root in (True, False):
        part = [step for step in steps if step.root is root]
        if part:
            commands = [command for step in part for command in _doing(machine, step, home)]
            _remember(part)  # first: a step that fails half may have done something
            _run(machine, commands, root, run)


def undo(machine: Machine, run: Run = subprocess.call) -> list[Mending]:
    """Take back what `fix` has done, the last first; what that was. Raises `LivewarpError` where it fails."""
    steps = remembered()
    home = machine.environ.get("HOME", "")
    for root in (True, False):
        part = [step for step in reversed(steps) if step.root is root]
        commands = [command for step in part for command in _undoing(machine, step, home)]
        if commands:
            _run(machine, commands, root, run)
    journal().unlink(missing_ok=True)
    return steps


def remembered() -> list[Mending]:
    """What `fix` has done and `undo` has not taken back."""
    try:
        document = json.loads(read_regular(journal(), _MAX_BYTES))
        return [Mending(**step) for step in document["steps"]] if document["version"] == _VERSION else []
    except (OSError, ValueError, LookupError, TypeError):
        return []


def journal() -> Path:
    """Where that is kept."""
    return user_state_path("livewarp") / "doctor.json"


def _remember(steps: Sequence[Mending]) -> None:
    known = [*remembered(), *steps]
    document = {"version": _VERSION, "steps": [vars(step) for step in dict.fromkeys(known)]}
    try:
        write_whole(journal(), json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise LivewarpError(
            f"doctor: {journal()} cannot be written: {error}, so that nothing could be undone"
        ) from error


def _ordered(steps: Sequence[Mending]) -> list[Mending]:
    return [*(step for step in steps if step.root), *(step for step in steps if not step.root)]


def _real(path: str, home: str) -> str:
    return path.replace("~", home, 1) if path.startswith("~") else path


def _file(machine: Machine, step: Mending, home: str) -> str:
    return shlex.quote(str(machine.path(_real(step.path, home))))


def _doing(machine: Machine, step: Mending, home: str) -> list[str]:
    commands = []
    if step.path:
        file = _file(machine, step, home)
        commands += [f"mkdir -p $(dirname {file})", f"printf %s {shlex.quote(step.text)} > {file}"]
    return commands + ([step.command] if step.command else [])


def _undoing(machine: Machine, step: Mending, home: str) -> list[str]:
    # What cannot be taken back (a package that is needed by now, a module in use) keeps nothing else from it.
    commands = [f"{step.undo} || true"] if step.undo else []
    return commands + ([f"rm -f {_file(machine, step, home)}"] if step.path else [])


def _run(machine: Machine, commands: Sequence[str], root: bool, run: Run) -> None:
    script = "set -e\n" + "\n".join(commands)
    command = [*(_as_root(machine) if root else []), "sh", "-c", script]
    status = run(command)
    if status:
        what = f"doctor: {'as root: ' if root else ''}a command failed (status {status})"
        raise LivewarpError(what, remedy="see above; `livewarp doctor --undo` takes back what was done")


def _as_root(machine: Machine) -> list[str]:
    """How this user becomes root: a window of the desktop, or the terminal's sudo."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    desktop = machine.environ.get("WAYLAND_DISPLAY") or machine.environ.get("DISPLAY")
    sudo = shutil.which("sudo")
    if sudo and sys.stdin.isatty():
        return [sudo]
    pkexec = shutil.which("pkexec")
    if pkexec and desktop:
        return [pkexec]
    if sudo:
        return [sudo]
    raise LivewarpError("doctor: neither sudo nor pkexec is here", remedy="run the commands that are shown as root")
