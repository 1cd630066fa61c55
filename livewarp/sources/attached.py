"""The cameras that are attached to a machine, and how to name them in --source.

On Linux the kernel is asked directly: no camera is switched on and OpenCV is not loaded. Elsewhere the only way
to find a camera is to open it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from livewarp.errors import Problem, SourceError
from livewarp.sources.nodes import candidates
from livewarp.system import v4l2
from livewarp.system.machine import Machine
from livewarp.system.v4l2 import Holder, Mode


@dataclass(frozen=True)
class AttachedCamera:
    """A camera, and how to name it.

    Attributes
    ----------
    node, source
        Its device node, or its index where there are no nodes; the text for --source.
    name, driver
        As the kernel has them.
    modes
        The frames that it offers; () where only opening it would tell.
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
    problem: Problem | None = None


def attached_webcams(machine: Machine) -> tuple[AttachedCamera, ...]:
    """The webcams there are, in the order of their nodes, without virtual cameras."""
    if not machine.linux:
        return _open_one_by_one()
    found = (_webcam(machine, node) for node in machine.video_nodes())
    return tuple(webcam for webcam in found if webcam is not None)


def _webcam(machine: Machine, node: Path) -> AttachedCamera | None:
    """The webcam at the node; None where it is none (an output, a camera's metadata, a virtual camera)."""
    real = machine.path(node)
    name = machine.video_name(node)
    stable = v4l2.stable_name(real, machine.path("/dev/v4l/by-id"))
    source = "webcam:" + ("/" + stable.removeprefix(str(machine.root)).lstrip("/"))
    try:
        capability = v4l2.capabilities(real)
        if not capability.device_caps & v4l2.CAPTURE or capability.loopback:
            return None
        modes, holders = tuple(v4l2.formats(real)), tuple(v4l2.holders(real))
    except OSError as error:
        if machine.is_virtual_video(node):
            return None
        return AttachedCamera(str(node), source, name, "", problem=v4l2.refusal(error))
    return AttachedCamera(str(node), source, capability.card or name, capability.driver, modes, holders)


def _open_one_by_one() -> tuple[AttachedCamera, ...]:
    """What OpenCV can tell: it has no list, so that each camera is opened for a moment."""
    from livewarp.sources.webcam import WebcamSource

    found = []
    for index in candidates():
        with contextlib.suppress(SourceError):
            source = WebcamSource(index)
            found.append(AttachedCamera(str(index), f"webcam:{index}", source.name, "OpenCV"))
            source.close()
    return tuple(found)
