"""`livewarp watch`: what the running daemon does, drawn in place on a terminal, as JSON lines elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import click

from livewarp.cli.client.terminal import control_option, dim, failures, named, shown, table
from livewarp.control.client import Client, Subscription

_TOPICS = ("parameters", "switches", "state", "stats")
_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 40  # figures in a little plot
_COLOURS = {"running": "green", "stalled": "red", "blanked": "yellow", "idle": "blue"}


class Screen:
    """The lines that show the newest events; knows nothing of terminals."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._newest: dict[str, Any] = {}
        self._fps: deque[float] = deque(maxlen=_HISTORY)
        self._latency_ms: deque[float] = deque(maxlen=_HISTORY)

    def take(self, topic: str, data: Any) -> None:
        """Remember an event."""
        self._newest[topic] = data
        if topic == "stats":
            self._fps.append(data["fps"])
            self._latency_ms.append(data["latency"]["p50_ms"])

    def lines(self, width: int, height: int) -> list[str]:
        """What to show, without what does not fit."""
        state, stats = self._newest.get("state") or {}, self._newest.get("stats") or {}
        lines = [*self._head(state), *self._speed(stats), "", *self._knobs(width)]
        return [_cut(line, width) for line in lines[: height - 1]]

    def _head(self, state: Mapping[str, Any]) -> list[str]:
        doing = state.get("state", "…")
        title = click.style(doing, bold=True, fg=_COLOURS.get(doing))
        lines = [f"{click.style('livewarp', bold=True)} {dim(self._address)}  {title}  {state.get('reason', '')}"]
        if state:
            lines.append(f"{state['source']} {dim('→')} {', '.join(state['sinks']) or 'nothing'}")
        on = [name for name, value in (self._newest.get("switches") or {}).items() if value]
        if on:
            lines.append(click.style(f"on: {', '.join(on)}", fg="yellow"))
        lines += [click.style(f"! {p['what']}; {p['remedy']}", fg="yellow") for p in state.get("problems") or []]
        return [*lines, ""]

    def _speed(self, stats: Mapping[str, Any]) -> list[str]:
        if not stats:
            return []
        latency = stats["latency"]
        facts = [f"{name} {shown(stats[name])}" for name in ("faces", "late", "dropped") if name in stats]
        facts.append(f"CPU {stats['cpu_percent']:.0f} %")
        facts.append(f"{stats['memory_mb']:.0f} MB")
        return [
            f"{named('fps')}      {stats['fps']:6.1f}     {sparkline(self._fps)}",
            f"{named('latency')}  {latency['p50_ms']:6.1f} ms  {sparkline(self._latency_ms)}  "
            + dim(f"p95 {latency['p95_ms']:.1f}  p99 {latency['p99_ms']:.1f} ms"),
            dim("  ".join(facts)),
        ]

    def _knobs(self, width: int) -> list[str]:
        """The parameters in columns, those at zero or off dimmed."""
        values = self._newest.get("parameters") or {}
        if not values:
            return []
        cells = []
        widest, room = max(map(len, values)), max(6, *(len(shown(value)) for value in values.values()))
        for name, value in values.items():
            text = f"{shown(value):>{room}}"
            cells.append(dim(f"{name:{widest}} {text}") if not value else f"{named(name.ljust(widest))} {text}")
        columns = max(width // (widest + room + 4), 1)
        per_column = -(-len(cells) // columns)
        rows = [[cells[i] for i in range(row, len(cells), per_column)] for row in range(per_column)]
        full = [row + [""] * (len(rows[0]) - len(row)) for row in rows]
        return table(full).split("\n")


def sparkline(values: Sequence[float]) -> str:
    """A little plot in block characters, from 0 to the largest value."""
    top = max(values, default=0.0) or 1.0
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in values)


def _cut(line: str, width: int) -> str:
    """A line, perhaps coloured, that fits; one that does not loses its colours and its end."""
    plain = click.unstyle(line)
    return line if len(plain) <= width else f"{plain[: width - 1]}…"


@click.command("watch")
@click.option(
    "--rate", type=click.FloatRange(0.1, 60.0), default=4.0, show_default=True, help="Most updates of each a second."
)
@control_option
def watch(rate: float, control: str | None) -> None:
    """Show state, figures and values live; Ctrl-C ends it.

    On a terminal it is drawn in place; elsewhere each event is a line of JSON:
    {"topic": "stats", "data": {...}}

    \b
    livewarp watch
    livewarp watch --rate 1 > log.jsonl
    """
    with failures(), Client(control) as client, client.subscribe(*_TOPICS, rate_hz=rate) as events:
        if sys.stdout.isatty():
            _draw(events, Screen(str(client.address)))
        else:
            for topic, data in events:
                click.echo(json.dumps({"topic": topic, "data": data}))
    click.echo("livewarp has ended", err=True)


def _draw(events: Subscription, screen: Screen) -> None:
    """Draw each event over the last picture; leave the last one standing."""
    drawn = 0
    click.echo("\x1b[?25l", nl=False)  # no cursor
    try:
        for topic, data in events:
            screen.take(topic, data)
            lines = screen.lines(*shutil.get_terminal_size())
            up = f"\x1b[{drawn}A" if drawn else ""
            click.echo(up + "".join(f"\r{line}\x1b[K\n" for line in lines) + "\x1b[J", nl=False)
            drawn = len(lines)
    except KeyboardInterrupt:
        return
    finally:
        click.echo("\x1b[?25h", nl=False)
