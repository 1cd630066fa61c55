"""Checks of what comes in: the source that the settings ask for, its real frame rate, and who may open it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livewarp.doctor.devices import held_by
from livewarp.doctor.finding import Finding, Mending, note, ok, problem
from livewarp.doctor.programs import RESTART_MANAGER
from livewarp.errors import LivewarpError, Problem
from livewarp.sinks.places import RESTART_PIPEWIRE
from livewarp.sources import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, check_source, open_source, spelled_out
from livewarp.sources.attached import AttachedCamera
from livewarp.sources.sessionnodes import session_cameras
from livewarp.system.machine import Machine

if TYPE_CHECKING:
    from livewarp.doctor.case import Case

MEASURE_S = 1.0
_SILENT_S = 3.0  # without a frame there is no rate
_QUEUED_FRAMES = 5  # at most these wait in the driver and come at once
_PATIENCE_S = 10.0  # opening a camera takes up to four seconds; a driver that hangs takes for ever
_SLOW = 0.8  # of the frame rate asked for
_WATCHABLE_FPS = 24.0
PLUGIN = "PipeWire's libcamera plugin"
_IPU_MODULES = ("intel_ipu6", "intel_ipu6_isys", "intel_ipu7", "intel_ipu7_isys")
# PCI numbers. Source: drivers/media/pci/intel/ipu6/ipu6.h and drivers/staging/media/ipu7 of Linux.
_IPU_DEVICES = {"0x9a19", "0x4e19", "0x465d", "0x462e", "0xa75d", "0x7d19", "0x645d", "0xb05d"}
_WITHOUT = "livewarp run --source portrait"


def delivering_source(case: Case) -> Finding:
    """Whether the source delivers frames, and how many a second."""
    wanted = case.settings.video.source
    try:
        kind = check_source(wanted)
    except LivewarpError as error:
        return problem(str(error), "livewarp run --source auto")
    if kind.remark:
        return note(f"the source is {kind.remark}", "livewarp run --source auto")
    if kind.devices is None:
        return ok(f"the source is {'the file ' if kind.file else ''}{wanted}: no webcam is needed")
    if case.running is not None:
        name = case.running.state.get("source", "?")
        return ok(f"{case.running} has the source: {name}; not measured")
    which = spelled_out(wanted).partition(":")[2]
    attached = kind.devices(case.machine)
    cameras = [camera for camera in attached if not which or _is(camera, which)]
    if not cameras:
        there = ", ".join(camera.source for camera in attached) or "none is connected"
        text = f"no webcam {which}; there are: {there}" if which else "no webcam is connected"
        return problem(text, "connect one; `livewarp devices` lists it", f"{_WITHOUT}    # to try it without")
    reasons = []
    for camera in cameras:
        finding = _examined(case, camera)
        if finding.verdict != "problem":
            return finding
        reasons.append(finding)
    if len(reasons) == 1:
        return reasons[0]
    return problem("; ".join(finding.text for finding in reasons), *reasons[0].remedy)


def permissions(case: Case) -> Finding:
    """Whether this user may open the device nodes."""
    machine = case.machine
    there = machine.video_nodes()
    denied = [node for node in there if not machine.may_use(machine.path(node))]
    if not there:
        return ok("no /dev/video* here, so nothing to be allowed")
    if not denied:
        return ok(f"you may use {', '.join(map(str, there))}")
    group, gid = _group_of(case, denied[0])
    user = machine.environ.get("USER", "$USER")
    text = f"you may not open {', '.join(map(str, denied))} (group {group!r})"
    if user in _members(case, group) and gid not in machine.groups:
        return problem(f"{text}: you are in that group since you last logged in", "log out and in again")
    join, leave = f"usermod -aG {group} {user}", f"gpasswd -d {user} {group}"
    fix = Mending(f"put you in the group {group}, from your next login on", join, leave, root=True)
    return problem(text, f"sudo {join}", "log out and in again").fixed_by(fix)


def mipi(case: Case) -> Finding:
    """Whether a laptop's MIPI camera (Intel IPU6, IPU7), which has no usable /dev/video*, is a camera of PipeWire."""
    machine = case.machine
    if not _has_ipu(machine):
        return ok("no MIPI camera here: webcams are V4L2's")
    cameras = [camera for camera in session_cameras(machine) if not camera.node.startswith("v4l2:")]
    if cameras:
        return ok(f"the MIPI camera is PipeWire's: --source {cameras[0].source}")
    text = "a MIPI camera (Intel IPU6 or IPU7) is here: it needs libcamera, and PipeWire lists none of its cameras"
    installing, undo = machine.distribution.install_unasked(PLUGIN)
    fix = (
        Mending(f"install {PLUGIN}", installing, undo, root=True),
        Mending("start WirePlumber anew", RESTART_MANAGER),
    )
    return note(text, machine.distribution.install(PLUGIN), RESTART_PIPEWIRE).fixed_by(*(fix if installing else ()))


def _has_ipu(machine: Machine) -> bool:
    if any(machine.path(f"/sys/module/{name}").exists() for name in _IPU_MODULES):
        return True
    for device in machine.path("/sys/bus/pci/devices").glob("*"):
        about = [machine.text(f"/sys/bus/pci/devices/{device.name}/{name}") for name in ("vendor", "device")]
        if about[0] == "0x8086" and about[1] in _IPU_DEVICES:
            return True
    return False


def _examined(case: Case, webcam: AttachedCamera) -> Finding:
    """The finding of one camera."""
    if webcam.problem is not None:
        return problem(f"{webcam.name} ({webcam.node}): {webcam.problem.what}", "see `permissions`")
    if webcam.holders:
        pid = webcam.holders[0][0]
        text = f"{webcam.name} ({webcam.node}) is open in {held_by(webcam.holders)}"
        return problem(text, f"close it there, or: kill {pid}", holders=webcam.holders)
    video = case.settings.video
    asked = (video.width or DEFAULT_WIDTH, video.height or DEFAULT_HEIGHT, video.fps or DEFAULT_FPS)
    fps = measured_fps(webcam.source, *asked)
    if isinstance(fps, Problem):
        return problem(str(fps), "close other programs that may use it, open its shutter, or plug it in again")
    text = f"{webcam.name} delivers {fps:.1f} fps, asked for {asked[0]}x{asked[1]} at {asked[2]:g}"
    if fps >= _SLOW * asked[2]:
        return ok(text, source=webcam.source, fps=round(fps, 1))
    faster = [mode for mode in webcam.modes if (mode.fps or 0.0) >= _WATCHABLE_FPS and mode.width <= asked[0]]
    best = max(faster, key=lambda mode: mode.width * mode.height, default=None)
    remedy = [f"livewarp run --width {best.width} --height {best.height} --fps {best.fps:.3g}"] if best else []
    return note(f"{text}: more light may help, some cameras wait for it", *remedy, source=webcam.source, fps=fps)


def measured_fps(wanted: str, width: int, height: int, fps: float) -> float | Problem:
    """Frames a second that really come, or why none do.

    In a thread that is left behind where the driver hangs: a blocked read cannot be ended.
    """
    results: list[float | Problem] = []

    def measure() -> None:
        try:
            opened = open_source(wanted, width, height, fps)
        except LivewarpError as error:
            results.append(error.problem)
            return
        try:
            frame = np.empty((opened.height, opened.width, 3), np.uint8)
            for _ in range(_QUEUED_FRAMES):
                opened.read(frame)
            arrived_s = [time.monotonic()]
            while arrived_s[-1] - arrived_s[0] < MEASURE_S and time.monotonic() - arrived_s[0] < _SILENT_S:
                if opened.read(frame) is not None:
                    arrived_s.append(time.monotonic())
            lasted_s = arrived_s[-1] - arrived_s[0]
            rate = (len(arrived_s) - 1) / lasted_s if lasted_s else None
            results.append(rate or Problem(f"{wanted}: opened, but no frame comes"))
        finally:
            opened.close()

    thread = threading.Thread(target=measure, name="measure", daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return results[0] if results else Problem(f"{wanted}: no answer within {_PATIENCE_S:g} s: the driver hangs")


def _is(webcam: AttachedCamera, which: str) -> bool:
    """Whether a person who said webcam:WHICH means this one."""
    if which.isdecimal():
        return webcam.node in (which, f"/dev/video{which}")
    return which in (webcam.node, webcam.source.partition(":")[2]) or str(Path(which).resolve()) == webcam.node


def _group_of(case: Case, node: Path) -> tuple[str, int]:
    gid = case.machine.path(node).stat().st_gid
    for line in case.machine.text("/etc/group").splitlines():
        name, _, number, *_ = (*line.split(":"), "", "", "")
        if number == str(gid) and gid != 0:
            return name, gid
    return "video", gid


def _members(case: Case, group: str) -> list[str]:
    for line in case.machine.text("/etc/group").splitlines():
        if line.startswith(f"{group}:"):
            return line.rpartition(":")[2].split(",")
    return []
