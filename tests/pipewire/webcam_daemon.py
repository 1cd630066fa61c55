"""`livewarp`, on a machine with one webcam: numbered pictures of the built-in portrait, at a rate of its own."""

from __future__ import annotations

import time

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.sources import Plan, Source, open_source

WIDTH, HEIGHT, FPS = 640, 480, 30.0
COUNT = 64  # pictures, then again from the first
BITS = 6
BLOCK_PX = 16  # a bit of the number: black or white, in the top left corner, where no face is


def pictures() -> list[BgrFrame]:
    """What the webcam sees, one after the other."""
    portrait = open_source("portrait", WIDTH, HEIGHT, FPS)
    made = []
    for number in range(COUNT):
        made.append(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        portrait.read(made[-1])
        for bit in range(BITS):
            made[-1][:BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX] = 255 * (number >> bit & 1)
    portrait.close()
    return made


def number_of(picture: BgrFrame) -> int:
    """The number that is drawn into it."""
    middle = BLOCK_PX // 2
    return sum(int(picture[middle, bit * BLOCK_PX + middle, 1] > 128) << bit for bit in range(BITS))


class PortraitWebcam:
    """The portrait, as live as a webcam is."""

    name = "webcam portrait"
    width, height, fps = WIDTH, HEIGHT, FPS
    live, ended = True, False

    def __init__(self) -> None:
        self._pictures = pictures()
        self._next = 0
        self._due = time.monotonic()

    def read(self, out: BgrFrame) -> float:
        """The next picture, when its time has come."""
        self._due = max(self._due + 1 / FPS, time.monotonic() - 1 / FPS)
        time.sleep(max(self._due - time.monotonic(), 0.0))
        np.copyto(out, self._pictures[self._next])
        self._next = (self._next + 1) % COUNT
        return time.monotonic()

    def close(self) -> None:
        """Nothing to release."""


def plan_webcam(*args: object) -> Plan:
    """The one that there is, whatever was asked for."""

    def open_it() -> Source:
        return PortraitWebcam()

    return Plan("webcam", True, WIDTH, HEIGHT, FPS, open_it)


if __name__ == "__main__":
    import livewarp.daemon.building
    from livewarp.cli.main import main

    livewarp.daemon.building.plan_source = plan_webcam
    main()
