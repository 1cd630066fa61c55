"""FaceFilter: a frame in, the same frame with reshaped faces out, mirrored and drawn upon where that is wanted.

What the live loop, `livewarp apply`, the benchmarks and the tests all call.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.face68 import Face
from livewarp.filtering.compiling import Helper, warm_up_warp
from livewarp.filtering.glide import DEFAULT_GLIDE_S, Glide
from livewarp.filtering.overlay import draw_overlay, mirror
from livewarp.parameters import Parameters
from livewarp.tracking import FaceTracker
from livewarp.tracking.warmup import warm_up_kernels
from livewarp.warping import Warp

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
        None: a new `FaceTracker()` that works synchronously.
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
        self._warp = Warp()
        self._glide = Glide(glide_s)
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
        return self.warp(frame, self.track(frame, timestamp_s), out)

    def track(self, frame: BgrFrame, timestamp_s: float, since_s: float | None = None) -> list[Face]:
        """The first half of `apply`: the faces in the next frame; `since_s` as in `FaceTracker.update`."""
        self._now_s = timestamp_s
        return self._tracker.update(frame, timestamp_s, since_s)

    def warp(self, frame: BgrFrame, faces: Sequence[Face], out: BgrFrame | None = None) -> BgrFrame:
        """The second half of `apply`: the same frame with these faces reshaped.

        Then, whether `enabled` or not, mirrored and drawn upon if the parameters say so. `faces` are
        those of the frame as it came, and stay so.
        """
        parameters = self.parameters
        out = self._warp.apply(frame, faces, self._glide.at(parameters, self._now_s), out)
        # From the parameters themselves: nothing can be mirrored by a half, so these two do not glide.
        if parameters["mirror"]:
            mirror(out)
        if parameters["overlay"]:
            draw_overlay(out, faces, is_mirrored=bool(parameters["mirror"]))
        return out

    def warm_up(self, height: int, width: int) -> None:
        """Compile or load the kernels and touch the buffers for frames of this size, before the first one."""
        helper = Helper()  # the first time, for the warp
        self._tracker.warm_up()
        warm_up_kernels(np.zeros((height, width, 3), np.uint8))
        helper.wait()
        warm_up_warp(self._warp, height, width, self.parameters)

    def use_model(self, model: str) -> None:
        """Load another landmark model, and take it over between two frames; see `FaceTracker.use_model`."""
        self._tracker.use_model(model)

    @property
    def economy(self) -> int:
        """How much the tracker saves, 0 to 2; see `FaceTracker.economy`. Set it from the thread that calls `track`."""
        return self._tracker.economy

    @economy.setter
    def economy(self, level: int) -> None:
        self._tracker.economy = level

    def close(self) -> None:
        """End the tracker's thread, if any; may be called more than once."""
        self._tracker.close()
