"""What `livewarp bench` does with its options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livewarp.bench import host, plots, profiling
from livewarp.bench import text as report
from livewarp.bench.compare import compare, machine_drift
from livewarp.bench.crowd import CrowdSource
from livewarp.bench.live import bench_live
from livewarp.bench.record import MATRIX_FACES, SIZES, Run, read_runs, write_runs
from livewarp.bench.startup import starts, summary
from livewarp.bench.throughput import Progress, bench
from livewarp.bench.verdict import verdict
from livewarp.errors import SettingsError
from livewarp.parameters import Parameters
from livewarp.sources import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, Plan, Source, open_source, plan_source
from livewarp.tracking import FaceTracker

Tell = Callable[[str], None]
Bar = Callable[[str], AbstractContextManager[Progress]]
"""A progress bar of that name; as a context, gives what to call with (done, total)."""


@dataclass(frozen=True)
class Wish:
    """What a person asked for; see `livewarp bench --help`."""

    source: str = "portrait"
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    loop: bool = True
    faces: int = 1
    frames: int = 600
    live: bool = False
    seconds: float = 20.0
    matrix: bool = False
    startup: bool = True
    json: Path | None = None
    plot: Path | None = None
    compare: Path | None = None
    profile: Path | None = None


def measure(
    wish: Wish,
    parameters: Parameters,
    make_tracker: Callable[[bool], FaceTracker],
    bar: Bar,
    tell: Tell,
) -> list[Run]:
    """Measure and tell.

    Parameters
    ----------
    make_tracker
        Called with whether it is to be live.

    Raises
    ------
    LivewarpError
        Something was asked for that cannot be, the source fails, or the filter does not work.
    """
    _check(wish)
    old = read_runs(wish.compare) if wish.compare is not None else []
    machine = host.describe()
    tell(host.headline(machine))
    runs = _matrix(wish, parameters, make_tracker, bar) if wish.matrix else []
    if not wish.matrix:
        runs.append(_one(wish, parameters, make_tracker, bar))
    for line in report.of_matrix(runs) if wish.matrix else report.of_run(runs[0]):
        tell(line)
    more: dict[str, Any] = {}
    if wish.startup and not wish.matrix:
        with bar("starting daemons") as progress:
            more["startup"] = summary(starts(warm=3, cold=1, progress=progress))
        for line in report.of_starts(more["startup"]):
            tell(line)
    if not wish.matrix:
        tell(verdict(runs[0]))
    more["verdicts"] = [verdict(each) for each in runs]
    if wish.compare is not None:
        changes, alone = compare(old, runs)
        drift = machine_drift(old[0], runs[0]) if old else 1.0
        for line in report.of_changes(changes, alone, drift):
            tell(line)
    if wish.json is not None:
        write_runs(wish.json, runs, machine, whole=wish.matrix, **more)
    if wish.plot is not None:
        tell(f"plots: {', '.join(str(path) for path in plots.plot(wish.plot, runs))}")
    if wish.profile is not None:
        tell(f"profile: {wish.profile}")
    return runs


def _check(wish: Wish) -> None:
    """Refuse at once what would fail in the end."""
    if wish.faces > 1 and wish.source != "portrait":
        raise SettingsError(f"--faces {wish.faces}: allowed: --source portrait; others show who they show")
    if wish.matrix and (wish.source != "portrait" or wish.live or wish.profile is not None):
        raise SettingsError("--matrix: it chooses sizes and faces; allowed: the portrait, without --live and --profile")
    if wish.live and wish.profile is not None:
        raise SettingsError("--profile: allowed: without --live; the threads of the engine only wait most of the time")
    if wish.plot is not None:
        plots.check(wish.plot)
    if wish.profile is not None:
        profiling.check(wish.profile)


def _one(wish: Wish, parameters: Parameters, make_tracker: Callable[[bool], FaceTracker], bar: Bar) -> Run:
    faces = wish.faces if wish.source == "portrait" else None
    if wish.live:
        with bar("running live") as progress:
            return bench_live(_plan(wish), parameters, lambda: make_tracker(True), wish.seconds, progress, faces)
    source = _open(wish)
    try:
        if wish.profile is not None:  # kernels that are called by another name must be warm
            bench(source, parameters, make_tracker(False), 10)
            source.close()
            source = _open(wish)
        profile = profiling.profiled(wish.profile) if wish.profile is not None else nullcontext()
        with bar("measuring") as progress, profile:
            return bench(source, parameters, make_tracker(False), wish.frames, progress, faces)
    finally:
        source.close()


def _matrix(wish: Wish, parameters: Parameters, make_tracker: Callable[[bool], FaceTracker], bar: Bar) -> list[Run]:
    """Every size with every number of faces."""
    cells = [(size, faces) for size in SIZES.values() for faces in MATRIX_FACES]
    runs = []
    with bar("measuring") as progress:
        for n, ((width, height), faces) in enumerate(cells):
            source = CrowdSource(faces, width, height, wish.fps or DEFAULT_FPS)

            def within(done: int, total: int | None, before: int = n * wish.frames) -> None:
                progress(before + done, len(cells) * wish.frames)

            runs.append(bench(source, parameters, make_tracker(False), wish.frames, within, faces))
    return runs


def _open(wish: Wish) -> Source:
    if wish.source == "portrait":
        return CrowdSource(wish.faces, *_size(wish))
    return open_source(wish.source, wish.width, wish.height, wish.fps, wish.loop)


def _plan(wish: Wish) -> Plan:
    if wish.source == "portrait":
        width, height, fps = _size(wish)
        return Plan("portrait", False, width, height, fps, lambda: CrowdSource(wish.faces, width, height, fps))
    return plan_source(wish.source, wish.width, wish.height, wish.fps, wish.loop)


def _size(wish: Wish) -> tuple[int, int, float]:
    shape = DEFAULT_WIDTH / DEFAULT_HEIGHT
    width = wish.width or round((wish.height or DEFAULT_HEIGHT) * shape)
    height = wish.height or round(width / shape)
    return width, height, wish.fps or DEFAULT_FPS
