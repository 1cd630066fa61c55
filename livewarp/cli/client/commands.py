"""The client commands: `livewarp get`, `set` and their like, over the control port.

They import nothing slow, so that each answers at once; the daemon says which parameters there are.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

from livewarp.cli.client.access_commands import open_, token
from livewarp.cli.client.camera_commands import camera
from livewarp.cli.client.completion import complete_assignments, complete_names, completion
from livewarp.cli.client.daemon_commands import model, reload, source, state, stats, stop
from livewarp.cli.client.preset_commands import HISTORY, SWITCHES, preset
from livewarp.cli.client.terminal import changes, dim, named, over_control, shown, table, values_table
from livewarp.cli.client.watch import watch
from livewarp.control.client import Client
from livewarp.errors import ControlError, ParameterError, SettingsError

if TYPE_CHECKING:
    from livewarp.knobs import Knob, Value

_LARGEST_STEP = 1e9  # beyond any bound; the daemon takes no larger one
_ASSIGNMENT = re.compile(r"(?P<name>\w+)(?P<how>\+=|-=|=)(?P<value>.*)", re.DOTALL)


def _names(names: tuple[str, ...]) -> dict[str, Any]:
    return {"names": list(names)} if names else {}


@click.command("get")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@over_control
def get_(client: Client, names: tuple[str, ...]) -> tuple[Any, str]:
    """Print live parameters; all of them without a NAME.

    \b
    livewarp get
    livewarp get thin eyes
    livewarp get --json thin
    """
    values = client.call("get", _names(names))
    return values, values_table(values)


@click.command("reset")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@over_control
def reset(client: Client, names: tuple[str, ...]) -> tuple[Any, str]:
    """Set parameters back to the settings; all without a NAME.

    That is to config.toml and the options that the daemon was started with.

    \b
    livewarp reset
    livewarp reset thin eyes
    """
    values = client.call("reset", _names(names))
    return values, values_table(values)


@click.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE...", shell_complete=complete_assignments)
@over_control
def set_(client: Client, assignments: tuple[str, ...]) -> tuple[Any, str]:
    """Change live parameters: NAME=VALUE, NAME+=D, NAME-=D.

    From the next frame on, and all of them or none. += and -= stop at the bound, and are added by the daemon, so
    that two keys pressed at once both count. Those that are no numbers take on and off, a colour as #rrggbb or
    one of their choices. `livewarp describe` lists them all.

    \b
    livewarp set thin=0.6 eyes=0.4
    livewarp set thin+=0.1
    livewarp set mirror=on
    """
    from livewarp.knobs import from_description

    parsed = [_parse_assignment(text) for text in assignments]
    described = client.call("describe")
    fixed: dict[str, Value] = {}
    by: dict[str, float] = {}
    for name, how, text in parsed:
        if name not in described:
            from livewarp.parameters import unknown

            raise unknown(name, described, text)
        knob = from_description(name, described[name])
        if how == "=":
            fixed[name] = knob.parse(text)
            by.pop(name, None)
        else:
            by[name] = by.get(name, 0.0) + _step(knob, how, text)
    before, values = _change(client, {"set": fixed, "by": by})
    for name, value in fixed.items():
        before_step = value if name in by else before[name]
        if name in by and isinstance(before_step, (int, float)):
            by[name] += before_step - before[name]
    return values, changes(before, values, _stopped(before, values, by))


def _change(client: Client, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values before and after, read and changed in one message."""
    outcomes = client.batch([("get", {}), ("adjust", params)])
    for outcome in outcomes:
        if isinstance(outcome, ControlError):
            raise outcome
    before, values = outcomes
    return before, values


def _stopped(before: dict[str, Any], values: dict[str, Any], by: dict[str, float]) -> set[str]:
    """Those that a bound has kept from where their steps lead."""
    return {name for name, step in by.items() if values[name] != round(before[name] + step, 9)}


def _parse_assignment(text: str) -> tuple[str, str, str]:
    """Name, "=" or "+=" or "-=", and the text of the value."""
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise SettingsError("set", got=repr(text), allowed="NAME=VALUE, NAME+=D or NAME-=D")
    return match["name"], match["how"], match["value"]


@click.command("adjust")
@click.argument("steps", nargs=-1, required=True, metavar="NAME=D...", shell_complete=complete_assignments)
@click.option("--strict", is_flag=True, help="Refuse to go beyond a bound, instead of stopping there.")
@over_control
def adjust(client: Client, steps: tuple[str, ...], strict: bool) -> tuple[Any, str]:
    """Add D to live parameters; they stop at their bounds.

    Read and changed in one message, so that two keys pressed at once both count.

    \b
    livewarp adjust thin=0.1 eyes=-0.05
    """
    by: dict[str, float] = {}
    for text in steps:
        name, equals, step = text.partition("=")
        try:
            by[name] = float(step)
        except ValueError:
            by[name] = math.nan
        if not (name and equals and math.isfinite(by[name])):
            raise SettingsError("adjust", got=repr(text), allowed="NAME=D with a finite number D")
    before, values = _change(client, {"by": by, "strict": strict})
    return values, changes(before, values, _stopped(before, values, by))


def _step(knob: Knob, how: str, text: str) -> float:
    """What to add to a knob that is a number."""
    try:
        by = float(text)
        if not math.isfinite(by):
            raise ValueError(text)
        knob.moved(knob.default, by)
    except ValueError:
        allowed = f"{knob.name}{how}D with a finite number D, for a parameter that is a number"
        raise ParameterError(knob.name, f"{how}{text}", allowed) from None
    return max(-_LARGEST_STEP, min(_LARGEST_STEP, by if how == "+=" else -by))


@click.command("describe")
@over_control
def describe(client: Client) -> tuple[Any, str]:
    """List live parameters: value, default, range, what each does.

    \b
    livewarp describe
    livewarp describe --json
    """
    from livewarp.knobs import TYPES

    knobs, values = client.call("describe"), client.call("get")
    rows = [[dim(title) for title in ("NAME", "VALUE", "DEFAULT", "RANGE", "WHAT IT DOES")]]
    for name, d in knobs.items():
        value = click.style(shown(values[name]), bold=True)
        span = TYPES[d["type"]](d).span if d["type"] in TYPES else ""  # a newer daemon may have more kinds
        rows.append([named(name), value, shown(d["default"]), span, d["help"]])
    return knobs, table(rows, right=(1, 2))


RUNNING: tuple[click.Command, ...] = (open_, state, stats, watch, source, camera, model, reload, token, stop)
"""The client commands about the daemon, for the command line to register."""

ADJUSTING: tuple[click.Command, ...] = (set_, get_, adjust, reset, describe, preset, *HISTORY, *SWITCHES)
"""Those about the picture."""

COMMANDS: tuple[click.Command, ...] = (*ADJUSTING, *RUNNING, completion)
"""All of them."""
