"""Draws docs/images/effects.webp, the moving picture of the README, with the program itself: `make docs`.

The built-in sitter (`portrait:2`) goes through looks and a hidden room; each change glides, as it does in a call.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livewarp import FaceFilter, Parameters
from livewarp.arrays import BgrFrame
from livewarp.control.protocol.presets import SHIPPED
from livewarp.sources.plan import Request
from livewarp.sources.portrait import plan_portrait

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "effects.webp"
PICTURE_BYTES = 1_500_000  # at most: it is in the README
SIZE = (1280, 720)  # of the frames, px
FPS = 30
EVERY = 3  # of the frames is shown: ten a second
SCENE_FRAMES = 54  # each look
CROP_XYXY = (310, 0, 970, 660)  # head and shoulders, wherever she moves
SHOWN_PX = 400
QUALITY = 55  # of 100; below, the backdrop shows blocks
NOTHING = {"thin": 0.0, "eyes": 0.0}
SCENES: tuple[tuple[str, dict[str, object]], ...] = (
    ("as the camera sees it", {}),
    *((name, dict(SHIPPED[name])) for name in ("slim", "doll", "sculpted", "studio", "evening", "grandparent")),
    ("another room", {"background": "picture"}),
)


def frames() -> list[BgrFrame]:
    """Every shown frame, cut out and named."""
    source = plan_portrait("portrait:2", Request(*SIZE, FPS)).open()
    face_filter = FaceFilter(glide_s=0.6)
    frame = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    shown: list[BgrFrame] = []
    x0, y0, x1, y1 = CROP_XYXY
    for number in range(len(SCENES) * SCENE_FRAMES):
        name, values = SCENES[number // SCENE_FRAMES]
        face_filter.parameters = Parameters(**{**NOTHING, **values})  # type: ignore[arg-type]  # they are values
        timestamp_s = source.read(frame)
        made = face_filter.apply(frame, timestamp_s)
        if number % EVERY == 0:
            cut = cv2.resize(made[y0:y1, x0:x1], (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_AREA)
            shown.append(labelled(np.ascontiguousarray(cut), name))
    return shown


def labelled(pixels: BgrFrame, text: str) -> BgrFrame:
    """The picture with a name at its foot."""
    font, scale = cv2.FONT_HERSHEY_DUPLEX, 0.62
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    left, base = (SHOWN_PX - width) // 2, SHOWN_PX - 16
    band = pixels[base - height - 10 : base + 10, left - 14 : left + width + 14]
    band[:] = (band * 0.35).astype(np.uint8)
    cv2.putText(pixels, text, (left, base), font, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return pixels


def main() -> None:
    """Write it."""
    animation = cv2.Animation()
    animation.frames = frames()
    animation.durations = np.full(len(animation.frames), 1000 * EVERY // FPS, np.int32)
    done, data = cv2.imencodeanimation(".webp", animation, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done or len(data) > PICTURE_BYTES:
        raise SystemExit(f"{PICTURE.name}: {len(data)} bytes, allowed: {PICTURE_BYTES}")
    PICTURE.write_bytes(data.tobytes())
    print(f"{PICTURE}: {len(animation.frames)} pictures, {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
