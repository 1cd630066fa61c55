"""The daemon: builds the parts from Settings, runs them, and takes them down in order.

The main thread runs the gevent hub: control port, preview page, signals. The frame loop has native
threads of its own (`livewarp.live.engine`) and rings the hub when it ends.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gevent
import gevent.event
import gevent.hub

from livewarp.appearance.collection import install_textures
from livewarp.control.access import Access
from livewarp.control.address import parse_address
from livewarp.control.line.server import ControlServer
from livewarp.control.line.unix import AUTO, socket_path
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.web.panel import Panel
from livewarp.daemon.building import build_engine
from livewarp.daemon.cameras import Cameras, kept_file
from livewarp.daemon.kept import Kept
from livewarp.daemon.report import differences, face_of, sources_of, state_of, stats_of
from livewarp.daemon.showing import clear_line, is_read_at_once, show_status, tell_systemd
from livewarp.errors import SettingsError, SourceError
from livewarp.knobs import Value
from livewarp.live.limits import Limits
from livewarp.live.stats import ProcessMeter
from livewarp.live.trials import Thumbnail
from livewarp.parameters import KNOBS, Parameters, Switches, Wanted, hides, refitted
from livewarp.settings import Settings
from livewarp.sinks.preview import Preview
from livewarp.sources import plan_source
from livewarp.sources.nodes import likely_webcam
from livewarp.system import notify
from livewarp.tracking.models import MODELS

# How long a thread that computes may keep the GIL from one that wants it: Python's 5 ms would show
# in the frame loop whenever a control message is parsed.
SWITCH_INTERVAL_S = 0.0005
KEEP_EVERY_S = 1.0
KEEP_AGAIN_S = 5.0  # where that failed: a disk may have room again
HURRY_S = 3.0  # after the first signal to end, further ones are waited for no longer
# A closed terminal, Ctrl-C, and whoever stops it; Windows has no SIGHUP.
ENDINGS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(signal, name))

_log = logging.getLogger(__name__)


class Daemon:
    """The running program: what the control methods act on.

    Parameters
    ----------
    settings
        Everything fixed at start-up.
    parameters
        What `reset` goes back to, and what it starts with, unless `start` says otherwise.
    max_frames, max_duration_s
        End by itself after so many frames sent or seconds; None: run until stopped.
    blank
        Begin blanked: no frame of the camera is sent before somebody turns that off.
    reread
        Loads the settings anew, as at start; None: there is nothing to load them from.
    start
        The parameters to start with; None: `parameters`.
    kept
        Where parameters and blank are kept for the next start; None: nowhere.

    Raises
    ------
    LivewarpError
        Some part cannot be had: a port, a file, a sink.
    """

    def __init__(
        self,
        settings: Settings,
        parameters: Parameters,
        max_frames: int | None = None,
        max_duration_s: float | None = None,
        *,
        blank: bool = False,
        reread: Callable[[], tuple[Settings, Parameters]] | None = None,
        start: Parameters | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.initial = parameters
        self._kept = kept
        self._changed = gevent.event.Event()  # since kept values were written last
        self.settings = settings
        self._reread = reread
        self._process = ProcessMeter()
        self._cameras = Cameras(kept_file() if kept is not None else None)
        self._ended = gevent.event.Event()
        # The only thing that another thread may do to the hub is to ring this.
        self._doorbell = gevent.hub.get_hub().loop.async_()
        self._doorbell.start(self._ended.set)
        self._preview = Preview()
        # Ports first: a second daemon must fail at once, before it takes the webcam.
        dispatcher = Dispatcher(self)
        access = Access()
        self._control = ControlServer(
            dispatcher,
            access,
            parse_address(settings.control.address),
            socket_path(settings.control.socket),
            must_have_path=settings.control.socket != AUTO,
        )
        panel = parse_address(settings.control.panel)
        self._panel = Panel(dispatcher, self._preview, access, panel, settings.control.allow_origins)
        try:
            self._control.start()
            self._panel.start()
            self._engine, self._plan = build_engine(
                settings,
                Wanted(parameters if start is None else start, Switches(blank=blank)),
                Limits(max_frames, max_duration_s),
                self._preview,
                self.panel_url,
                self._doorbell.send,
                self._cameras.restored,
            )
        except BaseException:
            self._stop_servers()
            raise

    @property
    def control_address(self) -> str:
        """HOST:PORT of the control port."""
        return str(self._control.address)

    @property
    def panel_url(self) -> str:
        """Where a browser shows the preview."""
        return self._panel.url

    def panel_link(self) -> str:
        """A URL that opens the preview in a browser, once."""
        return self._panel.link()

    @property
    def parameters(self) -> Parameters:
        """The parameters that the next frame uses."""
        return self._engine.parameters

    @property
    def switches(self) -> Switches:
        """What the sinks get instead of the filtered frame."""
        return self._engine.switches

    def change(self, wanted: Wanted) -> int:
        """Use these from the next frame on; the number of the first that certainly does."""
        before = self.switches.blank, hides(self.parameters)
        self._engine.wanted = wanted
        frame = self._engine.next_frame
        if self._kept is not None and before != (wanted.switches.blank, hides(wanted.parameters)):
            self._write_kept()  # before the reply: whoever reads it may pull the plug
        self._changed.set()
        return frame

    def sources(self) -> list[dict[str, Any]]:
        """What `switch_source` may be given, beside paths of files: {source, name, current}."""
        # In a thread: PipeWire is asked for its cameras, which may take its time.
        listed: list[dict[str, Any]] = gevent.get_hub().threadpool.apply(sources_of, (self._engine, self._plan.name))
        return listed

    def switch_source(self, wanted: str) -> int:
        """Read from another source; the number of the first frame that may be its.

        Raises
        ------
        SettingsError
            The text names no source. One that cannot be opened is a state, with its reason.
        """
        video, plan = self.settings.video, self._plan
        try:
            plan = plan_source(wanted, plan.width, plan.height, plan.fps, video.loop, video.fit)
            self._plan = plan.then(self._cameras.restored)
        except SourceError as error:
            raise SettingsError(error.what, got=error.got, allowed=error.allowed, remedy=error.remedy) from None
        self._engine.switch_source(self._plan)
        return self._engine.next_frame

    def camera(self) -> dict[str, Any]:
        """The webcam that is used, and its own controls. Raises `SourceError`."""
        return self._of_camera(self._cameras.describe)

    def set_camera(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Set controls of the webcam, now and whenever it is opened. Raises `ParameterError`, `SourceError`."""
        return self._of_camera(self._cameras.set, values)

    def reset_camera(self, names: Iterable[str] | None) -> dict[str, Any]:
        """Set these, or all, to its defaults, and keep them no more. Raises `ParameterError`, `SourceError`."""
        return self._of_camera(self._cameras.reset, names)

    def _of_camera(self, ask: Callable[..., dict[str, Any]], *what: object) -> dict[str, Any]:
        """Ask in a thread: a camera takes its time."""
        device = self._engine.camera or likely_webcam(self._plan.name)
        result: dict[str, Any] = gevent.get_hub().threadpool.apply(ask, (device, *what))
        return result

    def use_model(self, model: str) -> None:
        """Find landmarks with another model, once it is loaded; returns at once.

        Raises
        ------
        SettingsError
            There is no model of that name. One that cannot be loaded is a problem of the state.
        """
        if model not in MODELS:
            raise SettingsError("model", got=repr(model), allowed=", ".join(MODELS))
        self._engine.use_model(model)

    def reload(self) -> dict[str, Any]:
        """Read the settings anew; what changed among the parameters is applied, the rest is named.

        Returns
        -------
        dict
            {"parameters": {name: value}, "restart": ["table.key", ...]}.

        Raises
        ------
        SettingsError
            They cannot be read; nothing has changed then.
        """
        if self._reread is None:
            what = "settings: this daemon was started without a file"
            raise SettingsError(what, remedy="start it again with --config")
        settings, initial = self._reread()
        changed = {name: value for name, value in initial.items() if value != self.initial[name]}
        if changed:
            self.change(Wanted(self.parameters.replace(**changed), self.switches))
        restart = differences(self.settings, settings)
        self.initial = initial
        if self._kept is not None:
            self._kept.reload({**Parameters(), **_known(settings.parameters)}, initial)
        return {"parameters": changed, "restart": restart}

    def reload_textures(self) -> list[str]:
        """Read the own textures anew: each becomes a knob, at 0; the knobs' names."""
        names = install_textures()
        self.initial = refitted(self.initial)
        self.change(Wanted(refitted(self.parameters), self.switches))
        return names

    def stats(self) -> dict[str, Any]:
        """The loop's figures, and what the process costs."""
        budget_ms = round(1000.0 / self._plan.fps, 3)
        return stats_of(self._engine, self._process, budget_ms)

    def state(self) -> dict[str, Any]:
        """What the daemon is doing, why and for how long."""
        kept = [] if self._kept is None else self._kept.problems
        return state_of(self._engine, [*self._control.problems, *self._panel.problems, *kept, *self._cameras.problems])

    def faces(self) -> list[dict[str, Any]]:
        """The faces of the newest frame."""
        return [face_of(face) for face in self._engine.faces]

    def thumbnails(self, looks: Mapping[str, Mapping[str, Value]], trying: str | None) -> list[Thumbnail]:
        """Those there are of these looks on the newest face; asks for more, for two seconds."""
        return self._engine.trials.ask(looks, trying)

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
        endings = [s for s in ENDINGS if signal.getsignal(s) is not signal.SIG_IGN or s == signal.SIGINT]  # as by nohup
        signals = [gevent.signal_handler(s, self._on_signal) for s in endings]
        greenlets = [gevent.spawn(tell_systemd, self._engine), gevent.spawn(self._keep)]
        if sys.stderr.isatty():
            greenlets.append(gevent.spawn(show_status, self.state, self.stats))
        hook, threading.excepthook = threading.excepthook, self._on_crash
        try:
            self._preview.start()
            self._engine.start()
            _log.info("control: %s (livewarp set thin=0.5)", self.control_address)
            if self._control.path is not None:
                _log.info("socket: %s", self._control.path)
            self._say_where_the_panel_is()
            for problem in [] if self._kept is None else self._kept.problems:
                _log.warning("%s", problem)
            notify.ready()
            self._ended.wait()
        finally:
            notify.stopping()
            self._engine.stop()
            self._engine.join()
            gevent.killall(greenlets)
            if self._kept is not None:
                self._kept.note(self.parameters, self.switches.blank)
                self._kept.write()
            self._stop_servers()
            threading.excepthook = hook
            for handler in signals:
                handler.cancel()
        if self._engine.error is not None:
            raise self._engine.error

    def _say_where_the_panel_is(self) -> None:
        """The link that opens it, to a person; the bare address, to a log, which others may read."""
        if is_read_at_once(sys.stderr) and _log.isEnabledFor(logging.INFO):
            begin = "\r\x1b[K" if sys.stderr.isatty() else "livewarp: "
            sys.stderr.write(f"{begin}preview: {self.panel_link()}\n")
            sys.stderr.flush()
        else:
            _log.info("preview: %s (livewarp open)", self.panel_url)

    def summary(self) -> str:
        """What was done, in one line."""
        s = self._engine.stats.as_dict()
        pictures = s["frames"] - s["repeated"]
        faced = pictures - s["passed"]
        return (
            f"{pictures} frames at {s['fps']:.1f} fps, {faced} with a face; latency p50 {s['latency']['p50_ms']:.1f}"
            f" p99 {s['latency']['p99_ms']:.1f} ms; {s['late']} late, {s['dropped']} dropped"
        )

    def _on_crash(self, crash: threading.ExceptHookArgs) -> None:
        """A thread has died of something that nobody expected: so does the daemon, in order."""
        name = crash.thread.name if crash.thread is not None else "?"
        error = crash.exc_value or RuntimeError(crash.exc_type.__name__)
        _log.error("thread %s has died", name, exc_info=error)
        self._engine.crash(error)

    def _on_signal(self) -> None:
        asked_s = time.monotonic()

        def again(number: int, frame: object) -> None:
            # Must get through even if the loop hangs in a driver; the end in order takes a second at most.
            if time.monotonic() - asked_s < HURRY_S:
                return
            if self._kept is not None:
                self._kept.note(self.parameters, self.switches.blank)
                self._kept.write()
            if self._control.path is not None:
                self._control.path.unlink(missing_ok=True)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

        for s in ENDINGS:
            if signal.getsignal(s) is not signal.SIG_IGN:
                signal.signal(s, again)
        self.stop()

    def _stop_servers(self) -> None:
        self._preview.close()  # before the panel, whose greenlets its last picture wakes
        self._panel.stop()
        self._control.stop()
        self._doorbell.close()

    def _keep(self) -> None:
        """Greenlet: write down what has changed, for the next start; at once, but not more than once a second."""
        while self._kept is not None:
            self._changed.wait(None if self._kept.is_written else KEEP_AGAIN_S)
            self._changed.clear()
            self._write_kept()
            gevent.sleep(KEEP_EVERY_S)

    def _write_kept(self) -> None:
        assert self._kept is not None
        self._kept.note(self.parameters, self.switches.blank)
        gevent.get_hub().threadpool.apply(self._kept.write)  # a disk may take its time


def _known(values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of parameters that there are: own adjustments that are new in the file need a restart."""
    return {name: value for name, value in values.items() if name in KNOBS}


def run_daemon(daemon: Daemon) -> None:
    """Run a daemon to its end and log what it did; raises what `Daemon.run` does."""
    try:
        daemon.run()
    finally:
        if sys.stderr.isatty():
            clear_line()
        _log.info("done: %s", daemon.summary())
