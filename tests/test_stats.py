"""The loop's figures: counted exactly, published frozen, with percentiles that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from livewarp.filtering.stages import NAMES
from livewarp.live.stats import SENT, WINDOW, Meter, ProcessMeter, Stats


class Clock:
    """A clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


def times(**seconds: float) -> np.ndarray:
    """What each stage took; those not named did not run."""
    return np.array([seconds.get(name, 0.0) for name in NAMES])


def run(frames: int, fps: float = 30.0, latency_s: float = 0.01) -> Meter:
    """A meter that has seen so many frames."""
    clock = Clock()
    times_s = times(read=0.001, track=0.002, warp=0.003, send=0.004)
    meter = Meter(1 / 30, clock)
    for _ in range(frames):
        clock.now += 1 / fps
        meter.record(times_s, latency_s, faces=1, dropped=2)
    meter.publish(1, 2)
    return meter


def test_before_the_first_frame_everything_is_zero() -> None:
    """Asking early is no error and gives the same keys."""
    early = Stats().as_dict()
    assert early.keys() == run(3).published.as_dict().keys()
    assert early["fps"] == early["latency"]["p99_ms"] == 0


@pytest.mark.parametrize("frames", [1, 100, WINDOW, WINDOW + 1, 3 * WINDOW + 7])
def test_every_frame_is_counted(frames: int) -> None:
    """The count goes on when the ring is full, and the newest rows are kept in order."""
    stats = run(frames).published
    assert stats.frames == frames
    assert len(stats.rows) == min(frames, WINDOW)
    assert (np.diff(stats.rows[:, SENT]) > 0).all()
    assert stats.rows[-1, SENT] == pytest.approx(100 + frames / 30)


def test_fps_is_that_of_the_last_two_seconds() -> None:
    """Frames at 25 a second give 25, whatever came before."""
    assert run(200, fps=25).published.as_dict()["fps"] == pytest.approx(25, abs=0.01)


def test_late_means_over_the_frame_budget() -> None:
    """A latency above 1 / fps is late, one below is not."""
    assert run(50, latency_s=0.0334).published.late == 50
    assert run(50, latency_s=0.0332).published.late == 0


def test_stages_are_milliseconds_in_their_order() -> None:
    """Each stage has its own times, and one that never ran is left out."""
    stages = run(50).published.as_dict()["stages"]
    assert [(name, times["p50_ms"]) for name, times in stages.items()] == [
        ("read", 1),
        ("track", 2),
        ("warp", 3),
        ("send", 4),
    ]


def test_a_stage_that_ran_now_and_then_is_measured_where_it_ran() -> None:
    """The frames without it do not make it look quick."""
    clock = Clock()
    meter = Meter(1 / 30, clock)
    for mirror_s in (0.0, 0.0, 0.0, 0.007):
        clock.now += 1 / 30
        meter.record(times(read=0.001, track=0.002, warp=0.003, mirror=mirror_s, send=0.004), 0.01, faces=1, dropped=0)
    meter.publish(1, 0)
    assert meter.published.as_dict()["stages"]["mirror"]["p50_ms"] == 7


def test_published_figures_do_not_change() -> None:
    """What another thread holds stays as it was."""
    meter = run(10)
    held = meter.published
    before = held.as_dict()
    meter.record(np.ones(len(NAMES)), 1, 0, 0)
    meter.publish(0, 0)
    assert held.as_dict() == before
    with pytest.raises(ValueError, match="read-only"):
        held.rows[0] = 0


def test_the_process_meter_sees_this_process() -> None:
    """Memory is that of a Python with numpy, and CPU is a percentage."""
    figures = ProcessMeter().as_dict()
    assert 20 < figures["memory_mb"] < 20_000
    assert figures["cpu_percent"] >= 0
