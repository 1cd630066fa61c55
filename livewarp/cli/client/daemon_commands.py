"""The client commands about the running daemon: how it does, where its frames come from, its end."""

from __future__ import annotations

from typing import Any

import click

from livewarp.cli.client.completion import complete_sources
from livewarp.cli.client.terminal import dim, named, over_control, shown, table, values_table
from livewarp.control.address import Address
from livewarp.control.client import Client
from livewarp.errors import SourceError
from livewarp.sources import source_kind
from livewarp.system.regular import expanded

_QUANTILES = ("p50_ms", "p95_ms", "p99_ms")
_UNITS = {"cpu_percent": "%", "memory_mb": "MB"}


@click.command("stats")
@over_control
def stats(client: Client) -> tuple[Any, str]:
    """Print how fast it goes: frame rate, latency, stages, load.

    \b
    livewarp stats
    livewarp stats --json
    """
    result = client.call("stats")
    facts = [
        (named(name), _fixed(value), _UNITS.get(name, ""))
        for name, value in result.items()
        if not isinstance(value, dict)
    ]
    stages = {"latency": result.get("latency"), **(result.get("stages") or {})}
    rows = [[dim(title) for title in ("", "P50 ms", "P95 ms", "P99 ms")]]
    for name, times in stages.items():
        rows.append([named(name), *(_fixed((times or {}).get(quantile), 2) for quantile in _QUANTILES)])
    return result, table(facts, right=(1,)) + "\n\n" + table(rows, right=(1, 2, 3))


def _fixed(value: object, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float) else shown(value)


@click.command("state")
@over_control
def state(client: Client) -> tuple[Any, str]:
    """Print what the daemon is doing and why, and what is wrong.

    A line with a `!` says what is wrong and how to fix it.

    \b
    livewarp state
    livewarp state --json
    """
    result = client.call("state")
    plain = {name: value for name, value in result.items() if value not in (None, "", []) and not _is_deep(value)}
    cells = {name: shown(value) for name, value in plain.items()}
    if isinstance(result.get("since_s"), (int, float)):
        cells["since_s"] = f"{result['since_s']:.1f}"
    first, *others = result.get("conditions") or [{}]
    if others:
        cells["reason"] = "; ".join([first["reason"], *(_also(condition) for condition in others)])
    cells["state"] = click.style(cells.get("state", "-"), bold=True)
    steps = result.get("checklist") or []
    for name, on in (result.get("switches") or {}).items():
        cells[name] = shown(on)
    lines = [table([(named(name), value) for name, value in cells.items()])]
    lines += [_step(step) for step in steps]
    lines += [f"{click.style('!', fg='yellow')} {p['what']}; {p['remedy']}" for p in result.get("problems") or []]
    return result, "\n".join(lines)


def _step(step: dict[str, Any]) -> str:
    """A step towards a call."""
    mark = click.style("✓", fg="green") if step["done"] else click.style("✗", fg="yellow")
    return f"{mark} {step['text']}" + (f"  →  {step['command']}" if step["command"] else "")


def _also(condition: dict[str, Any]) -> str:
    return f"also {condition['state']} for {condition['since_s']:.0f} s ({condition['reason']})"


def _is_deep(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


@click.command("source")
@click.argument("wanted", metavar="[SOURCE]", required=False, shell_complete=complete_sources)
@over_control
def source(client: Client, wanted: str | None) -> tuple[Any, str]:
    """Take frames from SOURCE; without one, list what there is.

    \b
    livewarp source
    livewarp source webcam:1
    livewarp source talk.mp4
    """
    if wanted is not None:
        return _switch(client, wanted), f"{named('source')}: {wanted}; `livewarp state` says whether frames come"
    result = client.call("sources")
    rows = [["*" if s["current"] else " ", named(s["source"]), dim(s["name"])] for s in result]
    return result, table(rows) if rows else "no source"


def _switch(client: Client, wanted: str) -> Any:
    """Switch; where it is a file here, by its whole path, and over the socket that is this user's alone."""
    path = expanded(wanted)
    if not path.is_file():
        if source_kind(wanted).file and (path.suffix or path.name != wanted):
            allowed = "a video or image, or what `livewarp source` lists"
            raise SourceError(f"source: no file {wanted}", allowed=allowed)
        return client.call("source.switch", {"source": wanted})
    params = {"source": str(path.resolve())}
    private = client.call("version").get("socket")
    if private is None or not isinstance(client.address, Address):
        return client.call("source.switch", params)
    with Client(f"unix:{private}") as own:
        return own.call("source.switch", params)


@click.command("model")
@click.argument("name", metavar="[dlib|mesh]", required=False, type=click.Choice(["dlib", "mesh"]))
@over_control
def model(client: Client, name: str | None) -> tuple[Any, str]:
    """Find landmarks with another model; without one, print which.

    The picture goes on: the other model is loaded meanwhile.

    \b
    livewarp model
    livewarp model mesh
    """
    if name is None:
        used = {"model": client.call("state").get("model")}
        return used, f"{named('model')}: {shown(used['model'])}"
    return client.call("model", {"name": name}), f"{named('model')}: {name}; `livewarp state` says when it is used"


@click.command("reload")
@over_control
def reload(client: Client) -> tuple[Any, str]:
    """Read config.toml anew.

    Parameters that changed in it are applied; settings that need a restart are named.

    \b
    livewarp reload
    """
    result = client.call("reload")
    lines = [values_table(result["parameters"]) if result["parameters"] else "no parameter has changed"]
    if result["restart"]:
        lines.append(f"after a restart: {', '.join(result['restart'])}")
    return result, "\n".join(lines)


@click.command("stop")
@over_control
def stop(client: Client) -> tuple[Any, str]:
    """Ask the daemon to end; returns at once.

    \b
    livewarp stop
    """
    result = client.call("stop")
    return result, f"livewarp (pid {result['pid']}) is stopping"
