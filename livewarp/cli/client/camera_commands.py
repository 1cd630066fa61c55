"""The client command about the webcam's own controls."""

from __future__ import annotations

from typing import Any

import click

from livewarp.cli.client.completion import complete_controls
from livewarp.cli.client.terminal import dim, named, over_control, shown, table
from livewarp.control.client import Client
from livewarp.errors import SettingsError


@click.command("camera")
@click.argument("assignments", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_controls)
@click.option("--reset", is_flag=True, help="Back to the camera's defaults: these controls, or all without a NAME.")
@over_control
def camera(client: Client, assignments: tuple[str, ...], reset: bool) -> tuple[Any, str]:
    """List or set the webcam's own controls: exposure, focus, zoom.

    What you set is kept for this webcam, and set again whenever it is opened or plugged in.

    \b
    livewarp camera
    livewarp camera exposure=manual exposure_time=200
    livewarp camera power_line_frequency="50 Hz"
    livewarp camera --reset zoom
    """
    if reset:
        result = client.call("camera.reset", {"names": list(assignments)} if assignments else {})
    elif assignments:
        result = client.call("camera.set", {"controls": dict(map(_parsed, assignments))})
    else:
        result = client.call("camera")
    return result, _as_text(result)


def _parsed(text: str) -> tuple[str, int | str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise SettingsError("camera", got=repr(text), allowed="NAME=VALUE; `livewarp camera` lists both")
    try:
        return name, int(value)
    except ValueError:
        return name, value


def _as_text(result: dict[str, Any]) -> str:
    if not result["camera"]:
        return "no webcam is used; `livewarp source` lists what there is"
    rows = [[dim(title) for title in ("NAME", "VALUE", "DEFAULT", "RANGE", "")]]
    for name, control in result["controls"].items():
        value = click.style(shown(control["value"]), bold=True)
        rows.append([named(name), value, shown(control["default"]), _range(control), dim(_note(control))])
    heading = click.style(result["camera"], bold=True)
    return f"{heading}\n{table(rows, right=(1, 2))}" if result["controls"] else f"{heading}: has no controls"


def _range(control: dict[str, Any]) -> str:
    if control["type"] == "choice":
        return " | ".join(control["choices"])
    if control["type"] == "switch":
        return "on | off"
    step = f", by {control['step']}" if control["step"] and control["step"] > 1 else ""
    return f"{control['min']} … {control['max']}{step}"


def _note(control: dict[str, Any]) -> str:
    if not control["writable"]:
        return "can only be read"
    if control["overridden_by"]:
        return f"automatic, by {control['overridden_by']}"
    return "kept" if control["kept"] else ""
