"""Write the man pages of livewarp, one a command, from the commands' own help: man_pages.py FOLDER.

Runs with the Python that livewarp is installed in.
"""

import inspect
import re
import sys
import textwrap
from pathlib import Path

import click

from livewarp import __version__
from livewarp.cli.main import cli


def escaped(text: str) -> str:
    """Text as roff takes it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def paragraphs(text: str) -> list[str]:
    """The help of a command: paragraphs, and examples with their lines as they are."""
    lines: list[str] = []
    for part in inspect.cleandoc(text).split("\n\n"):
        lines.append(".PP")
        if part.lstrip().startswith("\b"):
            lines += [".nf", escaped(textwrap.dedent(part.replace("\b", "")).strip("\n")), ".fi"]
        else:
            lines.append(escaped(" ".join(part.split())))
    return lines


def page(command: click.Command, context: click.Context) -> str:
    """The man page of a command."""
    name = context.command_path.replace(" ", "-")
    text = command.help or ""
    short = command.get_short_help_str(200)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH {name.upper()} 1 "" "livewarp {__version__}" "livewarp"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(short)}",
        ".SH SYNOPSIS",
        f".B {escaped(context.command_path)}",
        escaped(usage),
        ".SH DESCRIPTION",
        *paragraphs(text.replace("\f", "")),
    ]
    records = [r for parameter in command.get_params(context) if (r := parameter.get_help_record(context))]
    if records:
        lines.append(".SH OPTIONS")
        for names, about in records:
            lines += [".TP", f".B {escaped(names)}", escaped(" ".join(about.split()))]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for child in command.commands.values():
            lines += [".TP", f".BR {escaped(f'{name}-{child.name}')} (1)", escaped(child.get_short_help_str(200))]
    if not context.parent:
        lines += [".SH EXIT STATUS", ".TP", "0", "asked to stop, or done", ".TP", "1", "a failure at run time"]
        lines += [".TP", "2", "bad usage or settings"]
    return "\n".join(lines) + "\n"


def write(command: click.Command, folder: Path, parent: click.Context | None = None) -> None:
    """The page of a command, and those of the commands in it."""
    context = click.Context(command, info_name=command.name if parent else "livewarp", parent=parent)
    (folder / f"{context.command_path.replace(' ', '-')}.1").write_text(page(command, context))
    if isinstance(command, click.Group):
        for child in command.commands.values():
            write(child, folder, context)


if __name__ == "__main__":
    write(cli, Path(sys.argv[1]))
