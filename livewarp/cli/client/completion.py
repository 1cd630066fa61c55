"""Shell completion: the script for a shell, and names that a running daemon knows.

Guarantees: completing a word takes no longer than the daemon does, half a second at most, and never fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem, get_completion_class

from livewarp.control.client import Client
from livewarp.errors import LivewarpError

T = TypeVar("T")

_PATIENCE_S = 0.5
_RC = {
    "bash": 'eval "$(livewarp completion bash)"     in ~/.bashrc',
    "zsh": 'eval "$(livewarp completion zsh)"      in ~/.zshrc, after compinit',
    "fish": "livewarp completion fish | source     in ~/.config/fish/config.fish",
}


def _asked(ask: Callable[[Client], Iterable[T]], context: click.Context) -> list[T]:
    """What the daemon answers; nothing where none does."""
    address = context.params.get("control") or os.environ.get("LIVEWARP_CONTROL")
    try:
        with Client(address, timeout_s=_PATIENCE_S) as client:
            return list(ask(client))
    except (LivewarpError, LookupError, TypeError, ValueError):
        return []


def _parameters(context: click.Context) -> Mapping[str, Mapping[str, Any]]:
    """What `describe` says: the daemon's, which may have adjustments of a person's own, else of those built in."""
    asked = dict(_asked(lambda client: client.call("describe").items(), context))
    if asked:
        return asked
    from livewarp.parameters import KNOBS

    return {name: knob.describe() for name, knob in KNOBS.items()}


def _matching(words: Iterable[tuple[str, str]], begun: str) -> list[CompletionItem]:
    return [CompletionItem(word, help=about) for word, about in words if word.startswith(begun)]


def complete_names(context: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of parameters."""
    return _matching([(name, d["help"]) for name, d in _parameters(context).items()], begun)


def complete_assignments(context: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """NAME= of parameters, and the values of one that has few."""
    knobs = _parameters(context)
    name, equals, _ = begun.partition("=")
    start = f"{name}="
    if not equals:
        # bash takes NAME=VALUE for three words, and click drops the "=" of an empty value.
        before = [word for word in context.params.get(param.name or "") or () if word != "="]
        name, start = (before or [""])[-1], ""
        if name not in knobs:
            return _matching([(f"{name}=", d["help"]) for name, d in knobs.items()], begun)
    return _matching([(start + word, "") for word in _words(knobs.get(name))], begun)


def _words(described: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What may be typed for a parameter; nothing where that is too much, or of a kind that is new."""
    from livewarp.knobs import TYPES

    make = TYPES.get(described["type"]) if described else None
    return make(described).words if make and described else ()


def complete_controls(context: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """NAME= of the webcam's controls."""
    found = _asked(lambda client: client.call("camera")["controls"].items(), context)
    return _matching([(f"{name}=", control["label"]) for name, control in found], begun)


def complete_presets(context: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of presets, and what may be done with them in the place of the first."""
    words = context.params.get(param.name or "") or ()
    first = [] if words else [(verb, "") for verb in ("list", "save", "delete", "rename", "export", "import")]
    presets = _asked(lambda client: [(p["name"], "") for p in client.call("presets.list")["presets"]], context)
    return _matching(presets + first, begun)


def complete_sources(context: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Sources that the daemon sees."""
    return _matching(_asked(lambda client: [(s["source"], s["name"]) for s in client.call("sources")], context), begun)


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_RC)))
def completion(shell: str) -> None:
    """Print what makes a SHELL complete commands and their words.

    Options, parameters, presets and sources, too; the running daemon is asked for them.

    \b
    eval "$(livewarp completion bash)"        in ~/.bashrc
    eval "$(livewarp completion zsh)"         in ~/.zshrc, after compinit
    livewarp completion fish | source         in ~/.config/fish/config.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    root = click.get_current_context().find_root().command
    click.echo(f"# {_RC[shell]}")
    click.echo(made(root, {}, "livewarp", "_LIVEWARP_COMPLETE").source())
