"""Options that several commands have, and what they come to together with config.toml."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livewarp import sinks, sources
from livewarp.errors import SettingsError

if TYPE_CHECKING:
    from livewarp.parameters import Parameters
    from livewarp.settings import Settings
    from livewarp.tracking import FaceTracker

_log = logging.getLogger("livewarp")

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
    help=f"{sources.ALLOWED}.",
)
sink_option = click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="SINK",
    help=f"{sinks.ALLOWED}; may be repeated.",
)
size_options = (
    click.option("--width", type=click.IntRange(16, 7680), help="Width, px [1280, or the file's own]."),
    click.option("--height", type=click.IntRange(16, 4320), help="Height, px [720, or the file's own]."),
    click.option("--fps", type=click.FloatRange(1, 240), help="Frames a second [30, or the file's own]."),
    click.option("--loop/--no-loop", default=None, help="Start a video file again when it ends."),
)
model_options = (
    click.option(
        "--model", type=click.Choice(["auto", "dlib", "mesh"]), help="What finds the landmarks of a face [auto]."
    ),
    click.option("--detector", type=click.Choice(["auto", "hog", "blaze"]), help="What finds newcomers [auto]."),
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file [config.toml here, else in your config folder].",
)


def load(
    config: Path | None, assignments: tuple[str, ...], /, preset: str | None = None, **tables: dict[str, Any]
) -> tuple[Settings, Parameters]:
    """Settings of the file and the options, and the parameters to start with; own adjustments are defined.

    `preset` goes over the parameters of the file, `assignments` over both.
    """
    from livewarp.parameters import define, knob
    from livewarp.settings import find_config, load_settings

    path = find_config(config)
    _install_textures()
    settings = load_settings(path, tables)
    for adjustment in settings.own_adjustments():
        define(adjustment)
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError("--set", got=repr(text), allowed="NAME=VALUE")
        values[name] = knob(name).parse(value)
    if path is not None:
        _log.info("settings: %s", path)
    parameters = settings.start_parameters()
    if preset is not None:
        from livewarp.control.protocol.presets import Presets

        parameters = parameters.replace(**Presets().values(preset))
    return settings, parameters.replace(**values)


def _install_textures() -> None:
    """Make knobs of a person's own textures; where there are none, nothing heavy is imported."""
    from platformdirs import user_config_path

    if any((user_config_path("livewarp") / "textures").glob("*.npz")):
        from livewarp.appearance.collection import install_textures

        install_textures()


def reread(
    config: Path | None, assignments: tuple[str, ...], tables: dict[str, dict[str, Any]]
) -> tuple[Settings, Parameters]:
    """The same from the file as it is now; own adjustments that are new in it need a restart."""
    from livewarp.parameters import KNOBS, Parameters, knob
    from livewarp.settings import find_config, load_settings

    settings = load_settings(find_config(config), tables)
    known = {name: value for name, value in settings.parameters.items() if name in KNOBS}
    values = {name: knob(name).parse(value) for name, _, value in (text.partition("=") for text in assignments)}
    return settings, Parameters(**known).replace(**values)


def with_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --model and --detector."""
    for option in reversed(model_options):
        command = option(command)
    return command


def with_size(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --width, --height, --fps and --loop."""
    for option in reversed(size_options):
        command = option(command)
    return command


def tracker_of(settings: Settings, live: bool = False) -> FaceTracker:
    """A tracker as the settings want it, synchronous unless `live`."""
    from livewarp.tracking import FaceTracker

    return FaceTracker.from_settings(settings.tracking, live)


def progress_bar(what: str) -> Any:
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
