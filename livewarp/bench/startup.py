"""How long `livewarp run` takes to its first frame: a child process, watched from outside.

Cold is with caches that are empty: every kernel is compiled, the weights are checked and converted. Files that
the system holds in memory stay there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from livewarp.errors import LivewarpError

FRAMES = 45  # until memory is what it will be
LIMIT_S = 180.0  # a cold start on a slow machine
_COMMAND = (
    *("-m", "livewarp", "run", "--source", "portrait", "--sink", "null", "--fresh"),
    *("--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"),
)
_LATENCY = re.compile(r"latency p50 ([\d.]+)")


@dataclass(frozen=True)
class Start:
    """One start.

    Attributes
    ----------
    camera_s
        Until programs see a camera, which shows a placeholder.
    first_frame_s
        Until the first frame of the source has been sent, filtered.
    memory_mb
        Resident, the most of the first second.
    cpu_s
        CPU time until the first frame.
    """

    cold: bool
    camera_s: float
    first_frame_s: float
    memory_mb: float
    cpu_s: float


def start_once(cold: bool, width: int = 1280, height: int = 720) -> Start:
    """Start a daemon, wait for its first frames, and let it end.

    Raises
    ------
    LivewarpError
        It did not start.
    """
    with tempfile.TemporaryDirectory(prefix="livewarp-") as folder:
        # A socket of its own, whoever else runs here; 0700 is what the folder has.
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder, "XDG_STATE_HOME": folder}
        if cold:
            environment |= {"NUMBA_CACHE_DIR": str(Path(folder, "numba")), "XDG_CACHE_HOME": folder}
        command = [sys.executable, *_COMMAND, "--frames", str(FRAMES), "--width", str(width), "--height", str(height)]
        began_s = time.monotonic()
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as child:
            return _watch(child, began_s, cold)


def _watch(child: subprocess.Popen[str], began_s: float, cold: bool) -> Start:
    """Read its log until it ends."""
    lines: list[str] = []
    camera_s = running_s = cpu_s = memory_mb = 0.0
    process = psutil.Process(child.pid)
    timer = threading.Timer(LIMIT_S, child.kill)
    timer.start()
    try:
        assert child.stderr is not None
        for line in child.stderr:
            lines.append(line.strip())
            if "preview: http" in line:
                camera_s = time.monotonic() - began_s
            elif "running: " in line:
                running_s = time.monotonic() - began_s
                cpu_s = _cpu_s(process)
                memory_mb = _most_memory_mb(process)
    finally:
        timer.cancel()
    latency = _LATENCY.search(lines[-1]) if lines else None
    if child.wait() != 0 or not running_s or latency is None:
        raise LivewarpError(f"bench: a daemon did not start: {lines[-1] if lines else 'it said nothing'}")
    return Start(cold, camera_s, running_s + float(latency[1]) / 1e3, memory_mb, cpu_s)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _most_memory_mb(process: psutil.Process) -> float:
    """While it lives, for a second at most."""
    most, end_s = 0.0, time.monotonic() + 1.0
    try:
        while time.monotonic() < end_s:
            most = max(most, process.memory_info().rss / 1e6)
            time.sleep(0.05)
    except psutil.Error:  # it has ended
        pass
    return most


def starts(warm: int, cold: int, progress: Callable[[int, int | None], None] = lambda done, total: None) -> list[Start]:
    """So many of each; one more first, which fills the caches."""
    kinds = [False] * (warm + 1) + [True] * cold
    found = []
    for n, kind in enumerate(kinds):
        found.append(start_once(kind))
        progress(n + 1, len(kinds))
    return found[1:]


def summary(found: list[Start]) -> dict[str, Any]:
    """Medians of each kind, and every start."""
    medians: dict[str, Any] = {}
    for name, cold in (("warm", False), ("cold", True)):
        some = [start for start in found if start.cold == cold]
        if some:
            keys = ("camera_s", "first_frame_s", "memory_mb", "cpu_s")
            medians[name] = {key: round(float(np.median([getattr(s, key) for s in some])), 3) for key in keys}
            medians[name]["starts"] = [asdict(start) for start in some]
    return medians
