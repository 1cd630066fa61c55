"""What was measured, ready for JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from livewarp.errors import SettingsError
from livewarp.live.stats import COLUMNS, Stats

SIZES = {"480p": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
MATRIX_FACES = (1, 2, 3, 4)

Rows = NDArray[np.float64]
"""(n, len(COLUMNS)) float64, s: what each stage took of a frame, its latency, and when it was sent."""


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes
    ----------
    source
        What frames came from, for people.
    mode
        "throughput": as fast as it goes; "live": paced, through the engine.
    faces
        How many the source shows; None: nobody counted.
    figures
        The keys of the control method `stats`.
    changed
        Mean absolute change, grey levels, within the faces of the frames that were checked.
    cpu_ms
        CPU time of all threads a frame, ms, without the source: track, warp and send; live: what the
        filter adds to a pass-through.
    rows
        Of every measured frame.
    yardstick_s
        What a piece of work took that is the same in every version, every so often between frames: how fast
        the machine was.
    deterministic
        Whether frame `i` is the same frame in every run.
    extra
        What only one mode measures; plain types.
    """

    source: str
    mode: str
    width: int
    height: int
    fps: float
    faces: int | None
    figures: dict[str, Any]
    changed: float
    cpu_ms: float
    rows: Rows = field(repr=False)
    yardstick_s: NDArray[np.float64] = field(repr=False)
    deterministic: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As people say it: "720p30, 1 face", "video talk.mp4 at 640x360, 25 fps"."""
        size = next((n for n, wh in SIZES.items() if wh == (self.width, self.height)), f"{self.width}x{self.height}")
        rate = f"{self.fps:g}"
        size = f"{size}{rate}" if size in SIZES and size != "4K" else f"{size} at {rate} fps"
        if self.faces is None:
            return f"{self.source}, {size}"
        return f"{size}, {self.faces} face{'s'[: self.faces != 1]}"

    @property
    def budget_ms(self) -> float:
        """Time there is for a frame."""
        return 1e3 / self.fps

    @property
    def core_share(self) -> float:
        """Share of one core that it takes at its frame rate."""
        return self.cpu_ms * self.fps / 1e3

    @property
    def key(self) -> tuple[object, ...]:
        """What makes runs comparable."""
        return self.mode, self.source, self.width, self.height, self.fps, self.faces

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the keys of `stats`, what was measured beyond, and the samples, µs."""
        return {
            **self.figures,
            "source": self.source,
            "mode": self.mode,
            "width": self.width,
            "height": self.height,
            "nominal_fps": self.fps,
            "faces_shown": self.faces,
            "changed": round(self.changed, 2),
            "cpu_ms": round(self.cpu_ms, 3),
            "core_share": round(self.core_share, 4),
            "deterministic": self.deterministic,
            **self.extra,
            "samples_us": {
                **{name: micros(self.rows[:, i]) for i, name in enumerate(COLUMNS)},
                "yardstick": micros(self.yardstick_s),
            },
        }

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> Run:
        """The run that `as_dict` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            It did not write this.
        """
        samples = written["samples_us"]
        never = [0.0] * len(samples["sent"])  # a stage that this run did not have
        rows = np.array([samples.get(name, never) for name in COLUMNS], np.float64).T / 1e6
        return cls(
            source=written["source"],
            mode=written["mode"],
            width=written["width"],
            height=written["height"],
            fps=written["nominal_fps"],
            faces=written["faces_shown"],
            figures=dict(written),
            changed=written["changed"],
            cpu_ms=written["cpu_ms"],
            rows=rows.reshape(-1, len(COLUMNS)),
            yardstick_s=np.array(samples["yardstick"], np.float64) / 1e6,
            deterministic=written["deterministic"],
        )


def percentiles(rows: Rows) -> dict[str, Any]:
    """The keys `latency` and `stages` of the control method `stats`."""
    stats = Stats(rows=rows).as_dict()
    return {name: stats[name] for name in ("latency", "stages")}


def micros(seconds: NDArray[np.float64]) -> list[float]:
    """To tenths of a microsecond: what a clock resolves."""
    return [round(float(v), 1) for v in seconds * 1e6]


def to_json(value: object, depth: int = 0) -> str:
    """JSON for people: a line a key, but lists of numbers on one."""
    pad = "  " * (depth + 1)
    if isinstance(value, Mapping) and value:
        inner = (f"{pad}{json.dumps(str(key))}: {to_json(v, depth + 1)}" for key, v in value.items())
        return "{\n" + ",\n".join(inner) + "\n" + pad[2:] + "}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Mapping, list, tuple)) for v in value):
        return "[\n" + ",\n".join(pad + to_json(v, depth + 1) for v in value) + "\n" + pad[2:] + "]"
    return json.dumps(value)


def write_runs(path: Path, runs: list[Run], host: dict[str, Any], whole: bool, **more: Any) -> None:
    """Write them as JSON: one run as itself, or the whole table as a list under "runs".

    Raises
    ------
    SettingsError
        The file cannot be written.
    """
    content = {"runs": [run.as_dict() for run in runs]} if whole else runs[0].as_dict()
    try:
        path.write_text(to_json({"host": host, **more, **content}) + "\n")
    except OSError as error:
        raise SettingsError(f"--json {path}: {error.strerror or error}") from error


def read_runs(path: Path) -> list[Run]:
    """The runs that `write_runs` wrote.

    Raises
    ------
    SettingsError
        The file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text())
        return [Run.from_dict(run) for run in cast(list[Any], content.get("runs", [content]))]
    except OSError as error:
        raise SettingsError(f"--compare {path}: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"--compare {path}", allowed="what `livewarp bench --json` wrote") from error
