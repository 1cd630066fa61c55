"""The command line. Every command is a few lines over the modules below.

Guarantees: nothing heavy is imported until a command needs it, so that the client commands (get,
set, ...) answer at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livewarp import __version__
from livewarp.control.commands import COMMANDS
from livewarp.errors import EXIT_RUNTIME, LivewarpError, SettingsError
from livewarp.machine_commands import COMMANDS as MACHINE_COMMANDS
from livewarp.parameters import KNOBS, Parameters, define, knob

if TYPE_CHECKING:
    from livewarp.settings import Settings
    from livewarp.tracking import FaceTracker

_log = logging.getLogger("livewarp")

# What OpenCV reads when it is imported.
OPENCV = {
    # A read of a camera that has gone silent blocks for so long, s; OpenCV's own 10 would hold up the daemon's end.
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2",
    # Threads that wait for work spin: on pictures as small as a face's crop they cost a third more than they save.
    "OPENCV_FOR_THREADS_NUM": "1",
}

LEVELS = {"quiet": logging.WARNING, "normal": logging.INFO, "verbose": logging.DEBUG}


set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter, such as thin=0.7; may be repeated. `livewarp parameters` lists them.",
)
overlay_option = click.option(
    "--overlay", is_flag=True, help="Draw landmarks, ids and confidence on the picture; live: set overlay=on."
)
source_option = click.option(
    "--source",
    metavar="SOURCE",
    help="auto (a webcam, else the portrait), webcam, webcam:INDEX, webcam:/dev/..., portrait, "
    "or the path of a video or image.",
)
size_options = (
    click.option("--width", type=click.IntRange(16, 7680), help="Width, px [1280, or the file's own]."),
    click.option("--height", type=click.IntRange(16, 4320), help="Height, px [720, or the file's own]."),
    click.option("--fps", type=click.FloatRange(1, 240), help="Frames a second [30, or the file's own]."),
    click.option("--loop/--no-loop", default=None, help="Start a video file again when it ends."),
)
model_options = (
    click.option("--model", type=click.Choice(["dlib", "mesh"]), help="What finds the landmarks of a face [dlib]."),
    click.option("--detector", type=click.Choice(["auto", "hog", "blaze"]), help="What finds newcomers [auto]."),
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file [config.toml here, else in your config folder].",
)


def _load(config: Path | None, assignments: tuple[str, ...], **tables: dict[str, Any]) -> tuple[Settings, Parameters]:
    """Settings of the file and the options, and the parameters to start with; own adjustments are defined."""
    from livewarp.settings import find_config, load_settings

    path = find_config(config)
    settings = load_settings(path, tables)
    for adjustment in settings.own_adjustments():
        define(adjustment)
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set: got {text!r}, allowed: NAME=VALUE")
        values[name] = knob(name).parse(value)
    if path is not None:
        _log.info("settings: %s", path)
    return settings, settings.start_parameters().replace(**values)


def _reread(
    config: Path | None, assignments: tuple[str, ...], tables: dict[str, dict[str, Any]]
) -> tuple[Settings, Parameters]:
    """The same from the file as it is now; own adjustments that are new in it need a restart."""
    from livewarp.settings import find_config, load_settings

    settings = load_settings(find_config(config), tables)
    known = {name: value for name, value in settings.parameters.items() if name in KNOBS}
    values = {name: knob(name).parse(value) for name, _, value in (text.partition("=") for text in assignments)}
    return settings, Parameters(**known).replace(**values)


def _with_model(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(model_options):
        command = option(command)
    return command


def _with_size(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(size_options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="livewarp", message="%(prog)s %(version)s")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More detail; errors with their traceback.")
@click.pass_context
def cli(context: click.Context, quiet: bool, verbose: bool) -> None:
    """A real-time webcam face filter that runs as a daemon.

    \b
    livewarp run                       start it: webcam in, virtual camera out
    livewarp set thin=0.7 eyes=0.4     change it while it runs
    livewarp stats                     how fast it goes
    livewarp apply in.mp4 out.mp4      filter a file
    livewarp bench                     measure this machine
    """
    context.obj = "verbose" if verbose else "quiet" if quiet else None
    for name, value in OPENCV.items():
        os.environ.setdefault(name, value)
    _set_up_log(LEVELS[context.obj or "normal"])


def _set_up_log(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter())
    root = logging.getLogger("livewarp")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(level)


# Least level → syslog priority, as sd-daemon(3) has it.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))


def _is_journal() -> bool:
    """Whether the log goes to systemd's journal; a child whose output goes elsewhere inherits the variable, too."""
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no descriptor behind it
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


class _LineFormatter(logging.Formatter):
    """A line an event; over a status line on a terminal, without a time stamp; to the journal, with its priority."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if _is_journal():  # it stamps and names each line itself
            priority = next(p for level, p in _PRIORITIES if record.levelno >= level)
            return "\n".join(f"<{priority}>{line}" for line in text.splitlines())
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        return f"\r\x1b[K{text}" if sys.stderr.isatty() else f"livewarp: {text}"


@cli.command()
@config_option
@source_option
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="SINK",
    help="auto, virtualcam, virtualcam:DEVICE, pipewire, file:PATH or null; may be repeated.",
)
@_with_size
@click.option(
    "--fit",
    type=click.Choice(["letterbox", "crop", "stretch"]),
    help="How a picture of another shape is brought to the output's [letterbox].",
)
@click.option(
    "--on-demand/--no-on-demand",
    default=None,
    help="Open a webcam only while someone watches, where that can be known [on-demand].",
)
@_with_model
@click.option("--frames", type=click.IntRange(1), help="Stop after so many frames.")
@click.option("--duration", type=click.FloatRange(0, min_open=True), help="Stop after so many seconds.")
@click.option("--control", metavar="HOST:PORT", help="Control port [127.0.0.1:8787]; port 0: any free one.")
@click.option("--panel", metavar="HOST:PORT", help="Preview page [127.0.0.1:8788]; port 0: any free one.")
@click.option("--fresh", is_flag=True, help="Start from the settings; do not read or keep what was left last time.")
@set_option
@overlay_option
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More detail; errors with their traceback.")
def run(
    quiet: bool,
    verbose: bool,
    config: Path | None,
    source: str | None,
    sinks: tuple[str, ...],
    width: int | None,
    height: int | None,
    fps: float | None,
    loop: bool | None,
    fit: str | None,
    on_demand: bool | None,
    model: str | None,
    detector: str | None,
    frames: int | None,
    duration: float | None,
    control: str | None,
    panel: str | None,
    fresh: bool,
    assignments: tuple[str, ...],
    overlay: bool,
) -> None:
    """Start the daemon: frames from SOURCE, faces reshaped, to every SINK.

    It runs until Ctrl-C, `livewarp stop`, the end of a video file, --frames or --duration.

    \b
    livewarp run                                          webcam to virtual camera
    livewarp run --source portrait --sink null            no camera needed: watch the preview
    livewarp run --source talk.mp4 --loop --fps 25        a file as if it were a webcam
    """
    assignments += ("overlay=on",) * overlay
    asked = "verbose" if verbose else "quiet" if quiet else click.get_current_context().obj
    logging.getLogger("livewarp").setLevel(LEVELS[asked or "normal"])
    tables: dict[str, dict[str, Any]] = {
        "video": {
            "source": source,
            "sinks": sinks or None,
            "width": width,
            "height": height,
            "fps": fps,
            "loop": loop,
            "fit": fit,
            "on_demand": on_demand,
        },
        "tracking": {"model": model, "detector": detector},
        "control": {"address": control, "panel": panel},
    }
    settings, parameters = _load(config, assignments, **tables)
    logging.getLogger("livewarp").setLevel(LEVELS[asked or settings.log.level])
    from livewarp.control.kept import Kept
    from livewarp.daemon import run as run_daemon

    kept, start, blank = None, parameters, False
    if not fresh:
        kept = Kept()
        options = {name: parameters[name] for name in (text.partition("=")[0] for text in assignments)}
        start, blank = kept.load(settings.start_parameters(), options)
    run_daemon(
        settings,
        parameters,
        frames,
        duration,
        blank=blank,
        reread=lambda: _reread(config, assignments, tables),
        start=start,
        kept=kept,
    )


@cli.command()
@click.argument("path_in", metavar="IN", type=click.Path(path_type=Path))
@click.argument("path_out", metavar="OUT", type=click.Path(path_type=Path))
@set_option
@overlay_option
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@click.option("--max-faces", type=click.IntRange(1, 16), help="How many faces are followed [4].")
@_with_model
@config_option
def apply(
    path_in: Path,
    path_out: Path,
    assignments: tuple[str, ...],
    overlay: bool,
    force: bool,
    max_faces: int | None,
    model: str | None,
    detector: str | None,
    config: Path | None,
) -> None:
    """Filter the image or video IN into OUT, deterministically.

    Size, frame rate and, where ffmpeg is installed, sound are kept.

    \b
    livewarp apply talk.mp4 slim.mp4 --set thin=0.7 --set eyes=0.5
    """
    from livewarp.apply import apply_file

    assignments += ("overlay=on",) * overlay
    tracking = {"max_faces": max_faces, "model": model, "detector": detector}
    settings, parameters = _load(config, assignments, tracking=tracking)
    with _progress("filtering") as progress:
        done = apply_file(path_in, path_out, parameters, _tracker(settings), force, progress)
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{path_out}: {done.frames} frame{'s'[: done.frames != 1]}, {done.with_face} with a face")


@cli.command()
@source_option
@click.option("--size", type=click.Choice(["480p", "720p", "1080p", "4K"]), help="Instead of width and height [720p].")
@_with_size
@click.option("--faces", type=click.IntRange(1, 4), default=1, show_default=True, help="How many portraits.")
@click.option("--frames", type=click.IntRange(10), help="How many are measured [600; in the matrix 200].")
@click.option("--live", is_flag=True, help="In real time, through the engine of run, in turns with a pass-through.")
@click.option("--seconds", type=click.FloatRange(2), default=20.0, show_default=True, help="How long --live filters.")
@click.option("--matrix", is_flag=True, help="Every size with 1 to 4 faces; two minutes.")
@click.option("--startup/--no-startup", default=True, help="Measure the time to the first frame [--startup].")
@click.option("--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures there.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="DIR", help="Draw there; needs matplotlib.")
@click.option("--compare", type=click.Path(path_type=Path), metavar="OLD", help="What changed since that --json.")
@click.option("--profile", type=click.Path(path_type=Path), metavar="FILE", help=".html, .txt or .json (speedscope).")
@_with_model
@set_option
@config_option
def bench(
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
    """Measure how fast the filter goes here, what that costs, and whether it can be held.

    Source, track, warp, null, as fast as they go; then how long a daemon takes to its first frame.

    \b
    livewarp bench                                  the built-in portrait at 720p
    livewarp bench --live --size 1080p --faces 2    as in a call, beside a pass-through
    livewarp bench --matrix --json new.json --compare old.json
    livewarp bench --source talk.mp4 --profile profile.html
    """
    from livewarp.bench.command import Wish, measure
    from livewarp.bench.record import SIZES

    if size is not None:
        if width is not None or height is not None:
            raise SettingsError("--size: got --width or --height, too, allowed: one or the other")
        width, height = SIZES[size]
    settings, parameters = _load(config, assignments, tracking={"model": model, "detector": detector})
    wish = Wish(
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
    measure(wish, parameters, lambda live: _tracker(settings, live), _progress, click.echo)


@cli.command()
@click.argument("face", default="portrait")
@click.argument("path_out", metavar="[OUT]", default="sheet.png", type=click.Path(path_type=Path))
@click.option("--adjustment", "names", multiple=True, metavar="NAME", help="Which; may be repeated [all].")
@click.option("--strength", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Part of the range [1].")
@set_option
@click.option("--at", type=click.FloatRange(0), metavar="SECONDS", help="Where in a video to look for a face.")
@click.option("--columns", type=click.IntRange(1, 8), default=2, show_default=True, help="Adjustments side by side.")
@click.option("--cell", type=click.IntRange(64, 800), default=200, show_default=True, help="Side of a picture, px.")
@_with_model
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
    """Draw every adjustment on a face, to choose by eye: at its least, at 0, at its most.

    FACE is an image, a video (its first frame with a face) or `portrait`, the built-in one; OUT is
    sheet.png unless you say otherwise. Beside the pictures a grid shows what moves where.

    \b
    livewarp sheet me.jpg                                    all of them, on you
    livewarp sheet me.jpg mouth.png --adjustment smile --adjustment mouth_width --strength 0.4
    """
    from livewarp.sheet import neutral, sheet_file

    settings, parameters = _load(config, assignments, tracking={"model": model, "detector": detector})
    base = neutral(**{name: parameters[name] for name in (text.partition("=")[0] for text in assignments)})
    n = sheet_file(face, path_out, names, strength, base, columns, cell, at, _tracker(settings), force)
    click.echo(f"{path_out}: {n} adjustment{'s'[: n != 1]} on {face}")


@cli.command("parameters")
@config_option
def parameters_(config: Path | None) -> None:
    """List the live parameters there are, your own adjustments included; no daemon is needed.

    \b
    livewarp parameters
    livewarp describe       what a running daemon has, with its current values
    """
    _, start = _load(config, ())
    width = max(map(len, start))
    for name, value in start.items():
        k = knob(name)
        bounds = "on/off" if k.type == "bool" else f"{k.minimum:g}..{k.maximum:g}"
        click.echo(f"{name:{width}}  {bounds:>6}  {float(value):>5.2g}  {k.help}")


@cli.command()
@config_option
@source_option
@click.option("--sink", "sinks", multiple=True, metavar="SINK", help="As for run; may be repeated.")
@_with_size
@click.option("--control", metavar="HOST:PORT", help="Control port [127.0.0.1:8787].")
@click.option("--panel", metavar="HOST:PORT", help="Preview page [127.0.0.1:8788].")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def doctor(
    config: Path | None,
    source: str | None,
    sinks: tuple[str, ...],
    width: int | None,
    height: int | None,
    fps: float | None,
    loop: bool | None,
    control: str | None,
    panel: str | None,
    as_json: bool,
) -> int:
    """Check everything that a call needs, and print the command that mends what is missing.

    With the options that you would give to `livewarp run`. A free webcam is switched on for two
    seconds to measure it. Exit status 0: a call can be made now; 1: not yet.
    """
    import json
    import shutil

    from livewarp.doctor import examine, headline, lines, verdict
    from livewarp.machine import Machine

    video = {"source": source, "sinks": sinks or None, "width": width, "height": height, "fps": fps, "loop": loop}
    options: dict[str, dict[str, Any]] = {"video": video, "control": {"address": control, "panel": panel}}
    live, machine = sys.stdout.isatty() and not as_json, Machine()
    columns = min(shutil.get_terminal_size((100, 24)).columns, 120)
    if not as_json:
        click.echo(f"{headline(machine)}\n")
    reports = examine(
        config,
        options,
        machine,
        begins=lambda check: click.echo(f"{'':11}{check} ...", nl=False) if live else None,
        ends=lambda report: None if as_json else click.echo(("\r\x1b[K" if live else "") + lines(report, columns)),
    )
    able = all(report.finding.verdict != "problem" for report in reports)
    if as_json:
        result = {"able": able, "machine": headline(machine), "checks": [report.as_dict() for report in reports]}
        click.echo(json.dumps(result, indent=2, default=str))
    else:
        click.echo(f"\n{verdict(reports)}")
    return 0 if able else EXIT_RUNTIME


def _tracker(settings: Settings, live: bool = False) -> FaceTracker:
    """A tracker as the settings want it, synchronous unless `live`."""
    from livewarp.tracking import FaceTracker

    return FaceTracker.from_settings(settings.tracking, live)


def _progress(what: str) -> Any:
    """A progress bar on a terminal, nothing elsewhere; as a context, gives what to call with (done, total)."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def bar() -> Any:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
            task = shown.add_task(what, total=None)
            yield lambda done, total: shown.update(task, completed=done, total=total)

    return bar()


for _command in (*COMMANDS, *MACHINE_COMMANDS):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; exit status 0, 1 for a failure at run time, 2 for bad usage or settings."""
    try:
        status = cli(prog_name="livewarp", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except LivewarpError as error:
        if _verbose():
            logging.getLogger("livewarp").exception("failed")
        click.echo(f"livewarp: {error}", err=True)
        sys.exit(error.exit_status)
    except BrokenPipeError:  # `livewarp describe | head`
        sys.stderr.close()
        sys.exit(EXIT_RUNTIME)
    except Exception as error:  # the unexpected: a bug of ours
        if _verbose():
            raise
        click.echo(f"livewarp: unexpected {type(error).__name__}: {error}; `livewarp -v ...` shows more", err=True)
        sys.exit(EXIT_RUNTIME)


def _verbose() -> bool:
    return logging.getLogger("livewarp").isEnabledFor(logging.DEBUG)
