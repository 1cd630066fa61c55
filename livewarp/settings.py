"""Start-up settings: defaults < config.toml < options, as one frozen object.

Every error names the file, table and key, what it got and what is allowed.
"""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livewarp.adjustments import Adjustment, Stroke
from livewarp.errors import ParameterError, SettingsError
from livewarp.face68 import N_LANDMARKS
from livewarp.knobs import Value
from livewarp.parameters import KNOBS, Parameters, check, is_own, knob_of
from livewarp.system.regular import read_text

CONFIG_NAME = "config.toml"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class VideoSettings(_Table):
    """Where frames come from and go to, and what they measure."""

    source: str = Field("auto", description="as in --source")
    sinks: tuple[str, ...] = Field(("auto",), strict=False, description="each as in --sink")
    width: int | None = Field(None, ge=16, le=7680, description="px; unset: 1280, or the file's own")
    height: int | None = Field(None, ge=16, le=4320, description="px; unset: 720, or the file's own")
    fps: float | None = Field(None, ge=1.0, le=240.0, strict=False, description="unset: 30, or the file's own")
    loop: bool = Field(False, description="start a video file again when it ends")
    fit: Literal["letterbox", "crop", "stretch"] = Field(
        "letterbox", description="how a picture of another shape is brought to the output's"
    )
    on_demand: bool = Field(True, description="open a webcam only while someone watches, where that can be known")
    force: bool = Field(False, description="overwrite a file that a sink names; else it is refused")
    grace: float = Field(10.0, ge=0.0, le=3600.0, strict=False, description="s from the last viewer to the closing")


Model = Literal["dlib", "mesh"]
MODEL_NAMES: tuple[str, ...] = get_args(Model)


class TrackingSettings(_Table):
    """How faces are found."""

    model: Literal["auto", "dlib", "mesh"] = Field(
        "auto", description="what finds the landmarks of a face; auto: dlib where its weights are, else the mesh"
    )
    detector: Literal["auto", "hog", "blaze"] = Field("auto", description="what finds newcomers; auto: whichever suits")
    max_faces: int = Field(4, ge=1, le=16, description="how many faces are followed at the same time")
    detect_scale: float | None = Field(
        None, ge=0.05, le=2.0, strict=False, description="px of the searched picture per px of the frame; unset: chosen"
    )
    weights: str | None = Field(None, description="the 68-point weights; unset: the installed package's")


class WarpingSettings(_Table):
    """How faces are reshaped."""

    glide: float = Field(0.15, ge=0.0, le=5.0, strict=False, description="s that a change of a parameter takes")


_Radius = Annotated[float, Field(ge=0.05, le=3.0)]  # IOD
_Amount = Annotated[float, Field(ge=-0.8, le=0.8)]  # IOD or a ratio; a scale of 1 would fold at its centre
_Offset = Annotated[float, Field(ge=-4.0, le=4.0)]  # IOD
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
_Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]  # as browsers write it
_Words = Annotated[str, Field(min_length=1, max_length=40)]


class StrokeSettings(_Table):
    """A stroke of a person's own adjustment: the fields of `livewarp.adjustments.Stroke`."""

    kind: Literal["shift", "scale"]
    anchor: tuple[Annotated[int, Field(ge=0, lt=N_LANDMARKS)], ...] = Field(min_length=1, strict=False)
    radius: tuple[_Radius, _Radius] = Field(strict=False)
    amount: tuple[_Amount, _Amount] = Field(strict=False)
    offset: tuple[_Offset, _Offset] = Field((0.0, 0.0), strict=False)
    outer: float = Field(1.0, ge=0.1, le=2.0)
    paired: bool = True


class AdjustmentSettings(_Table):
    """A person's own adjustment, in the terms of the built-in ones."""

    help: str = Field("An adjustment of your own.", max_length=200)
    ends: tuple[_Words, _Words] = Field(("less", "more"), strict=False)
    keywords: tuple[_Words, ...] = Field((), max_length=32, strict=False)
    area: Literal["face", "eyes", "brows", "nose", "mouth"] = "face"
    default: float = 0.0
    minimum: float = Field(-1.0, ge=-1.0, le=0.0)
    maximum: float = Field(1.0, ge=0.0, le=1.0)
    strokes: tuple[StrokeSettings, ...] = Field(min_length=1, max_length=32, strict=False)

    def build(self, name: str) -> Adjustment:
        """The adjustment that it describes."""
        strokes = tuple(Stroke(**stroke.model_dump()) for stroke in self.strokes)
        about = self.help, self.ends, self.keywords
        return Adjustment(name, self.area, *about, strokes, self.default, self.minimum, self.maximum)


class ControlSettings(_Table):
    """Where the daemon listens: loopback addresses only; port 0 takes any free one."""

    address: str = Field("127.0.0.1:8787", description="HOST:PORT of the control port")
    socket: str = Field("auto", min_length=1, description="auto | none | PATH of a Unix socket for this user alone")
    panel: str = Field("127.0.0.1:8788", description="HOST:PORT of the preview page")
    allow_origins: tuple[_Origin, ...] = Field(
        (), strict=False, description="pages beside the panel that may use it with the token"
    )


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
    adjustments: dict[_Name, AdjustmentSettings] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)

    def own_adjustments(self) -> list[Adjustment]:
        """The person's own adjustments; `livewarp.parameters.define` makes each one live."""
        return [own.build(name) for name, own in self.adjustments.items()]

    def start_parameters(self) -> Parameters:
        """The parameters to start with; own adjustments must have been defined."""
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
        raise _explained(error, origin, config) from error
    where = f"{config}: " if config is not None else ""
    own = settings.own_adjustments()
    for adjustment in own:
        if adjustment.name in KNOBS and not is_own(adjustment.name):
            raise SettingsError(f"{where}[adjustments.{adjustment.name}]: is built in", remedy="give it another name")
        if not adjustment.minimum <= adjustment.default <= adjustment.maximum:
            bounds = f"{adjustment.minimum:g} to {adjustment.maximum:g}"
            at = f"{where}[adjustments.{adjustment.name}] default"
            raise SettingsError(at, got=f"{adjustment.default:g}", allowed=bounds)
    try:
        check(settings.parameters, KNOBS | {a.name: knob_of(a) for a in own})
    except ParameterError as error:
        got = None if error.got is None else reprlib.repr(error.got)
        what = f"{where}[parameters] {error.what}"
        raise SettingsError(what, got=got, allowed=error.allowed, remedy=error.remedy) from error
    return settings


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(config))
    except RecursionError as error:
        raise SettingsError(f"{config}: not valid TOML: nested too deeply") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            allowed = "a readable TOML file (see the config.toml of livewarp)"
            raise SettingsError(f"{config}: {error.strerror or error}", allowed=allowed) from error
        raise SettingsError(f"{config}: not valid TOML: {error}") from error


def _explained(error: ValidationError, origin: Mapping[str, str], config: Path | None) -> SettingsError:
    """The first problem: file, table, key, got, allowed."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    deep = 2 if location[0] == "adjustments" else 1
    table, keys = ".".join(location[:deep]), location[deep:]
    where = f"{origin.get(location[0], config)}: [{table}]" + (f" {'.'.join(keys)}" if keys else "")
    if first["type"] == "extra_forbidden":
        model = _model_at(location[:-1])
        names = ", ".join(model.model_fields)
        if keys:
            return SettingsError(f"{where}: unknown key", allowed=names)
        remedy = "another program's config.toml? name yours with --config PATH"
        return SettingsError(f"{where}: unknown table", allowed=names, remedy=remedy)
    return SettingsError(where, got=repr(first["input"]), allowed=_allowed(first))


def _model_at(location: Sequence[str]) -> type[BaseModel]:
    """The model whose key the location names next."""
    if not location:
        return Settings
    if location[0] == "adjustments":
        return AdjustmentSettings if len(location) <= 2 else StrokeSettings
    model = Settings.model_fields[location[0]].annotation
    assert isinstance(model, type)
    return model


# pydantic's words for them are Python's.
_KINDS = {"tuple_type": "an array", "model_type": "a table", "dict_type": "a table", "bool_type": "true or false"}


def _allowed(problem: Mapping[str, Any]) -> str:
    """What would be accepted, in words."""
    kind, context = problem["type"], problem.get("ctx", {})
    table, *keys = (str(part) for part in problem["loc"])
    if kind in {"greater_than_equal", "less_than_equal"} and table != "adjustments":
        model = Settings.model_fields[table].annotation
        bounds = {type(m).__name__: m for m in model.model_fields[keys[0]].metadata}  # type: ignore[union-attr]
        return f"{bounds['Ge'].ge:g} to {bounds['Le'].le:g}"
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "literal_error":
        return str(context["expected"])
    text = str(problem["msg"])
    return text.removeprefix("Input should be ").removeprefix("a valid ").removeprefix("valid ")


def defaults() -> dict[str, dict[str, Any]]:
    """Every setting with its default, {table: {key: value}}, parameters included; own adjustments have none."""
    tables: dict[str, dict[str, Any]] = Settings().model_dump()
    values: dict[str, Value] = dict(Parameters())
    tables["parameters"] = values
    del tables["adjustments"]
    return tables
