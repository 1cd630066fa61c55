"""The machine and the versions that a result belongs to; nothing that names its owner."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import psutil
from numba import get_num_threads

from livewarp import __version__
from livewarp.system.machine import Machine

WHEELS = ("numpy", "opencv-python", "dlib-bin", "numba", "gevent", "pyvirtualcam")


def host_facts() -> dict[str, Any]:
    """Machine, versions, thread counts, commit, and how busy it was before."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{Machine().distribution.name or platform.system()}, kernel {platform.release()}",
        "architecture": platform.machine(),
        "virtual": "hypervisor" in Machine().text("/proc/cpuinfo"),
        "load_before": None if load is None else round(load, 2),
        "threads": {"opencv": cv2.getNumThreads(), "numba": get_num_threads()},
        "python": platform.python_version(),
        "versions": {"livewarp": __version__, **{name: _version(name) for name in WHEELS}},
        "commit": commit(),
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def host_line(host: dict[str, Any]) -> str:
    """The machine in one line."""
    versions = host["versions"]
    return (
        f"{host['cores']} × {host['processor']}{' (virtual)' if host['virtual'] else ''}, {host['memory_gb']:.0f} GB, "
        f"{host['system']}; Python {host['python']}, OpenCV {versions['opencv-python']}, numba {versions['numba']}; "
        f"livewarp {versions['livewarp']} ({host['commit'] or 'installed'})"
    )


def processor() -> str:
    """What the machine calls it."""
    lines = Machine().text("/proc/cpuinfo").splitlines()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, platform.processor() or platform.machine())


def commit() -> str | None:
    """The commit that runs, with a + where files have been changed since; None: no checkout."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        answers = [
            subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10.0)
            for arguments in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "-uno", "--", "livewarp"))
        ]
    except (OSError, subprocess.TimeoutExpired):
        return None
    if any(done.returncode for done in answers):
        return None
    return answers[0].stdout.strip() + "+" * bool(answers[1].stdout.strip())


def _version(wheel: str) -> str | None:
    try:
        return metadata.version(wheel)
    except metadata.PackageNotFoundError:
        return None
