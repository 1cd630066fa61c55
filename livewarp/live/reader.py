"""One source, opened, read and closed in a thread of its own, which may be left behind."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.mailbox import Mailbox, Parcel
from livewarp.sources import Source

STALE_S = 1.0  # a frame older than this is from before a suspend or out of a stuck queue
_SAMPLES = 24  # rows, and columns, of the pixels by which pictures are compared

_log = logging.getLogger(__name__)

Opener = Callable[[], Source]


class Reader:
    """One source, opened, read and closed in one thread.

    Guarantees: every attribute is written by that thread alone, except by `leave`, whoever reads them.

    Parameters
    ----------
    opener
        Opens the source; may block.
    mailbox
        Where frames go.
    before
        The reader before this one, to know whether the picture is still the same.

    Attributes
    ----------
    source
        None until it is open.
    opened_s, frame_s, same_s
        When it was opened, when the newest frame came, since when no pixel has changed; None: never.
    stale_s
        How old the last frame was, if it was too old to be shown; else 0.
    error
        What it failed of.
    done
        Whether its source is closed and its thread about to end.
    """

    def __init__(
        self,
        opener: Opener,
        mailbox: Mailbox,
        clock: Callable[[], float] = time.monotonic,
        before: Reader | None = None,
    ) -> None:
        self._opener = opener
        self._mailbox = mailbox
        self._clock = clock
        self._lock = threading.Lock()  # between this thread and the one that leaves it, for no longer than a post
        self._left = threading.Event()
        self._buffer: BgrFrame | None = None
        self._count = 0
        self._due_s: float | None = None
        self._media_s = 0.0  # the time in the source of the frame that was due then
        self._sample: NDArray[np.uint8] | None = before._sample if before is not None else None
        self.same_s: float | None = before.same_s if before is not None else None
        self.began_s = clock()
        self.source: Source | None = None
        self.opened_s: float | None = None
        self.frame_s: float | None = None
        self.stale_s = 0.0
        self.error: Exception | None = None
        self.crash: BaseException | None = None
        self.done = False

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self.run, name="capture", daemon=True).start()

    def run(self) -> None:
        """The thread."""
        while self.advance():
            pass

    def advance(self) -> bool:
        """One turn, and after the last one the end; whether there is more to do."""
        more = False
        try:
            more = self.turn()
        except Exception as error:
            _log.debug("a source has failed", exc_info=error)
            self.error = error
        except BaseException as error:
            self.crash = error
        finally:
            if not more:
                self.close()
        return more

    def turn(self) -> bool:
        """One call of the source: open it, or read a frame; False where there is no more to do."""
        if self._left.is_set():
            return False
        if self.source is None:
            source = self._opener()
            self.source, self.opened_s = source, self._clock()
            return not self._left.is_set()
        with self._lock:  # whoever leaves it sees either no buffer, or one to make up for
            if self._left.is_set():
                return False
            self._buffer = buffer = self._mailbox.take()
        before_s = self._clock()
        timestamp_s = self.source.read(buffer)
        if timestamp_s is not None and self.source.live:
            self.stale_s = age_s if (age_s := self._clock() - timestamp_s) > STALE_S else 0.0
            if not self.stale_s:
                self._compare(buffer)
        if timestamp_s is None or self.stale_s:
            self._hand_back()
            return not (self._left.is_set() or self.source.ended)
        read_s = self._clock() - before_s
        if not self.source.live:
            timestamp_s = self._wait_for_turn(timestamp_s)
        self._hand_over(timestamp_s, read_s)
        return not self._left.is_set()

    def leave(self) -> None:
        """Let it go: it delivers nothing more, and ends as soon as its source lets it."""
        with self._lock:
            self._left.set()
            if self._buffer is not None:  # whoever reads into it may do so for ever
                self._mailbox.replace()

    def close(self) -> None:
        """Close the source; the last thing that the thread does."""
        self._hand_back()
        try:
            if self.source is not None:
                self.source.close()
        except Exception as error:
            _log.debug("closing %s: %s", self.source.name if self.source else "a source", error)
        self.done = True

    def _wait_for_turn(self, media_s: float) -> float:
        """Wait for the frame's turn, for sources that deliver at any speed, by their own times; when that is, s."""
        now = self._clock()
        due_s = now if self._due_s is None else self._due_s + max(0.0, media_s - self._media_s)
        self._media_s = media_s
        if now < due_s:
            self._left.wait(due_s - now)
        else:
            due_s = now  # the source is slower than its rate: do not run after the past
        self._due_s = due_s
        return due_s

    def _compare(self, pixels: BgrFrame) -> None:
        """Keep track of since when the picture is the same, by a few hundred of its pixels."""
        h, w = pixels.shape[:2]
        sample = pixels[:: max(1, h // _SAMPLES), :: max(1, w // _SAMPLES)]
        if self._sample is None or self.same_s is None or not np.array_equal(sample, self._sample):
            self._sample = sample.copy()
            self.same_s = self._clock()

    def _hand_over(self, timestamp_s: float, read_s: float) -> None:
        with self._lock:
            buffer, self._buffer = self._buffer, None
            if self._left.is_set() or buffer is None:
                return
            self._mailbox.post(Parcel(buffer, timestamp_s, self._count, read_s))
        self._count += 1
        self.frame_s = self._clock()

    def _hand_back(self) -> None:
        with self._lock:
            if not self._left.is_set() and self._buffer is not None:
                self._mailbox.give(self._buffer)
            self._buffer = None
