"""The commands about files and figures: `livewarp apply`, `sheet`, `bench` and `parameters`; no daemon is needed."""

from __future__ import annotations

from pathlib import Path

import click

from livewarp.cli.apply_command import apply
from livewarp.cli.client.terminal import table
from livewarp.cli.options import (
    config_option,
    load,
    progress_bar,
    set_option,
    source_option,
    tracker_of,
    with_model,
    with_size,
)
from livewarp.errors import SettingsError


@click.command("bench")
@source_option
@click.option("--size", type=click.Choice(["480p", "720p", "1080p", "4K"]), help="Instead of width and height [720p].")
@with_size
@click.option("--faces", type=click.IntRange(1, 4), default=1, show_default=True, help="How many portraits.")
@click.option("--frames", type=click.IntRange(10), help="How many are measured [600; in the matrix 200].")
@click.option("--live", is_flag=True, help="In real time, through the engine of run, alternating with a pass-through.")
@click.option("--seconds", type=click.FloatRange(2), default=20.0, show_default=True, help="How long --live filters.")
@click.option("--matrix", is_flag=True, help="Every size with 1 to 4 faces; two minutes.")
@click.option("--startup/--no-startup", default=True, help="Measure the time to the first frame [--startup].")
@click.option("--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures there.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="DIR", help="Draw there; needs matplotlib.")
@click.option("--compare", type=click.Path(path_type=Path), metavar="OLD", help="What changed since that --json.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="FILE", help=".html, .txt or .json (speedscope).")
@with_model
@set_option
@config_option
def bench_command(
    source: str | None,
    size: str | None,
    width: int | None,
    height: int | None,
    fps: float | None,
    loop: bool | None,
    faces: int,
    frames: int | None,
    live: bool,
    seconds: float,
    matrix: bool,
    startup: bool,
    json_path: Path | None,
    plot: Path | None,
    compare: Path | None,
    profile: Path | None,
    model: str | None,
    detector: str | None,
    assignments: tuple[str, ...],
    config: Path | None,
) -> None:
    """Measure how fast the filter goes on this machine.

    Source, track, warp, null, as fast as they go; then how long a daemon takes to its first frame.

    \b
    livewarp bench                                  the built-in portrait at 720p
    livewarp bench --live --size 1080p --faces 2    as in a call, beside a pass-through
    livewarp bench --matrix --json new.json --compare old.json
    livewarp bench --source talk.mp4 --profile profile.html
    """
    from livewarp.bench.command import BenchOptions, run_benchmark
    from livewarp.bench.record import SIZES

    if size is not None:
        if width is not None or height is not None:
            raise SettingsError("--size", got="--width or --height, too", allowed="one or the other")
        width, height = SIZES[size]
    settings, parameters = load(config, assignments, tracking={"model": model, "detector": detector})
    options = BenchOptions(
        source=source or "portrait",
        width=width,
        height=height,
        fps=fps,
        loop=True if loop is None else loop,
        faces=faces,
        frames=frames or (200 if matrix else 600),
        live=live,
        seconds=seconds,
        matrix=matrix,
        startup=startup,
        json=json_path,
        plot=plot,
        compare=compare,
        profile=profile,
    )
    run_benchmark(options, parameters, lambda live: tracker_of(settings, live), progress_bar, click.echo)


@click.command()
@click.argument("face", default="portrait")
@click.argument("path_out", metavar="[OUT]", default="sheet.png", type=click.Path(path_type=Path))
@click.option(
    "--adjustment", "names", multiple=True, metavar="NAME", help="Which adjustment or effect; may be repeated [all]."
)
@click.option("--strength", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Part of the range [1].")
@set_option
@click.option("--at", type=click.FloatRange(0), metavar="SECONDS", help="Where in a video to search for a face.")
@click.option("--columns", type=click.IntRange(1, 8), default=2, show_default=True, help="Adjustments side by side.")
@click.option("--cell", type=click.IntRange(64, 800), default=200, show_default=True, help="Side of a picture, px.")
@with_model
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@config_option
def sheet(
    face: str,
    path_out: Path,
    names: tuple[str, ...],
    strength: float,
    assignments: tuple[str, ...],
    at: float | None,
    columns: int,
    cell: int,
    model: str | None,
    detector: str | None,
    force: bool,
    config: Path | None,
) -> None:
    """Draw every adjustment and effect on a face, to choose by eye.

    Each at its least, at 0 and at its most; beside them a grid shows what moves where. FACE is an image,
    a video (its first frame with a face), `portrait` or `portrait:2`, the built-in ones; OUT is sheet.png
    unless you say otherwise.

    \b
    livewarp sheet me.jpg                                    all of them, on you
    livewarp sheet me.jpg mouth.png --adjustment smile --adjustment mouth_width --strength 0.4
    livewarp sheet portrait:2 age.png --adjustment age --adjustment wrinkles
    """
    from livewarp.sheet import neutral, sheet_file

    settings, parameters = load(config, assignments, tracking={"model": model, "detector": detector})
    base = neutral(**{name: parameters[name] for name in (text.partition("=")[0] for text in assignments)})
    n = sheet_file(face, path_out, names, strength, base, columns, cell, at, tracker_of(settings), force)
    click.echo(f"{path_out}: {n} card{'s'[: n != 1]} on {face}")


@click.command("parameters")
@config_option
def parameters_command(config: Path | None) -> None:
    """List the parameters there are; no daemon is needed.

    Your own adjustments in config.toml included.

    \b
    livewarp parameters
    livewarp describe       what a running daemon has, with its current values
    """
    _, start = load(config, ())
    from livewarp.parameters import knob

    knobs = [(knob(name), value) for name, value in start.items()]
    click.echo(table([(k.name, k.kind.span, k.kind.show(value), k.help) for k, value in knobs], right=(1, 2)))


COMMANDS = (apply, sheet, parameters_command, bench_command)
