"""The cameras of the PipeWire session, as its own `pw-dump` lists them; none is opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from livewarp.sources.attached import AttachedCamera
from livewarp.sources.plan import SourceChoice
from livewarp.system import v4l2
from livewarp.system.machine import Machine, run_command

PREFIX = "pipewire"
OWN = "livewarp"  # our own camera: reading it would feed livewarp its own output


class CameraNode(NamedTuple):
    """A camera of the session.

    Attributes
    ----------
    name
        Its node's, by which it is found again.
    description
        For people.
    virtual
        Whether a program made it.
    path
        Of its device, "v4l2:/dev/video0" or what libcamera calls it; "": it has none.
    """

    name: str
    description: str
    virtual: bool
    path: str


def camera_nodes(dump: str | None = None) -> list[CameraNode]:
    """The cameras of the session but our own, those of hardware first; none where no daemon answers.

    Parameters
    ----------
    dump
        What `pw-dump` prints; None: it is asked.
    """
    if dump is None:
        if shutil.which("pw-dump") is None:
            return []
        dump = run_command(["pw-dump", "--no-colors"]).text
    try:
        objects = json.loads(dump)
    except ValueError:
        return []
    found = []
    for thing in objects if isinstance(objects, list) else []:
        properties = (thing.get("info") or {}).get("props") or {}
        if properties.get("media.class") != "Video/Source" or properties.get("node.name") == OWN:
            continue
        name = str(properties.get("node.name", ""))
        description = str(properties.get("node.description") or properties.get("node.nick") or name)
        path = str(properties.get("object.path", ""))
        virtual = str(properties.get("node.virtual", "false")).lower() == "true" or is_loopback(path)
        found.append(CameraNode(name, description, virtual, path))
    return sorted(found, key=lambda node: node.virtual)


def is_loopback(path: str) -> bool:
    """Whether a node's path is that of a v4l2loopback device: perhaps the one that livewarp feeds."""
    kind, _, node = path.partition(":")
    return kind == "v4l2" and v4l2.is_virtual(Path(node))


def session_choices() -> list[SourceChoice]:
    """The cameras of the session, by the names under which they are found again."""
    return [SourceChoice(f"{PREFIX}:{node.name}", node.description, f"{node.description} ") for node in camera_nodes()]


def session_cameras(machine: Machine) -> tuple[AttachedCamera, ...]:
    """The cameras of the session at a machine."""
    nodes = camera_nodes(machine.run(["pw-dump", "--no-colors"]).text)
    return tuple(AttachedCamera(node.path, f"{PREFIX}:{node.name}", node.description, PREFIX) for node in nodes)
