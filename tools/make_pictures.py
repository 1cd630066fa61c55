"""Draws the pictures of the docs with the program itself: `make docs`.

Writes docs/images/before-after.jpg: the built-in portrait as it is and with the parameters written on it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livewarp import FaceFilter, Parameters
from livewarp.arrays import BgrFrame
from livewarp.sources.portrait import PortraitSource

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SHOWN = (
    ("as it came", Parameters(thin=0, eyes=0)),
    ("thin 0.35, eyes 0.25 (default)", Parameters()),
    ("thin 1, eyes 1", Parameters(thin=1, eyes=1)),
)
CROP_XYXY = (320, 40, 960, 720)  # of a 1280x720 frame: head and shoulders


def labelled(frame: BgrFrame, text: str) -> BgrFrame:
    """The middle of the frame with a caption below."""
    x0, y0, x1, y1 = CROP_XYXY
    picture = cv2.copyMakeBorder(frame[y0:y1, x0:x1], 0, 44, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    place = (16, picture.shape[0] - 14)
    return cv2.putText(picture, text, place, cv2.FONT_HERSHEY_DUPLEX, 0.8, (40, 40, 40), 1, cv2.LINE_AA)


def main() -> None:
    """Draw them all."""
    source = PortraitSource(1280, 720)
    frame = np.empty((720, 1280, 3), np.uint8)
    source.render(0, frame)
    pictures = [labelled(FaceFilter(parameters).apply(frame), text) for text, parameters in SHOWN]
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet = cv2.resize(np.hstack(pictures), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(IMAGES / "before-after.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
