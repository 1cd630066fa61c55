"""Changes the landmark model of a running filter: loads it beside the loop, which takes it over between two frames."""

from __future__ import annotations

import logging
import threading

from livewarp.errors import LivewarpError, Problem
from livewarp.live.loading import Loading

_log = logging.getLogger(__name__)


class ModelSwitch:
    """The landmark model that is wanted, and the one that is used.

    Guarantees: `request` returns at once; of several requests the last one counts.

    Parameters
    ----------
    loading
        Where the filter comes from.
    model
        The name of the one that it begins with.

    Attributes
    ----------
    model
        The name of the one that is used, or will be from the next frame on.
    problem
        Why the last one that was wanted is not used, or None.
    """

    def __init__(self, loading: Loading, model: str) -> None:
        self._loading = loading
        self._lock = threading.Lock()  # held for a few instructions, never while anything is loaded
        self._wanted: str | None = None
        self._is_busy = False
        self.model = model
        self.problem: Problem | None = None

    def request(self, model: str) -> None:
        """Use this model as soon as it is loaded; from any thread."""
        with self._lock:
            self._wanted = model
            if self._is_busy:
                return
            self._is_busy = True
        threading.Thread(target=self._run, name="loading model", daemon=True).start()

    def _run(self) -> None:
        self._loading.wait()  # a second that was asked for while the first one is loaded
        while True:
            with self._lock:
                model, self._wanted = self._wanted, None
                if model is None or self._loading.filter is None:
                    self._is_busy = False
                    return
            if model == self.model:
                self.problem = None
                continue
            try:
                self._loading.filter.use_model(model)
            except LivewarpError as error:
                _log.error("model %s: %s", model, error)
                what, remedy = error.problem.what, error.remedy
                self.problem = Problem(f"model {model} cannot be used: {what}", remedy or "see the log")
            except Exception as error:  # memory, a damaged cache, a bug: the model stays what it is
                _log.exception("model %s cannot be used", model)
                self.problem = Problem(f"model {model} cannot be used: {error!r}", "see the log, and try again")
            else:
                _log.info("model: %s", model)
                self.model, self.problem = model, None
