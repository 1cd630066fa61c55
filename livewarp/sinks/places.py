"""The places of a machine where programs see a camera that livewarp can be, and how to name them in --sink.

The system is asked directly: neither OpenCV nor pyvirtualcam is loaded.
"""

from __future__ import annotations

import ctypes.util
import itertools
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livewarp.errors import Problem
from livewarp.system import v4l2
from livewarp.system.libpipewire import PIPEWIRE_LIBRARY
from livewarp.system.machine import Machine
from livewarp.system.v4l2 import Holder

MODPROBE = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=livewarp"
RESTART_PIPEWIRE = "systemctl --user restart pipewire wireplumber"

_V4L2_PROGRAMS = "every program that knows V4L2 cameras"
_PIPEWIRE_PROGRAMS = "programs that take cameras from PipeWire (browsers once allowed to, OBS, GNOME's own)"
_OBS_MACOS = "/Applications/OBS.app"
_OBS_WINDOWS = r"SOFTWARE\Classes\CLSID\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"  # of its virtual camera's filter


@dataclass(frozen=True)
class CameraPlace:
    """A place where programs see a camera that livewarp can be.

    Attributes
    ----------
    kind, sink, name
        "v4l2loopback", "pipewire" or "obs"; the text for --sink; for people.
    seen_by
        Which programs see it.
    free
        Whether livewarp could write to it now.
    writer, holders
        Whether a program feeds it, and who has it open.
    exclusive
        Whether it shows itself as a camera alone while it is fed (exclusive_caps=1), which Chromium and Zoom
        insist on. None: the device does not say now, or it does not apply.
    problem
        Why it cannot be used, else None.
    """

    kind: str
    sink: str
    name: str
    seen_by: str
    free: bool = True
    writer: bool = False
    holders: tuple[Holder, ...] = ()
    exclusive: bool | None = None
    problem: Problem | None = None

    @property
    def node(self) -> str:
        """The device node, as in /dev/video10; "" where it has none."""
        return self.sink.partition(":")[2]


def virtual_camera_places(machine: Machine) -> tuple[CameraPlace, ...]:
    """The v4l2loopback devices; OBS's virtual camera where there is no v4l2loopback."""
    if machine.linux:
        places = (_loopback(machine, node) for node in machine.video_nodes())
        return tuple(place for place in places if place is not None)
    problem = obs_problem(machine)
    return (CameraPlace("obs", "virtualcam", "OBS Virtual Camera", "every program", problem is None, problem=problem),)


def pipewire_places(machine: Machine) -> tuple[CameraPlace, ...]:
    """The one of the PipeWire session, on Linux."""
    if not machine.linux:
        return ()
    problem = pipewire_problem(machine)
    return (CameraPlace("pipewire", "pipewire", "PipeWire", _PIPEWIRE_PROGRAMS, problem is None, problem=problem),)


def pipewire_problem(machine: Machine) -> Problem | None:
    """What keeps livewarp from being a PipeWire camera here; None: nothing."""
    if not _has_pipewire_library(machine):
        return Problem(f"{PIPEWIRE_LIBRARY} is not installed", machine.distribution.install("PipeWire"))
    path = _pipewire_socket(machine)
    if path is None:
        return Problem(
            "no XDG_RUNTIME_DIR is set, so that PipeWire cannot be found",
            "export XDG_RUNTIME_DIR=/run/user/$(id -u)    # or log in to a desktop",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2.0)
        try:
            client.connect(str(machine.path(path)))
        except OSError as error:
            why = error.strerror or error
            return Problem(f"the PipeWire daemon does not answer at {path} ({why})", RESTART_PIPEWIRE)
    return None


def obs_problem(machine: Machine) -> Problem | None:
    """What keeps livewarp from being OBS's virtual camera (macOS, Windows); None: nothing."""
    missing = Problem(
        "OBS Studio, which brings the virtual camera, is not installed",
        "install OBS Studio 30 or later, start its virtual camera once, quit it",
    )
    if machine.platform == "win32":
        import winreg

        try:  # type: ignore[unreachable,unused-ignore]  # on Linux winreg has no members
            winreg.CloseKey(winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _OBS_WINDOWS))  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return missing
        return None
    return None if machine.path(_OBS_MACOS).exists() else missing


def _loopback(machine: Machine, node: Path) -> CameraPlace | None:
    """The v4l2loopback device at the node; None where it is something else."""
    real = machine.path(node)
    name = machine.video_name(node)

    def make(**found: Any) -> CameraPlace:
        return CameraPlace("v4l2loopback", f"virtualcam:{node}", name, _V4L2_PROGRAMS, **found)

    try:
        capability = v4l2.capabilities(real)
    except OSError as error:
        return make(free=False, problem=v4l2.refusal(error)) if machine.is_virtual_video(node) else None
    if not capability.loopback:
        return None
    captures, outputs = (bool(capability.device_caps & can) for can in (v4l2.CAPTURE, v4l2.OUTPUT))
    holders = tuple(v4l2.holders(real))
    # With exclusive_caps a device is an output while it waits, a camera while it is fed, and, in 0.12 after its
    # first writer, neither: livewarp makes that an output again. Without, it always is both.
    written = captures and not outputs
    return make(free=not written, writer=written, holders=holders, exclusive=not (captures and outputs))


def _pipewire_socket(machine: Machine) -> Path | None:
    """Where PipeWire listens; None where nothing says so. Source: PipeWire's own search order."""
    name = machine.environ.get("PIPEWIRE_REMOTE", "pipewire-0")
    if name.startswith("/"):
        return Path(name)
    folder = machine.environ.get("PIPEWIRE_RUNTIME_DIR") or machine.environ.get("XDG_RUNTIME_DIR")
    return Path(folder) / name if folder else None


def _has_pipewire_library(machine: Machine) -> bool:
    folders = ("/usr/lib*", "/usr/lib/*-linux-*", "/lib*", "/lib/*-linux-*", "/usr/local/lib")
    found = (machine.root.glob(f"{folder[1:]}/{PIPEWIRE_LIBRARY}") for folder in folders)
    if any(True for _ in itertools.chain.from_iterable(found)):
        return True
    # Where libraries live elsewhere (NixOS, Guix) the loader finds them; it can be asked about this machine only.
    return machine.root == Path("/") and ctypes.util.find_library("pipewire-0.3") is not None
