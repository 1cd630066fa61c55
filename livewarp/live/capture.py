"""Gets frames from a source that may fail, hang, vanish and come back.

`Capture`, which belongs to the engine thread, supervises a `Reader`, and leaves it behind when it fails
or hangs: a native call that blocks cannot be ended, so its thread is abandoned and counted; when the
call returns, it closes its source and ends.

Guarantees: no call but `close` waits for a source. Of a reader that has been left no frame is delivered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from livewarp.errors import Problem
from livewarp.live.reader import Opener, Reader
from livewarp.mailbox import Mailbox

SILENT_S = 1.0  # without a frame: said
REOPEN_S = 2.0  # without a frame: opened anew
PATIENCE_S = 3.0  # until the first frame; some cameras take two seconds to wake up
OPEN_LIMIT_S = 10.0  # for opening; then it hangs
LEAVE_S = 2.5  # for a read under way to return; OpenCV waits two seconds for a frame
SAME_S = 5.0  # without a pixel that changes: a shutter, a still picture or a driver that repeats itself
RETRY_S = (0.25, 0.5, 1.0)  # between attempts, of which each takes up to a second: back within 3 s
HEALTHY_S = 5.0  # of frames: the next failure is a new one
MAX_ABANDONED = 3  # each holds a frame and a thread; beyond, wait for one to return ...
PATIENT_RETRY_S = 30.0  # ... but not for ever
CLOSE_S = 4.0  # for a reader to end when the program does

_log = logging.getLogger(__name__)


class Capture:
    """Supervises the readers of one source after another; for the engine thread.

    Parameters
    ----------
    name, opener, live
        Of the source to begin with; live: what it will most likely be.
    mailbox
        Where the frames go; the caller receives them there.
    start
        Starts a reader; tests run readers themselves.

    Attributes
    ----------
    wanted
        Whether it is to be open; set it at will.
    trouble
        Why no frames come, for the person at this machine; None: they do, or are about to.
    hint
        The same for whoever looks at the output: names no device.
    note
        What is odd about frames that do come.
    finished
        Whether the source to begin with has come to its end.
    failure
        Why a source that cannot be opened again, such as a video, has failed.
    """

    def __init__(
        self,
        name: str,
        opener: Opener,
        live: bool,
        mailbox: Mailbox,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Reader], None] = Reader.start,
    ) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._start = start
        self._leaving: list[tuple[Reader, float]] = []
        self.finished = False
        self.failure: BaseException | None = None
        self.wanted = False
        self._essential = True  # the source to begin with: its end or failure is that of the run
        self._set(name, opener, live)

    def switch(self, name: str, opener: Opener, live: bool) -> None:
        """Use another source from now on."""
        self._leave()
        self._mailbox.clear()
        self._essential = False
        self._set(name, opener, live)

    def _set(self, name: str, opener: Opener, live: bool) -> None:
        self._asked = name
        self._opener = opener
        self._planned_live = live
        self._device = ""
        self._reader: Reader | None = None
        self._previous: Reader | None = None
        self._wanted_s: float | None = None
        self._frame_s: float | None = None
        self._well_s: float | None = None  # since when frames come
        self._attempts = 0
        self._retry_s = 0.0
        self._why: tuple[str, str] | None = None  # it failed: trouble and hint
        self._over = False
        self._reopened_same = False
        self.trouble: str | None = None
        self.hint = ""
        self.note: str | None = None

    @property
    def name(self) -> str:
        """The source, for people."""
        reader = self._reader  # once: another thread may be asking
        source = reader.source if reader is not None else None
        return source.name if source is not None else self._asked

    @property
    def device(self) -> str:
        """The stable path of the webcam that is open, or was last, of this source; "": none has been."""
        reader = self._reader  # once: another thread may be asking
        source = reader.source if reader is not None else None
        if source is not None:
            self._device = getattr(source, "device", "")
        return self._device

    @property
    def live(self) -> bool:
        """Whether frames come at their own time: a webcam."""
        source = self._reader.source if self._reader is not None else None
        if source is not None:
            self._planned_live = source.live
        return self._planned_live

    @property
    def abandoned(self) -> int:
        """How many threads hang in a call of a source that has been left."""
        now = self._clock()
        return sum(now - left_s > LEAVE_S for _, left_s in self._leaving)

    def problems(self) -> list[Problem]:
        """What ails the source; any thread may ask."""
        found = []
        if (trouble := self.trouble) is not None:
            found.append(Problem(trouble, "it is opened again by itself; `livewarp doctor` looks closer"))
        if (note := self.note) is not None:
            found.append(Problem(f"{self.name}: {note}", "open the shutter of the camera, if it has one"))
        reader = self._reader  # once: another thread may be asking
        if reader is not None and (problem := getattr(reader.source, "problem", None)) is not None:
            found.append(problem)
        if abandoned := self.abandoned:
            what = f"{abandoned} calls of a source hang and were left behind"
            found.append(Problem(what, "unplug the camera and plug it in again"))
        return found

    def step(self, now: float) -> None:
        """Look after the reader: start, leave, restart it."""
        self._leaving = [(reader, left_s) for reader, left_s in self._leaving if not reader.done]
        if not self.wanted:
            self._rest()
            return
        if self._wanted_s is None:
            self._wanted_s = now
        if self._reader is None:
            if not self._over and now >= self._retry_s and self._may_begin(now):
                self._begin(now)
        else:
            self._check_reader(self._reader, now)
        self._update_trouble(now)

    def close(self) -> None:
        """Leave the source and wait a moment for it to close."""
        self.wanted = False
        self._rest()
        end_s = time.monotonic() + CLOSE_S
        while any(not reader.done for reader, _ in self._leaving) and time.monotonic() < end_s:
            time.sleep(0.005)
        hanging = sum(not reader.done for reader, _ in self._leaving)
        if hanging:
            _log.warning("%s: still hangs in a call that cannot be ended; left behind", self._asked)

    def _rest(self) -> None:
        """Nobody wants frames: close the source and forget its troubles."""
        self._leave()
        self._wanted_s = self._frame_s = self._well_s = None
        self._attempts, self._retry_s, self._why = 0, 0.0, None
        self.trouble = self.note = None
        self._reopened_same = False

    def _leave(self) -> None:
        if self._reader is not None:
            self._previous = self._reader
            self._reader.leave()
            self._leaving.append((self._reader, self._clock()))
            self._reader = None

    def _may_begin(self, now: float) -> bool:
        """Whether what was open before has been closed, or hangs: a webcam can be opened only once."""
        abandoned = self.abandoned
        if abandoned < len(self._leaving):
            return False
        return abandoned < MAX_ABANDONED or now - self._retry_s > PATIENT_RETRY_S

    def _begin(self, now: float) -> None:
        self._retry_s = now
        # While a picture that never changes is being looked into, the new reader goes on comparing.
        self._reader = Reader(self._opener, self._mailbox, self._clock, self._previous if self._reopened_same else None)
        self._start(self._reader)

    def _check_reader(self, reader: Reader, now: float) -> None:
        """See how a reader at work is doing."""
        if reader.crash is not None:
            self.failure = reader.crash
        if reader.frame_s is not None and reader.frame_s != self._frame_s:
            self._frame_s = reader.frame_s
            self._well_s = self._well_s if self._well_s is not None else now
            self._why = None
            if now - self._well_s > HEALTHY_S:
                self._attempts = 0
        live = self.live
        if reader.error is not None:
            if not live and self._essential:
                self.failure = reader.error
            hint = "it cannot be opened" if reader.opened_s is None else "it has failed"
            self._give_up((str(reader.error) or type(reader.error).__name__, hint), now)
        elif reader.done:
            self._over = True
            self.finished = self._essential
            self._why = (f"{self.name} has ended", "the video has ended")
            self._reader = None
        elif reader.opened_s is None:
            if now - reader.began_s > OPEN_LIMIT_S:
                self._give_up((f"opening {self._asked} hangs", "it does not answer"), now)
        elif live and now - (reader.frame_s or reader.opened_s) > REOPEN_S:
            self._give_up(self._silence(reader), now)
        elif live:
            self._check_for_change(reader, now)

    def _silence(self, reader: Reader) -> tuple[str, str]:
        if reader.stale_s:
            return f"frames from {self.name} are old, from before a sleep or a jam", "its pictures are old"
        return f"no frame from {self.name}", "it sends no picture"

    def _check_for_change(self, reader: Reader, now: float) -> None:
        same = reader.same_s is not None and now - reader.same_s > SAME_S
        if same and not self._reopened_same:
            self._reopened_same = True  # once: some drivers repeat the last frame of a camera that is gone
            self.note = "same picture: shutter closed?"
            _log.warning("%s: the same picture for %g s: is the shutter closed? opening it anew", self.name, SAME_S)
            self._leave()
            self._retry_s = now
        elif not same and self._reopened_same and reader.frame_s is not None:
            self._reopened_same = False
            self.note = None
            _log.info("%s: the picture changes again", self.name)

    def _give_up(self, why: tuple[str, str], now: float) -> None:
        self._why = why
        self._well_s = None
        self._leave()
        self._retry_s = now + RETRY_S[min(self._attempts, len(RETRY_S) - 1)]
        self._attempts += 1

    def _update_trouble(self, now: float) -> None:
        """Say that no frames come, once it has lasted."""
        assert self._wanted_s is not None
        if self._frame_s is None:
            # The first one of this time: an attempt that failed is reported at once.
            limit_s = 0.0 if self._why is not None else PATIENCE_S
            silent_s = now - self._wanted_s
        else:
            limit_s, silent_s = SILENT_S, now - self._frame_s
        if silent_s <= limit_s and not (self._over and not self._essential):
            self.trouble = None
        elif self._why is not None:
            self.trouble, self.hint = self._why
        elif self._reader is not None and self._reader.opened_s is not None:
            self.trouble, self.hint = self._silence(self._reader)
        else:
            self.trouble, self.hint = f"waiting for {self._asked} to open", "waiting for it to open"
