"""The checks, in order of how often they bite."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from livewarp.doctor import installation, programs
from livewarp.doctor import readiness as running
from livewarp.doctor import virtual_cameras as outputs
from livewarp.doctor import webcams as cameras
from livewarp.doctor.case import Case
from livewarp.doctor.finding import Finding
from livewarp.sinks import SINK_KINDS


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name
        For people.
    run
        Makes it.
    where
        Where it makes sense: "linux", "other" or "" for everywhere.
    sink
        The kind of sink that it is about, if any; other kinds that have places get a check that fits them all.
    """

    name: str
    run: Callable[[Case], Finding]
    where: str = ""
    sink: str = ""


CHECKS = (
    Check("weights", installation.weights),
    Check("camera", cameras.delivering_source),
    Check("MIPI", cameras.mipi, "linux"),
    Check("permissions", cameras.permissions, "linux"),
    Check("sinks", outputs.visible_sinks),
    Check("v4l2loopback", outputs.v4l2loopback, "linux", "virtualcam"),
    Check("PipeWire", outputs.pipewire, "linux", "pipewire"),
    Check("browsers", outputs.browsers, "linux"),
    Check("sandboxes", programs.sandboxes, "linux"),
    Check("portal", programs.portal, "linux"),
    Check("Electron", programs.electron, "linux"),
    Check("two of one", programs.listed_twice, "linux"),
    Check("OBS", outputs.obs, "other", "virtualcam"),
    Check("ports", running.ports),
    Check("kernels", installation.kernels),
    Check("speed", running.budget),
    Check("config", installation.config),
)


def for_machine(case: Case) -> list[Check]:
    """Those that make sense on the machine."""
    here = "linux" if case.machine.linux else "other"
    checked = {check.sink for check in CHECKS}
    others = [kind for kind in SINK_KINDS if kind.places is not None and kind.name not in checked]
    return [
        *(check for check in CHECKS if check.where in ("", here)),
        *(Check(kind.name, functools.partial(outputs.usable_place, kind)) for kind in others),
    ]
