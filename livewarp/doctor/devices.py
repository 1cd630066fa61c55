"""`livewarp devices`: the webcams and virtual cameras there are, and what to call them in --source and --sink.

On Linux the kernel is asked directly: no camera is switched on and OpenCV is not loaded. Elsewhere the only way
to know a camera is to open it.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import itertools
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from livewarp.system import v4l2
from livewarp.system.machine import Machine
from livewarp.system.v4l2 import Mode

Holder = tuple[int, str]  # pid and name of a process

_SHOWN = 6  # formats and sizes on one line

PIPEWIRE_LIBRARY = "libpipewire-0.3.so.0"
V4L2_PROGRAMS = "every program that knows V4L2 cameras"
PIPEWIRE_PROGRAMS = "programs that take cameras from PipeWire (browsers once allowed to, OBS, GNOME's own)"

_OBS_MACOS = "/Applications/OBS.app"
_OBS_WINDOWS = r"SOFTWARE\Classes\CLSID\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"  # of its virtual camera's filter


@dataclass(frozen=True)
class Webcam:
    """A camera, and how to name it.

    Attributes
    ----------
    node, source
        Its device node, or its index where there are no nodes; the text for --source.
    name, driver
        As the kernel has them.
    modes
        The pictures that it offers; () where only opening it would tell.
    holders
        Who has it open, as far as this user may see.
    problem
        Why it cannot be asked, else None.
    """

    node: str
    source: str
    name: str
    driver: str
    modes: tuple[Mode, ...] = ()
    holders: tuple[Holder, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class VirtualCamera:
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
        insist on. None: cannot be told now, or does not apply.
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
    problem: str | None = None


def webcams(machine: Machine) -> tuple[Webcam, ...]:
    """The webcams there are, in the order of their nodes; virtual cameras left out."""
    if not machine.linux:
        return _opened_one_by_one()
    found = (_webcam(machine, node) for node in nodes(machine))
    return tuple(webcam for webcam in found if webcam is not None)


def virtual_cameras(machine: Machine) -> tuple[VirtualCamera, ...]:
    """The sinks that other programs see as a camera."""
    if not machine.linux:
        problem = obs_problem(machine)
        camera = VirtualCamera("obs", "virtualcam", "OBS Virtual Camera", "every program", problem is None)
        return (replace(camera, problem=problem),)
    loopbacks = (_loopback(machine, node) for node in nodes(machine))
    problem = pipewire_problem(machine)
    pipewire = VirtualCamera("pipewire", "pipewire", "PipeWire", PIPEWIRE_PROGRAMS, problem is None, problem=problem)
    return (*(loopback for loopback in loopbacks if loopback is not None), pipewire)


def nodes(machine: Machine) -> list[Path]:
    """The video device nodes, by number, as absolute names."""
    return [v4l2.DEV / Path(node).name for node in v4l2.nodes(machine.path(v4l2.DEV))]


def pipewire_socket(machine: Machine) -> Path | None:
    """Where PipeWire listens; None where nothing says so. Source: PipeWire's own search order."""
    name = machine.environ.get("PIPEWIRE_REMOTE", "pipewire-0")
    if name.startswith("/"):
        return Path(name)
    folder = machine.environ.get("PIPEWIRE_RUNTIME_DIR") or machine.environ.get("XDG_RUNTIME_DIR")
    return Path(folder) / name if folder else None


def pipewire_problem(machine: Machine) -> str | None:
    """What keeps livewarp from being a PipeWire camera here; None: nothing."""
    if not _has_pipewire_library(machine):
        return f"{PIPEWIRE_LIBRARY} is not installed"
    path = pipewire_socket(machine)
    if path is None:
        return "no XDG_RUNTIME_DIR is set, so that PipeWire cannot be found"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2.0)
        try:
            client.connect(str(machine.path(path)))
        except OSError as error:
            return f"the PipeWire daemon does not answer at {path} ({error.strerror or error})"
    return None


def obs_problem(machine: Machine) -> str | None:
    """What keeps livewarp from being OBS's virtual camera (macOS, Windows); None: nothing."""
    missing = "OBS Studio, which brings the virtual camera, is not installed"
    if machine.platform == "win32":
        import winreg

        try:  # type: ignore[unreachable,unused-ignore]  # on Linux winreg has no members
            winreg.CloseKey(winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _OBS_WINDOWS))  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return missing
        return None
    return None if machine.path(_OBS_MACOS).exists() else missing


def _has_pipewire_library(machine: Machine) -> bool:
    folders = ("/usr/lib*", "/usr/lib/*-linux-*", "/lib*", "/lib/*-linux-*", "/usr/local/lib")
    found = (machine.root.glob(f"{folder[1:]}/{PIPEWIRE_LIBRARY}") for folder in folders)
    if any(True for _ in itertools.chain.from_iterable(found)):
        return True
    # Where libraries live elsewhere (NixOS, Guix) the loader knows; it knows of this machine only.
    return machine.root == Path("/") and ctypes.util.find_library("pipewire-0.3") is not None


def _webcam(machine: Machine, node: Path) -> Webcam | None:
    """The webcam at the node; None where it is none (an output, a camera's metadata, a virtual camera)."""
    real = machine.path(node)
    name = machine.text(f"/sys/class/video4linux/{node.name}/name") or node.name
    stable = v4l2.stable_name(real, machine.path("/dev/v4l/by-id"))
    source = "webcam:" + ("/" + stable.removeprefix(str(machine.root)).lstrip("/"))
    try:
        capability = v4l2.capabilities(real)
        if not capability.device_caps & v4l2.CAPTURE or capability.loopback:
            return None
        modes, holders = tuple(v4l2.formats(real)), tuple(v4l2.holders(real))
    except OSError as error:
        if _is_loopback(machine, node):
            return None
        return Webcam(str(node), source, name, "", problem=_why(error))
    return Webcam(str(node), source, capability.card or name, capability.driver, modes, holders)


def _loopback(machine: Machine, node: Path) -> VirtualCamera | None:
    """The v4l2loopback device at the node; None where it is something else."""
    real = machine.path(node)
    name = machine.text(f"/sys/class/video4linux/{node.name}/name") or node.name

    def make(**known: Any) -> VirtualCamera:
        return VirtualCamera("v4l2loopback", f"virtualcam:{node}", name, V4L2_PROGRAMS, **known)

    try:
        capability = v4l2.capabilities(real)
    except OSError as error:
        return make(free=False, problem=_why(error)) if _is_loopback(machine, node) else None
    if not capability.loopback:
        return None
    captures, outputs = (bool(capability.device_caps & can) for can in (v4l2.CAPTURE, v4l2.OUTPUT))
    holders = tuple(v4l2.holders(real))
    # With exclusive_caps a device is an output while it waits, a camera while it is fed, and, in 0.12 after its
    # first writer, neither: livewarp makes that an output again. Without, it always is both.
    written = captures and not outputs
    return make(free=not written, writer=written, holders=holders, exclusive=not (captures and outputs))


def _is_loopback(machine: Machine, node: Path) -> bool:
    """Whether the node is v4l2loopback's, as far as can be told without opening it."""
    return v4l2.is_virtual(node, machine.path(v4l2.SYS))


def _why(error: OSError) -> str:
    return "you may not open it" if isinstance(error, PermissionError) else (error.strerror or str(error)).lower()


def _opened_one_by_one() -> tuple[Webcam, ...]:
    """What OpenCV can tell: it has no list, so that each camera is opened for a moment."""
    from livewarp.errors import SourceError
    from livewarp.sources import open_source
    from livewarp.sources.webcam import webcams as candidates

    found = []
    for index in candidates():
        with contextlib.suppress(SourceError):
            source = open_source(f"webcam:{index}")
            found.append(Webcam(str(index), f"webcam:{index}", source.name, "OpenCV"))
            source.close()
    return tuple(found)


def as_json(machine: Machine) -> dict[str, list[dict[str, Any]]]:
    """All of them, for --json."""
    return {
        "webcams": [asdict(webcam) for webcam in webcams(machine)],
        "virtual_cameras": [asdict(camera) for camera in virtual_cameras(machine)],
    }


def as_text(machine: Machine) -> str:
    """All of them, for people."""
    cameras = [_webcam_lines(webcam) for webcam in webcams(machine)]
    outputs = [_output_lines(camera) for camera in virtual_cameras(machine)]
    lines = [_heading("webcams"), *itertools.chain(*cameras or [["  none is connected"]]), ""]
    lines += [_heading("virtual cameras"), *itertools.chain(*outputs)]
    return "\n".join(lines)


def held_by(holders: tuple[Holder, ...]) -> str:
    """The processes, for people: "zoom (pid 12), ffmpeg (pid 13)"."""
    return ", ".join(f"{name} (pid {pid})" for pid, name in holders)


def _webcam_lines(webcam: Webcam) -> list[str]:
    lines = [f"  {_name(webcam.name)}  {_dim(webcam.node)}", f"    --source {webcam.source}"]
    # Formats that offer the same pictures share a line: some cameras have dozens.
    fourccs: dict[tuple[str, ...], list[str]] = {}
    for fourcc, modes in itertools.groupby(webcam.modes, lambda mode: mode.fourcc):
        sizes = tuple(f"{m.width}x{m.height}" + (f"@{m.fps:.3g}" if m.fps else "") for m in modes)
        fourccs.setdefault(sizes, []).append(fourcc)
    lines += [_dim(f"    {_first(names, ' ')}: {_first(sizes, '  ')}") for sizes, names in fourccs.items()]
    if webcam.holders:
        lines.append(f"    open in {held_by(webcam.holders)}")
    if webcam.problem:
        lines.append(f"    {_warn(webcam.problem)}")
    return lines


def _first(items: Sequence[str], between: str) -> str:
    more = f"{between}and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return between.join(items[:_SHOWN]) + more


def _output_lines(camera: VirtualCamera) -> list[str]:
    lines = [f"  {_name(camera.name)}  {_dim(camera.sink.partition(':')[2])}".rstrip()]
    if camera.problem:
        return [*lines, f"    {_warn(camera.problem)}"]
    lines += [f"    --sink {camera.sink}", f"    {_dim('seen by ' + camera.seen_by)}"]
    if camera.writer:
        lines.append(f"    {_warn('in use: a program feeds it')}")
    if camera.holders:
        lines.append(f"    open in {held_by(camera.holders)}")
    if camera.exclusive is False:
        lines.append(f"    {_warn('without exclusive_caps=1: Chromium and Zoom will not list it')}")
    return lines


def _heading(text: str) -> str:
    return click.style(text, bold=True)


def _name(text: str) -> str:
    return click.style(text, fg="cyan")


def _dim(text: str) -> str:
    return click.style(text, dim=True)


def _warn(text: str) -> str:
    return click.style(text, fg="yellow")
