"""Start-up settings: defaults < config.toml < options, as one frozen object.

Every error names the file, table and key, what it got and what is allowed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livewarp.errors import ParameterError, SettingsError
from livewarp.parameters import Parameters, Value, check

CONFIG_NAME = "config.toml"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class VideoSettings(_Table):
    """Where frames come from and go to, and what they measure."""

    source: str = Field("auto", description="auto | webcam[:INDEX or /dev/... path] | portrait | PATH")
    sinks: tuple[str, ...] = Field(
        ("auto",), strict=False, description="each: auto | virtualcam[:DEVICE] | file:PATH | null"
    )
    width: int | None = Field(None, ge=16, le=7680, description="px; unset: 1280, or the file's own")
    height: int | None = Field(None, ge=16, le=4320, description="px; unset: 720, or the file's own")
    fps: float | None = Field(None, ge=1.0, le=240.0, strict=False, description="unset: 30, or the file's own")
    loop: bool = Field(False, description="start a video file again when it ends")


class TrackingSettings(_Table):
    """How faces are found."""

    max_faces: int = Field(4, ge=1, le=16, description="how many faces are followed at the same time")
    detect_size: int = Field(640, ge=120, le=1920, description="px, long side of the picture that is searched")
    weights: str | None = Field(None, description="the 68-point weights; unset: the installed package's")


class WarpingSettings(_Table):
    """How faces are reshaped."""

    glide: float = Field(0.15, ge=0.0, le=5.0, strict=False, description="s that a change of a parameter takes")


class ControlSettings(_Table):
    """Where the daemon listens: loopback addresses only; port 0 takes any free one."""

    address: str = Field("127.0.0.1:8787", description="HOST:PORT of the control port")
    panel: str = Field("127.0.0.1:8788", description="HOST:PORT of the preview page")


class LogSettings(_Table):
    """What is said."""

    level: Literal["quiet", "normal", "verbose"] = Field("normal", description="quiet | normal | verbose")


class Settings(_Table):
    """Everything that is fixed at start-up, and the parameters to start with."""

    video: VideoSettings = VideoSettings()
    tracking: TrackingSettings = TrackingSettings()
    warping: WarpingSettings = WarpingSettings()
    control: ControlSettings = ControlSettings()
    log: LogSettings = LogSettings()
    parameters: dict[str, Any] = Field(default_factory=dict)

    def start_parameters(self) -> Parameters:
        """The parameters to start with."""
        return Parameters(**self.parameters)


def find_config(explicit: Path | None = None) -> Path | None:
    """The config file to read: the explicit one, else that of the working directory, else the user's, else None."""
    if explicit is not None:
        return explicit
    for folder in (Path(), user_config_path("livewarp")):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def load_settings(config: Path | None, options: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Settings from a config file, if any, and options over it.

    Parameters
    ----------
    config
        The TOML file, or None for the defaults alone.
    options
        {table: {key: value}}; a value of None leaves the file's.

    Raises
    ------
    SettingsError
        The file cannot be read, is not TOML, or has an unknown key or a value that is not allowed.
    """
    tables = _read(config) if config is not None else {}
    origin = {name: str(config) for name in tables}
    for name, values in (options or {}).items():
        given = {key: value for key, value in values.items() if value is not None}
        if given:
            table = tables.get(name, {})
            tables[name] = {**table, **given} if isinstance(table, dict) else table
            origin.setdefault(name, "options")
    try:
        settings = Settings(**tables)
    except ValidationError as error:
        raise SettingsError(_explain(error, origin, config)) from error
    try:
        check(settings.parameters)
    except ParameterError as error:
        where = f"{config}: " if config is not None else ""
        raise SettingsError(f"{where}[parameters] {error}") from error
    return settings


def _read(config: Path) -> dict[str, Any]:
    try:
        with config.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(
            f"{config}: {error.strerror or error}; allowed: a readable TOML file (see the config.toml of livewarp)"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config}: not valid TOML: {error}") from error


def _explain(error: ValidationError, origin: Mapping[str, str], config: Path | None) -> str:
    """The first problem in one line: file, table, key, got, allowed."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    table, keys = location[0], location[1:]
    where = f"{origin.get(table, config)}: [{table}]" + (f" {'.'.join(keys)}" if keys else "")
    if first["type"] == "extra_forbidden":
        model = Settings.model_fields[table].annotation if keys else Settings
        names = ", ".join(getattr(model, "model_fields", {}))
        what = "unknown key" if keys else "unknown table"
        hint = "; another program's config.toml? name yours with --config PATH" if not keys else ""
        return f"{where}: {what}, allowed: {names}{hint}"
    return f"{where}: got {first['input']!r}, allowed: {_allowed(first)}"


def _allowed(problem: Mapping[str, Any]) -> str:
    """What would be accepted, in words."""
    kind, context = problem["type"], problem.get("ctx", {})
    table, *keys = (str(part) for part in problem["loc"])
    if kind in {"greater_than_equal", "less_than_equal"}:
        model = Settings.model_fields[table].annotation
        bounds = {type(m).__name__: m for m in model.model_fields[keys[0]].metadata}  # type: ignore[union-attr]
        return f"{bounds['Ge'].ge:g} to {bounds['Le'].le:g}"
    if kind == "literal_error":
        return str(context["expected"])
    text = str(problem["msg"])
    return text.removeprefix("Input should be ").removeprefix("a valid ").removeprefix("valid ")


def defaults() -> dict[str, dict[str, Any]]:
    """Every setting with its default, {table: {key: value}}, parameters included."""
    tables: dict[str, dict[str, Any]] = Settings().model_dump()
    values: dict[str, Value] = dict(Parameters())
    tables["parameters"] = values
    return tables
