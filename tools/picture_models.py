"""Draw docs/images/models.jpg: what either landmark model makes of ten frames of the portrait that are hard for one.

    python tools/picture_models.py [OUT]

Each tracker meets the frame as it is, and looks at it for a third of a second. Red: dlib; green: the mesh; in the
corner, the confidence. The blue line points where the nose does by the model's own account.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from livewarp.arrays import BgrFrame  # noqa: E402
from livewarp.face68 import Pose  # noqa: E402
from livewarp.sources.headmotion import HeadPose  # noqa: E402
from livewarp.sources.portrait import PortraitSource  # noqa: E402
from livewarp.tracking import FaceTracker  # noqa: E402

SIZE = 640, 360
CELL = 240
COLOURS = {"dlib": (60, 60, 255), "mesh": (80, 230, 80)}
Change = Callable[[BgrFrame, Pose], BgrFrame]


def shown(head: HeadPose) -> tuple[BgrFrame, Pose]:
    """The portrait with its head like this."""
    source = PortraitSource(*SIZE, motion=lambda t: head)
    frame = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    source.render(0, frame)
    return frame, source.truth(0).pose


def bar(x0: float, y0: float, x1: float, y1: float) -> Change:
    """Something of the colour of skin over a part of the face, face axes, IOD."""

    def cover(frame: BgrFrame, pose: Pose) -> BgrFrame:
        corners = pose.project(np.array([(x0, y0, 0.0), (x1, y0, 0.0), (x1, y1, 0.0), (x0, y1, 0.0)]))
        out = frame.copy()
        cv2.fillConvexPoly(out, corners.round().astype(np.int32), (126, 150, 196), cv2.LINE_AA)
        return out

    return cover


def turned(degrees: float) -> Change:
    """The picture turned about the face."""

    def turn(frame: BgrFrame, pose: Pose) -> BgrFrame:
        matrix = cv2.getRotationMatrix2D((pose.x, pose.y + 0.37 * pose.iod_px), degrees, 1.0)
        return cv2.warpAffine(frame, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]

    return turn


def noisy(sigma: float, light: float) -> Change:
    """A bad camera in a dark room."""

    def spoil(frame: BgrFrame, pose: Pose) -> BgrFrame:
        noise = np.random.default_rng(1).normal(0, sigma, frame.shape)
        return np.clip(frame * light + noise, 0, 255).astype(np.uint8)

    return spoil


def small(frame: BgrFrame, pose: Pose) -> BgrFrame:
    """As far as faces are found."""
    out = np.full_like(frame, 128)
    half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    out[90:270, 160:480] = half
    return out


def as_it_is(frame: BgrFrame, pose: Pose) -> BgrFrame:
    """Unchanged."""
    return frame


AHEAD = HeadPose()
FRAMES: dict[str, tuple[HeadPose, Change]] = {
    "turned 25 degrees": (HeadPose(yaw=math.radians(25)), as_it_is),
    "turned -25 degrees": (HeadPose(yaw=math.radians(-25)), as_it_is),
    "looks down": (HeadPose(pitch=math.radians(18)), as_it_is),
    "tilted 50 degrees": (AHEAD, turned(50)),
    "tilted -75 degrees": (AHEAD, turned(-75)),
    "mouth covered": (AHEAD, bar(-0.7, 0.6, 0.7, 1.7)),
    "one half covered": (AHEAD, bar(0.05, -0.7, 1.3, 1.7)),
    "eyes covered": (AHEAD, bar(-0.9, -0.35, 0.9, 0.25)),
    "noise, little light": (AHEAD, noisy(14.0, 0.35)),
    "small": (AHEAD, small),
}


def drawn(frame: BgrFrame, model: str, title: str) -> BgrFrame:
    """The frame around the face, with what a model says of it as a newcomer's and a third of a second later."""
    tracker = FaceTracker(model=model)
    for index in range(10):
        faces = tracker.update(frame, index / 30)
    canvas = frame.copy()
    x, y, iod = SIZE[0] / 2, SIZE[1] / 2 - 20, 64.0
    if faces:
        face = faces[0]
        x, y = face.pose.project(np.array((0.0, 0.37, 0.0)))
        iod = face.pose.iod_px
    factor = CELL / (3.4 * iod)
    matrix = np.array([[factor, 0, CELL / 2 - factor * x], [0, factor, CELL / 2 - factor * y]])
    cell = cv2.warpAffine(canvas, matrix, (CELL, CELL), borderMode=cv2.BORDER_REPLICATE)
    if faces:
        for px, py in face.landmarks @ matrix[:, :2].T + matrix[:, 2]:
            cv2.circle(cell, (round(float(px) * 16), round(float(py) * 16)), 24, COLOURS[model], -1, cv2.LINE_AA, 4)
        ends = face.pose.project(np.array([(0.0, 0.39, -0.45), (0.0, 0.39, -1.1)])) @ matrix[:, :2].T + matrix[:, 2]
        a, b = (tuple(int(v) for v in end.round()) for end in ends)
        cv2.line(cell, a, b, (255, 200, 0), 2, cv2.LINE_AA)
    said = f"{model} {faces[0].confidence:.2f}" if faces else f"{model}: no face"
    for text, at in ((title if model == "dlib" else "", 16), (said, CELL - 8)):
        cv2.putText(cell, text, (6, at), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(cell, text, (6, at), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return cell  # type: ignore[return-value]


def main() -> None:
    """Draw and write."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "models.jpg"
    pairs = []
    for title, (head, change) in FRAMES.items():
        frame = change(*shown(head))
        pairs.append(np.vstack([drawn(frame, model, title) for model in COLOURS]))
    sheet = np.vstack([np.hstack(pairs[:5]), np.hstack(pairs[5:])])
    cv2.imwrite(str(out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{out}: {len(pairs)} frames")


if __name__ == "__main__":
    main()
