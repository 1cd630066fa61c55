"""The live loop: read, track, warp, send, at a steady rate whatever the source does.

Threads: *capture* reads the source and hands the newest frame over; *engine* tracks, warps in place
and sends; *loading* makes the filter while the engine already sends a placeholder.
None knows of gevent; what they tell the rest of the process are frozen objects.

Guarantees: the loop allocates no frames, logs nothing per frame and takes no lock that another
thread holds while it works. A frame uses one whole set of parameters. While blanked nothing of the
camera is sent, and the frame under way is replaced.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from livewarp.arrays import BgrFrame
from livewarp.errors import Problem
from livewarp.face68 import Face
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.stages import READ, SEND, STAGES
from livewarp.live.capture import Capture
from livewarp.live.loading import Loading
from livewarp.live.outputs import Outputs
from livewarp.live.pace import Attendance, Governor, Pace
from livewarp.live.placeholder import Placeholder, Placeholders
from livewarp.live.reader import Reader
from livewarp.live.state import Conditions, State, StateName
from livewarp.live.stats import Meter, Stats
from livewarp.live.switching import ModelSwitch
from livewarp.mailbox import Mailbox, Parcel
from livewarp.parameters import Parameters, Switches, Wanted
from livewarp.scene import Scene
from livewarp.sinks import Sink
from livewarp.sinks.preview import Preview
from livewarp.sources import Plan
from livewarp.tracking import GAP_S

IDLE_PERIOD_S = 0.2  # between placeholders that nobody watches
LOOK_S = 0.05  # at most between two looks at who watches, at switches, at the source
JOIN_S = 20.0  # for kernels that are being compiled and a source that hangs
NEITHER = Switches()

_log = logging.getLogger(__name__)


class Engine:
    """Runs the loop in threads of its own.

    Parameters
    ----------
    plan
        The source to begin with; its size and rate are those of the output.
    make_filter
        Loads the model and makes the filter; called once, in a thread.
    parameters, switches
        To begin with.
    sinks, preview
        Where frames go; the engine closes the sinks when it ends. One that records gets nothing before the
        first frame, and of a video no frame twice.
    model
        The name of the landmark model with which the filter begins.
    on_demand
        Open a webcam only while somebody watches, and for `grace_s` afterwards.
    max_frames, max_duration_s
        Stop after so many frames of the source, sent or held back by a switch, or seconds; None: run until stopped.
    on_end
        Called once, in the engine thread, when the loop has ended for whatever reason.

    Attributes
    ----------
    error
        What the loop died of, or None.
    begun
        Frames whose parameters and switches have been read: after a swap, the frame of this number
        (of all that are sent, from 0) is the first that certainly uses it.
    turned_s
        Monotonic time of the loop's last turn.
    """

    def __init__(
        self,
        plan: Plan,
        make_filter: Callable[[], FaceFilter],
        parameters: Parameters,
        sinks: Sequence[Sink],
        preview: Preview | None = None,
        *,
        switches: Switches = NEITHER,
        model: str = "dlib",
        on_demand: bool = False,
        grace_s: float = 10.0,
        max_frames: int | None = None,
        max_duration_s: float | None = None,
        on_end: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        start_reader: Callable[[Reader], None] = Reader.start,
    ) -> None:
        self._outputs = Outputs(sinks, preview)
        self._attendance = Attendance(on_demand and max_frames is None and max_duration_s is None, grace_s)
        self._max_frames = max_frames
        self._max_duration_s = max_duration_s
        self._on_end = on_end
        self._clock = clock
        self._loading = Loading(make_filter, (plan.height, plan.width), self.crash)
        self._model_switch = ModelSwitch(self._loading, model)
        period_s = 1.0 / plan.fps
        self._mailbox = Mailbox((plan.height, plan.width, 3), kept=1, silence_s=GAP_S)
        self._capture = Capture(plan.name, plan.open, plan.live, self._mailbox, clock, start_reader)
        self._wanted_plans: deque[Plan] = deque(maxlen=1)  # filled by `switch_source`, from any thread
        self._placeholders = Placeholders(plan.width, plan.height)
        self._conditions = Conditions(clock=clock)
        self._pace = Pace(period_s, clock())
        self._governor = Governor(period_s)
        self._meter = Meter(period_s, clock)
        self._kept: BgrFrame | None = None  # the last frame sent, to send again
        self._shown: BgrFrame | None = None  # the last placeholder sent
        self._pictures = 0  # frames of the source that were sent, or held back by a switch
        self._held_back = False  # frames have been, since one was tracked
        self._sent = 0  # frames of all kinds
        self._early = 0  # frames of the source for which there was no slot
        self._told = ""  # the state that was logged last
        self._stopping = threading.Event()
        self._engine_thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._wanted = Wanted(parameters, switches)
        self.begun = 0
        self.faces: tuple[Face, ...] = ()
        self.error: BaseException | None = None
        self.turned_s = clock()

    @property
    def wanted(self) -> Wanted:
        """What frames are made with from the next one on; replace it whole, from any thread."""
        return self._wanted

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        before, self._wanted = self._wanted, wanted
        if wanted.switches != before.switches:
            self._mailbox.ring()

    @property
    def parameters(self) -> Parameters:
        """Those of `wanted`; replaced by one thread at a time."""
        return self._wanted.parameters

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        self.wanted = replace(self._wanted, parameters=parameters)

    @property
    def switches(self) -> Switches:
        """Those of `wanted`: what is sent instead of frames; replaced by one thread at a time."""
        return self._wanted.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self.wanted = replace(self._wanted, switches=switches)

    @property
    def stats(self) -> Stats:
        """The newest published figures."""
        return self._meter.published

    @property
    def state(self) -> State:
        """What the engine is doing and why."""
        return self._conditions.published

    @property
    def source_name(self) -> str:
        """The source, for people."""
        return self._capture.name

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Where frames go."""
        return self._outputs.sinks

    @property
    def viewers(self) -> int:
        """How many are known to watch."""
        return self._outputs.viewers

    def problems(self) -> list[Problem]:
        """All that is wrong for now; any thread may ask."""
        found = [*self._outputs.problems(), *self._capture.problems()]
        if self._model_switch.problem is not None:
            found.append(self._model_switch.problem)
        if self._loading.filter is not None:
            found += self._loading.filter.problems()
        if self._governor.economy:
            savings = [stage.economy[step] for step in range(self._governor.economy) for stage in STAGES]
            what = f"frames take longer than there is time; {', '.join(filter(None, savings))}"
            found.append(Problem(what, "choose a smaller --width and --height, or --fps"))
        return found

    @property
    def getting_ready(self) -> list[str]:
        """Names of stages that are wanted, and are being prepared beside the loop; frames go without them meanwhile."""
        return self._loading.filter.getting_ready if self._loading.filter is not None else []

    @property
    def abandoned_threads(self) -> int:
        """How many threads hang in calls that cannot be ended."""
        return self._capture.abandoned

    @property
    def economy(self) -> int:
        """By how many steps the tracker's cost is lowered for now."""
        return self._governor.economy

    @property
    def model(self) -> str:
        """The name of the landmark model."""
        return self._model_switch.model

    def use_model(self, model: str) -> None:
        """Use another landmark model once it is loaded; returns at once, from any thread. `problems` tell why not."""
        self._model_switch.request(model)

    def switch_source(self, plan: Plan) -> None:
        """Read from another source from the next frame on, at the same size and rate; from any thread."""
        self._wanted_plans.append(plan)
        self._mailbox.ring()

    def start(self) -> None:
        """Start the threads; returns at once."""
        self._engine_thread.start()

    def stop(self) -> None:
        """Ask the loop to end after the frame under way; returns at once, from any thread."""
        self._stopping.set()
        self._mailbox.ring()

    def crash(self, error: BaseException) -> None:
        """End because another thread has died; from any thread."""
        self.error = self.error or error
        self.stop()

    def join(self) -> None:
        """Wait for the end of the loop, at most `JOIN_S`."""
        if self._engine_thread.ident is not None:  # it has been started
            self._engine_thread.join(JOIN_S)

    def _run(self) -> None:
        """Thread: everything from the first placeholder to the end."""
        try:
            self._loading.start()
            self._loop()
        except BaseException as error:  # the top of this thread
            self.error = self.error or error
        finally:
            self._conditions.hold(StateName.STOPPING, "asked to" if self.error is None else str(self.error))
            self._stopping.set()
            self._close()
            self._meter.publish(len(self.faces), self._dropped())
            self._on_end()

    def _loop(self) -> None:
        clock = self._clock
        end_s = clock() + self._max_duration_s if self._max_duration_s is not None else float("inf")
        wake_s = clock()
        while not self._stopping.is_set() and self._pictures != self._max_frames:
            parcel = self._mailbox.receive(max(min(wake_s, end_s) - clock(), 0.0))
            now = clock()
            if now >= end_s:
                return
            wake_s = self.step(parcel, now)
            if self._capture.failure is not None:
                raise self._capture.failure
            if self._outputs.failure is not None:
                raise self._outputs.failure
            if self._capture.finished and not self._mailbox.waiting:
                return

    def step(self, parcel: Parcel | None, now: float) -> float:
        """One turn: send the frame that came, or what stands in for it when the time has come.

        Returns
        -------
        float
            When the next turn is due, frame or not, s.
        """
        self.turned_s = now
        if self._wanted_plans:
            plan = self._wanted_plans.popleft()
            _log.info("source: %s", plan.name)
            self._capture.switch(plan.name, plan.open, plan.live)
        self._look(now)
        self._capture.step(now)
        wanted = self._begin()
        self._judge(parcel, wanted.switches)
        if parcel is not None:
            self._take(parcel, wanted, now)
        if now >= self._due_s(wanted.switches):
            wanted = self._begin()  # another frame
            self._fill(wanted.switches, now)
        self.begun = self._sent  # whatever is wanted from here on, the next frame sees
        return min(self._due_s(wanted.switches), now + LOOK_S)

    def _begin(self) -> Wanted:
        """What the next frame is made with, read at once; whoever swaps it from now on is told the one after it."""
        self.begun = self._sent + 1
        return self._wanted

    def _look(self, now: float) -> None:
        """Who watches, and so whether the source is to be open."""
        idle = self._attendance.deserted(now, self._outputs.watched) and self._capture.live
        if idle and self._conditions.hold(StateName.IDLE, "nobody watches: the webcam is closed until somebody does"):
            self._forget(self._wanted.switches)
        elif not idle and self._conditions.release(StateName.IDLE):
            self._conditions.hold(StateName.STARTING, f"opening {self._capture.name}")
            self._pace.hurry(now)
        # A film must not run before it can be filtered; a webcam wakes up meanwhile.
        self._capture.wanted = not idle and (self._loading.filter is not None or self._capture.live)

    def _judge(self, parcel: Parcel | None, switches: Switches) -> None:
        """Bring the conditions up to date."""
        capture, conditions = self._capture, self._conditions
        if switches.blank:
            if conditions.hold(StateName.BLANKED, "asked to"):
                self._forget(switches)
        else:
            conditions.release(StateName.BLANKED)
        if capture.trouble is not None:
            if conditions.hold(StateName.STALLED, capture.trouble):
                self.faces = ()
        else:
            conditions.release(StateName.STALLED)
        if self._loading.filter is not None and (
            parcel is not None or conditions.holds(StateName.STALLED) or conditions.holds(StateName.IDLE)
        ):
            conditions.release(StateName.STARTING)
        conditions.run_for(f"frames from {capture.name}" + (f"; {capture.note}" if capture.note else ""))
        state = conditions.published
        if state.state != self._told:
            self._told = state.state
            _log.log(
                logging.WARNING if state.state is StateName.STALLED else logging.INFO,
                "%s: %s",
                state.state,
                state.reason,
            )

    def _due_s(self, switches: Switches) -> float:
        """When something has to go out; where frames come, one that is a little late is waited for."""
        held = switches.freeze or switches.blank or self._conditions.holds(StateName.STALLED)
        return self._pace.slot_s if self._kept is None or held else self._pace.patience_s

    def _take(self, parcel: Parcel, wanted: Wanted, now: float) -> None:
        """A frame came: send it, unless it must not be seen or there is no slot for it."""
        face_filter = self._loading.filter
        if face_filter is None or self._conditions.holds(StateName.IDLE):
            self._mailbox.give(parcel.pixels)
        elif wanted.switches.blank:
            self._held_back = True
            self._pictures += 1
            self._mailbox.give(parcel.pixels)
        elif wanted.switches.freeze and self._kept is not None:
            self._pictures += 1
            # The faces are followed, so that afterwards they are warped from the first frame on.
            self.faces = self._track(face_filter, parcel).faces
            self._mailbox.give(parcel.pixels)
        elif self._capture.live and self._kept is not None and self._pace.early(now):
            self._early += 1
            self._mailbox.give(parcel.pixels)
        else:
            self._process(face_filter, parcel, wanted.parameters)
            self._pace.filled(now, fresh=True)

    def _track(self, face_filter: FaceFilter, parcel: Parcel) -> Scene:
        """What is in a frame. Those that came while the one before was worked on count: it was no silence."""
        since_s = None if self._held_back else parcel.since_s
        self._held_back = False
        return face_filter.track(parcel.pixels, parcel.timestamp_s, since_s)

    def _process(self, face_filter: FaceFilter, parcel: Parcel, parameters: Parameters) -> None:
        """One frame through all stages."""
        clock = time.perf_counter
        pixels = parcel.pixels
        self._pictures += 1
        face_filter.parameters = parameters
        began_s = clock()
        scene = self._track(face_filter, parcel)
        self._outputs.announce(pixels)
        face_filter.render(pixels, scene, pixels)
        rendered_s = clock()
        if (switches := self._wanted.switches).blank:  # since the frame was begun
            self._mailbox.give(pixels)
            self._outputs.retract()
            picture = self._stand_in(switches)
            self._send(picture, camera=picture is not self._shown)
            self._meter.repeat(0, self._dropped())
            return
        self._send(pixels)
        sent_s = clock()
        if self._kept is not None:
            self._mailbox.give(self._kept)
        self._kept = pixels
        self.faces = scene.faces
        now = self._clock()
        times_s = face_filter.times_s
        times_s[READ], times_s[SEND] = parcel.read_s, sent_s - rendered_s
        self._meter.record(times_s, now - parcel.timestamp_s, len(scene.faces), self._dropped())
        if self._governor.record(now, sent_s - began_s):
            before, face_filter.economy = face_filter.economy, self._governor.economy
            if before == 0:
                _log.warning("frames take longer than there is time: looking for faces less often")
            elif face_filter.economy == 0:
                _log.info("frames take less than there is time again")

    def _fill(self, switches: Switches, now: float) -> None:
        """The time has come and no frame: send the last one again, or a placeholder."""
        picture = self._stand_in(switches)
        film = not self._capture.live
        begun = self._pictures > 0 and not (film and picture is self._kept and not switches.freeze)
        self._send(picture, recordings=begun, camera=picture is not self._shown)
        self._meter.repeat(len(self.faces), self._dropped())
        self._pace.filled(now, IDLE_PERIOD_S if self._conditions.holds(StateName.IDLE) else None)

    def _send(self, pixels: BgrFrame, recordings: bool = True, camera: bool = True) -> None:
        """Send one frame, as `Outputs.send` does, and count it."""
        self._outputs.send(pixels, recordings, camera)
        self._sent += 1

    def _stand_in(self, switches: Switches) -> BgrFrame:
        """What is sent in place of a new frame."""
        conditions, placeholders = self._conditions, self._placeholders
        if switches.blank:
            self._shown = placeholders.picture(Placeholder.PRIVATE)
        elif self._kept is not None and (switches.freeze or not conditions.holds(StateName.STALLED)):
            return self._kept
        elif conditions.holds(StateName.STALLED):
            self._shown = placeholders.picture(Placeholder.UNAVAILABLE, self._capture.hint)
        elif self._shown is None or conditions.holds(StateName.STARTING) or conditions.holds(StateName.IDLE):
            # Also while nobody watches: it is the first thing that somebody who begins to sees.
            self._shown = placeholders.picture(Placeholder.STARTING)
        return self._shown  # what was shown before, until the next frame comes

    def _forget(self, switches: Switches) -> None:
        """Nothing that the camera saw is to be sent any more."""
        if self._kept is not None and not (switches.freeze and not switches.blank):
            self._mailbox.give(self._kept)
            self._kept = None
        self.faces = ()

    def _dropped(self) -> int:
        return self._mailbox.dropped + self._early + self._outputs.dropped

    def _close(self) -> None:
        """Release everything; one failure does not keep the rest open."""
        for close in (self._capture.close, *self._outputs.closes(), self._loading.close):
            try:
                close()
            except Exception as error:
                self.error = self.error or error
                _log.error("closing: %s", error)
