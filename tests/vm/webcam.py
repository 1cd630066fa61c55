"""A webcam made of a clip: writes its pictures to a v4l2loopback node for ever, each with a running number in it.

    python3 webcam.py /dev/video11 CLIP.i420 WIDTH HEIGHT FPS

The number is drawn as a row of squares, so that who sees the pictures elsewhere knows which they were. Standard
library only.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

SQUARE_PX = 8
BITS = 16  # and their complement beside them: no other picture looks like that
DARK, BRIGHT, GREY = 16, 235, 128


def stamp(picture: bytearray, width: int, height: int, number: int) -> None:
    """Draw a number into the top left corner of an I420 picture."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    squares = [*bits, *(1 - bit for bit in bits)]
    row = b"".join(bytes([BRIGHT if bit else DARK]) * SQUARE_PX for bit in squares)
    for y in range(SQUARE_PX):
        picture[y * width : y * width + len(row)] = row
    for plane in range(2):
        for y in range(SQUARE_PX // 2):
            begin = width * height * (4 + plane) // 4 + y * width // 2
            picture[begin : begin + len(row) // 2] = bytes([GREY]) * (len(row) // 2)


def main() -> None:
    """See the module's docstring."""
    from v4l2node import open_output

    node, clip = sys.argv[1], Path(sys.argv[2]).read_bytes()
    width, height, fps = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    size = width * height * 3 // 2
    count = len(clip) // size
    output = open_output(node, width, height)
    begin = time.monotonic()
    for number in itertools.count():
        picture = bytearray(clip[number % count * size :][:size])
        stamp(picture, width, height, number % (1 << BITS))
        os.write(output, picture)
        time.sleep(max(0.0, begin + (number + 1) / fps - time.monotonic()))


if __name__ == "__main__":
    main()
