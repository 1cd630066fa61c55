"""`livewarp apply`: files in, files out."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livewarp.cli.options import config_option, load, overlay_option, progress_bar, set_option, tracker_of, with_model
from livewarp.errors import EXIT_USAGE, LivewarpError, SettingsError

if TYPE_CHECKING:
    from livewarp.apply import Applied, Job
    from livewarp.parameters import Parameters
    from livewarp.settings import Settings

EXIT_NO_FACE = 3


class _Time(click.ParamType[float]):
    """Seconds, or [hours:]minutes:seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            parts = [float(part) for part in str(value).split(":")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 3 or any(part < 0 or part != part for part in parts):
            self.fail(f"{value!r} is no time; allowed: seconds, MINUTES:SECONDS or HOURS:MINUTES:SECONDS", param, ctx)
        total = 0.0
        for part in parts:
            total = total * 60 + part
        return total


@click.command()
@click.argument("paths", metavar="IN... OUT", nargs=-1, required=True, type=click.Path(path_type=Path))
@set_option
@click.option("--preset", metavar="NAME", help="Values of a preset; --set goes over them. `livewarp preset list`.")
@overlay_option
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option("--start", type=_Time(), help="Begin there, s or [H:]M:S.")
@click.option("--end", type=_Time(), help="End there, s or [H:]M:S.")
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Only every Nth frame, for a look.")
@click.option(
    "--compare",
    type=click.Choice(["side", "split", "wipe"]),
    help="Show the original, too: beside the result, in the left half, or left of a line that moves.",
)
@click.option("--quality", type=click.FloatRange(1, 100), help="1 to 100 [as good as IN needs].")
@click.option("--max-faces", type=click.IntRange(1, 16), help="How many faces are followed [4].")
@with_model
@config_option
def apply(
    paths: tuple[Path, ...],
    assignments: tuple[str, ...],
    preset: str | None,
    overlay: bool,
    force: bool,
    start: float | None,
    end: float | None,
    every: int,
    compare: Any,
    quality: float | None,
    max_faces: int | None,
    model: str | None,
    detector: str | None,
    config: Path | None,
) -> None:
    """Filter the images or videos IN into OUT, deterministically.

    Size, time stamps, colours, sound, subtitles, chapters and title are kept where the format of OUT can hold them;
    what cannot be kept is said. OUT: .mp4, .m4v, .mov, .mkv, .webm, .avi or .gif for a video, by its ending; for
    several IN a folder; {time} in its name stands for the moment. `-` is standard input, and standard output (y4m).
    Exit status 3: there was no face in some IN.

    \b
    livewarp apply talk.mp4 slim.mp4 --set thin=0.7 --set eyes=0.5
    livewarp apply talk.mp4 look.mp4 --preset slim --start 1:10 --end 1:20 --compare side
    livewarp apply *.jpg faces/ --preset natural
    """
    from livewarp.apply import Job
    from livewarp.system.regular import expanded

    if start is not None and end is not None and end <= start:
        raise SettingsError("--end", got=f"{end:g} s", allowed=f"later than --start, {start:g} s")
    assignments += ("overlay=on",) * overlay
    tracking = {"max_faces": max_faces, "model": model, "detector": detector}
    settings, parameters = load(config, assignments, preset=preset, tracking=tracking)
    job = Job(start or 0.0, end, every, compare, quality)
    pairs = _pairs([expanded(str(path)) for path in paths])
    worst = 0
    with _interruptible():
        for path_in, path_out in pairs:
            try:
                done = _one(path_in, path_out, settings, parameters, force, job)
            except LivewarpError as error:
                if len(pairs) == 1:
                    raise
                click.echo(f"livewarp: {error}", err=True)
                worst = min(worst or EXIT_USAGE, error.exit_status)
                continue
            if not done.with_face and worst == 0:
                worst = EXIT_NO_FACE
    if worst:
        raise SystemExit(worst)


def _one(path_in: Path, path_out: Path, settings: Settings, parameters: Parameters, force: bool, job: Job) -> Applied:
    """Filter one file, and say so."""
    from livewarp.apply import apply_file

    began_s = time.perf_counter()
    with progress_bar("filtering") as progress:
        done = apply_file(path_in, path_out, parameters, tracker_of(settings), force, progress, job)
    took_s = time.perf_counter() - began_s
    for note in done.notes:
        click.echo(f"note: {path_in}: {note}", err=True)
    if not done.with_face:
        click.echo(f"warning: {path_in}: no face was found", err=True)
    speed = f"; {done.media_s / took_s:.2f}x real time" if done.media_s else ""
    text = f"{path_out}: {done.frames} frame{'s'[: done.frames != 1]}, {done.with_face} with a face{speed}"
    click.echo(text, err=str(path_out) == "-")
    return done


def _pairs(paths: list[Path]) -> list[tuple[Path, Path]]:
    """Each input with its output."""
    from livewarp.apply import default_output

    if len(paths) < 2:
        raise click.UsageError("Missing argument 'OUT'.", click.get_current_context())
    *inputs, out = paths
    if len(inputs) == 1 and not out.is_dir():
        return [(inputs[0], out)]
    if not out.is_dir():
        raise SettingsError(f"output {out}", got=f"{len(inputs)} inputs for it", allowed="a folder that exists")
    if Path("-") in inputs:
        raise SettingsError("standard input (-)", got=f"the folder {out} as output", allowed="the name of a file")
    pairs = [(path, default_output(path, out)) for path in inputs]
    names = [path_out for _, path_out in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"output {twice}", got="two inputs for it", allowed="inputs of different names")
    return pairs


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let TERM and HUP end the work as Ctrl-C does: with nothing left behind."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    wanted = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in wanted}
    try:
        for number in wanted:
            if before[number] is not signal.SIG_IGN:  # nohup
                signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
