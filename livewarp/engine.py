"""The live loop: read, track, warp, send.

Threads: *capture* reads the source and hands the newest frame over; *engine* tracks, warps in place
and sends. Neither knows of gevent; what they tell the rest of the process are frozen objects.

Guarantees: the loop allocates no frames, logs nothing per frame and takes no lock that another
thread holds while it works. A frame uses one whole set of parameters.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from livewarp.filter import FaceFilter
from livewarp.mailbox import Mailbox, Parcel
from livewarp.parameters import Parameters
from livewarp.sinks import Sink
from livewarp.sinks.preview import Preview
from livewarp.sources import Source
from livewarp.stats import Meter, State, Stats

STALLED_AFTER_S = 1.0
JOIN_S = 12.0  # a blocked webcam read ends after ten

_log = logging.getLogger(__name__)


class Engine:
    """Runs the loop in threads of its own.

    Parameters
    ----------
    source, face_filter, sinks, preview
        The stages; the engine closes them when it ends.
    max_frames, max_duration_s
        Stop after so many frames sent or seconds; None: run until stopped.
    on_end
        Called once, in the engine thread, when the loop has ended for whatever reason.

    Attributes
    ----------
    error
        What the loop died of, or None.
    """

    def __init__(
        self,
        source: Source,
        face_filter: FaceFilter,
        sinks: Sequence[Sink],
        preview: Preview | None = None,
        max_frames: int | None = None,
        max_duration_s: float | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._filter = face_filter
        self._sinks = list(sinks)
        self._preview = preview
        self._max_frames = max_frames
        self._max_duration_s = max_duration_s
        self._on_end = on_end
        self._mailbox = Mailbox((source.height, source.width, 3))
        self._meter = Meter(1.0 / source.fps)
        self._stopping = threading.Event()
        self._faces = 0
        self.error: BaseException | None = None
        self._state = State("starting", "warming up", time.monotonic())
        self._capture_thread = threading.Thread(target=self._capture, name="capture", daemon=True)
        self._engine_thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def parameters(self) -> Parameters:
        """Used from the next frame on; replace it whole, from any thread."""
        return self._filter.parameters

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        self._filter.parameters = parameters

    @property
    def stats(self) -> Stats:
        """The newest published figures."""
        return self._meter.published

    @property
    def state(self) -> State:
        """What the engine is doing and why."""
        return self._state

    @property
    def source_name(self) -> str:
        """The source, for people."""
        return self._source.name

    @property
    def sink_names(self) -> list[str]:
        """The sinks, for people."""
        return [sink.name for sink in self._sinks]

    def start(self) -> None:
        """Start the threads; returns at once. The first frame follows when the kernels are warm."""
        self._engine_thread.start()

    def stop(self) -> None:
        """Ask the loop to end after the frame under way; returns at once, from any thread."""
        self._stopping.set()
        self._mailbox.close()

    def join(self) -> None:
        """Wait for the end of the loop, at most twelve seconds (a blocked webcam read)."""
        self._engine_thread.join(JOIN_S)

    def _set_state(self, state: str, reason: str) -> None:
        if state != self._state.state:
            self._state = State(state, reason, time.monotonic())

    def _capture(self) -> None:
        """Thread: read frames into the mailbox at the source's own pace, or at its nominal one."""
        try:
            period_s = 1.0 / self._source.fps
            due = time.monotonic()
            index = 0
            while not self._stopping.is_set() and not self._source.ended:
                buffer = self._mailbox.take()
                started = time.monotonic()
                timestamp_s = self._source.read(buffer)
                read_s = time.monotonic() - started
                if timestamp_s is None:
                    self._mailbox.give(buffer)
                    continue
                if not self._source.live:
                    due += period_s
                    now = time.monotonic()
                    if now < due:
                        self._stopping.wait(due - now)
                    else:
                        due = now  # the source is slower than its rate: do not run after the past
                    timestamp_s = due
                self._mailbox.post(Parcel(buffer, timestamp_s, index, read_s))
                index += 1
        except BaseException as error:  # the top of this thread
            _log.error("the source failed: %s", error)
            self.error = error
        finally:
            self._mailbox.close()

    def _run(self) -> None:
        """Thread: everything between the source and the end."""
        try:
            self._filter.warm_up(self._source.height, self._source.width)
            self._capture_thread.start()
            self._loop()
        except BaseException as error:  # the top of this thread
            self.error = self.error or error
        finally:
            self._set_state("stopping", "asked to" if self.error is None else str(self.error))
            self._stopping.set()
            self._close()
            self._meter.publish(self._faces, self._dropped())
            self._on_end()

    def _loop(self) -> None:
        clock = time.monotonic
        end_s = clock() + self._max_duration_s if self._max_duration_s is not None else float("inf")
        sent = 0
        while not self._stopping.is_set() and clock() < end_s and sent != self._max_frames:
            parcel = self._mailbox.receive(timeout_s=STALLED_AFTER_S)
            if parcel is None:
                if self._mailbox.closed:
                    return
                self._stall()
                continue
            self._resume()
            self._process(parcel)
            sent += 1

    def _process(self, parcel: Parcel) -> None:
        """One frame through track, warp and send."""
        clock = time.perf_counter
        pixels = parcel.pixels
        t0 = clock()
        faces = self._filter.track(pixels, parcel.timestamp_s)
        t1 = clock()
        self._filter.warp(pixels, faces, pixels)
        t2 = clock()
        for sink in self._sinks:
            sink.send(pixels)
        if self._preview is not None:
            self._preview.offer(pixels)
        t3 = clock()
        latency_s = time.monotonic() - parcel.timestamp_s
        self._mailbox.give(pixels)
        self._faces = len(faces)
        self._meter.record(parcel.read_s, t1 - t0, t2 - t1, t3 - t2, latency_s, self._faces, self._dropped())

    def _dropped(self) -> int:
        return self._mailbox.dropped + sum(getattr(sink, "dropped", 0) for sink in self._sinks)

    def _stall(self) -> None:
        if self._state.state == "running":
            self._set_state("stalled", f"no frame from {self._source.name}")
            _log.warning("no frame from %s for %g s; waiting for it", self._source.name, STALLED_AFTER_S)

    def _resume(self) -> None:
        if self._state.state != "running":
            if self._state.state == "stalled":
                _log.info("frames again from %s", self._source.name)
            self._set_state("running", f"frames from {self._source.name}")

    def _close(self) -> None:
        """Release everything; one failure does not keep the rest open."""
        if self._capture_thread.ident is not None:
            self._capture_thread.join(JOIN_S)
        for close in (*(sink.close for sink in self._sinks), self._filter.close, self._source.close):
            try:
                close()
            except Exception as error:
                self.error = self.error or error
                _log.error("closing: %s", error)
