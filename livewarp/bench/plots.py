"""Pictures of runs: how latency is distributed, how it went over time, which stage takes how much."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livewarp.bench.record import Run
from livewarp.errors import SettingsError
from livewarp.filtering.stages import NAMES
from livewarp.live.stats import LATENCY, SENT
from livewarp.system.environment import install_command

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOW = install_command("matplotlib")
COLOURS = ("#b8b8b8", "#3b6fb6", "#2a9d6f", "#7a55a6", "#b6453b", "#d98c2b", "#5e5e5e")  # of stages, in their order
_LINES = ("#3b6fb6", "#2a9d6f", "#d98c2b", "#b6453b", "#7a55a6", "#5e5e5e")


def check_plots(folder: Path) -> None:
    """Refuse what cannot be done before anything is measured.

    Raises
    ------
    SettingsError
        matplotlib is missing, or there is a file of that name.
    """
    if find_spec("matplotlib") is None:
        raise SettingsError("--plot needs matplotlib", remedy=HOW)
    if folder.exists() and not folder.is_dir():
        raise SettingsError("--plot", got=f"the file {folder}", allowed="a folder")


def plot(folder: Path, runs: Sequence[Run]) -> list[Path]:
    """Draw distribution.png, timeline.png and stages.png of these runs; the files.

    Raises
    ------
    SettingsError
        The folder cannot be written.
    """
    drawn = {"distribution": distribution(runs), "timeline": timeline(runs), "stages": stages(runs)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, figure in drawn.items():
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=110)
    except OSError as error:
        raise SettingsError(f"--plot {folder}: {error.strerror or error}") from error
    return paths


def distribution(runs: Sequence[Run]) -> Figure:
    """Share of the frames that took at most so long."""
    figure, axes = _figure(8, 4.5)
    for n, run in enumerate(runs):
        ms = np.sort(1e3 * run.rows[:, LATENCY])
        colour, style = _LINES[n % len(_LINES)], ("-", "--", ":")[n // len(_LINES) % 3]
        axes.plot(ms, 100.0 * (np.arange(len(ms)) + 1) / len(ms), style, color=colour, label=run.name)
    for budget_ms in sorted({run.budget_ms for run in runs}):
        axes.axvline(budget_ms, color="#b6453b", linewidth=1, linestyle="--")
        axes.text(budget_ms, 2, f" budget {budget_ms:.1f} ms", color="#b6453b", fontsize=8)
    axes.set(xscale="log", xlabel="latency, ms", ylabel="frames, %", ylim=(0, 100.5))
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8)
    return figure


def timeline(runs: Sequence[Run]) -> Figure:
    """Latency, frame after frame."""
    figure, axes = _figure(9, 4)
    for n, run in enumerate(runs):
        axes.plot(1e3 * run.rows[:, LATENCY], linewidth=0.8, color=_LINES[n % len(_LINES)], label=run.name)
    if all(run.mode == "live" for run in runs):
        for run in runs:  # phases of the pass-through lie between
            for gap in np.flatnonzero(np.diff(run.rows[:, SENT]) > 1.0):
                axes.axvline(gap, color="#cccccc", linewidth=0.6)
    axes.set(yscale="log", xlabel="frame", ylabel="latency, ms")
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8, loc="upper right")
    return figure


def stages(runs: Sequence[Run]) -> Figure:
    """What a frame is made of: the mean of each stage, on top of each other."""
    figure, axes = _figure(8, 0.45 * len(runs) + 1.6)
    left = np.zeros(len(runs))
    for column, stage in enumerate(NAMES):
        ms = np.array([1e3 * run.rows[:, column].mean() for run in runs])
        if stage == "read" or not ms.any():  # reading is the source's own business
            continue
        axes.barh([run.name for run in runs], ms, left=left, color=COLOURS[column % len(COLOURS)], label=stage)
        left += ms
    axes.invert_yaxis()
    axes.set(xlabel="ms a frame, mean")
    axes.legend(fontsize=8)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
