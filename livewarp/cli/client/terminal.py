"""What the client commands share: a client, exit statuses, and how values look to people."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TextIO

import click

from livewarp.control.client import Client
from livewarp.errors import EXIT_USAGE, ControlError, LivewarpError

_INVALID_PARAMS = -32602  # JSON-RPC's code for a refused parameter


class Failure(click.ClickException):
    """What went wrong, as one line, with livewarp's exit status."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_code = exit_status  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: TextIO | None = None) -> None:  # type: ignore[override]
        """Print it."""
        click.echo(f"livewarp: {self.message}", file=file, err=file is None)


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """What livewarp's errors look like at the end of a command."""
    try:
        yield
    except ControlError as error:
        refused = error.code == _INVALID_PARAMS
        raise Failure(str(error), EXIT_USAGE if refused else error.exit_status) from error
    except LivewarpError as error:
        raise Failure(str(error), error.exit_status) from error


control_option = click.option(
    "--control",
    metavar="ADDRESS",
    envvar="LIVEWARP_CONTROL",
    help="Where the daemon listens: HOST:PORT or unix:PATH; also by LIVEWARP_CONTROL [its socket, else its port].",
)


def over_control(command: Callable[..., tuple[Any, str]]) -> Callable[..., None]:
    """Give a command a client, the options --json and --control, and livewarp's exit statuses.

    The command returns its result twice: as the JSON value and as text for people.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @control_option
    @functools.wraps(command)
    def run(as_json: bool, control: str | None, **arguments: Any) -> None:
        with failures(), Client(control) as client:
            result, text = command(client, **arguments)
        click.echo(json.dumps(result, indent=2) if as_json else text)

    return run


def changes(before: Mapping[str, Any], after: Mapping[str, Any], stopped: Collection[str] = ()) -> str:
    """What has become of values, one a line."""
    rows = [
        (
            f"{named(name)}: {shown(before[name])} -> {click.style(shown(value), bold=True)}"
            f"{' (stopped at the bound)' if name in stopped else ''}"
        )
        for name, value in after.items()
    ]
    return "\n".join(rows)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of cells, possibly coloured, in aligned columns; those in `right` flush right."""
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows, strict=True)]

    def padded(cell: str, column: int) -> str:
        space = " " * (widths[column] - len(click.unstyle(cell)))
        return space + cell if column in right else cell + space

    return "\n".join("  ".join(padded(cell, i) for i, cell in enumerate(row)).rstrip() for row in rows)


def named(text: str) -> str:
    """The name of something, in its colour."""
    return click.style(text, fg="cyan")


def dim(text: str) -> str:
    """What is there for completeness."""
    return click.style(text, dim=True)


def shown(value: object) -> str:
    """A value as people write it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    return str(value)


def values_table(values: Mapping[str, object]) -> str:
    """Names and values, one a line."""
    if not values:
        return "nothing to do"
    return table([(named(name), click.style(shown(value), bold=True)) for name, value in values.items()])
