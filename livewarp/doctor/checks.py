"""The checks, in order of how often they bite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livewarp.doctor import installation
from livewarp.doctor import readiness as running
from livewarp.doctor import virtual_cameras as outputs
from livewarp.doctor import webcams as cameras
from livewarp.doctor.case import Case
from livewarp.doctor.finding import Finding


@dataclass(frozen=True)
class Check:
    """A name for people, what to call, and where it makes sense: "linux", "other" or "" for everywhere."""

    name: str
    look: Callable[[Case], Finding]
    where: str = ""


CHECKS = (
    Check("weights", installation.weights),
    Check("camera", cameras.source),
    Check("permissions", cameras.permissions, "linux"),
    Check("sinks", outputs.seen),
    Check("v4l2loopback", outputs.v4l2loopback, "linux"),
    Check("PipeWire", outputs.pipewire, "linux"),
    Check("browsers", outputs.browsers, "linux"),
    Check("OBS", outputs.obs, "other"),
    Check("ports", running.ports),
    Check("kernels", installation.kernels),
    Check("speed", running.budget),
    Check("config", installation.config),
)


def for_machine(case: Case) -> list[Check]:
    """Those that make sense on the machine."""
    here = "linux" if case.machine.linux else "other"
    return [check for check in CHECKS if check.where in ("", here)]
