"""Makes the filter in a thread of its own: its model and kernels take seconds, and the camera shows a placeholder."""

from __future__ import annotations

import threading
from collections.abc import Callable

from livewarp.filtering.filter import FaceFilter

JOIN_S = 12.0  # compiling the kernels cannot be interrupted


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
