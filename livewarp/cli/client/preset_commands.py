"""The client commands about presets, and the switches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livewarp.cli.client.completion import complete_presets
from livewarp.cli.client.terminal import dim, named, over_control, shown, table, values_table
from livewarp.control.client import Client
from livewarp.errors import SettingsError

if TYPE_CHECKING:
    from livewarp.knobs import Value

_MAX_BYTES = 32_768  # of a file to import; one of all knobs has two thousand
_VERBS = {"list": 0, "save": 1, "delete": 1, "rename": 2, "export": 1, "import": 1}  # and how many names each takes
_USAGE = (
    "preset NAME, preset list, preset save NAME, preset delete NAME, preset rename NAME TO, "
    "preset export NAME, preset import FILE"
)


@click.command("preset")
@click.argument(
    "words",
    nargs=-1,
    metavar="NAME | list | save NAME | delete NAME | rename NAME TO | export NAME | import FILE",
    shell_complete=complete_presets,
)
@click.option("--force", is_flag=True, help="Save over a preset of that name.")
@over_control
def preset(client: Client, words: tuple[str, ...], force: bool) -> tuple[Any, str]:
    """Load a preset by its name, or save the present values as one.

    A preset has a value for every adjustment; strength, mirror and the like stay as they are.

    \b
    livewarp preset slim            load it
    livewarp preset list            those that are shipped, and your own
    livewarp preset save monday     keep the adjustments as they are now
    livewarp preset rename monday tuesday
    livewarp preset delete tuesday
    livewarp preset export monday > monday.toml
    livewarp preset import monday.toml
    """
    verb, names = (words[0], words[1:]) if words and words[0] in _VERBS else ("load", words)
    if len(names) != _VERBS.get(verb, 1):
        raise SettingsError("preset", got=repr(" ".join(words)), allowed=_USAGE)
    if force and verb not in {"save", "import"}:
        raise SettingsError("preset: --force is for save and import")
    if verb == "load":
        values = client.load_preset(names[0])
        worn = _worn(values, _neutral(client))
        return values, values_table(worn) if worn else f"{named(names[0])} leaves the face as it is"
    if verb == "list":
        return _list(client)
    if verb == "export":
        result = client.call("presets.export", {"name": names[0]})
        return result, result["text"].rstrip("\n")
    if verb == "import":
        return _import(client, Path(names[0]), force)
    params: dict[str, Any] = dict(zip(("name", "to"), names, strict=False))
    if verb == "save":
        params["replace"] = force
    result = client.call(f"presets.{verb}", params)
    done = {"save": "saved", "delete": "deleted", "rename": f"was {names[0]}"}[verb]
    return result, f"{named(result['name'])}: {done}"


def _import(client: Client, path: Path, force: bool) -> tuple[Any, str]:
    """Keep a file that was exported as a preset of the file's name."""
    from livewarp.system.regular import read_text

    try:
        text = read_text(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise SettingsError(f"preset import {path}", got=why or str(error), allowed="a file of preset export") from None
    result = client.call("presets.import", {"name": path.stem, "text": text, "replace": force})
    return result, f"{named(result['name'])}: imported"


def _neutral(client: Client) -> dict[str, Value]:
    """The value of each parameter that changes nothing."""
    from livewarp.knobs import TYPES, from_description

    described = client.call("describe")
    return {
        name: from_description(name, d).neutral if d["type"] in TYPES else d["default"] for name, d in described.items()
    }


def _worn(values: Mapping[str, Value], neutral: Mapping[str, Value]) -> dict[str, Value]:
    """Those values that change something."""
    return {name: value for name, value in values.items() if value != neutral.get(name)}


def _list(client: Client) -> tuple[Any, str]:
    result = client.call("presets.list")
    neutral = _neutral(client)
    rows = []
    for each in result["presets"]:
        values = ", ".join(f"{name} {shown(value)}" for name, value in _worn(each["values"], neutral).items())
        rows.append([named(each["name"]), dim("shipped" if each["shipped"] else "yours"), values or "nothing"])
    problems = [f"{problem['what']}; {problem['remedy']}" for problem in result["problems"]]
    return result, "\n".join([table(rows), *problems])


def _history_command(name: str, help_: str) -> click.Command:
    """One of the two commands that walk through the history."""

    def run(client: Client) -> tuple[Any, str]:
        result = client.call(name)
        done = [f"{named(knob)} {shown(value)}" for knob, value in result["values"].items()]
        done += [f"preset {named(preset)}" for preset in result["presets"]]
        return result, ", ".join(done) or "done"

    return click.command(name, help=f"{help_}\n\n\b\nlivewarp {name}")(over_control(run))


HISTORY = (
    _history_command("undo", "Take the last change back, of values or presets."),
    _history_command("redo", "Do again what was undone last."),
)
"""undo and redo."""


def _switch_command(name: str, help_: str) -> click.Command:
    """A command for one switch."""

    def run(client: Client, how: str) -> tuple[Any, str]:
        on = client.switch(name, {"on": True, "off": False}.get(how))
        return {name: on}, f"{named(name)}: {click.style(shown(on), bold=True)}"

    argument = click.argument("how", type=click.Choice(["on", "off", "toggle"]), default="toggle")
    examples = f"Without a word, the other way round.\n\n\b\nlivewarp {name}\nlivewarp {name} on"
    return click.command(name, help=f"{help_}\n\n{examples}")(argument(over_control(run)))


SWITCHES = (
    _switch_command("freeze", "Hold the last picture."),
    _switch_command("blank", "Show the privacy picture, and nothing of the camera."),
    _switch_command("bypass", "Send the picture unfiltered (enabled=off)."),
    _switch_command("mirror", "Mirror the picture."),
)
"""freeze, blank, bypass and mirror."""
