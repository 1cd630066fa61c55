"""The live loop with scripted sources and sinks: what is read is sent, in order, and errors surface."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from livewarp.errors import ModelError, Problem, SourceError
from livewarp.live.engine import Engine
from livewarp.live.limits import Demand, Limits
from livewarp.live.stats import LATENCY
from livewarp.parameters import Switches, Wanted
from scripted import RecordingSink, ScriptedFilter, ScriptedSource, engine_of, run_to_end, wait_for


def test_a_film_ends_by_itself_and_closes_everything() -> None:
    """Each part is closed once, the last frame is counted, and nothing is wrong."""
    source, sink = ScriptedSource(50), RecordingSink()
    engine, ended = engine_of(source, sink)
    run_to_end(engine, ended)
    assert engine.error is None
    assert (source.closed, sink.closed) == (1, 1)
    assert sink.numbers == sorted(sink.numbers)
    assert sink.numbers[-1] == 49
    stats = engine.stats
    assert stats.frames - stats.repeated + stats.dropped == 50
    assert stats.frames == len(sink.kinds)
    assert engine.state.state == "stopping"


def test_max_frames_is_exact() -> None:
    """--frames N sends N frames of the source, whatever else is sent before and between."""
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(), sink, limits=Limits(frames=7))
    run_to_end(engine, ended)
    assert engine.stats.frames - engine.stats.repeated == engine.stats.passed == len(set(sink.numbers)) == 7


def test_max_duration_ends_it() -> None:
    """--duration stops an endless source."""
    engine, ended = engine_of(ScriptedSource(), RecordingSink(), limits=Limits(duration_s=0.1))
    run_to_end(engine, ended)
    assert engine.error is None


def test_a_film_keeps_its_pace() -> None:
    """Twenty frames at 100 fps take 0.2 s, not less."""
    engine, ended = engine_of(ScriptedSource(fps=100.0), RecordingSink(), limits=Limits(frames=20))
    started = time.monotonic()
    run_to_end(engine, ended)
    assert time.monotonic() - started >= 0.19


def test_a_recording_of_a_film_gets_each_frame_once() -> None:
    """A file gets no placeholder before the film and no frame twice, however slow the filter is to load."""
    slow = ScriptedFilter()
    slow.warm_up = lambda height, width: time.sleep(0.1)  # type: ignore[method-assign]
    recording, camera = RecordingSink(records=True), RecordingSink()
    engine, ended = engine_of(ScriptedSource(30, fps=50.0), recording, camera, face_filter=slow)
    run_to_end(engine, ended)
    assert recording.numbers == sorted(set(recording.numbers))
    assert set(recording.kinds) == {"camera"}
    assert recording.numbers[0] == 0
    assert camera.kinds[0] == "placeholder"


def test_a_change_is_seen_by_the_next_frame() -> None:
    """Parameters that are set while a frame is being sent are those of the next one."""
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(), sink, limits=Limits(frames=3))
    values = iter([0.5, 0.9, 1.0])
    seen: list[int] = []

    def change() -> None:
        if sink.numbers[-1] not in seen:  # and not the same again
            seen.append(sink.numbers[-1])
            engine.parameters = engine.parameters.replace(thin=next(values))

    sink.on_frame = change
    run_to_end(engine, ended)
    marks = dict(zip(sink.numbers, sink.marks, strict=True))
    assert [marks[n] for n in seen] == [0, 50, 90]


def test_next_frame_is_the_first_of_a_change() -> None:
    """Every frame from number `next_frame` on uses the new parameters, and none but one before it may."""
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(), sink, limits=Limits(frames=40))
    told: list[tuple[int, int]] = []

    def change() -> None:
        if len(sink.numbers) == 10:
            engine.parameters = engine.parameters.replace(thin=0.5)
            told.append((engine.next_frame, len(sink.kinds)))

    sink.on_frame = change
    run_to_end(engine, ended)
    (begun, sent) = told[0]
    assert begun == sent
    camera = [i for i, kind in enumerate(sink.kinds) if kind == "camera"]
    marks = dict(zip(camera, zip(sink.numbers, sink.marks, strict=True), strict=True))
    at_change = marks[begun - 1][0]
    assert all(mark == 0 for i, (_, mark) in marks.items() if i < begun)
    assert all(mark == 50 for i, (number, mark) in marks.items() if i >= begun and number != at_change)


def test_parameters_and_switches_change_as_one() -> None:
    """A frame that has the parameters of a change has its switches, too: frozen from there on, none has the mark."""
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(live=True, fps=400.0), sink)
    update = engine.loop._update_conditions
    armed: list[int] = []

    def change_amid(parcel: Any, switches: Switches) -> None:
        update(parcel, switches)
        if len(sink.numbers) > 10 and parcel is not None and not armed:  # the frame has been begun
            engine.wanted = Wanted(engine.parameters.replace(thin=0.5), Switches(freeze=True))
            armed.append(engine.next_frame)

    engine.loop._update_conditions = change_amid  # type: ignore[method-assign]
    engine.start()
    wait_for(lambda: armed and len(sink.kinds) > armed[0] + 20)
    engine.stop()
    assert ended.wait(500)
    assert set(sink.marks) == {0}
    assert len({sink.last.tobytes(), *sink.numbers[armed[0] :]}) <= 2  # the same picture from that frame on


@pytest.mark.parametrize("switches", [Switches(blank=True), Switches(freeze=True)])
@pytest.mark.parametrize("live", [True, False])
def test_max_frames_ends_it_while_the_picture_is_held_back(switches: Switches, live: bool) -> None:
    """--frames N counts frames of the source, also those that blank or freeze holds back: it ends."""
    source, sink = ScriptedSource(live=live), RecordingSink()
    engine, ended = engine_of(source, sink, limits=Limits(frames=7), switches=switches)
    run_to_end(engine, ended)
    assert engine.error is None
    assert source.count >= 7
    assert sink.numbers == []  # frozen before there was a frame to hold, none is shown either


def test_a_failure_surfaces_and_closes_everything() -> None:
    """What the loop died of is in `error`; the rest is released."""
    source, sink = ScriptedSource(), RecordingSink()
    failure = SourceError("gone")
    engine, ended = engine_of(source, sink)
    source.failure = failure
    run_to_end(engine, ended)
    assert engine.error is failure
    assert engine.state.reason.startswith("gone")
    assert source.closed == source.opened
    assert sink.closed == 1


def test_a_model_that_cannot_be_loaded_ends_it() -> None:
    """What the warm-up thread dies of is what the daemon dies of."""
    failure = ModelError("no weights")
    sink = RecordingSink()
    ended = threading.Event()

    def fail() -> ScriptedFilter:
        raise failure

    plan = ScriptedSource(live=True).plan()
    engine = Engine(plan, fail, Wanted(ScriptedFilter().parameters), [sink], on_end=ended.set)  # type: ignore[arg-type]
    run_to_end(engine, ended)
    assert engine.error is failure


def test_a_crash_elsewhere_ends_it() -> None:
    """The daemon hands over what any other thread died of."""
    failure = RuntimeError("detector")
    engine, ended = engine_of(ScriptedSource(), RecordingSink())
    engine.start()
    engine.crash(failure)
    assert ended.wait(500)
    assert engine.error is failure


def test_while_it_starts_there_is_a_placeholder() -> None:
    """Cameras get a picture at the rate from the first moment on, while the model loads and the webcam wakes up."""
    loaded = threading.Event()
    slow = ScriptedFilter()
    slow.warm_up = lambda height, width: loaded.wait(500)  # type: ignore[method-assign, assignment, return-value]
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(live=True), sink, face_filter=slow)
    engine.start()
    wait_for(lambda: len(sink.kinds) > 20)
    assert set(sink.kinds) == {"placeholder"}
    assert engine.state.state == "starting"
    loaded.set()
    wait_for(lambda: sink.kinds[-1] == "camera")
    wait_for(lambda: engine.state.state == "running")
    engine.stop()
    assert ended.wait(500)


def test_a_silent_source_is_a_state_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frames: the last one again, then a placeholder and stalled, with the reason; frames again: running."""
    monkeypatch.setattr("livewarp.live.capture.SILENT_S", 0.1)
    source, sink = ScriptedSource(live=True), RecordingSink()
    engine, ended = engine_of(source, sink)
    engine.start()
    wait_for(lambda: engine.state.state == "running")
    wait_for(lambda: sink.kinds[-1:] == ["camera"])
    source.gate.clear()
    wait_for(lambda: engine.state.state == "stalled")
    assert "no frame from scripted" in engine.state.reason
    assert [p.what for p in engine.problems()] == ["no frame from scripted"]
    wait_for(lambda: sink.kinds[-1] == "placeholder")
    assert len(sink.numbers) > len(set(sink.numbers))  # it was sent again before
    source.gate.set()
    wait_for(lambda: engine.state.state == "running")
    wait_for(lambda: sink.kinds[-1] == "camera")
    engine.stop()
    assert ended.wait(500)
    assert engine.problems() == []


def test_freeze_repeats_the_last_frame() -> None:
    """Frozen, the same picture goes out at the rate; afterwards the newest does."""
    source, sink = ScriptedSource(live=True), RecordingSink()
    engine, ended = engine_of(source, sink)
    engine.start()
    wait_for(lambda: len(sink.numbers) > 10)
    engine.switches = Switches(freeze=True)
    begun = engine.next_frame
    wait_for(lambda: len(sink.kinds) > begun + 30)
    assert len(set(sink.numbers[begun + 2 :])) == 1
    assert engine.state.state == "running"
    engine.switches = Switches()
    frozen = sink.numbers[-1]
    wait_for(lambda: sink.numbers[-1] != frozen)
    engine.stop()
    assert ended.wait(500)


def test_blank_beats_freeze() -> None:
    """Both at once: the privacy picture, and the state says so."""
    source, sink = ScriptedSource(live=True), RecordingSink()
    engine, ended = engine_of(source, sink)
    engine.start()
    wait_for(lambda: len(sink.numbers) > 10)
    engine.switches = Switches(blank=True, freeze=True)
    wait_for(lambda: engine.state.state == "blanked")
    wait_for(lambda: sink.kinds[-1] == "placeholder")
    engine.stop()
    assert ended.wait(500)


def test_blank_holds_from_the_very_first_frame() -> None:
    """An engine that begins blanked never sends a frame of the camera, nor looks for faces in one."""
    source, sink, face_filter = ScriptedSource(live=True), RecordingSink(), ScriptedFilter()
    engine, ended = engine_of(source, sink, face_filter=face_filter, switches=Switches(blank=True))
    engine.start()
    wait_for(lambda: source.count > 20)
    wait_for(lambda: engine.state.state == "blanked")
    engine.stop()
    assert ended.wait(500)
    assert set(sink.kinds) == {"placeholder"}
    assert face_filter.tracked == 0


def test_blank_replaces_the_frame_under_way() -> None:
    """Set between tracking and sending, it still holds back that very frame, and after it what was kept."""
    source, sink, face_filter = ScriptedSource(live=True), RecordingSink(), ScriptedFilter()
    engine, ended = engine_of(source, sink, face_filter=face_filter)
    at: list[int] = []

    def blank() -> None:
        if len(sink.numbers) == 5 and not at:
            at.append(len(sink.kinds))
            engine.switches = Switches(blank=True)

    face_filter.on_render = blank
    engine.start()
    wait_for(lambda: at and len(sink.kinds) > at[0] + 20)
    assert set(sink.kinds[at[0] :]) == {"placeholder"}
    engine.switches = Switches()
    wait_for(lambda: sink.kinds[-1] == "camera")
    before, after = sink.numbers[4], sink.numbers[5]
    assert after > before + 1  # what it saw before is not shown again
    engine.stop()
    assert ended.wait(500)


def test_another_source_takes_over_live() -> None:
    """A switch needs no restart, closes the first source, and its frames come no more."""
    first, second, sink = ScriptedSource(live=True), ScriptedSource(fps=100.0), RecordingSink()
    second.name = "second"
    engine, ended = engine_of(first, sink)
    engine.start()
    wait_for(lambda: len(sink.numbers) > 5)
    engine.switch_source(second.plan())
    wait_for(lambda: engine.source_name == "second")
    wait_for(lambda: first.closed == 1)
    wait_for(lambda: second.count > 20)
    count = first.count
    wait_for(lambda: second.count > 30)
    assert first.count == count
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None


def test_a_switch_to_what_fails_or_ends_is_a_state() -> None:
    """Only the source that it was started with ends the run; another one is a stall, with the reason."""
    sink = RecordingSink()
    broken, short = ScriptedSource(), ScriptedSource(3)
    broken.refusal = SourceError("scripted: cannot be decoded")
    engine, ended = engine_of(ScriptedSource(), sink)
    engine.start()
    wait_for(lambda: sink.numbers)
    engine.switch_source(broken.plan())
    wait_for(lambda: engine.state.state == "stalled")
    assert "cannot be decoded" in engine.state.reason
    engine.switch_source(short.plan())
    wait_for(lambda: "has ended" in engine.state.reason)
    assert engine.state.state == "stalled"
    assert not ended.is_set()
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None


def test_a_webcam_is_opened_only_while_someone_watches() -> None:
    """Nobody: closed and idle, a placeholder now and then. Somebody: open. Gone: closed after the grace time."""
    source, sink = ScriptedSource(live=True), RecordingSink(watched=False)
    engine, ended = engine_of(source, sink, demand=Demand(True, 0.2))
    engine.start()
    wait_for(lambda: engine.state.state == "idle")
    wait_for(lambda: sink.kinds.count("placeholder") > 3)
    assert source.opened == 0
    sink.watched = True
    wait_for(lambda: engine.state.state == "running")
    wait_for(lambda: sink.kinds[-1] == "camera")
    left_s = time.monotonic()
    sink.watched = False
    wait_for(lambda: engine.state.state == "idle")
    assert time.monotonic() - left_s >= 0.15  # the loop's last look may have been a little before
    wait_for(lambda: source.closed == 1)
    wait_for(lambda: sink.kinds[-1] == "placeholder")
    sink.watched = True
    wait_for(lambda: source.opened == 2)
    wait_for(lambda: sink.kinds[-1] == "camera")
    engine.stop()
    assert ended.wait(500)


@pytest.mark.parametrize(
    "options", [{"limits": Limits(frames=5)}, {"limits": Limits(duration_s=0.3)}, {"demand": Demand(False)}]
)
def test_what_counts_as_a_viewer(options: dict[str, object]) -> None:
    """--frames, --duration and --no-on-demand open the webcam although nobody watches."""
    source = ScriptedSource(live=True)
    engine, ended = engine_of(source, RecordingSink(watched=False), **{"demand": Demand(True), **options})
    engine.start()
    wait_for(lambda: source.opened == 1)
    engine.stop()
    assert ended.wait(500)


def test_a_sink_of_which_it_cannot_be_known_counts_as_watched() -> None:
    """None is not False: better a camera that is on than a picture that never comes."""
    source = ScriptedSource(live=True)
    engine, ended = engine_of(source, RecordingSink(watched=None), demand=Demand(True, 0.0))
    engine.start()
    wait_for(lambda: engine.state.state == "running")
    assert engine.viewers == 0
    engine.stop()
    assert ended.wait(500)


def test_overload_lowers_the_cost_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """A filter that is too slow for the rate is told to be cheaper, step by step; nothing queues."""
    face_filter = ScriptedFilter()
    face_filter.on_render = lambda: time.sleep(0.03)
    engine, ended = engine_of(ScriptedSource(live=True, fps=100.0), RecordingSink(), face_filter=face_filter)
    with caplog.at_level("INFO", "livewarp"):
        engine.start()
        wait_for(lambda: face_filter.economy >= 2)
        assert engine.economy >= 2
        assert any("longer than there is time" in p.what for p in engine.problems())
        engine.stop()
        assert ended.wait(500)
    assert caplog.text.count("frames take longer than there is time") == 1
    assert engine.stats.dropped > 100
    latency = engine.stats.rows[:, LATENCY]
    assert np.median(latency) < 0.1  # two frames: one under way and one that waits


def test_a_sink_with_a_problem_is_reported_and_the_rest_goes_on() -> None:
    """What a sink says of itself is among the problems."""
    sick, well = RecordingSink(), RecordingSink()
    sick.problem = Problem("virtual camera: gone")
    engine, ended = engine_of(ScriptedSource(), sick, well)
    engine.start()
    wait_for(lambda: len(well.numbers) > 3)
    assert [p.what for p in engine.problems()] == ["virtual camera: gone"]
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None


def test_stop_before_the_first_frame_ends_it() -> None:
    """Stopping while a source is silent does not wait for it."""
    source = ScriptedSource(live=True)
    source.gate.clear()
    engine, ended = engine_of(source, RecordingSink())
    engine.start()
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None


def test_threads_end_with_the_engine() -> None:
    """After the end only the threads of before are left."""
    before = threading.active_count()
    engine, ended = engine_of(ScriptedSource(20), RecordingSink())
    run_to_end(engine, ended)
    wait_for(lambda: threading.active_count() == before)
