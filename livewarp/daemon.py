"""The daemon: builds the parts from Settings, runs them, and takes them down in order.

The main thread runs the gevent hub: control port, preview page, signals. The frame loop has native
threads of its own (`livewarp.engine`) and rings the hub when it ends.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.hub

from livewarp.control.client import parse_address
from livewarp.control.panel import Panel
from livewarp.control.server import ControlServer
from livewarp.engine import Engine
from livewarp.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.settings import Settings
from livewarp.sinks import Sink, open_sink
from livewarp.sinks.preview import Preview
from livewarp.sources import open_source
from livewarp.stats import ProcessMeter
from livewarp.tracking import FaceTracker

# How long a thread that computes may keep the GIL from one that wants it: Python's 5 ms would show
# in the frame loop whenever a control message is parsed.
SWITCH_INTERVAL_S = 0.0005
STATUS_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class Daemon:
    """The running program: what the control methods act on.

    Parameters
    ----------
    settings
        Everything fixed at start-up.
    parameters
        To start with, and what `reset` goes back to.
    max_frames, max_duration_s
        End by itself after so many frames sent or seconds; None: run until stopped.

    Raises
    ------
    LivewarpError
        Some part cannot be had: a port, the weights, the source, a sink.
    """

    def __init__(
        self,
        settings: Settings,
        parameters: Parameters,
        max_frames: int | None = None,
        max_duration_s: float | None = None,
    ) -> None:
        self.initial = parameters
        self._process = ProcessMeter()
        self._ended = gevent.event.Event()
        # The only thing that another thread may do to the hub is to ring this.
        self._doorbell = gevent.hub.get_hub().loop.async_()
        self._doorbell.start(self._ended.set)
        self._preview = Preview()
        # Ports first: a second daemon must fail at once, before it takes the webcam.
        self._control = ControlServer(self, parse_address(settings.control.address))
        self._panel = Panel(self, self._preview, parse_address(settings.control.panel))
        try:
            self._control.start()
            self._panel.start()
            self._engine = self._build_engine(settings, max_frames, max_duration_s)
        except BaseException:
            self._stop_servers()
            raise

    def _build_engine(self, settings: Settings, max_frames: int | None, max_duration_s: float | None) -> Engine:
        video = settings.video
        weights = Path(settings.tracking.weights).expanduser() if settings.tracking.weights else None
        tracker = FaceTracker(settings.tracking.max_faces, settings.tracking.detect_size, live=True, weights=weights)
        source = open_source(video.source, video.width, video.height, video.fps, video.loop)
        _log.info("source: %s", source.name)
        sinks: list[Sink] = []
        try:
            for wanted in video.sinks:
                sink = open_sink(wanted, source.width, source.height, source.fps, self.panel_url)
                if sink is not None:
                    sinks.append(sink)
                    _log.info("sink: %s", sink.name)
        except BaseException:
            for close in (*(sink.close for sink in sinks), source.close, tracker.close):
                close()
            raise
        return Engine(
            source,
            FaceFilter(self.initial, tracker, settings.warping.glide),
            sinks,
            self._preview,
            max_frames,
            max_duration_s,
            on_end=self._doorbell.send,
        )

    @property
    def control_address(self) -> str:
        """HOST:PORT of the control port."""
        return str(self._control.address)

    @property
    def panel_url(self) -> str:
        """Where a browser shows the preview."""
        return self._panel.url

    @property
    def parameters(self) -> Parameters:
        """The parameters that the next frame uses."""
        return self._engine.parameters

    def change(self, parameters: Parameters) -> None:
        """Use these from the next frame on."""
        self._engine.parameters = parameters

    def stats(self) -> dict[str, Any]:
        """The loop's figures, and what the process costs."""
        return {**self._engine.stats.as_dict(), **self._process.as_dict()}

    def state(self) -> dict[str, Any]:
        """What the daemon is doing, why and for how long."""
        state = self._engine.state
        return {
            "state": state.state,
            "reason": state.reason,
            "since_s": round(time.monotonic() - state.since, 1),
            "source": self._engine.source_name,
            "sinks": self._engine.sink_names,
        }

    def stop(self) -> None:
        """Ask the loop to end; returns at once."""
        self._engine.stop()

    def run(self) -> None:
        """Run until asked to stop, until the source ends, or until something fails.

        Raises
        ------
        LivewarpError or whatever else the loop died of.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        signals = [gevent.signal_handler(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)]
        status = gevent.spawn(self._show_status) if sys.stderr.isatty() else None
        try:
            self._preview.start()
            self._engine.start()
            _log.info("control: %s (livewarp set thin=0.5)", self.control_address)
            _log.info("preview: %s", self.panel_url)
            self._ended.wait()
        finally:
            self._engine.stop()
            self._engine.join()
            if status is not None:
                status.kill()
            self._stop_servers()
            for handler in signals:
                handler.cancel()
        if self._engine.error is not None:
            raise self._engine.error

    def summary(self) -> str:
        """What was done, in one line."""
        s = self._engine.stats.as_dict()
        faced = s["frames"] - s["passed"]
        return (
            f"{s['frames']} frames at {s['fps']:.1f} fps, {faced} with a face; latency p50 {s['latency']['p50_ms']:.1f}"
            f" p99 {s['latency']['p99_ms']:.1f} ms; {s['late']} late, {s['dropped']} dropped"
        )

    def _on_signal(self) -> None:
        # A second one must get through even if the loop hangs in a driver.
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, signal.SIG_DFL)
        self.stop()

    def _stop_servers(self) -> None:
        self._preview.close()  # before the panel, whose greenlets its last picture wakes
        self._panel.stop()
        self._control.stop()
        self._doorbell.close()

    def _show_status(self) -> None:
        """Greenlet: a line a second on a terminal, over itself."""
        while True:
            gevent.sleep(STATUS_EVERY_S)
            s = self._engine.stats.as_dict()
            line = (
                f"{self._engine.state.state}  {s['fps']:5.1f} fps  latency {s['latency']['p50_ms']:.1f} ms  "
                f"faces {s['faces']}  late {s['late']}  dropped {s['dropped']}"
            )
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()


def run(
    settings: Settings, parameters: Parameters, max_frames: int | None = None, max_duration_s: float | None = None
) -> None:
    """Run a daemon to its end and log what it did; see `Daemon`."""
    daemon = Daemon(settings, parameters, max_frames, max_duration_s)
    try:
        daemon.run()
    finally:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        _log.info("done: %s", daemon.summary())
