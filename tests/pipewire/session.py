"""A PipeWire session of its own for tests: bus, daemon, session manager and camera portal in a private folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
PROGRAMS = ("dbus-daemon", "pipewire", "wireplumber", "pw-dump")
READY_S = 500.0

T = TypeVar("T")


def missing(*programs: str) -> str:
    """Why there can be no session here, or nothing."""
    lacking = [name for name in (*PROGRAMS, *programs) if shutil.which(name) is None]
    return f"not installed here: {', '.join(lacking)}" if lacking else ""


def until(what: Callable[[], T], timeout_s: float = READY_S, every_s: float = 0.02) -> T:
    """Ask until the answer is true; the answer."""
    deadline = time.monotonic() + timeout_s
    while not (answer := what()):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(every_s)
    return answer


class Session:
    """The programs of a session; more can be run in it."""

    def __init__(self) -> None:
        # Not in the folder of the test: the path of a socket may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="livewarp-"))
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "HOME": str(self.folder),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.folder / 'bus'}",
        }
        self._running: list[subprocess.Popen[bytes]] = []
        bus = self.environment["DBUS_SESSION_BUS_ADDRESS"]
        self.run("dbus-daemon", "--session", f"--address={bus}", "--nofork")
        until((self.folder / "bus").exists)
        self.start()

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program in it; its output goes to a file beside the sockets."""
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
        self._running.append(process)
        return process

    def start(self) -> None:
        """Start PipeWire and its session manager."""
        self._pipewire = self.run("pipewire")
        until((self.folder / "pipewire-0").exists)
        self._manager = self.run("wireplumber")
        until(lambda: "wireplumber" in self.log("pw-dump", "--no-colors") and self.manages())

    def manages(self) -> bool:
        """Whether the session manager answers."""
        return any(
            "WirePlumber" in str(o.get("info", {}).get("props", {}).get("application.name", "")) for o in self.dump()
        )

    def stop(self) -> None:
        """End PipeWire and its session manager, as a crash or an update would."""
        for process in (self._manager, self._pipewire):
            self.end(process)
        (self.folder / "pipewire-0").unlink(missing_ok=True)

    def dump(self) -> list[dict[str, Any]]:
        """All objects of PipeWire, as pw-dump tells."""
        told = self.log("pw-dump", "--no-colors")
        try:
            return list(json.loads(told))
        except json.JSONDecodeError:  # it was asked too early
            return []

    def cameras(self) -> list[dict[str, Any]]:
        """What it has of cameras, as pw-dump tells of each."""
        infos = [o.get("info", {}) for o in self.dump() if o["type"].endswith("Node")]
        return [info for info in infos if info.get("props", {}).get("media.class") == "Video/Source"]

    def log(self, *command: str) -> str:
        """What a command says in this session."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=READY_S)
        return done.stdout

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a program of the session."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self._running.remove(process)

    def close(self) -> None:
        """End everything, newest first."""
        for process in reversed(self._running[:]):
            self.end(process)
        shutil.rmtree(self.folder, ignore_errors=True)
