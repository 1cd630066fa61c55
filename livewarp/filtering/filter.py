"""FaceFilter: a frame in, the same frame with reshaped faces out, mirrored and drawn upon where that is wanted.

What the live loop, `livewarp apply`, the benchmarks and the tests all call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from livewarp.appearance.hair_colour import dyes
from livewarp.arrays import BgrFrame
from livewarp.errors import Problem
from livewarp.filtering import stages
from livewarp.filtering.compiling import Helper
from livewarp.filtering.glide import DEFAULT_GLIDE_S, Glide
from livewarp.filtering.preparing import Readiness, Step
from livewarp.knobs import Value
from livewarp.parameters import Parameters, effective, hides
from livewarp.scene import Scene
from livewarp.segmentation.hair_masks import HairMasks
from livewarp.segmentation.people import People
from livewarp.tracking import FaceTracker
from livewarp.tracking.warmup import warm_up_kernels
from livewarp.warping.warp import copy_into
from livewarp.worker import Worker

DEFAULT_FPS = 30.0


class FaceFilter:
    """Tracks the faces from frame to frame and reshapes them.

    Guarantees: deterministic with a tracker that is not `live`. `parameters` may be replaced from
    any thread; a frame uses one whole set.

    Parameters
    ----------
    parameters
        What to do; None: the defaults.
    tracker
        None: a new `FaceTracker()` that works synchronously. With one that is `live`, what a stage needs for the
        first time is prepared beside the frames, which do without it until then.
    glide_s
        How long a change of the parameters takes, s; 0: at once.

    Raises
    ------
    ModelError
        The landmark weights are missing or damaged.

    Attributes
    ----------
    parameters
        Swap it whole for another `Parameters`; it is read once at the top of each frame.
    has_spare_time
        Whether it may do what is better and not needed; for the thread that filters.
    times_s
        (stages,) float64: what each stage took of the last frame, s, in the order of the table; 0: it did not run.
        Columns of stages that the filter does not run itself (read, send) are for the caller.

    Examples
    --------
    >>> face_filter = FaceFilter(Parameters(thin=0.7, eyes=0.5))    # doctest: +SKIP
    >>> result = face_filter.apply(cv2.imread("me.jpg"))            # doctest: +SKIP
    """

    def __init__(
        self,
        parameters: Parameters | None = None,
        tracker: FaceTracker | None = None,
        glide_s: float = DEFAULT_GLIDE_S,
    ) -> None:
        self.parameters = Parameters() if parameters is None else parameters
        self._tracker = FaceTracker() if tracker is None else tracker
        self._glide = Glide(glide_s)
        self._gliding: Mapping[str, Value] | None = None  # what `_values` were made from
        self._values: Mapping[str, Value] = self.parameters
        worker = self._tracker.worker
        works = [(i, stage, stage.work(worker)) for i, stage in enumerate(stages.STAGES)]
        self._steps = [Step(i, stage, work, worker) for i, stage, work in works if work is not None]
        self._people = People(self._tracker.worker)
        self._hair = HairMasks(self._tracker.worker)
        self._wants_masks = self._wants_hair = False
        self.has_spare_time = self._had_spare_time = False
        self.times_s = np.zeros(len(stages.STAGES))
        self._now_s = 0.0
        self._frames = 0

    def apply(self, frame: BgrFrame, timestamp_s: float | None = None, out: BgrFrame | None = None) -> BgrFrame:
        """The next frame, filtered.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR, C-contiguous.
        timestamp_s
            When it was captured, s, rising; None: 1/30 s after the last one.
        out
            Where the result goes; may be `frame` itself. None: a new array.

        Returns
        -------
        (H, W, 3) uint8
            `out`; equal to `frame`, byte for byte, where there is no face or nothing to do.

        Raises
        ------
        FrameError
            `frame` or `out` is not such an array.
        """
        if timestamp_s is None:
            timestamp_s = self._frames / DEFAULT_FPS
        self._frames += 1
        return self.render(frame, self.track(frame, timestamp_s), out)

    def track(self, frame: BgrFrame, timestamp_s: float, since_s: float | None = None) -> Scene:
        """The first half of `apply`: what there is in the next frame; `since_s` as in `FaceTracker.update`."""
        began_s = time.perf_counter()
        self._now_s = timestamp_s
        faces = tuple(self._tracker.update(frame, timestamp_s, since_s))
        tracked_s = time.perf_counter()
        self.times_s[stages.TRACK], self.times_s[stages.MASK] = tracked_s - began_s, 0.0
        self._update_values()
        if not (self._wants_masks or self._wants_hair):
            return Scene(faces, timestamp_s=timestamp_s)
        economy = self._tracker.economy
        # To spare the wall beside a face, fewer masks will do.
        enough = max(economy, int(not hides(self._values)))
        mask = self._people.update(frame, faces, timestamp_s, enough) if self._wants_masks else None
        hair = self._hair.update(frame, faces, timestamp_s, economy) if self._wants_hair else ()
        self.times_s[stages.MASK] = time.perf_counter() - tracked_s
        return Scene(faces, () if mask is None else (mask,), timestamp_s, self._people.reduced, hair)

    def render(self, frame: BgrFrame, scene: Scene, out: BgrFrame | None = None) -> BgrFrame:
        """The second half of `apply`: the stages that change the picture, in their order.

        `scene` is that of the frame as it came, and stays so, whatever the stages do.
        """
        out = copy_into(frame, out)
        self._update_values()
        for step in self._steps:
            self.times_s[step.column] = 0.0
            if step.is_wanted and step.stage.applies(scene):
                began_s = time.perf_counter()
                if step.run(out, scene, self._values, self._tracker.economy):
                    self.times_s[step.column] = time.perf_counter() - began_s
        return out

    def _update_values(self) -> None:
        """The effective values of this frame, and what they need; the same as before cost nothing."""
        gliding = self._glide.at(self.parameters, self._now_s)
        if gliding is self._gliding and self.has_spare_time == self._had_spare_time:
            return
        self._gliding, self._values, self._had_spare_time = gliding, effective(gliding), self.has_spare_time
        for step in self._steps:
            step.want(step.stage.is_wanted(self._values))
        wants_masks = any(
            step.is_wanted and step.stage.wants_masks(self._values, self.has_spare_time) for step in self._steps
        )
        if wants_masks != self._wants_masks:
            self._people.forget()
        self._wants_masks = wants_masks
        wants_hair = any(step.is_wanted and step.stage.wants_hair for step in self._steps)
        if wants_hair != self._wants_hair:
            self._hair.forget()
        self._wants_hair = wants_hair

    def warm_up(self, height: int, width: int) -> None:
        """Compile or load the kernels and touch the buffers for frames of this size, before the first one."""
        helper = Helper()  # the first time, for the warp
        self._tracker.warm_up()
        warm_up_kernels(np.zeros((height, width, 3), np.uint8))
        helper.wait()
        for step in self._steps:
            if step.stage.at_start:
                step.prepare(height, width)

    def use_model(self, model: str) -> None:
        """Load another landmark model, and take it over between two frames; see `FaceTracker.use_model`."""
        self._tracker.use_model(model)

    @property
    def getting_ready(self) -> list[str]:
        """The names of stages that are wanted, and are being prepared; any thread may ask."""
        return [step.stage.name for step in self._steps if step.is_wanted and step.readiness is Readiness.GETTING_READY]

    def problems(self) -> list[Problem]:
        """Why stages that are wanted cannot run; any thread may ask."""
        found = [step.problem for step in self._steps if step.is_wanted and step.problem is not None]
        if self._wants_masks and self._people.problem is not None:
            found.append(self._people.problem)
        # Who did not ask for hair, but for age, which greys it where it can, is not told to get a network.
        if self._wants_hair and self._hair.problem is not None and dyes(self.parameters):
            found.append(self._hair.problem)
        own = [getattr(step.work, "problem", None) for step in self._steps if step.is_wanted]
        return found + [problem for problem in own if problem is not None]

    @property
    def covered(self) -> str:
        """Why the newest frame was hidden whole, or ""; any thread may ask."""
        return next((step.covered for step in self._steps if step.is_wanted and step.covered), "")

    @property
    def limited(self) -> dict[str, float]:
        """By knob, what share of it the newest frame goes without, so that nothing folds, 0..1; any thread may ask."""
        ran = (step.work for step in self._steps if self.times_s[step.column] > 0.0)
        return {name: share for work in ran for name, share in getattr(work, "limited", {}).items()}

    @property
    def worker(self) -> Worker:
        """Does what takes longer than a frame; a synchronous one in place."""
        return self._tracker.worker

    def cover(self, frame: BgrFrame, parameters: Parameters) -> None:
        """Hide a whole frame, in place, where these parameters want something hidden."""
        for step in self._steps:
            if step.stage.cover is not None and step.stage.is_wanted(parameters):
                step.stage.cover(frame, parameters)

    @property
    def economy(self) -> int:
        """How much the tracker saves, 0 to 3; see `FaceTracker.economy`. Set it from the thread that calls `track`."""
        return self._tracker.economy

    @economy.setter
    def economy(self, level: int) -> None:
        self._tracker.economy = level

    def close(self) -> None:
        """End the tracker's thread, if any; may be called more than once."""
        self._tracker.close()
