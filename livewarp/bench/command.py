"""What `livewarp bench` does with its options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livewarp.bench import host, lines, plots, profiling
from livewarp.bench.compare import compare, machine_drift
from livewarp.bench.conclusion import conclude
from livewarp.bench.crowd import CrowdSource
from livewarp.bench.live import bench_live
from livewarp.bench.record import MATRIX_FACES, SIZES, Run, read_runs, write_runs
from livewarp.bench.startup import starts, summary
from livewarp.bench.throughput import Progress, bench_throughput
from livewarp.errors import SettingsError
from livewarp.parameters import Parameters
from livewarp.sources import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, Plan, Source, open_source, plan_source
from livewarp.tracking import FaceTracker

Print = Callable[[str], None]
Bar = Callable[[str], AbstractContextManager[Progress]]
"""A progress bar of that name; as a context, gives what to call with (done, total)."""


@dataclass(frozen=True)
class BenchOptions:
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


def run_benchmark(
    options: BenchOptions,
    parameters: Parameters,
    make_tracker: Callable[[bool], FaceTracker],
    bar: Bar,
    echo: Print,
) -> list[Run]:
    """Measure, and print the result.

    Parameters
    ----------
    make_tracker
        Called with whether it is to be live.

    Raises
    ------
    LivewarpError
        Something was asked for that cannot be, the source fails, or the filter does not work.
    """
    _check(options)
    old = read_runs(options.compare) if options.compare is not None else []
    machine = host.host_facts()
    echo(host.host_line(machine))
    runs = _matrix(options, parameters, make_tracker, bar) if options.matrix else []
    if not options.matrix:
        runs.append(_one(options, parameters, make_tracker, bar))
    for line in lines.matrix_lines(runs) if options.matrix else lines.run_lines(runs[0]):
        echo(line)
    more: dict[str, Any] = {}
    if options.startup and not options.matrix:
        with bar("starting daemons") as progress:
            more["startup"] = summary(starts(warm=3, cold=1, progress=progress))
        for line in lines.start_lines(more["startup"]):
            echo(line)
    if not options.matrix:
        echo(conclude(runs[0]))
    more["verdicts"] = [conclude(each) for each in runs]
    if options.compare is not None:
        changes, alone = compare(old, runs)
        drift = machine_drift(old[0], runs[0]) if old else 1.0
        for line in lines.change_lines(changes, alone, drift):
            echo(line)
    if options.json is not None:
        write_runs(options.json, runs, machine, whole=options.matrix, **more)
    if options.plot is not None:
        echo(f"plots: {', '.join(str(path) for path in plots.plot(options.plot, runs))}")
    if options.profile is not None:
        echo(f"profile: {options.profile}")
    return runs


def _check(options: BenchOptions) -> None:
    """Refuse at once what would fail in the end."""
    if options.faces > 1 and options.source != "portrait":
        raise SettingsError(
            f"--faces {options.faces}: only the portrait can be multiplied",
            got=options.source,
            allowed="--source portrait",
        )
    if options.matrix and (options.source != "portrait" or options.live or options.profile is not None):
        raise SettingsError(
            "--matrix: it chooses sizes and faces", allowed="the portrait, without --live and --profile"
        )
    if options.live and options.profile is not None:
        raise SettingsError("--profile: the threads of the engine only wait most of the time", allowed="without --live")
    if options.plot is not None:
        plots.check_plots(options.plot)
    if options.profile is not None:
        profiling.check_profile(options.profile)


def _one(options: BenchOptions, parameters: Parameters, make_tracker: Callable[[bool], FaceTracker], bar: Bar) -> Run:
    faces = options.faces if options.source == "portrait" else None
    if options.live:
        with bar("running live") as progress:
            return bench_live(_plan(options), parameters, lambda: make_tracker(True), options.seconds, progress, faces)
    source = _open(options)
    try:
        if options.profile is not None:  # kernels that are called by another name must be warm
            bench_throughput(source, parameters, make_tracker(False), 10)
            source.close()
            source = _open(options)
        profile = profiling.profiled(options.profile) if options.profile is not None else nullcontext()
        with bar("measuring") as progress, profile:
            return bench_throughput(source, parameters, make_tracker(False), options.frames, progress, faces)
    finally:
        source.close()


def _matrix(
    options: BenchOptions, parameters: Parameters, make_tracker: Callable[[bool], FaceTracker], bar: Bar
) -> list[Run]:
    """Every size with every number of faces."""
    cells = [(size, faces) for size in SIZES.values() for faces in MATRIX_FACES]
    runs = []
    with bar("measuring") as progress:
        for n, ((width, height), faces) in enumerate(cells):
            source = CrowdSource(faces, width, height, options.fps or DEFAULT_FPS)

            def within(done: int, total: int | None, before: int = n * options.frames) -> None:
                progress(before + done, len(cells) * options.frames)

            runs.append(bench_throughput(source, parameters, make_tracker(False), options.frames, within, faces))
    return runs


def _open(options: BenchOptions) -> Source:
    if options.source == "portrait":
        return CrowdSource(options.faces, *_size(options))
    return open_source(options.source, options.width, options.height, options.fps, options.loop)


def _plan(options: BenchOptions) -> Plan:
    if options.source == "portrait":
        width, height, fps = _size(options)
        return Plan("portrait", False, width, height, fps, lambda: CrowdSource(options.faces, width, height, fps))
    return plan_source(options.source, options.width, options.height, options.fps, options.loop)


def _size(options: BenchOptions) -> tuple[int, int, float]:
    shape = DEFAULT_WIDTH / DEFAULT_HEIGHT
    width = options.width or round((options.height or DEFAULT_HEIGHT) * shape)
    height = options.height or round(width / shape)
    return width, height, options.fps or DEFAULT_FPS
