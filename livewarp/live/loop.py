"""One iteration of the live loop, whatever comes: a frame through all stages, or what stands in for it.

Guarantees: the loop allocates no frames, logs nothing per frame and takes no lock that another
thread holds while it works. A frame uses one whole set of parameters. While blanked nothing of the
camera is sent, and the frame under way is replaced; while frozen no new frame of it is, whatever happens to the
one that is held.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable

from livewarp.arrays import BgrFrame
from livewarp.face68 import Face
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.stages import READ, SEND
from livewarp.live.capture import Capture
from livewarp.live.loading import Loading
from livewarp.live.outputs import Outputs
from livewarp.live.pace import Attendance, Governor, Pace
from livewarp.live.reader import Reader
from livewarp.live.standin import StandIn
from livewarp.live.state import Conditions, StateName
from livewarp.live.stats import Meter
from livewarp.live.trials import Trials
from livewarp.mailbox import Mailbox, Parcel
from livewarp.parameters import Parameters, Switches, Wanted, hides, hides_as_much
from livewarp.scene import Scene
from livewarp.sources import Plan
from livewarp.tracking import GAP_S

IDLE_PERIOD_S = 0.2  # between placeholders that nobody watches
CHECK_S = 0.05  # at most between two checks of who watches, of switches, of the source
_EMPTY = "frozen without a frame to hold: none is shown before freeze is off"

_log = logging.getLogger(__name__)


class Loop:
    """What the engine thread does and what it owns; other threads only replace and read whole objects.

    Parameters
    ----------
    plan
        The source to begin with; its size and rate are those of the output.
    wanted
        Parameters and switches to begin with.
    outputs
        Where frames go.
    loading
        Where the filter comes from.
    attendance
        Whether the webcam waits for somebody to watch.
    start_reader
        Starts a reader of the source; tests run readers themselves.

    Attributes
    ----------
    wanted
        What frames are made with from the next one on.
    wanted_plans
        Another source to read from: the newest is taken over with the next iteration.
    next_frame
        After a swap of `wanted`, the frame of this number (of all that are sent, from 0) is the first that certainly
        uses it.
    source_frames
        How many frames of the source were sent, or held back by a switch.
    faces
        Those of the newest frame.
    trials
        Looks on the newest face, for who asks.
    iterated_s
        Monotonic time of the newest iteration.
    """

    def __init__(
        self,
        plan: Plan,
        wanted: Wanted,
        outputs: Outputs,
        loading: Loading,
        attendance: Attendance,
        clock: Callable[[], float] = time.monotonic,
        start_reader: Callable[[Reader], None] = Reader.start,
    ) -> None:
        self._outputs = outputs
        self._loading = loading
        self._attendance = attendance
        self._clock = clock
        period_s = 1.0 / plan.fps
        self.mailbox = Mailbox((plan.height, plan.width, 3), kept=1, silence_s=GAP_S)
        self.capture = Capture(plan.name, plan.open, plan.live, self.mailbox, clock, start_reader)
        self.conditions = Conditions(clock=clock)
        self.pace = Pace(period_s, clock())
        self.governor = Governor(period_s, os.cpu_count() or 1)
        self.meter = Meter(period_s, clock)
        self._stand_in = StandIn(self.mailbox, plan.width, plan.height)
        self._held_back = False  # frames have been, since one was tracked
        self._blanked_s = -math.inf  # when it was last
        self._sent = 0  # frames of all kinds
        self._early = 0  # frames of the source for which there was no slot
        self._logged: StateName | None = None  # the state that was logged last
        self.wanted = wanted
        self.wanted_plans: deque[Plan] = deque(maxlen=1)  # filled from any thread
        self.next_frame = 0
        self.source_frames = 0
        self.faces: tuple[Face, ...] = ()
        self.trials = Trials(clock)
        self.iterated_s = clock()

    def step(self, parcel: Parcel | None, now: float) -> float:
        """One iteration: send the frame that came, or what stands in for it when the time has come.

        Returns
        -------
        float
            When the next iteration is due, frame or not, s.
        """
        self.iterated_s = now
        if self.wanted_plans:
            plan = self.wanted_plans.popleft()
            _log.info("source: %s", plan.name)
            self.capture.switch(plan.name, plan.open, plan.live)
        self._update_demand(now)
        self.capture.step(now)
        wanted = self._read_wanted()
        self._update_conditions(parcel, wanted.switches)
        self._forget_frames(wanted.switches, now)
        if parcel is not None:
            self._handle_frame(parcel, wanted, now)
        if now >= self._due_s(wanted.switches):
            wanted = self._read_wanted()  # another frame
            self._fill_slot(wanted.switches, now)
        self.next_frame = self._sent  # it reads whatever is wanted from here on
        return min(self._due_s(wanted.switches), now + CHECK_S)

    def publish(self) -> None:
        """Swap in the newest figures."""
        self.meter.publish(len(self.faces), self.dropped())

    def dropped(self) -> int:
        """Frames of the source that were never sent."""
        return self.mailbox.dropped + self._early + self._outputs.dropped

    def _read_wanted(self) -> Wanted:
        """What the next frame is made with, read at once: a swap from now on is for the frame after it.

        A kept frame that shows what is to be hidden by now is shown no more.
        """
        self.next_frame = self._sent + 1
        wanted = self.wanted
        if not hides_as_much(self._stand_in.made_with, wanted.parameters):
            self._stand_in.discard()
        return wanted

    def _update_demand(self, now: float) -> None:
        """Open or close the source by who watches."""
        idle = self._attendance.deserted(now, self._outputs.watched) and self.capture.live
        if idle and self.conditions.hold(StateName.IDLE, "nobody watches: the webcam is closed until somebody does"):
            self.faces = ()
        elif not idle and self.conditions.release(StateName.IDLE):
            self.conditions.hold(StateName.STARTING, f"opening {self.capture.name}")
            self.pace.hurry(now)
        # A video must not run before it can be filtered; a webcam wakes up meanwhile.
        self.capture.wanted = not idle and (self._loading.filter is not None or self.capture.live)

    def _update_conditions(self, parcel: Parcel | None, switches: Switches) -> None:
        """Bring the conditions up to date, and log a new state."""
        capture, conditions = self.capture, self.conditions
        if not switches.blank:
            conditions.release(StateName.BLANKED)
        elif conditions.hold(StateName.BLANKED, "asked to"):
            self.faces = ()
        if capture.trouble is None:
            conditions.release(StateName.STALLED)
        elif conditions.hold(StateName.STALLED, capture.trouble):
            self.faces = ()
        frames_or_none = parcel is not None or conditions.holds(StateName.STALLED) or conditions.holds(StateName.IDLE)
        if self._loading.filter is None:
            if conditions.holds(StateName.STARTING):
                conditions.hold(StateName.STARTING, self._loading.doing())
        elif frames_or_none:
            conditions.release(StateName.STARTING)
        notes = [f"frames from {capture.name}", capture.note, _EMPTY if self._frozen_empty(switches) else None]
        conditions.run_for("; ".join(filter(None, notes)))
        state = conditions.published
        if state.state != self._logged:
            self._logged = state.state
            level = logging.WARNING if state.state is StateName.STALLED else logging.INFO
            _log.log(level, "%s: %s", state.state, state.reason)

    def _due_s(self, switches: Switches) -> float:
        """When something has to go out; where frames come, one that is a little late is waited for."""
        held = switches.freeze or switches.blank or self.conditions.holds(StateName.STALLED)
        return self.pace.slot_s if self._stand_in.kept is None or held else self.pace.patience_s

    def _handle_frame(self, parcel: Parcel, wanted: Wanted, now: float) -> None:
        """A frame came: send it, unless it must not be seen or there is no slot for it."""
        face_filter = self._loading.filter
        if face_filter is None or self.conditions.holds(StateName.IDLE):
            self.mailbox.give(parcel.pixels)
        elif wanted.switches.blank or parcel.timestamp_s < self._blanked_s:  # it was, when this frame was taken
            self._held_back = True
            self.source_frames += 1
            self.mailbox.give(parcel.pixels)
        elif wanted.switches.freeze:
            self.source_frames += 1
            # The faces are followed, so that afterwards they are warped from the first frame on.
            self.faces = self._track(face_filter, parcel).faces
            self.mailbox.give(parcel.pixels)
        elif self.capture.live and self._stand_in.kept is not None and self.pace.early(now):
            self._early += 1
            self.mailbox.give(parcel.pixels)
        else:
            self._process(face_filter, parcel, wanted.parameters)
            self.pace.filled(now, fresh=True)

    def _track(self, face_filter: FaceFilter, parcel: Parcel) -> Scene:
        """What is in a frame. Those that came while the one before was worked on count: it was no silence."""
        since_s = None if self._held_back else parcel.since_s
        self._held_back = False
        return face_filter.track(parcel.pixels, parcel.timestamp_s, since_s)

    def _process(self, face_filter: FaceFilter, parcel: Parcel, parameters: Parameters) -> None:
        """One frame through all stages."""
        clock = time.perf_counter
        pixels = parcel.pixels
        self.source_frames += 1
        face_filter.parameters = parameters
        began_s = clock()
        scene = self._track(face_filter, parcel)
        if parameters["background_compare"] or not hides(parameters):
            self._outputs.announce(pixels)
        if self.trials.asked and not face_filter.covered:
            self.trials.offer(pixels, scene.faces, parameters, face_filter.worker)
        face_filter.render(pixels, scene, pixels)
        rendered_s = clock()
        newest = self.wanted
        if newest.switches.blank:  # since the frame was begun
            self._replace_frame(parcel, newest.switches)
            return
        if not hides_as_much(parameters, newest.parameters):  # the same
            self._outputs.retract()
            parameters = newest.parameters
            face_filter.cover(pixels, parameters)
        self._send(pixels, hidden=hides(parameters))
        sent_s = clock()
        self._stand_in.keep(pixels, parameters)
        self.faces = scene.faces
        now = self._clock()
        times_s = face_filter.times_s
        times_s[READ], times_s[SEND] = parcel.read_s, sent_s - rendered_s
        self.meter.record(times_s, now - parcel.timestamp_s, len(scene.faces), self.dropped())
        if self.governor.record(now, sent_s - began_s):
            self._economise(face_filter)
        face_filter.has_spare_time = self.governor.has_spare_time

    def _replace_frame(self, parcel: Parcel, switches: Switches) -> None:
        """The frame under way must not be seen: send what stands in for it."""
        self.mailbox.give(parcel.pixels)
        self._outputs.retract()
        picture = self._stand_in.choose(switches, self.conditions, self.capture.hint)
        is_camera = not self._stand_in.is_placeholder(picture)
        self._send(picture, camera=is_camera, hidden=hides(self._stand_in.made_with))
        self.meter.repeat(0, self.dropped())

    def _economise(self, face_filter: FaceFilter) -> None:
        """Hand the governor's step on to the stages; an episode of overload is logged once."""
        before, face_filter.economy = face_filter.economy, self.governor.economy
        if before == 0:
            _log.warning("frames take longer than there is time: looking for faces less often")
        elif face_filter.economy == 0:
            _log.info("frames take less than there is time again")

    def _fill_slot(self, switches: Switches, now: float) -> None:
        """The time has come and no frame: send the last one again, or a placeholder."""
        picture = self._stand_in.choose(switches, self.conditions, self.capture.hint)
        is_repeated_video = not self.capture.live and picture is self._stand_in.kept and not switches.freeze
        self._send(
            picture,
            recordings=self.source_frames > 0 and not is_repeated_video,
            camera=not self._stand_in.is_placeholder(picture),
            hidden=hides(self._stand_in.made_with),
        )
        self.meter.repeat(len(self.faces), self.dropped())
        self.pace.filled(now, IDLE_PERIOD_S if self.conditions.holds(StateName.IDLE) else None)

    def _send(self, pixels: BgrFrame, recordings: bool = True, camera: bool = True, hidden: bool = False) -> None:
        """Send one frame, as `Outputs.send` does, and count it."""
        self._outputs.send(pixels, recordings, camera, hidden)
        self._sent += 1

    def _forget_frames(self, switches: Switches, now: float) -> None:
        """Where the last frame is not shown, it never is again, unless a person holds it."""
        if switches.blank:
            self._blanked_s = now
        hidden = switches.blank or self.conditions.holds(StateName.IDLE) or self.conditions.holds(StateName.STALLED)
        if hidden and not switches.freeze:
            self._stand_in.discard()
        if hidden:
            self.trials.discard()

    def _frozen_empty(self, switches: Switches) -> bool:
        """Whether there is no frame to hold, so that a placeholder is."""
        return switches.freeze and self._stand_in.kept is None and self._loading.filter is not None
