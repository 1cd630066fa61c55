"""Video files as a source, through OpenCV's FFmpeg."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError

# What cameras and phones write; beyond it a header is more likely damaged than right.
MAX_FPS = 1000.0


class VideoSource:
    """A video file, at its own frame rate or another.

    Parameters
    ----------
    path
        The file.
    fps
        Frame rate to deliver; frames are repeated or left out to keep the speed. None: the file's own.
    loop
        Start again when it ends.

    Raises
    ------
    SourceError
        The file is missing, is no video, or has no frame.
    """

    live = False

    def __init__(self, path: Path, fps: float | None = None, loop: bool = False) -> None:
        if not path.is_file():
            what = "is no file" if path.exists() else "no such file"
            raise SourceError(f"video {path}: {what}", allowed="a video or image file")
        self._path = path
        self._loop = loop
        self._capture = _open(path)
        own_fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._own_fps = own_fps if 0 < own_fps <= MAX_FPS else 25.0
        self.fps = self._own_fps if fps is None else fps
        ok, first = self._capture.read()
        if not ok or first is None:
            self._capture.release()
            raise SourceError(f"video {path}: holds no readable frame", allowed="a video that FFmpeg can decode")
        self.height, self.width = first.shape[:2]
        self.name = f"video {path.name} ({self.width}x{self.height}, {self.fps:g} fps)"
        self.ended = False
        self._current: BgrFrame = np.ascontiguousarray(first)
        self._current_index = 0  # of the decoded frame, since the last start
        self._count = 0  # frames delivered
        self._base = 0  # frames delivered before the last start

    def frame_count(self) -> int | None:
        """How many frames `read` will deliver, as far as the file's header knows."""
        n = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        return round(n * self.fps / self._own_fps) if n > 0 and not self._loop else None

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; its time in the video, s. None at the end."""
        if self.ended:
            return None
        # 1e-6: the product of two rates may fall just short of the whole number that it means.
        wanted = int((self._count - self._base) * self._own_fps / self.fps + 1e-6)
        while self._current_index < wanted:
            if not self._advance():
                return None
            if self._current_index == 0:  # started again
                wanted = 0
        np.copyto(out, self._current)
        timestamp_s = self._count / self.fps
        self._count += 1
        return timestamp_s

    def close(self) -> None:
        """Release the file; may be called more than once."""
        self.ended = True
        self._capture.release()

    def _advance(self) -> bool:
        """Decode the next frame, from the start again where looping; False at the end."""
        if self._decode():
            self._current_index += 1
            return True
        if self._loop:
            # Seeking to 0 is not exact with every container; opening anew is.
            self._capture.release()
            self._capture = _open(self._path)
            if self._decode():
                self._current_index = 0
                self._base = self._count
                return True
        self.ended = True
        return False

    def _decode(self) -> bool:
        ok, frame = self._capture.read(self._current)
        if not ok or frame is None:
            return False
        if frame.shape[:2] != (self.height, self.width):
            frame = cv2.resize(frame, (self.width, self.height), interpolation=cv2.INTER_AREA)
        self._current = frame  # type: ignore[assignment]
        return True


def _open(path: Path) -> cv2.VideoCapture:
    # Relative names that look like URLs ("http:...") or patterns ("a%03d.png") stay files this way.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"video {path}: FFmpeg cannot read it", allowed="a video or image file")
    return capture
