"""What a random sequence happens in: the daemon as it is, with a scripted camera, on a clock and a disk of its own.

Real are the daemon, its control methods, kept values, presets, settings, sockets, preview, recording and the whole
loop. Scripted are the camera, the filter's marks, the clock that the loop lives by, and what the disk does.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import gevent
import numpy as np

from livewarp.control.protocol.jsonrpc import answer
from livewarp.daemon import daemon as daemon_module
from livewarp.daemon.daemon import Daemon
from livewarp.daemon.kept import Kept, _text
from livewarp.errors import SinkError
from livewarp.live import capture
from livewarp.live.engine import Engine
from livewarp.live.limits import Demand
from livewarp.live.loop import IDLE_PERIOD_S
from livewarp.live.outputs import UNWATCHED_S
from livewarp.live.state import StateName
from livewarp.parameters import Parameters, Wanted
from livewarp.settings import Settings, load_settings
from livewarp.sinks import Sink, open_sinks
from livewarp.sinks.preview import Picture
from livewarp.sources import Plan
from scripted import CAMERA_RED, SHAPE, RecordingSink, ScriptedFilter
from scripted_disk import Disk, Killed
from scripted_world import FPS, TICK_S, World

NEVER_KEPT = {"overlay", "background_compare"}
BACK_S = 3.0  # after the last fault the camera is there again
_real_time = time.time
SETTLE_S = 30.0  # real time: what the hub has to do takes no longer


class HandEngine(Engine):
    """An engine whose loop is turned by hand."""

    def start(self) -> None:
        """Load."""
        self._loading.run()

    def stop(self) -> None:
        """End at once."""
        if not self._stopping.is_set():
            super().stop()
            self._on_end()

    def join(self) -> None:
        """Release what it has."""
        self.loop.conditions.hold(StateName.STOPPING, "asked to")
        self._close()


class FailingSink(RecordingSink):
    """A camera that is lost when it is told to."""

    name = "failing"


class House:
    """A daemon, started anew as often as it ends, and what its person expects of it."""

    def __init__(self, folder: Path, recording: bool) -> None:
        self.folder = folder
        self.world = World()
        self.disk = Disk(folder)
        self.offset_s = 0.0  # of the wall clock
        self.sink = RecordingSink()
        self.recording = folder / "recording.mkv" if recording else None
        self.recordings = 0
        self.config = folder / "config.toml"
        self.config.write_text("")
        self.values: dict[str, Any] = {}
        self.blank = self.frozen = False
        self.entries: dict[str, tuple[Any, Any]] = {}  # value, over
        self.before: Any = None  # what was expected before the message that it died of, and whether that was answered
        self.answered = True
        self.disk_was_full = False  # when it ended: what was not written is lost
        self.frozen_at: set[int] = set()  # numbers that a frozen picture may have
        self.wrong: list[str] = []
        self.daemon: Daemon
        self.start()

    # -- its life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """As `livewarp run` does."""
        settings, initial = self._settings()
        kept = Kept(self.folder / "state" / "kept.json")
        kept.claim()
        start, blank = kept.load(settings.start_parameters(), {})
        self.kept = kept
        self.world.readers.clear()
        self.world.hanging.clear()
        with mock.patch.object(daemon_module, "build_engine", self._build):
            self.daemon = Daemon(settings, initial, blank=blank, reread=self._settings, start=start, kept=kept)
        self.daemon._preview.on_picture = self._seen
        self._running = gevent.spawn(self.daemon.run)
        gevent.sleep(0)
        assert self.daemon._engine._loading.filter is not None
        self.sent_s, self.sent_idle = self.world.now, True
        self._started_with = self.daemon.parameters
        self.config_values = dict(settings.start_parameters())
        self.initial = dict(initial)

    def _settings(self) -> tuple[Settings, Parameters]:
        settings = load_settings(self.config)
        control = settings.control.model_copy(
            update={"address": "127.0.0.1:0", "panel": "127.0.0.1:0", "socket": str(self.folder / "control.sock")}
        )
        return settings.model_copy(update={"control": control}), settings.start_parameters()

    def _build(self, settings: Settings, wanted: Wanted, limits: Any, preview: Any, url: str, on_end: Any, _: Any):
        plan = Plan("scripted", True, SHAPE[1], SHAPE[0], FPS, self.world.open)
        self.face_filter = ScriptedFilter()
        self.failing = FailingSink()
        sinks: list[Sink] = [self.sink, self.failing]
        if self.recording is not None and not self.disk.full:  # it would be refused, as it should
            self.recordings += 1
            path = self.recording.with_stem(f"recording{self.recordings}")
            sinks += open_sinks(f"file:{path}", SHAPE[1], SHAPE[0], FPS, url, False)
        engine = HandEngine(
            plan,
            lambda: self.face_filter,  # type: ignore[arg-type, return-value]
            wanted,
            sinks,
            preview,
            demand=Demand(True, 2.0),
            on_end=on_end,
            clock=self.world.clock,
            start_reader=self.world.readers.append,
        )
        return engine, plan

    def stop(self) -> None:
        """In order."""
        self.daemon.stop()
        # A recording that could not be completed is said at the end.
        with contextlib.suppress(SinkError) if self.disk.full else contextlib.nullcontext():
            self._running.get(timeout=30)
        self._forget()

    def kill(self) -> None:
        """As by `kill -9`: nothing is written any more, nothing is tidied up; then what the system closes is."""
        self.disk.dead = True
        with contextlib.suppress(Killed):
            self.daemon.stop()
            self._running.get(timeout=30)
        with contextlib.suppress(Killed):
            self.daemon._stop_servers()
        for sink in self.daemon._engine.sinks:
            with contextlib.suppress(Exception):
                sink.close()
        self._forget()
        self.disk.dead, self.disk.dies_after = False, None

    def _forget(self) -> None:
        for fd in Path("/proc/self/fd").iterdir():  # the lock goes with the process
            with contextlib.suppress(OSError):
                if os.readlink(fd).startswith(str(self.folder)) and os.readlink(fd).endswith(".lock"):
                    os.close(int(fd.name))

    # -- what the person does ------------------------------------------------------------------------------------

    def send(self, message: object) -> Any:
        """One message, and its reply; None where the process died meanwhile."""
        dispatcher = self.daemon._control._dispatcher
        try:
            with dispatcher.turns:
                text = "".join(answer(dispatcher, message))
        except Killed:
            return None
        return json.loads(text) if text else None

    def settle(self) -> None:
        """Let the hub do what waits; afterwards all is on disk that can be."""
        until_s = time.monotonic() + SETTLE_S
        while True:
            gevent.sleep(0.001)
            kept = self.daemon._kept
            assert kept is not None
            if self.disk.dead or self._running.dead or self.disk.full:
                return
            noted = kept._last is self.daemon.parameters and kept._blank == self.daemon.switches.blank
            text = _text(kept._entries, kept._blank)
            # "": it was damaged when it was read, and nothing has changed since; read again, it says the same.
            untouched = kept._written == "" and self.daemon.parameters is self._started_with
            if noted and not self.daemon._changed.is_set() and (kept._written == text or untouched):
                return
            assert time.monotonic() < until_s, "never written"

    def live(self, seconds: float) -> None:
        """Time passes; what must always hold is checked at every turn."""
        loop = self.daemon._engine.loop
        for _ in range(max(1, round(seconds / TICK_S))):
            self.world.pass_time()
            before = len(self.sink.kinds), len(self.sink.numbers)
            while True:
                loop.step(parcel := loop.mailbox.receive(0.0), self.world.now)
                if parcel is None:
                    break
            self._check(self.sink.kinds[before[0] :], self.sink.numbers[before[1] :])
        loop.publish()
        gevent.sleep(0)

    def _check(self, sent: list[str], numbers: list[int]) -> None:
        state = self.daemon._engine.state
        assert isinstance(state.state, StateName)
        assert state.reason
        switches = self.daemon.switches
        if switches.blank:
            assert "camera" not in sent, "the camera while blanked"
            assert any(c.state == "blanked" for c in state.conditions)
        if switches.freeze:
            assert set(numbers) <= self.frozen_at, "a new frame while frozen"
        # While nobody watches it is slower.
        idle = any(c.state == "idle" for c in state.conditions) or self.sink.watched is False
        if sent:
            self.sent_s, self.sent_idle = self.world.now, idle
        allowed_s = UNWATCHED_S + IDLE_PERIOD_S if idle or self.sent_idle else 1.5 / FPS
        gap_s = self.world.now - self.sent_s
        assert gap_s <= allowed_s + 2 * TICK_S + 1e-6, f"nothing is sent for {gap_s:.3f} s, allowed {allowed_s:.3f}"
        assert not self.wrong, self.wrong

    def _seen(self, picture: Picture) -> None:
        """In the preview's thread: a picture that says that it is none of the camera is none."""
        pixels = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if not picture.camera and abs(int(pixels[20, 20, 2]) - CAMERA_RED) < 20:
            self.wrong.append("a picture of the camera that says it is none")

    # -- what the person expects ---------------------------------------------------------------------------------

    def expect_values(self) -> None:
        """What `get` says, and the switches, are what was asked for last."""
        got = self.send({"jsonrpc": "2.0", "id": 0, "method": "get", "params": {}})["result"]
        different = {name: (got[name], value) for name, value in self.values.items() if got[name] != value}
        assert not different, f"values (got, expected): {different}"
        switches = self.daemon.switches
        assert (switches.blank, switches.freeze) == (self.blank, self.frozen)

    def expected(self) -> tuple[dict[str, Any], bool, bool, dict[str, tuple[Any, Any]]]:
        """All of it: values, blank, frozen, and what of it is kept."""
        return dict(self.values), self.blank, self.frozen, dict(self.entries)

    def note(self, changed: dict[str, Any]) -> None:
        """Values that a command has changed: what is kept of them is what differs from the settings."""
        for name, value in changed.items():
            if self.values.get(name) == value or name in NEVER_KEPT:
                self.values[name] = value
                continue
            self.values[name] = value
            if value == self.initial[name]:
                self.entries.pop(name, None)
            else:
                self.entries[name] = (value, self.config_values[name])

    def take_settings(self, changed: dict[str, Any]) -> None:
        """The settings have been read again."""
        config = dict(self._settings()[1])
        self.config_values, self.initial = config, dict(config)
        self.values |= changed
        self.entries = {n: (v, over) for n, (v, over) in self.entries.items() if config[n] == over and n not in changed}

    def hold(self) -> None:
        """The picture is frozen: what was shown last may be shown from now on, if it is of the camera."""
        kept = self.daemon._engine.loop._stand_in.kept
        self.frozen_at = set() if kept is None else {int(kept[1, 1, 0])}

    def watch_preview(self) -> None:
        """One more viewer, or one less."""
        preview = self.daemon._preview
        if preview.viewers:
            preview.unwatch()
        else:
            preview.watch()

    def wall_clock(self) -> float:
        """What the wall clock shows."""
        return _real_time() + self.offset_s

    def sleep(self, seconds: float) -> None:
        """The process does not run; frames wait, and are old afterwards."""
        self.world.now += seconds
        self.sent_s = self.world.now

    def recover(self) -> None:
        """Nothing is wrong any more, and somebody watches."""
        self.world.fault, self.disk.full = "", False
        self.sink.watched = True
        for method in ("blank", "freeze"):
            self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"on": False}})
        self.blank = self.frozen = False
        self.send({"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": 0.125}})
        self.note({"thin": 0.125})

    def wait(self, condition: Callable[[], object], at_most_s: float) -> None:
        """Let time pass until that holds."""
        began_s = self.world.now
        while not condition():
            assert self.world.now - began_s <= at_most_s, f"not back: {self.daemon._engine.state}"
            self.live(TICK_S)

    def shows_the_camera(self) -> bool:
        """Whether a frame that is new was the last thing sent."""
        newest = (self.world.frames % 256, self.world.frames % 251, CAMERA_RED)
        return self.daemon._engine.state.state == "running" and tuple(self.sink.last[2, 2]) == newest

    def restart(self, lost: bool = False) -> None:
        """Start again, with what was kept; `lost`: values may be lost, and blank be on that was not."""
        expected, blank, before = self.after_start(), self.blank, self.before
        self.before = None
        self.start()
        got, self.frozen, self.frozen_at = dict(self.daemon.parameters), False, set()
        is_blank = self.daemon.switches.blank
        if before is not None:  # values are written within a second, blank before the answer
            (self.values, was_blank, _, self.entries), answered = before
            assert got in (expected, self.after_start()), "values are neither those before nor those after"
            assert is_blank == blank or (is_blank == was_blank and not answered), f"blank is {is_blank}"
        elif lost:
            assert is_blank or not blank or self.disk_was_full, "blank is lost"
        else:
            different = {n: (got[n], v) for n, v in expected.items() if got[n] != v}
            assert not different, f"kept values (got, expected): {different}"
            assert is_blank == blank, f"blank was {blank}, is {is_blank}"
        self.values, self.blank = got, is_blank
        self.entries = {n: e for n, e in self.entries.items() if got[n] == e[0] and got[n] != self.initial[n]}

    def after_start(self) -> dict[str, Any]:
        """What the next start begins with."""
        config = dict(self._settings()[1])
        over = {name: value for name, (value, over) in self.entries.items() if config[name] == over}
        return {**config, **over}


@contextlib.contextmanager
def house(folder: Path, recording: bool) -> Iterator[House]:
    """A house, whose wall clock may be set, and that leaves no thread, descriptor or file behind."""
    threads, descriptors = set(threading.enumerate()), _descriptors()
    environment = {f"XDG_{name}": str(folder) for name in ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR")}
    hub = gevent.get_hub()
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(daemon_module, "KEEP_EVERY_S", 0.0),
        mock.patch.object(daemon_module, "KEEP_AGAIN_S", 0.001),
        mock.patch.object(capture, "CLOSE_S", 0.0),  # what hangs here is no thread
        mock.patch.object(type(hub), "NOT_ERROR", (*type(hub).NOT_ERROR, Killed)),
    ):
        made = House(folder, recording)
        with mock.patch.object(time, "time", made.wall_clock), made.disk:
            yield made
        made.stop()
    until_s = time.monotonic() + SETTLE_S
    # The hub's own pool stays; a thread of it that has logged shows as a dummy.
    while left := {t for t in threading.enumerate() if t not in threads and not isinstance(t, threading._DummyThread)}:
        assert time.monotonic() < until_s, f"threads are left: {left}"
        time.sleep(0.001)
    gc.collect()
    left = _descriptors() - descriptors
    assert not left, f"descriptors are left: {left}"


def _descriptors() -> set[str]:
    """What this process has open, but for what the hub and its pool have of their own."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            what = os.readlink(f"/proc/self/fd/{name}")
            if not what.startswith(("anon_inode:", "pipe:", "/proc/", "/dev/")):
                found.add(what)
    return found
