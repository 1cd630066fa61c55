"""`livewarp devices`: the cameras and virtual cameras there are, and what to call them in --source and --sink.

Which kinds there are stands in the tables of `livewarp.sources` and `livewarp.sinks`. Nothing heavy is loaded.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from livewarp.errors import Problem
from livewarp.sinks import SINK_KINDS
from livewarp.sinks.places import CameraPlace
from livewarp.sources import SOURCE_KINDS
from livewarp.sources.attached import AttachedCamera
from livewarp.system.machine import Machine
from livewarp.system.v4l2 import Holder

_SHOWN = 6  # formats and sizes on one line


def attached_cameras(machine: Machine) -> tuple[AttachedCamera, ...]:
    """The cameras of every kind of source that needs one."""
    listings = dict.fromkeys(kind.devices for kind in SOURCE_KINDS if kind.devices is not None)
    return tuple(itertools.chain.from_iterable(devices(machine) for devices in listings))


def camera_places(machine: Machine) -> tuple[CameraPlace, ...]:
    """Where programs see a camera, of every kind of sink."""
    listings = [kind.places for kind in SINK_KINDS if kind.places is not None]
    return tuple(itertools.chain.from_iterable(places(machine) for places in listings))


def devices_as_json(machine: Machine) -> dict[str, list[dict[str, Any]]]:
    """All of them, for --json."""
    return {
        "webcams": [_as_dict(camera) for camera in attached_cameras(machine)],
        "virtual_cameras": [_as_dict(place) for place in camera_places(machine)],
    }


def devices_as_text(machine: Machine) -> str:
    """All of them, for people."""
    cameras = [_camera_lines(camera) for camera in attached_cameras(machine)]
    outputs = [_place_lines(place) for place in camera_places(machine)]
    lines = [_heading("webcams"), *itertools.chain(*cameras or [["  none is connected"]]), ""]
    lines += [_heading("virtual cameras"), *itertools.chain(*outputs)]
    return "\n".join(lines)


def _as_dict(device: AttachedCamera | CameraPlace) -> dict[str, Any]:
    """A device, ready for JSON: `problem` is a text, and `remedy` what mends it."""
    problem = device.problem or Problem("")
    return {**asdict(device), "problem": problem.what or None, "remedy": problem.remedy or None}


def held_by(holders: tuple[Holder, ...]) -> str:
    """The processes, for people: "zoom (pid 12), ffmpeg (pid 13)"."""
    return ", ".join(f"{name} (pid {pid})" for pid, name in holders)


def _camera_lines(camera: AttachedCamera) -> list[str]:
    lines = [f"  {_name(camera.name)}  {_dim(camera.node)}", f"    --source {camera.source}"]
    # Formats that offer the same pictures share a line: some cameras have dozens.
    fourccs: dict[tuple[str, ...], list[str]] = {}
    for fourcc, modes in itertools.groupby(camera.modes, lambda mode: mode.fourcc):
        sizes = tuple(f"{m.width}x{m.height}" + (f"@{m.fps:.3g}" if m.fps else "") for m in modes)
        fourccs.setdefault(sizes, []).append(fourcc)
    lines += [_dim(f"    {_first(names, ' ')}: {_first(sizes, '  ')}") for sizes, names in fourccs.items()]
    if camera.holders:
        lines.append(f"    open in {held_by(camera.holders)}")
    if camera.problem:
        lines.append(f"    {_warn(camera.problem.what)}")
    return lines


def _first(items: Sequence[str], between: str) -> str:
    more = f"{between}and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return between.join(items[:_SHOWN]) + more


def _place_lines(place: CameraPlace) -> list[str]:
    lines = [f"  {_name(place.name)}  {_dim(place.node)}".rstrip()]
    if place.problem:
        return [*lines, f"    {_warn(place.problem.what)}"]
    lines += [f"    --sink {place.sink}", f"    {_dim('seen by ' + place.seen_by)}"]
    if place.writer:
        lines.append(f"    {_warn('in use: a program feeds it')}")
    if place.holders:
        lines.append(f"    open in {held_by(place.holders)}")
    if place.exclusive is False:
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
