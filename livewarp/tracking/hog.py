"""dlib's HOG detector: upright frontal faces in small gray pictures.

Guarantees: nothing here is imported, and so dlib is not loaded, where another detector and a landmark
model that tells faces are used.
"""

from __future__ import annotations

import cv2
import dlib

from livewarp.arrays import BgrFrame, GrayFrame
from livewarp.tracking.detector import Detection, Window


class HogDetector:
    """Searches windows for upright faces; the cost grows with the square of the scale."""

    def __init__(self) -> None:
        self._detector = dlib.get_frontal_face_detector()

    def shrink(self, frame: BgrFrame, window: Window) -> GrayFrame:
        """A window in gray, at its scale."""
        return shrink(frame, window)

    def find(self, picture: GrayFrame, window: Window, least_score: float = 0.0) -> list[Detection]:
        """The faces in it, best first."""
        return detect(self._detector, picture, window, least_score)


def shrink(frame: BgrFrame, window: Window) -> GrayFrame:
    """A window of the frame in gray, at its scale; where that is above 1, enlarged."""
    gray = cv2.cvtColor(frame[window.y0 : window.y1, window.x0 : window.x1], cv2.COLOR_BGR2GRAY)
    if window.scale != 1.0:
        size = (max(1, round(gray.shape[1] * window.scale)), max(1, round(gray.shape[0] * window.scale)))
        # INTER_AREA costs ten times INTER_LINEAR; from half size on the latter aliases.
        how = cv2.INTER_LINEAR if window.scale >= 0.5 else cv2.INTER_AREA
        gray = cv2.resize(gray, size, interpolation=how)
    return gray  # type: ignore[return-value]


def detect(
    detector: dlib.fhog_object_detector, gray: GrayFrame, window: Window | None = None, least_score: float = 0.0
) -> list[Detection]:
    """Upright faces in `gray`, best first, as boxes in the frame that `window` of it was made from."""
    boxes, scores, _ = detector.run(gray, 0, least_score)
    x, y, _, _, scale = window or (0, 0, 0, 0, 1.0)
    found = [
        Detection(
            x + b.left() / scale, y + b.top() / scale, x + (b.right() + 1) / scale, y + (b.bottom() + 1) / scale, s
        )
        for b, s in zip(boxes, scores, strict=True)
    ]
    return sorted(found, key=lambda d: -d.score)
