"""`livewarp fetch`: what livewarp may not bring along and gets on a person's word alone."""

from __future__ import annotations

from pathlib import Path

import click

from livewarp.cli.options import progress_bar


@click.group()
def fetch() -> None:
    """Get what does not come with livewarp.

    These commands alone open a connection to another machine; the daemon never does.

    \b
    livewarp fetch hair
    """


@fetch.command("hair")
@click.option(
    "--from",
    "copy",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A copy of the published file, for a machine without a network.",
)
def fetch_hair_command(copy: Path | None) -> None:
    """Get the network that finds hair (0.8 MB, once).

    It is Google's (MediaPipe, Apache-2.0), from storage.googleapis.com; size and checksum are checked. The hair
    parameters need it, and a daemon that runs uses it within five seconds.

    \b
    livewarp fetch hair
    livewarp fetch hair --from hair_segmentation.tflite
    """
    from livewarp.fetch import fetch_hair

    with progress_bar("fetching") as progress:
        paths = fetch_hair(copy, progress)
    size = sum(path.stat().st_size for path in paths) / 1e6
    click.echo(f"{paths[0].parent}: the hair network, {size:.1f} MB; livewarp set hair=0.8 hair_colour=#a03028")


COMMANDS = (fetch,)
