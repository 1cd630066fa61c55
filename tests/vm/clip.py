"""The clip that the webcam plays, what livewarp should make of it, and how to tell one from the other.

    python tests/vm/clip.py FOLDER WIDTH HEIGHT NAME=VALUE ...

writes the clip to the folder, and what is expected with these parameters.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import Parameters
from livewarp.sources.portrait import PortraitSource
from webcam import BITS, SQUARE_PX, stamp

Frames = NDArray[np.uint8]
"""(n, height, width, 3) BGR, or one of them."""

PICTURES = 24  # of the moving portrait at 30 a second; the clip shows them to and fro, so that nothing jumps
WARPED_SHARE = 0.5  # a frame is "warped" where it is so much nearer to the warped picture than to the input
ACTS = 16  # grey levels that the warp changes a pixel by where it is said to act


def make(folder: Path, width: int, height: int, **parameters: float) -> None:
    """Write clip.i420, and expected.npz with its pictures as a reader sees them, untouched and warped."""
    portrait = PortraitSource(width, height, 30.0)
    frame = np.empty((height, width, 3), np.uint8)
    pictures = []
    for _ in range(PICTURES):
        portrait.read(frame)
        pictures.append(cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
    pictures += pictures[-2:0:-1]
    (folder / "clip.i420").write_bytes(b"".join(pictures))

    seen = np.stack([_as_seen(picture, width, height, number) for number, picture in enumerate(pictures)])
    face_filter = FaceFilter(Parameters(**parameters), glide_s=0.0)
    for _ in range(2):  # the second time round, the face is known and faded in
        warped = np.stack([face_filter.apply(picture) for picture in seen])
    np.savez(folder / "expected.npz", seen=seen, warped=warped)


def _as_seen(picture: bytes, width: int, height: int, number: int) -> Frames:
    stamped = bytearray(picture)
    stamp(stamped, width, height, number)
    i420 = np.frombuffer(stamped, np.uint8).reshape(height * 3 // 2, width)
    return np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), np.uint8)


def number_in(frame: Frames) -> int | None:
    """The number that `webcam.stamp` drew; None: there is none, so the frame is no picture of the clip."""
    squares = frame[:SQUARE_PX, : 2 * BITS * SQUARE_PX].mean(axis=(0, 2)).reshape(2 * BITS, SQUARE_PX).mean(axis=1)
    bits = squares > 128
    sharp = np.abs(squares - 128) > 64
    if not sharp.all() or (bits[:BITS] == bits[BITS:]).any():
        return None
    return int(sum(1 << int(bit) for bit in np.flatnonzero(bits[:BITS])))


def distances(frame: Frames, seen: Frames, warped: Frames) -> tuple[float, float, float]:
    """How far a frame is from the untouched and from the warped picture where the warp acts, and elsewhere; levels."""
    change = np.abs(warped.astype(int) - seen).max(axis=2)
    acts, elsewhere = change > ACTS, change == 0
    elsewhere[:SQUARE_PX] = False  # the number is that of the first round
    to_seen = np.abs(frame.astype(int) - seen)
    to_warped = np.abs(frame.astype(int) - warped)
    return float(to_seen[acts].mean()), float(to_warped[acts].mean()), float(to_seen[elsewhere].mean())


if __name__ == "__main__":
    assignments = (text.split("=") for text in sys.argv[4:])
    make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), **{name: float(value) for name, value in assignments})
