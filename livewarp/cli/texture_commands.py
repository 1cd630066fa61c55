"""`livewarp texture`: a person's own textures, from a template painted over or a picture with named points."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from livewarp.cli.client.terminal import control_option
from livewarp.cli.options import config_option, load
from livewarp.errors import ControlError, SettingsError

if TYPE_CHECKING:
    from livewarp.appearance.own import Blend

_BLENDS = ("shade", "paint", "both")
_MAX_POINTS_BYTES = 100_000


@click.group("texture")
def texture() -> None:
    """Your own textures: wrinkles, spots, freckles, scars, face paint.

    \b
    livewarp texture template                       the unwrapped face, to paint over in any program
    livewarp texture add freckles template.png      what you painted, as a texture
    livewarp set freckles=0.8                       it is a parameter like any other
    """


@texture.command("template")
@click.argument("path_out", metavar="[OUT]", default="template.png", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite OUT.")
def template_command(path_out: Path, force: bool) -> None:
    """Write the unwrapped face with its key points, to paint over.

    Beside OUT goes a JSON file with the places of the key points. Paint over the picture and keep its size; what you
    leave as it is stays transparent. Or paint on an empty layer and save that with --points.

    \b
    livewarp texture template
    livewarp texture template face.png --force
    """
    from livewarp.appearance.unwrapping import template, template_points
    from livewarp.sinks.imagefile import write_image
    from livewarp.system.atomic import replacing
    from livewarp.system.paths import check_output

    points_path = path_out.with_suffix(".json")
    if path_out.suffix.lower() != ".png":
        raise SettingsError(
            f"output {path_out}", got=f"suffix {path_out.suffix!r}", allowed=".png, which loses nothing"
        )
    for path in (path_out, points_path):
        check_output(path, force)
    write_image(path_out, template())
    try:
        with replacing(points_path, keep_mode=True) as partial:
            partial.write_text(json.dumps({"points": template_points()}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"output {points_path}: {error.strerror or error}") from error
    click.echo(f"{path_out}, {points_path}: paint over the picture, then livewarp texture add NAME {path_out}")


@texture.command("add")
@click.argument("name")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option(
    "--points", type=click.Path(path_type=Path), help="JSON: {name: [x, y], ...} of eight key points or more."
)
@click.option("--blend", type=click.Choice(_BLENDS), default="both", show_default=True, help="What of it is drawn.")
@click.option("--show", type=click.Path(path_type=Path), metavar="OUT", help="Also draw it on a face, as `show` does.")
@click.option("--face", default="portrait:2", show_default=True, help="The face for --show.")
@click.option("--force", is_flag=True, help="Replace a texture of that name, and overwrite OUT.")
@control_option
@config_option
def add_command(
    name: str,
    picture: Path,
    points: Path | None,
    blend: Blend,
    show: Path | None,
    face: str,
    force: bool,
    control: str,
    config: Path | None,
) -> None:
    """Make a texture of a painted template, or of any picture with named points.

    shade draws what it lightens and darkens, as wrinkles; paint its colours in the light of the face, as face paint;
    both is for freckles, spots and scars. A running daemon has it at once.

    \b
    livewarp texture add freckles template.png
    livewarp texture add tiger tiger.png --points tiger.json --blend paint --show tiger-on-me.png --face me.jpg
    """
    from livewarp.appearance import collection
    from livewarp.appearance.unwrapping import of_given
    from livewarp.sources.image import read_given
    from livewarp.system.paths import check_output

    assert get_args(type(blend)) == ()
    load(config, ())
    collection.checked_name(name)
    if show is not None:
        check_output(show, force, picture)
    marked = None if points is None else _json(points)
    collection.add(name, of_given(read_given(picture), marked, blend), force)
    collection.install_textures()
    knob = collection.knob_name(name)
    live = _tell_daemon(control)
    click.echo(f"{name}: added; livewarp set {knob}=0.8{'' if live else ' (when a daemon runs)'}")
    if show is not None:
        _draw(knob, face, show)


@texture.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool) -> None:
    """List your textures.

    \b
    livewarp texture list
    livewarp texture list --json
    """
    from livewarp.appearance import collection, own

    rows = []
    for path in collection.files():
        try:
            what: str = own.read(path).blend
        except SettingsError as error:
            what = str(error)
        rows.append({"name": path.stem, "parameter": collection.knob_name(path.stem), "blend": what})
    if as_json:
        click.echo(json.dumps(rows))
    elif not rows:
        click.echo("no textures of your own; livewarp texture add NAME PICTURE")
    for row in rows if not as_json else ():
        click.echo(f"{row['name']}  {row['parameter']}  {row['blend']}")


@texture.command("show")
@click.argument("name")
@click.argument("face", default="portrait:2")
@click.argument("path_out", metavar="[OUT]", default="texture.png", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@config_option
def show_command(name: str, face: str, path_out: Path, force: bool, config: Path | None) -> None:
    """Draw a texture on a face, at 0, half and all of it.

    FACE is an image, a video or a built-in portrait.

    \b
    livewarp texture show freckles
    livewarp texture show freckles me.jpg on-me.png
    """
    from livewarp.appearance import collection
    from livewarp.system.paths import check_output

    load(config, ())
    path = collection.path_of(name)
    check_output(path_out, force, Path(face))
    _draw(collection.knob_name(path.stem), face, path_out)


@texture.command("remove")
@click.argument("name")
@control_option
def remove_command(name: str, control: str) -> None:
    """Remove a texture; a running daemon does without it at once.

    \b
    livewarp texture remove freckles
    """
    from livewarp.appearance import collection

    collection.remove(name)
    _tell_daemon(control)
    click.echo(f"{name}: removed")


def _json(path: Path) -> Any:
    try:
        if path.is_symlink() or not path.is_file():
            raise SettingsError(f"points {path}: is no regular file")
        data = path.read_bytes()[: _MAX_POINTS_BYTES + 1]
    except OSError as error:
        raise SettingsError(f"points {path}: {error.strerror or error}") from error
    if len(data) > _MAX_POINTS_BYTES:
        raise SettingsError(f"points {path}: is too large", allowed=f"up to {_MAX_POINTS_BYTES} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"points {path}: is no JSON ({error})"[:200]) from error


def _tell_daemon(control: str) -> bool:
    """Let a running daemon read the folder again; whether there is one."""
    from livewarp.control.client import Client

    with contextlib.suppress(ControlError, OSError), Client(control) as client:
        client.call("textures.reload")
        return True
    return False


def _draw(knob: str, face: str, path_out: Path) -> None:
    from livewarp.sheet import sheet_file

    sheet_file(face, path_out, [knob], force=True, columns=1)
    click.echo(f"{path_out}: {knob} on {face}")
