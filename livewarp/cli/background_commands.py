"""The commands about backgrounds: `livewarp background add`, `list` and `remove`; no daemon is needed."""

from __future__ import annotations

from pathlib import Path

import click

from livewarp.cli.client.terminal import table


@click.group()
def background() -> None:
    """Pictures to stand behind people.

    \b
    livewarp background add beach.jpg
    livewarp background list
    livewarp set background=picture background_picture=beach
    livewarp background remove beach
    """


@background.command("add")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", help="What it is called [as the file is, in small letters].")
@click.option("--force", is_flag=True, help="Replace one of that name.")
def add_background(file: Path, name: str | None, force: bool) -> None:
    """Keep a copy of a picture as a background.

    \b
    livewarp background add beach.jpg
    livewarp background add IMG_2041.JPG --name office
    """
    from livewarp.filtering.pictures import add_picture

    name = add_picture(file, name, force)
    click.echo(f"{name}: added (livewarp set background=picture background_picture={name})")


@background.command("list")
def list_backgrounds() -> None:
    """Those that come with livewarp, and your own.

    \b
    livewarp background list
    """
    from livewarp.filtering.pictures import own, shipped

    rows = [[name, "shipped"] for name in shipped()] + [[name, "yours"] for name in own()]
    click.echo(table(rows))


@background.command("remove")
@click.argument("name")
def remove_background(name: str) -> None:
    """Delete one of your own.

    \b
    livewarp background remove beach
    """
    from livewarp.filtering.pictures import remove_picture

    remove_picture(name)
    click.echo(f"{name}: removed")


COMMANDS = (background,)
