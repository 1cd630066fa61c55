"""What matters of this installation in a report of a fault: versions, processor, place. Nothing heavy is loaded."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from livewarp.system.libpipewire import PIPEWIRE_LIBRARY
from livewarp.system.machine import Machine

_LIBRARIES = ("/usr/lib/*-linux-*", "/usr/lib64", "/usr/lib", "/lib/*-linux-*")


def versions(machine: Machine) -> dict[str, str]:
    """What it is → its version, "none" or "?"."""
    return {
        "Python": f"{platform.python_version()} ({sys.executable})",
        "OpenCV": _wheel("opencv-python"),
        "dlib": _wheel("dlib-bin"),
        "numba": _wheel("numba"),
        "PyAV": _wheel("av"),
        "weights of dlib": _wheel("face-recognition-models"),
        "system": f"{machine.distribution.name or machine.platform}, kernel {machine.kernel or platform.release()}",
        "processor": _processor(machine),
        **({"PipeWire": pipewire_version(machine) or "none"} if machine.linux else {}),
        **({"v4l2loopback": loopback_version(machine) or "not loaded"} if machine.linux else {}),
        "installed in": str(Path(__file__).resolve().parents[2]),
    }


def pipewire_version(machine: Machine) -> str:
    """Of the client library, by the name of its file; "": there is none, or it does not say."""
    for folder in _LIBRARIES:
        for path in machine.root.glob(f"{folder[1:]}/{PIPEWIRE_LIBRARY}.*.0"):
            number = path.name.split(".")[-2]
            if number.isdecimal():  # 365 is 0.3.65, 1402 is 1.4.2
                major, rest = divmod(int(number), 1000)
                return f"{major}.{rest // 100}.{rest % 100}"
    return ""


def loopback_version(machine: Machine) -> str:
    """Of the module that is loaded; "": none is."""
    if not machine.path("/sys/module/v4l2loopback").exists():
        return ""
    return machine.text("/sys/module/v4l2loopback/version") or "older than 0.13"


def _wheel(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _processor(machine: Machine) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", machine.text("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine() or "?"
