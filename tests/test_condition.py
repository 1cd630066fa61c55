"""The state machine and the clocks of the loop, with a clock that goes only when told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livewarp.live.pace import (
    LOAD_LOW,
    MAX_ECONOMY,
    OVERLOAD_S,
    RECOVERY_S,
    SLACK_S,
    SPARE_CORES,
    SPARE_S,
    Governor,
    Pace,
)
from livewarp.live.state import Conditions, StateName

HELD = [state for state in StateName if state is not StateName.RUNNING]  # running is what is left


class Clock:
    """A clock that goes only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A new clock."""
    return Clock()


def running(clock: Clock) -> Conditions:
    """Conditions of which none holds."""
    conditions = Conditions(clock=clock)
    conditions.run_for("frames from portrait")
    conditions.release(StateName.STARTING)
    return conditions


def test_it_begins_with_starting(clock: Clock) -> None:
    """Before anything has been said it starts, for the reason given, since now."""
    state = Conditions("loading", clock).published
    assert (state.state, state.reason, state.since) == ("starting", "loading", 100.0)


def test_running_is_what_is_left(clock: Clock) -> None:
    """When the last condition is released it runs, since then, and says where the frames come from."""
    conditions = Conditions(clock=clock)
    conditions.run_for("frames from portrait")
    clock.now = 103.0
    assert conditions.release(StateName.STARTING)
    assert conditions.published.state == "running"
    assert (conditions.published.reason, conditions.published.since) == ("frames from portrait", 103.0)


@pytest.mark.parametrize("state", HELD)
def test_every_condition_names_the_state_while_it_holds(clock: Clock, state: StateName) -> None:
    """From running into each state and back, with reason and since at each transition."""
    conditions = running(clock)
    clock.now = 110.0
    assert conditions.hold(state, "because")
    entered = conditions.published
    assert (entered.state, entered.reason, entered.since) == (state, "because", 110.0)
    clock.now = 120.0
    assert conditions.release(state)
    assert (conditions.published.state, conditions.published.since) == ("running", 120.0)


@pytest.mark.parametrize(("first", "second"), [*itertools.combinations(HELD, 2)])
def test_the_first_in_order_wins(clock: Clock, first: StateName, second: StateName) -> None:
    """Of two that hold, whichever came first, one is the state and the other is in its reason."""
    for order in ((first, second), (second, first)):
        conditions = running(clock)
        for state in order:
            clock.now += 1.0
            conditions.hold(state, f"{state} for a reason")
        both = conditions.published
        assert both.state == first
        assert f"also {second}: {second} for a reason" in both.reason
        assert [c.state for c in both.conditions] == [first, second]
        conditions.release(first)
        assert conditions.published.state == second


def test_since_survives_another_reason(clock: Clock) -> None:
    """A new reason is told, but it has held since it began; and it is no transition."""
    conditions = running(clock)
    conditions.hold(StateName.STALLED, "no frame")
    clock.now += 5.0
    assert not conditions.hold(StateName.STALLED, "no such device")
    assert (conditions.published.reason, conditions.published.since) == ("no such device", 100.0)


def test_nothing_changes_by_saying_it_again(clock: Clock) -> None:
    """The same again publishes nothing new, so that the loop may say it with every frame."""
    conditions = running(clock)
    conditions.hold(StateName.IDLE, "nobody watches")
    published = conditions.published
    assert not conditions.hold(StateName.IDLE, "nobody watches")
    assert not conditions.release(StateName.STALLED)
    assert conditions.published is published


def test_the_reason_stays_while_time_passes(clock: Clock) -> None:
    """The reason names the other conditions without durations, which are fields of their own: no change, no event."""
    conditions = running(clock)
    conditions.hold(StateName.STALLED, "no frame")
    clock.now += 12.0
    conditions.hold(StateName.BLANKED, "asked to")
    assert conditions.published.reason == "asked to; also stalled: no frame"
    assert [c.since for c in conditions.published.conditions] == [clock.now, clock.now - 12.0]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(HELD)), max_size=40))
def test_the_state_is_always_the_first_that_holds(steps: list[tuple[bool, StateName]]) -> None:
    """Whatever comes and goes, the state is named and right."""
    clock = Clock()
    conditions = running(clock)
    held: set[StateName] = set()
    for hold, state in steps:
        clock.now += 0.5
        if hold:
            conditions.hold(state, "r")
            held.add(state)
        else:
            conditions.release(state)
            held.discard(state)
        expected = next((s for s in HELD if s in held), "running")
        assert conditions.published.state == expected
        assert {c.state for c in conditions.published.conditions} == (held or {"running"})


PERIOD_S = 1 / 30


def sent_at(arrivals: list[float], seconds: float) -> tuple[list[float], int]:
    """When something goes out if frames arrive then, and how many frames came too early."""
    pace = Pace(PERIOD_S, 0.0)
    sent, early, waiting = [], 0, list(arrivals)
    while True:
        fill_s = pace.patience_s
        now = min(waiting[0] if waiting else fill_s, fill_s)
        if now > seconds:
            return sent, early
        if waiting and waiting[0] == now:
            waiting.pop(0)
            if pace.early(now):
                early += 1
                continue
            pace.filled(now, fresh=True)
        else:
            pace.filled(now)
        sent.append(now)


@pytest.mark.parametrize("fps", [1, 10, 15, 24, 25, 29.97, 30])
def test_a_slow_camera_gives_a_full_rate(fps: float) -> None:
    """Whatever the camera does, thirty frames a second go out, and each of its own is among them."""
    arrivals = [i / fps for i in range(int(20 * fps))]
    sent, early = sent_at(arrivals, 20.0)
    assert len(sent) == pytest.approx(600, abs=14)  # a camera of 29.97 fps is followed, 25 fps nearly
    assert early == 0
    assert set(arrivals) <= set(sent)


@pytest.mark.parametrize("fps", [30.1, 31, 50, 60, 120])
def test_a_fast_camera_gives_no_more_than_the_rate(fps: float) -> None:
    """Frames for which there is no slot are left out: nothing queues."""
    sent, early = sent_at([i / fps for i in range(int(20 * fps))], 20.0)
    assert len(sent) == pytest.approx(600, rel=0.035)
    assert early == pytest.approx(20 * (fps - 30), abs=25)


@given(st.lists(st.floats(-0.012, 0.012), min_size=100, max_size=100))
def test_jitter_repeats_nothing(jitter: list[float]) -> None:
    """A camera at the nominal rate, up to 12 ms early or late, is sent frame by frame."""
    arrivals = [0.0] + [i * PERIOD_S + j for i, j in enumerate(jitter, 1)]
    sent, early = sent_at(arrivals, 100 * PERIOD_S)
    assert set(sent) == {a for a in arrivals if a <= 100 * PERIOD_S}
    assert early == 0


def test_a_long_gap_is_not_made_up_for() -> None:
    """After the loop itself has been away, frames go out at the rate, not all at once."""
    pace = Pace(PERIOD_S, 0.0)
    pace.filled(10.0)
    assert pace.slot_s == pytest.approx(10.0)
    pace.filled(10.0)
    assert pace.slot_s == pytest.approx(10.0 + PERIOD_S)
    assert pace.patience_s - pace.slot_s >= SLACK_S - 1e-9


def govern(governor: Governor, now: float, load: float, seconds: float) -> tuple[float, list[float]]:
    """Frames of that load for so long; the time afterwards, and when economy changed."""
    changes = []
    for _ in range(round(seconds / PERIOD_S)):
        now += PERIOD_S
        if governor.record(now, load * PERIOD_S):
            changes.append(now)
    return now, changes


def test_overload_lowers_the_cost_in_steps() -> None:
    """Two seconds over budget are one step, two more the next, and there it ends."""
    governor = Governor(PERIOD_S)
    _, changes = govern(governor, 0.0, 1.5, 20.0)
    assert governor.economy == MAX_ECONOMY == len(changes)
    assert OVERLOAD_S <= changes[0] < OVERLOAD_S + 1.5
    assert changes[1] - changes[0] == pytest.approx(OVERLOAD_S, abs=0.1)


def test_a_moment_of_overload_is_nothing() -> None:
    """A slow second, such as a garbage collection or another program's start, changes nothing."""
    governor = Governor(PERIOD_S)
    now, _ = govern(governor, 0.0, 0.5, 5.0)
    now, changes = govern(governor, now, 2.0, 1.0)
    assert changes == []
    assert govern(governor, now, 0.5, 20.0)[1] == []


def test_the_cost_comes_back_with_hysteresis() -> None:
    """Just below the budget nothing is taken back; far below it, a step at a time."""
    governor = Governor(PERIOD_S)
    now, _ = govern(governor, 0.0, 1.5, 20.0)
    now, changes = govern(governor, now, (1.0 + LOAD_LOW) / 2, 60.0)
    assert changes == []
    now, changes = govern(governor, now, LOAD_LOW / 2, (MAX_ECONOMY + 1) * RECOVERY_S)
    assert governor.economy == 0
    assert changes[1] - changes[0] >= RECOVERY_S - 0.1


def test_time_to_spare_is_told_after_a_while_and_taken_back_at_once() -> None:
    """Seconds of little work on four cores are time to spare, a moment of them or two cores are not; work ends it."""
    governor, small = Governor(PERIOD_S, SPARE_CORES), Governor(PERIOD_S, SPARE_CORES - 1)
    now, _ = govern(governor, 0.0, 0.2, SPARE_S - 1.0)
    assert not governor.has_spare_time
    govern(small, 0.0, 0.2, 2 * SPARE_S)
    assert not small.has_spare_time
    now, _ = govern(governor, now, 0.2, 2.0)
    assert governor.has_spare_time
    now, _ = govern(governor, now, 0.5, 9.0)  # in between nothing changes
    assert governor.has_spare_time
    govern(governor, now, 0.9, 2.0)
    assert not governor.has_spare_time


def test_a_relapse_waits_longer() -> None:
    """Where full cost is too much and reduced cost is little, it does not swing for ever at the same pace."""
    governor = Governor(PERIOD_S)
    now = 0.0
    eased = []
    for _ in range(6000):
        now += PERIOD_S
        before = governor.economy
        if governor.record(now, (1.5 if governor.economy == 0 else 0.3) * PERIOD_S) and governor.economy < before:
            eased.append(now)
    gaps = [b - a for a, b in itertools.pairwise(eased)]
    assert len(gaps) >= 2
    assert all(b > 1.5 * a for a, b in itertools.pairwise(gaps))
