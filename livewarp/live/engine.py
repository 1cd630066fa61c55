"""The live loop in threads of its own, at a steady rate whatever the source does, and its face to other threads.

Threads: *capture* reads the source and hands the newest frame over; *engine* runs the stages in place
and sends; *loading* makes the filter while the engine already sends a placeholder.
None knows of gevent; what they publish to the rest of the process are frozen objects.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from livewarp.errors import Problem, SinkError
from livewarp.face68 import Face
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.stages import STAGES
from livewarp.live.limits import Demand, Limits
from livewarp.live.loading import Loading
from livewarp.live.loop import Loop
from livewarp.live.outputs import Output, Outputs
from livewarp.live.pace import Attendance
from livewarp.live.reader import Reader
from livewarp.live.state import State, StateName
from livewarp.live.stats import Stats
from livewarp.live.switching import ModelSwitch
from livewarp.live.trials import Trials
from livewarp.parameters import Parameters, Switches, Wanted
from livewarp.sinks import Sink
from livewarp.sinks.preview import Preview
from livewarp.sources import Plan

JOIN_S = 20.0  # for kernels that are being compiled and a source that hangs
ENDLESS = Limits()
ALWAYS_OPEN = Demand()

_log = logging.getLogger(__name__)


class Engine:
    """Runs the loop in threads of its own.

    Parameters
    ----------
    plan
        The source to begin with; its size and rate are those of the output.
    make_filter
        Loads the model and makes the filter; called once, in a thread.
    wanted
        Parameters and switches to begin with.
    sinks, preview
        Where frames go; the engine closes the sinks when it ends. One that records gets nothing before the
        first frame, and of a video no frame twice.
    model
        The name of the landmark model with which the filter begins.
    limits
        When it stops by itself.
    demand
        Whether a webcam is open only while somebody watches. A run with limits does not wait for that.
    on_end
        Called once, in the engine thread, when the loop has ended for whatever reason.

    Attributes
    ----------
    error
        Why the loop died, or None.
    size
        (width, height) of the frames that are sent, px.
    """

    def __init__(
        self,
        plan: Plan,
        make_filter: Callable[[], FaceFilter],
        wanted: Wanted,
        sinks: Sequence[Sink],
        preview: Preview | None = None,
        *,
        model: str = "dlib",
        limits: Limits = ENDLESS,
        demand: Demand = ALWAYS_OPEN,
        on_end: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        start_reader: Callable[[Reader], None] = Reader.start,
    ) -> None:
        self._limits = limits
        self._on_end = on_end
        self._clock = clock
        self._outputs = Outputs(sinks, preview, clock)
        self._loading = Loading(make_filter, (plan.height, plan.width), self.crash)
        self._model_switch = ModelSwitch(self._loading, model)
        self.size = (plan.width, plan.height)
        attendance = Attendance(demand.is_required and limits.is_endless, demand.grace_s)
        self.loop = Loop(plan, wanted, self._outputs, self._loading, attendance, clock, start_reader)
        self._stopping = threading.Event()
        self._engine_thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.error: BaseException | None = None

    @property
    def wanted(self) -> Wanted:
        """What frames are made with from the next one on; replace it whole, from any thread."""
        return self.loop.wanted

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        before, self.loop.wanted = self.loop.wanted, wanted
        if wanted.switches != before.switches:
            self.loop.mailbox.ring()

    @property
    def parameters(self) -> Parameters:
        """Those of `wanted`; replaced by one thread at a time."""
        return self.loop.wanted.parameters

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        self.wanted = replace(self.loop.wanted, parameters=parameters)

    @property
    def switches(self) -> Switches:
        """Those of `wanted`: what is sent instead of frames; replaced by one thread at a time."""
        return self.loop.wanted.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self.wanted = replace(self.loop.wanted, switches=switches)

    @property
    def stats(self) -> Stats:
        """The newest published figures."""
        return self.loop.meter.published

    @property
    def state(self) -> State:
        """What the engine is doing and why."""
        return self.loop.conditions.published

    @property
    def next_frame(self) -> int:
        """After a change, the number of the first frame (of all that are sent, from 0) that certainly has it."""
        return self.loop.next_frame

    @property
    def faces(self) -> tuple[Face, ...]:
        """Those of the newest frame."""
        return self.loop.faces

    @property
    def trials(self) -> Trials:
        """Looks on the newest face, for who asks."""
        return self.loop.trials

    @property
    def iterated_s(self) -> float:
        """Monotonic time of the loop's newest iteration."""
        return self.loop.iterated_s

    @property
    def source_name(self) -> str:
        """The source, for people."""
        return self.loop.capture.name

    @property
    def live(self) -> bool:
        """Whether the source is a camera."""
        return self.loop.capture.live

    @property
    def camera(self) -> str:
        """The webcam that is open, or was last, by its stable path; "": none has been."""
        return self.loop.capture.device

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Where frames go."""
        return self._outputs.sinks

    def outputs(self) -> list[Output]:
        """How each of them is doing; any thread may ask."""
        return self._outputs.each()

    @property
    def viewers(self) -> int:
        """How many are known to watch."""
        return self._outputs.viewers

    def problems(self) -> list[Problem]:
        """All that is wrong for now; any thread may ask."""
        found = [*self._outputs.problems(), *self.loop.capture.problems()]
        if self._model_switch.problem is not None:
            found.append(self._model_switch.problem)
        if self._loading.filter is not None:
            found += self._loading.filter.problems()
        if self.loop.governor.economy:
            savings = [stage.economy[step] for step in range(self.loop.governor.economy) for stage in STAGES]
            what = f"frames take longer than there is time; {', '.join(filter(None, savings))}"
            found.append(Problem(what, "choose a smaller --width and --height, or --fps"))
        return found

    @property
    def getting_ready(self) -> list[str]:
        """Names of stages that are wanted, and are being prepared beside the loop; frames go without them meanwhile."""
        return self._loading.filter.getting_ready if self._loading.filter is not None else []

    @property
    def covered(self) -> str:
        """Why the newest frame was hidden whole, or ""."""
        return self._loading.filter.covered if self._loading.filter is not None else ""

    @property
    def limited(self) -> dict[str, float]:
        """By knob, what share of it the newest frame goes without, so that nothing folds, 0..1."""
        return self._loading.filter.limited if self._loading.filter is not None else {}

    @property
    def abandoned_threads(self) -> int:
        """How many threads hang in calls that cannot be ended."""
        return self.loop.capture.abandoned

    @property
    def economy(self) -> int:
        """By how many steps the tracker's cost is lowered for now."""
        return self.loop.governor.economy

    @property
    def model(self) -> str:
        """The name of the landmark model."""
        return self._model_switch.model

    def use_model(self, model: str) -> None:
        """Use another landmark model once it is loaded; returns at once, from any thread. `problems` tell why not."""
        self._model_switch.request(model)

    def switch_source(self, plan: Plan) -> None:
        """Read from another source from the next frame on, at the same size and rate; from any thread."""
        self.loop.wanted_plans.append(plan)
        self.loop.mailbox.ring()

    def start(self) -> None:
        """Start the threads; returns at once."""
        self._engine_thread.start()

    def stop(self) -> None:
        """Ask the loop to end after the frame under way; returns at once, from any thread."""
        self._stopping.set()
        self.loop.mailbox.ring()

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
            self._iterate()
            if not self._stopping.is_set():  # it has ended by itself: what was asked for is there, or it has failed
                for lost in self._outputs.lost_recordings:
                    raise SinkError(lost.what, remedy=lost.remedy)
        except BaseException as error:  # the top of this thread
            self.error = self.error or error
        finally:
            self.loop.conditions.hold(StateName.STOPPING, "asked to" if self.error is None else str(self.error))
            self._stopping.set()
            self._close()
            self.loop.publish()
            self._on_end()

    def _iterate(self) -> None:
        """One iteration after the other, until something ends it."""
        clock, loop, limits = self._clock, self.loop, self._limits
        end_s = clock() + limits.duration_s if limits.duration_s is not None else float("inf")
        wake_s = clock()
        while not self._stopping.is_set() and loop.source_frames != limits.frames:
            parcel = loop.mailbox.receive(max(min(wake_s, end_s) - clock(), 0.0))
            now = clock()
            if now >= end_s:
                return
            wake_s = loop.step(parcel, now)
            if loop.capture.failure is not None:
                raise loop.capture.failure
            if loop.capture.finished and not loop.mailbox.waiting:
                return

    def _close(self) -> None:
        """Release everything; one failure does not keep the rest open."""
        for close in (self.loop.capture.close, self._outputs.close, self._loading.close):
            try:
                close()
            except Exception as error:
                self.error = self.error or error
                _log.error("closing: %s", error)
