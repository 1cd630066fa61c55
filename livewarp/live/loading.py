"""Makes the filter in a thread of its own: its model and kernels take seconds, and the camera shows a placeholder."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from livewarp.filtering.compiling import is_cold, progress
from livewarp.filtering.filter import FaceFilter

JOIN_S = 12.0  # compiling the kernels cannot be interrupted
_PROGRESS_S = 2.0  # from word to word of how far compiling is

_log = logging.getLogger(__name__)


class Loading:
    """A filter that is on its way.

    Parameters
    ----------
    make
        Loads the model and makes the filter.
    size_hw
        Of the frames that it will get, px.
    on_failure
        Called in the thread, with the error that it died of.

    Attributes
    ----------
    filter
        None until its first frame would be as fast as any.
    """

    def __init__(
        self, make: Callable[[], FaceFilter], size_hw: tuple[int, int], on_failure: Callable[[BaseException], None]
    ) -> None:
        self._make = make
        self._size_hw = size_hw
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self.run, name="loading", daemon=True)
        self.filter: FaceFilter | None = None
        self._is_cold = False
        self._told_s = -_PROGRESS_S
        self._doing = "warming up"

    def doing(self) -> str:
        """Why there is no filter yet, for people; on a first start how far compiling is, every two seconds, logged."""
        now = time.monotonic()
        if self._is_cold and self.filter is None and now - self._told_s >= _PROGRESS_S:
            self._told_s, self._doing = now, progress()
            _log.info("%s", self._doing)
        return self._doing

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def wait(self) -> None:
        """Until the filter is there, or cannot be had."""
        if self._thread.ident is not None:
            self._thread.join()

    def run(self) -> None:
        """The thread: make the filter and everything that its first frame needs."""
        made: FaceFilter | None = None
        try:
            self._is_cold = is_cold()
            made = self._make()
            made.warm_up(*self._size_hw)
            self.filter = made
        except BaseException as error:  # the top of this thread
            if made is not None:
                made.close()
            self._on_failure(error)

    def close(self) -> None:
        """Wait for the end of the thread and close the filter."""
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        if self.filter is not None:
            self.filter.close()
