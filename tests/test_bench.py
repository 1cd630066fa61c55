"""`livewarp bench`: what it measures, what it says of it, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from livewarp.bench import host, plots, profiling, startup
from livewarp.bench.command import BenchOptions, run_benchmark
from livewarp.bench.compare import compare, machine_drift, rank_test
from livewarp.bench.conclusion import conclude
from livewarp.bench.crowd import CrowdSource
from livewarp.bench.lines import matrix_lines
from livewarp.bench.live import SwitchableFilter, bench_live
from livewarp.bench.record import Run, read_runs, to_json, write_runs
from livewarp.bench.throughput import bench_throughput
from livewarp.cli.main import cli
from livewarp.errors import LivewarpError, SettingsError
from livewarp.live.stats import COLUMNS, LATENCY, SENT, Stats
from livewarp.parameters import Parameters
from livewarp.scene import Scene
from livewarp.sources import Plan
from livewarp.system.environment import install_command
from livewarp.tracking import FaceTracker
from livewarp.warping import Warp
from samples import face_at

STRONG = Parameters(thin=0.8, eyes=0.6)
COUNTS = {"late": 0, "dropped": 0, "frames": 600, "passed": 0, "fps": 30.0, "memory_mb": 300.0}


def run_of(latency_ms: Any, mode: str = "throughput", yardstick: float = 3e-5, **changes: Any) -> Run:
    """A run whose frames took so long, all of it in the tracker."""
    latency = np.broadcast_to(np.asarray(latency_ms, np.float64) / 1e3, (600,))
    rows = np.zeros((600, len(COLUMNS)))
    rows[:, COLUMNS.index("track")] = rows[:, LATENCY] = latency
    rows[:, COLUMNS.index("warp")] = 1e-3
    rows[:, SENT] = np.arange(600) / 30.0
    extra = {"pass_through": {**COUNTS, "frames": 300}} if mode == "live" else {}
    values: dict[str, Any] = {
        "source": "portrait",
        "mode": mode,
        "width": 1280,
        "height": 720,
        "fps": 30.0,
        "faces": 1,
        "figures": {**COUNTS, **Stats(rows=rows).as_dict(), **COUNTS},
        "changed": 2.0,
        "cpu_ms": 3.0,
        "rows": rows,
        "yardstick_s": np.full(600, yardstick),
        "deterministic": mode == "throughput",
        "extra": extra,
    }
    return Run(**(values | changes))


# ---------------------------------------------------------------------------------------------------- what is measured


@pytest.mark.parametrize(("faces", "size"), [(1, (640, 480)), (4, (1280, 720))])
def test_all_of_a_crowd_are_found(faces: int, size: tuple[int, int]) -> None:
    """A source that says so many faces shows so many, large enough for the tracker."""
    source = CrowdSource(faces, *size)
    frame = np.empty((size[1], size[0], 3), np.uint8)
    tracker = FaceTracker()
    found = []
    for _ in range(45):
        timestamp_s = source.read(frame)
        assert timestamp_s is not None
        found.append(len(tracker.update(frame, timestamp_s)))
    tracker.close()
    assert found[-1] == faces


def test_a_crowd_is_the_same_every_time_and_stays() -> None:
    """Frames of two runs can be compared one by one; in the 50th second, when she leaves by nature, she is in."""
    frames = []
    for _ in range(2):
        source = CrowdSource(2, 320, 180)
        frames.append(np.zeros((180, 320, 3), np.uint8))
        for _ in range(3):
            source.read(frames[-1])
    np.testing.assert_array_equal(*frames)
    late = CrowdSource(1, 640, 360, fps=1.0)
    frame = np.empty((360, 640, 3), np.uint8)
    for _ in range(51):
        late.read(frame)
    tracker = FaceTracker()
    assert len(tracker.update(frame, 0.0)) == 1
    tracker.close()


def test_throughput_counts_the_work_and_not_the_source() -> None:
    """CPU a frame is that of track, warp and send; every frame has a row, and the yardstick was laid beside."""
    run = bench_throughput(CrowdSource(1, 320, 180), STRONG, FaceTracker(), frames=30, faces=1)
    assert run.figures["frames"] == len(run.rows) == len(run.yardstick_s) == 30
    assert 0.0 < run.cpu_ms < 1e3 * 2.0 * run.rows[:, LATENCY].mean() + 1.0  # OpenCV may use a second core
    # Between the stages there is next to nothing, but for a frame that another program held up there.
    between_s = run.rows[:, LATENCY] - run.rows[:, 1:LATENCY].sum(axis=1)
    assert between_s.min() > -1e-6
    assert np.median(between_s) < 2e-4
    assert set(run.figures) >= {*Stats().as_dict(), "cpu_percent", "memory_mb", "budget_ms"}


def test_live_alternates_filter_and_pass_through() -> None:
    """Both are measured in one run of one engine; the filter is seen to work, and adds something."""
    plan = Plan("portrait", False, 320, 180, 30.0, lambda: CrowdSource(1, 320, 180))
    told: list[tuple[int, int | None]] = []
    run = bench_live(
        plan, STRONG, lambda: FaceTracker(live=True), 4.0, lambda done, total: told.append((done, total)), faces=1
    )
    beside = run.extra["pass_through"]
    assert run.figures["frames"] > 2 * 20
    assert beside["frames"] > 20
    assert run.changed > 0.2
    assert run.rows[:, COLUMNS.index("track")].min() > 0.0
    assert beside["stages"]["track"]["p99_ms"] < run.figures["stages"]["track"]["p50_ms"]
    assert len(run.extra["added_ms_by_turn"]) == 4
    assert told[-1][0] == told[-1][1] == 8


def test_a_pass_through_does_nothing() -> None:
    """Not a byte, not a face."""
    face_filter = SwitchableFilter(STRONG, FaceTracker())
    frame = np.empty((180, 320, 3), np.uint8)
    source = CrowdSource(1, 320, 180)
    source.read(frame)
    before = frame.copy()
    face_filter.through = True
    assert face_filter.track(frame, 0.0).faces == ()
    assert face_filter.render(frame, Scene(), frame) is frame
    np.testing.assert_array_equal(frame, before)
    face_filter.through = False
    face_filter.warm_up(180, 320)
    assert len(face_filter.track(frame, 0.1).faces) == 1
    assert face_filter.passed == 0
    face_filter.close()


def test_live_without_a_face_is_an_error() -> None:
    """Figures of frames that pass through would be void."""
    from livewarp.sources.headmotion import HeadPose
    from livewarp.sources.portrait import PortraitSource

    plan = Plan("room", False, 160, 90, 30.0, lambda: PortraitSource(160, 90, 30.0, lambda t: HeadPose(exit=1.0)))
    with pytest.raises(LivewarpError, match="no face in"):
        bench_live(plan, STRONG, lambda: FaceTracker(live=True), 2.0)


def test_a_daemon_is_started_and_watched() -> None:
    """The camera is there before the first frame; memory and CPU are those of a program that has loaded a model."""
    found = startup.start_once(cold=False, width=320, height=180)
    assert 0.0 < found.camera_s < found.first_frame_s < 60.0
    assert found.memory_mb > 100.0
    assert found.cpu_s > 0.1
    told = startup.summary([found])
    assert told["warm"]["first_frame_s"] == round(found.first_frame_s, 3)
    assert "cold" not in told


# ------------------------------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (run_of(5.0), "720p30, 1 face: yes, with 85 % of the budget left"),
        (run_of(5.0, faces=2, width=3840, height=2160), "4K at 30 fps, 2 faces: yes"),
        (run_of(30.0), "only just, with 10 % of the budget left"),
        (run_of([5.0] * 540 + [60.0] * 60), "no: 60 of 600 frames take longer"),
        (run_of(50.0), "no: 20 fps is what it can"),
        (
            run_of(5.0, faces=None, source="video talk.mp4", width=640, height=360),
            "video talk.mp4, 640x360 at 30 fps: yes",
        ),
        (run_of(5.0, "live"), "yes (0 of 600 frames late, 0 dropped)"),
        (run_of(5.0), "it takes 9 % of a core"),
    ],
)
def test_the_verdict_is_in_plain_words(run: Run, says: str) -> None:
    """Whether it can be held, with how much to spare, and what it costs."""
    assert says in conclude(run)


@pytest.mark.parametrize(
    ("ours", "beside", "says"),
    [
        ({"late": 6}, {"late": 0}, "not quite: 6 of 600 frames late, 0 dropped; without the filter 0 late"),
        ({"late": 6}, {"late": 6}, "as well as this machine can"),
        ({"fps": 22.0}, {}, "no: 22.0 fps of 30.0"),
        ({"fps": 20.9}, {"fps": 21.0}, "yes (0 of 600 frames late, 0 dropped); the source itself gives 21.0 fps"),
    ],
)
def test_live_is_judged_beside_the_pass_through(ours: dict[str, Any], beside: dict[str, Any], says: str) -> None:
    """What the source or the machine does is not the filter's fault."""
    run = run_of(5.0, "live")
    run.figures.update(ours)
    run.extra["pass_through"].update(beside)
    assert says in conclude(run)


def test_a_run_survives_json(tmp_path: Path) -> None:
    """Samples to a tenth of a microsecond; the keys of `stats` are there; lists of numbers stay on one line."""
    run = bench_throughput(CrowdSource(1, 320, 180), STRONG, FaceTracker(), frames=20, faces=1)
    path = tmp_path / "run.json"
    write_runs(path, [run], host.host_facts(), whole=False)
    told = json.loads(path.read_text())
    assert set(told) >= {*Stats().as_dict(), "cpu_percent", "memory_mb", "host", "samples_us"}
    assert len(path.read_text().splitlines()) < 100
    again = read_runs(path)[0]
    assert again.key == run.key
    assert again.name == run.name
    np.testing.assert_allclose(again.rows, run.rows, atol=1e-7)
    write_runs(path, [run, run], host.host_facts(), whole=True)
    assert [r.key for r in read_runs(path)] == [run.key] * 2


@pytest.mark.parametrize("value", [{"a": [1, 2.5], "b": [{}, {"c": None}], "ü": 'x"y'}, [], {}, [[1], [2]], 3])
def test_readable_json_is_json(value: object) -> None:
    """It says the same as `json.dumps`."""
    assert json.loads(to_json(value)) == value


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"runs": [{}]}', "3"])
def test_what_bench_did_not_write_is_refused(tmp_path: Path, text: str) -> None:
    """One line that says what is allowed."""
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match="allowed: what `livewarp bench --json` wrote"):
        read_runs(path)


def test_the_host_says_what_a_result_is_of() -> None:
    """Machine, versions, threads, commit; and no name of a person, machine or folder."""
    told = host.host_facts()
    assert told["cores"] >= 1
    assert told["versions"]["numpy"] == np.__version__
    assert told["threads"]["opencv"] >= 1
    text = json.dumps(told)
    assert str(Path.home()) not in text
    import socket

    assert socket.gethostname() not in text or len(socket.gethostname()) < 4
    assert told["processor"] in host.host_line(told)


def test_a_table_has_a_line_a_run() -> None:
    """Then a verdict each."""
    lines = matrix_lines([run_of(5.0), run_of(8.0, faces=2)])
    assert lines[1].startswith("720p30, 1 face ")
    assert sum(": yes" in line for line in lines) == 2


# ---------------------------------------------------------------------------------------------------------- comparing


def noisy(scale: float, seed: int) -> np.ndarray[Any, Any]:
    """Latencies of 600 frames of about 5 ms with a spread of a tenth."""
    return scale * 5.0 * np.exp(0.1 * np.random.default_rng(seed).standard_normal(600))


@pytest.mark.parametrize("mode", ["throughput", "live"])
@pytest.mark.parametrize(
    ("scale", "says"), [(1.0, "noise"), (1.02, "noise"), (1.25, "25 % slower"), (0.7, "30 % faster")]
)
def test_a_change_is_told_from_noise(mode: str, scale: float, says: str) -> None:
    """Frame by frame where both ran the same frames, else by ranks; 2 % is what two runs of a commit differ by."""
    changes, alone = compare([run_of(noisy(1.0, 1), mode)], [run_of(noisy(scale, 2), mode)])
    latency = next(change for change in changes if change.what == "latency")
    assert latency.paired == (mode == "throughput")
    assert latency.ratio == pytest.approx(scale, rel=0.03)
    assert latency.low <= latency.ratio <= latency.high
    words = str(latency)
    assert words.endswith("noise") == (says == "noise")
    if says != "noise":
        percent, way = says.split(" % ")
        told = words.rpartition(")")[2].split()
        assert abs(int(told[0]) - int(percent)) <= 2
        assert told[-1] == way
    assert alone == []


def test_a_slower_machine_is_no_slower_program() -> None:
    """What the yardstick says of the machine is taken out."""
    old, new = run_of(noisy(1.0, 1)), run_of(noisy(1.5, 2), yardstick=4.5e-5)
    assert machine_drift(old, new) == pytest.approx(1.5)
    changes, _ = compare([old], [new])
    assert next(c for c in changes if c.what == "latency").is_noise


def test_runs_that_the_old_file_lacks_are_named() -> None:
    """They are not compared with another size."""
    changes, alone = compare([run_of(5.0)], [run_of(5.0, width=1920, height=1080)])
    assert changes == []
    assert alone == ["1080p30, 1 face"]


def test_the_rank_test_agrees_with_the_textbook() -> None:
    """U of apart samples is 0, of equal ones half: p by the normal approximation with its correction."""
    low, high = np.arange(10.0), np.arange(10.0) + 100.0
    assert rank_test(low, high) == pytest.approx(0.000183, rel=0.02)  # z = (50 - 0.5) / sqrt(175)
    assert rank_test(low, low) == 1.0
    assert rank_test(np.ones(5), np.ones(7)) == 1.0


# ------------------------------------------------------------------------------------------------- drawing, profiling


def test_a_kernel_has_its_name_while_a_profile_is_taken() -> None:
    """Python code calls it through a function of that name, with the same result; afterwards all is as it was."""
    warp: Any = sys.modules[Warp.__module__]
    before = warp.sample
    frame, face = np.full((180, 320, 3), 90, np.uint8), face_at(160.0, 60.0, 60.0)
    frame[::2] = 30
    expected = Warp().apply(frame, [face], STRONG)
    with profiling.kernels_named() as names:
        assert {"sample", "add_strokes"} <= set(names)
        assert warp.sample.__code__.co_name == "sample (kernel)"
        np.testing.assert_array_equal(Warp().apply(frame, [face], STRONG), expected)
    assert warp.sample is before


@pytest.mark.parametrize(
    ("module", "check", "path", "says"),
    [
        (plots, plots.check_plots, "plots", f"--plot needs matplotlib; {install_command('matplotlib')}"),
        (
            profiling,
            profiling.check_profile,
            "out.html",
            f"no profiler is installed; {install_command('pyinstrument')}",
        ),
    ],
)
def test_what_is_missing_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: Any, check: Any, path: str, says: str
) -> None:
    """Before anything is measured."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError) as refused:
        check(tmp_path / path)
    assert says in str(refused.value)


def test_a_profile_has_a_known_suffix(tmp_path: Path) -> None:
    """The suffix says how it is written."""
    with pytest.raises(SettingsError, match=r"\.html, \.txt, \.json"):
        profiling.check_profile(tmp_path / "profile.svg")


def test_a_profile_names_what_takes_time(tmp_path: Path) -> None:
    """The tracker, the warp and a kernel of each are in it."""
    pytest.importorskip("pyinstrument", reason="pyinstrument is not installed: pip install pyinstrument")
    path = tmp_path / "profile.txt"
    said: list[str] = []
    wish = BenchOptions(width=320, height=180, frames=300, startup=False, profile=path)
    run_benchmark(wish, STRONG, lambda live: FaceTracker(live=live), quiet_bar, said.append)
    text = path.read_text()
    for name in ("FaceTracker.update", "evaluate", "sample"):
        assert name in text


def test_pictures_are_drawn(tmp_path: Path) -> None:
    """Distribution, timeline and stages, of one run and of several."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    for runs in ([run_of(noisy(1.0, 1))], [run_of(noisy(1.0, 1), "live"), run_of(noisy(2.0, 2), "live", faces=2)]):
        for path in plots.plot(tmp_path / "plots", runs):
            assert path.stat().st_size > 5000


def quiet_bar(what: str) -> Any:
    """A progress bar that shows nothing."""
    from contextlib import nullcontext

    return nullcontext(lambda done, total: None)


# ---------------------------------------------------------------------------------------------------- the command line


def test_the_command_measures_and_writes(tmp_path: Path) -> None:
    """Its JSON has the keys of `stats`; the next run is compared with it, frame by frame."""
    path = tmp_path / "run.json"
    config = tmp_path / "config.toml"
    config.write_text("")
    options = ["bench", "--config", str(config), "--width", "320", "--height", "180", "--frames", "40", "--no-startup"]
    first = CliRunner().invoke(cli, [*options, "--json", str(path)], catch_exceptions=False)
    assert first.exit_code == 0
    assert "320x180 at 30 fps, 1 face: yes" in first.output
    told = json.loads(path.read_text())
    assert set(told) >= set(Stats().as_dict())
    assert told["verdicts"][0] in first.output
    second = CliRunner().invoke(cli, [*options, "--compare", str(path)], catch_exceptions=False)
    assert second.exit_code == 0
    assert "paired" in second.output
    assert "yardstick" in second.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--faces", "2", "--source", "talk.mp4"], "allowed: --source portrait"),
        (["--matrix", "--live"], "--matrix: it chooses sizes and faces"),
        (["--live", "--profile", "p.html"], "allowed: without --live"),
        (["--size", "720p", "--width", "640"], "--size: got --width or --height"),
        (["--compare", "none.json"], "--compare none.json: No such file"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is measured, with exit status 2."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LivewarpError) as refused:
        cli(["bench", *options], standalone_mode=False)
    assert refused.value.exit_status == 2
    assert says in str(refused.value)
