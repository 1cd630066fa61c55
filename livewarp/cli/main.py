"""The command line. Every command is a few lines over the modules below.

Guarantees: nothing heavy is imported until a command needs it, so that the client commands (get,
set, ...) answer at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from livewarp import __version__
from livewarp.cli import logs
from livewarp.cli.background_commands import COMMANDS as BACKGROUND_COMMANDS
from livewarp.cli.client.commands import ADJUSTING, RUNNING
from livewarp.cli.client.completion import completion
from livewarp.cli.fetch_commands import COMMANDS as FETCH_COMMANDS
from livewarp.cli.file_commands import COMMANDS as FILE_COMMANDS
from livewarp.cli.machine_commands import COMMANDS as MACHINE_COMMANDS
from livewarp.cli.options import (
    config_option,
    load,
    overlay_option,
    reread,
    set_option,
    sink_option,
    source_option,
    with_model,
    with_size,
)
from livewarp.cli.texture_commands import texture
from livewarp.errors import EXIT_RUNTIME, LivewarpError, SettingsError, did_you_mean
from livewarp.sources import check_there

# What OpenCV reads when it is imported.
OPENCV = {
    # A read of a camera that has gone silent blocks for so long, s; OpenCV's own 10 would hold up the daemon's end.
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2",
    # Threads that wait for work spin: on pictures as small as a face's crop they cost a third more than they save.
    "OPENCV_FOR_THREADS_NUM": "1",
}
# What it and its FFmpeg say of a file that they cannot read, we say; with -v they may, too.
OPENCV_QUIET = {"OPENCV_LOG_LEVEL": "ERROR", "OPENCV_FFMPEG_LOGLEVEL": "-8"}


# What people type for a command of another name.
_SYNONYMS = {"start": "run", "status": "state", "quit": "stop"}


_COMPILING = {"run", "apply", "sheet", "bench", "doctor"}  # commands that run kernels


class _Sections(click.Group):
    """A group whose help lists its commands by what they are for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _SYNONYMS.get(cmd_name, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                limit = formatter.width - formatter.current_indent - width - 2
                formatter.write_dl([(f"{c.name:{width}}", c.get_short_help_str(limit)) for c in commands])


def _tell_version(context: click.Context, param: click.Parameter, asked: bool) -> None:
    """Print the versions and end."""
    if not asked or context.resilient_parsing:
        return
    from livewarp.system.machine import Machine
    from livewarp.system.versions import versions

    found = versions(Machine())
    click.echo(f"livewarp {__version__}")
    for name, text in found.items():
        click.echo(f"  {name:{max(map(len, found))}}  {text}")
    context.exit()


@click.group(cls=_Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version, and what matters in a report of a fault.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More detail; errors with their traceback.")
@click.pass_context
def cli(context: click.Context, quiet: bool, verbose: bool) -> None:
    """A real-time webcam face filter that runs as a daemon.

    \b
    livewarp run                       start it: webcam in, virtual camera out
    livewarp set thin=0.7 eyes=0.4     change it while it runs
    livewarp doctor                    could a call be made now? if not, what mends it
    livewarp apply in.mp4 out.mp4      filter a file
    livewarp COMMAND --help            what a command takes, with examples
    """
    context.obj = "verbose" if verbose else "quiet" if quiet else None
    for name, value in (OPENCV if verbose else OPENCV | OPENCV_QUIET).items():
        os.environ.setdefault(name, value)
    logs.set_up(logs.LEVELS[context.obj or "normal"])
    if context.invoked_subcommand in _COMPILING:
        from livewarp.system.kernel_cache import choose_folder

        choose_folder()


@click.command()
@config_option
@source_option
@sink_option
@with_size
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
@click.option("--wait", is_flag=True, help="Wait for a webcam that is not there, behind a placeholder.")
@click.option("--force", is_flag=True, help="Overwrite files that sinks name.")
@with_model
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
    wait: bool,
    force: bool,
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
    """Start the daemon: frames from SOURCE, reshaped, to every SINK.

    It runs until Ctrl-C, `livewarp stop`, the end of a video file, --frames or --duration.

    \b
    livewarp run                                          webcam to virtual camera
    livewarp run --source portrait:2 --sink null          no camera needed: watch the preview
    livewarp run --source talk.mp4 --loop --fps 25        a file as if it were a webcam
    livewarp run --sink auto --sink "file:call-{time}.mp4"   and recorded, a new file each time
    """
    assignments += ("overlay=on",) * overlay
    asked = "verbose" if verbose else "quiet" if quiet else click.get_current_context().obj
    logging.getLogger("livewarp").setLevel(logs.LEVELS[asked or "normal"])
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
            "force": force or None,
        },
        "tracking": {"model": model, "detector": detector},
        "control": {"address": control, "panel": panel},
    }
    settings, parameters = load(config, assignments, None, **tables)
    logging.getLogger("livewarp").setLevel(logs.LEVELS[asked or settings.log.level])
    if not (wait or os.environ.get("NOTIFY_SOCKET")):  # a service waits: it starts before a camera is plugged in
        check_there(settings.video.source)
    from livewarp.daemon import Daemon, run_daemon
    from livewarp.daemon.kept import Kept

    kept, start, blank = None, parameters, False
    if not fresh:
        kept = Kept()
        kept.claim()
        options = {name: parameters[name] for name in (text.partition("=")[0] for text in assignments)}
        start, blank = kept.load(settings.start_parameters(), options)
    daemon = Daemon(
        settings,
        parameters,
        frames,
        duration,
        blank=blank,
        reread=lambda: reread(config, assignments, tables),
        start=start,
        kept=kept,
    )
    run_daemon(daemon)


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Show what a command takes, with examples.

    \b
    livewarp help
    livewarp help set
    livewarp help service install
    """
    at: click.Context = context.find_root()
    for word in words:
        group = at.command
        command = group.get_command(at, word) if isinstance(group, click.Group) else None
        if command is None:
            known = group.list_commands(at) if isinstance(group, click.Group) else []
            raise SettingsError("help", got=repr(word), allowed=", ".join(known), remedy=did_you_mean(word, known))
        at = click.Context(command, info_name=command.name, parent=at)
    click.echo(at.get_help())


SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Run": (run, *RUNNING),
    "Adjust while it runs": ADJUSTING,
    "This machine": (*MACHINE_COMMANDS, *FETCH_COMMANDS, completion, help_),
    "Files and figures": (*FILE_COMMANDS, texture, *BACKGROUND_COMMANDS),
}
"""Every command there is, as `livewarp --help` lists them."""

for _command in (command for section in SECTIONS.values() for command in section):
    cli.add_command(_command)


def _open_streams() -> None:
    """Give a program that was started without standard streams empty ones: some launchers close them.

    A file that is opened later would get their numbers, and what is said would land in it.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(descriptor, True)
        os.close(descriptor)
        sys.stdin = sys.stdin or io.TextIOWrapper(io.FileIO(0, "r", closefd=False))
        sys.stdout = sys.stdout or io.TextIOWrapper(io.FileIO(1, "w", closefd=False))
        sys.stderr = sys.stderr or io.TextIOWrapper(io.FileIO(2, "w", closefd=False))


def main() -> None:
    """Run the command line; exit status 0, 1 for a failure at run time, 2 for bad usage or settings."""
    _open_streams()
    try:
        status = cli(prog_name="livewarp", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:  # one line, as for any other error
        command = error.ctx.command_path.removeprefix("livewarp") if error.ctx is not None else ""
        help_ = " ".join(("livewarp", *command.split(), "--help"))
        click.echo(f"livewarp: {error.format_message().rstrip('.')}; `{help_}` tells what is allowed", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError) or isinstance(error.__context__, EOFError):
            click.echo("livewarp: unexpected end of a file; `livewarp -v ...` shows more", err=True)
            sys.exit(EXIT_RUNTIME)
        sys.exit(130)
    except KeyboardInterrupt:
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
