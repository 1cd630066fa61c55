"""A webcam on Linux, read as raw buffers: the driver's newest picture, decoded straight into the frame."""

from __future__ import annotations

import errno
import logging
import time
from pathlib import Path

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import Problem, SourceError
from livewarp.sources.modes import best_mode, offered, smaller_mode
from livewarp.sources.pixels import Damaged, Decoder, Resized
from livewarp.system import streaming, v4l2

TIMEOUT_S = 0.5  # of waiting for a picture; then whoever reads may do something else
_RESIZED = 3  # pictures of another size in a row; one alone is damaged
_BUSY = 0.8  # share of the time between frames that decoding may take, as median
_DECODES = 60  # by which that is measured
_DAMAGE_S = 10.0  # without a damaged picture: the next one is news

_log = logging.getLogger(__name__)


class RawFeed:
    """A camera that streams into memory; see `livewarp.sources.webcam.Feed`.

    Attributes
    ----------
    damaged
        How many pictures were left out, as bytes were missing or wrong.
    problem
        That decoding takes too long here, with the size that would do; or None.

    Raises
    ------
    SourceError
        It is in use, may not be opened, or refuses.
    """

    def __init__(self, node: Path, width: int, height: int, fps: float) -> None:
        self._node = node
        try:
            self._modes = offered(node, width, height)
            mode = best_mode(self._modes, width, height, fps)
            if mode is None:
                raise SourceError(f"webcam {node}: offers no picture that can be read")
            self._mode = mode
            self._stream = streaming.CameraStream(node, mode.fourcc, mode.width, mode.height, fps)
        except OSError as error:
            raise _refused(node, error) from error
        format = self._stream.format
        try:
            self._decoder = Decoder(format)
        except KeyError as error:
            self._stream.close()
            raise SourceError(f"webcam {node}: gives {format.fourcc} where it offers {mode.fourcc}") from error
        self.height, self.width = self._decoder.size_hw
        self.fps = self._stream.fps
        self.mode = f", {format.fourcc}, {self.fps:g} fps"
        self.damaged = 0
        self.problem: Problem | None = None
        self._damaged_s: float | None = None
        self._resized = 0
        self._took_s: list[float] = []
        _log.info(
            "webcam %s: %s %dx%d at %g fps, of %d that it offers", node, format.fourcc, self.width, self.height,
            self.fps, len(self._modes),
        )  # fmt: skip

    def first(self) -> tuple[BgrFrame, float] | None:
        """A frame of its own size and when it was taken, as `read` says it, or None."""
        frame = np.empty((self.height, self.width, 3), np.uint8)
        stamp_s = self.read(frame)
        return None if stamp_s is None else (frame, stamp_s)

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out`; when the driver says that it was taken, s, or 0 where it does not. None: no frame."""
        try:
            with self._stream.newest(TIMEOUT_S) as picture:
                if picture is None:
                    return None
                began_s = time.monotonic()
                if picture.damaged:
                    raise Damaged("the driver says so")
                self._decoder.decode(picture.data, out)
                self._measure(time.monotonic() - began_s)
                stamp_s = picture.stamp_s or 0.0
        except Damaged as error:
            self._note_damage(error)
            return None
        except Resized as error:
            self._resized += 1
            if self._resized >= _RESIZED or (self.height, self.width) != out.shape[:2]:
                self.height, self.width = error.args
            return None
        except OSError as error:
            raise _refused(self._node, error) from error
        self._resized = 0
        return stamp_s

    def close(self) -> None:
        """Release the camera; may be called more than once."""
        self._stream.close()

    def _note_damage(self, error: Damaged) -> None:
        now = time.monotonic()
        self.damaged += 1
        if self._damaged_s is None or now - self._damaged_s > _DAMAGE_S:
            _log.warning("webcam %s: damaged pictures are left out (%s)", self._node, error)
        self._damaged_s = now

    def _measure(self, took_s: float) -> None:
        """See whether this machine keeps up with what it decodes."""
        self._took_s.append(took_s)
        if len(self._took_s) < _DECODES:
            return
        median_s, self._took_s = float(np.median(self._took_s)), []
        busy = median_s * self.fps
        if busy <= _BUSY:
            if self.problem is not None and busy < 0.8 * _BUSY:
                self.problem = None
                _log.info("webcam %s: decoding keeps up again", self._node)
            return
        what = f"decoding {self.width}x{self.height} takes {1e3 * median_s:.0f} ms of {1e3 / self.fps:.0f}"
        smaller = smaller_mode(self._modes, self._mode, self.fps, _BUSY / busy)
        size = f"--width {smaller.width} --height {smaller.height}" if smaller is not None else "a lower --fps"
        if self.problem is None:
            _log.warning("webcam %s: %s; take %s", self._node, what, size)
        self.problem = Problem(f"webcam {self._node}: {what}: frames come late", f"start with {size}")


def _refused(node: Path, error: OSError) -> SourceError:
    """Why a camera cannot be read, for people."""
    if error.errno == errno.EBUSY:
        users = ", ".join(f"{name} ({pid})" for pid, name in v4l2.holders(node))
        return SourceError(f"webcam {node}: is in use{f' by {users}' if users else ''}", remedy="close that program")
    if error.errno == errno.ENODEV:
        return SourceError(f"webcam {node}: has been unplugged", remedy="plug it in")
    why = v4l2.refusal(error)
    return SourceError(f"webcam {node}: {why.what}", remedy=why.remedy or "may you read it (group 'video')?")
