"""Changes of parameters glide: a slider's jump becomes a quick, smooth movement of the face.

Each kind of knob glides in its own way (`livewarp.knobs`): a switch or a choice is there at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from livewarp.easing import smoothstep
from livewarp.knobs import Value
from livewarp.parameters import KNOBS, Parameters

DEFAULT_GLIDE_S = 0.15


class Glide:
    """Follows the parameters that are asked for with those that a frame uses.

    Parameters
    ----------
    duration_s
        How long a change takes; 0: at once.
    """

    def __init__(self, duration_s: float = DEFAULT_GLIDE_S) -> None:
        self._duration_s = duration_s
        self._target: Parameters | None = None
        self._from: Mapping[str, Value] = {}
        self._begin_s = 0.0
        self._shown: Mapping[str, Value] = {}
        self._last_s = 0.0

    def at(self, target: Parameters, now_s: float) -> Mapping[str, Value]:
        """The values for the frame of `now_s` on the way to `target`.

        A change begins with the first frame that sees it and is complete `duration_s` after the frame
        before. The first frame of all, and one whose time runs backwards, uses `target` as it is.
        """
        if self._target is None or now_s < self._last_s:
            self._begin_s = -math.inf
        elif target is not self._target:
            self._from = _with_enabled_in_strength(self._shown)
            self._begin_s = self._last_s
        self._target = target
        self._last_s = now_s
        self._shown = self._between(target, now_s)
        return self._shown

    def _between(self, target: Parameters, now_s: float) -> Mapping[str, Value]:
        passed_s = now_s - self._begin_s
        if passed_s >= self._duration_s:
            return target
        share = smoothstep(passed_s / self._duration_s)
        to = _with_enabled_in_strength(target)
        # A knob that has come or gone meanwhile, a person's own texture, is there or away at once.
        knobs = {name: KNOBS.get(name) for name in to}
        return {
            name: b if (k := knobs[name]) is None else k.kind.blend(self._from.get(name, b), b, share)
            for name, b in to.items()
        }


def _with_enabled_in_strength(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with a strength of 0 where they are off: on its way to or from off, it is a matter of strength."""
    return {**values, "enabled": True, "strength": float(values["strength"]) * float(values["enabled"])}
