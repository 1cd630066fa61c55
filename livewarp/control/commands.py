"""The client commands: `livewarp get`, `set` and their like, over the control port.

They import nothing slow, so that each answers at once: what parameters there are, the daemon tells.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import click

from livewarp.control.client import DEFAULT_CONTROL, Client
from livewarp.errors import EXIT_USAGE, ControlError, LivewarpError, ParameterError
from livewarp.parameters import Knob, Value

_INVALID_PARAMS = -32602  # JSON-RPC's code for a refused parameter
_STAGES = ("read", "track", "warp", "send")
_QUANTILES = ("p50_ms", "p95_ms", "p99_ms")
_UNITS = {"cpu_percent": "%", "memory_mb": "MB"}
_ASSIGNMENT = re.compile(r"(?P<name>\w+)(?P<how>\+=|-=|=)(?P<value>.*)", re.DOTALL)


class _Failure(click.ClickException):
    """What went wrong, as one line, with livewarp's exit status."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_status  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: TextIO | None = None) -> None:  # type: ignore[override]
        click.echo(f"livewarp: {self.message}", file=file, err=file is None)


def _over_control(command: Callable[..., tuple[Any, str]]) -> Callable[..., None]:
    """Give a command a client, the options --json and --control, and livewarp's exit statuses.

    The command returns its result twice: as the JSON value and as text for people.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.option(
        "--control",
        metavar="HOST:PORT",
        envvar="LIVEWARP_CONTROL",
        default=DEFAULT_CONTROL,
        show_default=True,
        help="Where the daemon listens; also by LIVEWARP_CONTROL.",
    )
    @functools.wraps(command)
    def run(as_json: bool, control: str, **arguments: Any) -> None:
        try:
            with Client(control) as client:
                result, text = command(client, **arguments)
        except ControlError as error:
            refused = error.code == _INVALID_PARAMS
            raise _Failure(str(error), EXIT_USAGE if refused else error.exit_status) from error
        except LivewarpError as error:
            raise _Failure(str(error), error.exit_status) from error
        click.echo(json.dumps(result, indent=2) if as_json else text)

    return run


def _table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of cells, possibly coloured, in aligned columns; those in `right` flush right."""
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows, strict=True)]

    def padded(cell: str, column: int) -> str:
        space = " " * (widths[column] - len(click.unstyle(cell)))
        return space + cell if column in right else cell + space

    return "\n".join("  ".join(padded(cell, i) for i, cell in enumerate(row)).rstrip() for row in rows)


def _name(text: str) -> str:
    return click.style(text, fg="cyan")


def _dim(text: str) -> str:
    return click.style(text, dim=True)


def _shown(value: object) -> str:
    """A value as people write it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return str(value)


def _values(values: Mapping[str, object]) -> str:
    if not values:
        return "nothing to do"
    return _table([(_name(name), click.style(_shown(value), bold=True)) for name, value in values.items()])


def _names(names: tuple[str, ...]) -> dict[str, Any]:
    return {"names": list(names)} if names else {}


@click.command("get")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_over_control
def get_(client: Client, names: tuple[str, ...]) -> tuple[Any, str]:
    """Print live parameters; all of them without a NAME."""
    values = client.call("get", _names(names))
    return values, _values(values)


@click.command("reset")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_over_control
def reset(client: Client, names: tuple[str, ...]) -> tuple[Any, str]:
    """Set live parameters back to their values at start; all of them without a NAME."""
    values = client.call("reset", _names(names))
    return values, _values(values)


@click.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE...")
@_over_control
def set_(client: Client, assignments: tuple[str, ...]) -> tuple[Any, str]:
    """Change live parameters from the next frame on; all of them or none.

    NAME=VALUE sets a value, NAME+=D and NAME-=D change it by D and stop at the bound. Switches take
    on and off.
    """
    parsed = [_parse_assignment(text) for text in assignments]
    knobs = _knobs(client)
    before: dict[str, Value] = client.call("get")
    after, stopped = dict(before), set()
    for name, how, text in parsed:
        knob = knobs.get(name)
        if knob is None:
            raise ParameterError(name, text, ", ".join(knobs), f"unknown parameter {name!r}")
        stopped.discard(name)
        if how == "=":
            after[name] = knob.parse(text)
        else:
            after[name], at_bound = _moved(knob, after[name], how, text)
            stopped |= {name} if at_bound else set()
    values = client.call("set", {name: after[name] for name, _, _ in parsed})
    rows = [
        (
            f"{_name(name)}: {_shown(before[name])} -> {click.style(_shown(value), bold=True)}"
            f"{' (stopped at the bound)' if name in stopped else ''}"
        )
        for name, value in values.items()
    ]
    return values, "\n".join(rows)


def _parse_assignment(text: str) -> tuple[str, str, str]:
    """Name, "=" or "+=" or "-=", and the text of the value."""
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise _Failure(f"set: got {text!r}, allowed: NAME=VALUE, NAME+=D or NAME-=D", EXIT_USAGE)
    return match["name"], match["how"], match["value"]


def _knobs(client: Client) -> dict[str, Knob]:
    """What parameters the daemon has; it need not be of this version."""
    return {
        name: Knob(name, d["type"], d["default"], d["min"], d["max"], d["unit"], d["help"])
        for name, d in client.call("describe").items()
    }


def _moved(knob: Knob, value: Value, how: str, text: str) -> tuple[Value, bool]:
    """The value after a relative change, and whether a bound stopped it."""
    allowed = f"{knob.name}{how}D with a finite number D, for a parameter that is a number"
    try:
        by = float(text)
    except ValueError:
        by = math.nan
    if knob.minimum is None or knob.maximum is None or not math.isfinite(by):
        raise ParameterError(knob.name, f"{how}{text}", allowed)
    # Rounded, so that ten steps of 0.1 from 0 end at 1 and not a hair beside it.
    wanted = round(value + (by if how == "+=" else -by), 9)
    reached = min(max(wanted, knob.minimum), knob.maximum)
    return reached, reached != wanted


@click.command("describe")
@_over_control
def describe(client: Client) -> tuple[Any, str]:
    """Print what live parameters there are: value, default, bounds and what each does."""
    knobs, values = client.call("describe"), client.call("get")
    rows = [[_dim(title) for title in ("NAME", "VALUE", "DEFAULT", "RANGE", "WHAT IT DOES")]]
    for name, d in knobs.items():
        bounds = "on, off" if d["type"] == "bool" else f"{_shown(d['min'])} to {_shown(d['max'])}"
        unit = f" {d['unit']}" if d["unit"] else ""
        value = click.style(_shown(values[name]), bold=True)
        rows.append([_name(name), value, _shown(d["default"]), bounds + unit, d["help"]])
    return knobs, _table(rows, right=(1, 2))


@click.command("stats")
@_over_control
def stats(client: Client) -> tuple[Any, str]:
    """Print how fast the daemon goes: frame rate, latency, time of each stage, load."""
    result = client.call("stats")
    facts = [
        (_name(name), _fixed(value), _UNITS.get(name, ""))
        for name, value in result.items()
        if not isinstance(value, dict)
    ]
    stages = {"latency": result.get("latency"), **{n: (result.get("stages") or {}).get(n) for n in _STAGES}}
    rows = [[_dim(title) for title in ("", "P50 ms", "P95 ms", "P99 ms")]]
    for name, times in stages.items():
        rows.append([_name(name), *(_fixed((times or {}).get(quantile), 2) for quantile in _QUANTILES)])
    return result, _table(facts, right=(1,)) + "\n\n" + _table(rows, right=(1, 2, 3))


def _fixed(value: object, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float) else _shown(value)


@click.command("state")
@_over_control
def state(client: Client) -> tuple[Any, str]:
    """Print what the daemon is doing and why, its source and its sinks."""
    result = client.call("state")
    shown = {name: _shown(value) for name, value in result.items() if value not in (None, "")}
    if isinstance(result.get("since_s"), (int, float)):
        shown["since_s"] = f"{result['since_s']:.1f}"
    shown["state"] = click.style(shown.get("state", "-"), bold=True)
    return result, _table([(_name(name), value) for name, value in shown.items()])


@click.command("stop")
@_over_control
def stop(client: Client) -> tuple[Any, str]:
    """Ask the daemon to end; returns at once."""
    result = client.call("stop")
    return result, f"livewarp (pid {result['pid']}) is stopping"


COMMANDS: tuple[click.Command, ...] = (get_, set_, reset, describe, stats, state, stop)
"""The client commands, for the command line to register."""
