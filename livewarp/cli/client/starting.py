"""Starts the daemon in the background, as a menu entry needs: by systemd where the unit is installed, else alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from platformdirs import user_log_path

from livewarp.control.client import Client
from livewarp.errors import ControlError

UNIT = "livewarp.service"
ANSWERS_S = 60.0  # a busy machine imports for seconds; the kernels are compiled after the ports are open
_PAUSE_S = 0.2


def ensure_running() -> None:
    """Start livewarp unless it runs, and wait until it answers.

    Raises
    ------
    ControlError
        It ended, or does not answer within a minute.
    """
    if _answers():
        return
    process, log = _start()
    deadline = time.monotonic() + ANSWERS_S
    while not _answers():
        if process is not None and process.poll() is not None:
            raise ControlError(f"livewarp ended with status {process.returncode}", remedy=f"see {log}")
        if time.monotonic() > deadline:
            raise ControlError(f"livewarp does not answer within {ANSWERS_S:g} s", remedy=f"see {log}")
        time.sleep(_PAUSE_S)


def _answers() -> bool:
    try:
        with Client() as client:
            client.call("state")
    except ControlError:
        return False
    return True


def _start() -> tuple[subprocess.Popen[bytes] | None, str]:
    """The process, None where systemd has it, and where its log is."""
    systemctl = shutil.which("systemctl")
    if systemctl is not None:
        command = [systemctl, "--user", "start", UNIT]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return None, f"journalctl --user -u {UNIT}"
    folder = user_log_path("livewarp")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "livewarp.log"
    with path.open("wb") as log:
        command = [sys.executable, "-m", "livewarp", "run", "--wait"]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=Path.home()
        )
    return process, str(path)
