"""Draws the backgrounds that come with livewarp: python tools/draw_backgrounds.py livewarp/assets/backgrounds.

Every picture is drawn from formulas and a fixed seed, out of focus where a room would be, so that nothing competes with
the person before it. All are 1280x720, with a little noise against bands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1280, 720
Picture = NDArray[np.float32]  # (HEIGHT, WIDTH, 3) BGR, 0 to 255


def gradient(*stops: tuple[float, str]) -> Picture:
    """Colours from top to bottom, at these shares of the height."""
    places = [stop[0] for stop in stops]
    colours = np.array([bgr(stop[1]) for stop in stops])
    at = (np.arange(HEIGHT) + 0.5) / HEIGHT
    column = np.stack([np.interp(at, places, colours[:, c]) for c in range(3)], axis=1)
    return np.repeat(column[:, None].astype(np.float32), WIDTH, axis=1)


def bgr(colour: str) -> NDArray[np.float32]:
    """Of "#rrggbb"."""
    return np.array(list(bytes.fromhex(colour[1:]))[::-1], np.float32)


def over(picture: Picture, colour: str, alpha: NDArray[np.floating]) -> None:
    """Lay a colour over a picture, (HEIGHT, WIDTH) 0 to 1."""
    picture += (bgr(colour) - picture) * alpha[..., None].astype(np.float32)


def smooth_noise(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """(HEIGHT, WIDTH), -1 to 1."""
    small = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


def soften(picture: Picture, sigma: float) -> Picture:
    """Out of focus: mostly a disc, as a lens makes it."""
    radius = max(1, round(sigma * 1.6))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (x * x + y * y <= radius * radius).astype(np.float32)
    linear = (picture / 255.0) ** 2.2
    blurred = cv2.filter2D(linear, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.GaussianBlur(blurred ** (1 / 2.2) * 255.0, (0, 0), sigma * 0.4), np.float32)


def vignette(picture: Picture, amount: float) -> None:
    """Darker towards the corners."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    picture *= (1.0 - amount * np.clip((x * x + y * y) / 2.0, 0, 1) ** 1.5)[..., None].astype(np.float32)


def ridge(rng: np.random.Generator, base: float, height: float, detail: int) -> NDArray[np.float32]:
    """A mountain's outline, (WIDTH,) px from above."""
    line = np.zeros(WIDTH)
    x = np.arange(WIDTH) / WIDTH
    for octave in range(detail):
        points = rng.uniform(-1, 1, 4 * 2**octave + 1)
        line += np.interp(x, np.linspace(0, 1, points.size), points) / 1.9**octave
    line = cv2.GaussianBlur(line[None].astype(np.float32), (0, 0), 5)[0]
    return (base + height * line) * HEIGHT


def hills(rng: np.random.Generator) -> Picture:
    """Ridges in the morning haze."""
    picture = gradient((0, "#a9bccb"), (0.35, "#d9d5cf"), (0.6, "#eadbc8"), (1, "#d8cdbf"))
    y = np.arange(HEIGHT)[:, None]
    colours = ("#b6bfc4", "#98a8b0", "#768b95", "#546e79", "#3a535d")
    for i, colour in enumerate(colours):
        line = ridge(rng, 0.42 + 0.115 * i, 0.07 + 0.012 * i, 5)
        inside = np.clip((y - line[None]) / 2.0, 0, 1)
        haze = np.clip(1.0 - (y - line[None]) / (190.0 + 20 * i), 0.55, 1.0)
        over(picture, colour, inside * haze)
    return soften(picture, 2.5)


def dawn(rng: np.random.Generator) -> Picture:
    """A low sun over water."""
    picture = gradient(
        (0, "#3c4a6b"), (0.3, "#8a7590"), (0.5, "#d99a86"), (0.6, "#f0bf94"), (0.62, "#c58e82"), (1, "#3a4560")
    )
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    away = np.hypot(x - 880, (y - 400) * 1.05)
    over(picture, "#ffdcae", 0.75 * np.exp(-((away / 240) ** 2)))
    over(picture, "#fff0d2", np.clip((46 - away) / 6, 0, 1) * (y < 440))
    clouds = smooth_noise(rng, 26, 7) * np.exp(-(((y - 200) / 170) ** 2))
    over(picture, "#f3b7a0", np.clip(clouds - 0.15, 0, 1) * 0.55)
    waves = smooth_noise(rng, 150, 22) * (y > 446)
    path = np.exp(-(((x - 880) / (60 + (y - 440) * 0.55)) ** 2)) * (y > 446)
    over(picture, "#ffd9a8", np.clip(waves * 0.8 + 0.2, 0, 1) * path * 0.75)
    over(picture, "#2c3650", np.clip(waves, 0, 1) * 0.25)
    return soften(picture, 2.0)


def paper(rng: np.random.Generator) -> Picture:
    """A warm wall with the light of a window on it."""
    picture = gradient((0, "#e9e2d6"), (0.7, "#ddd3c4"), (1, "#cfc3b2"))
    picture += 2.5 * smooth_noise(rng, 90, 160)[..., None] + 2.0 * smooth_noise(rng, 9, 16)[..., None]
    light = np.zeros((HEIGHT, WIDTH), np.float32)
    for column in range(2):
        for row in range(3):
            left, top = 690 + 190 * column, 40 + 175 * row
            corners = np.array([(left, top), (left + 165, top + 22), (left + 165, top + 172), (left, top + 150)])
            cv2.fillConvexPoly(light, corners - (60 * row, 0), 1.0, cv2.LINE_AA)
    leaves = smooth_noise(rng, 14, 24)
    light = cv2.GaussianBlur(light, (0, 0), 9) * (0.75 + 0.25 * np.clip(leaves * 2 + 0.6, 0, 1))
    over(picture, "#fff3d8", 0.6 * light)
    vignette(picture, 0.22)
    return picture


def lights(rng: np.random.Generator) -> Picture:
    """A city at night, far out of focus."""
    picture = gradient((0, "#0d1722"), (0.55, "#16283a"), (1, "#0a121b"))
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    colours = ("#ffb066", "#ff8a4a", "#ffd59a", "#7fc8d8", "#e86a5a", "#9fb8ff")
    glow = np.zeros_like(picture)
    for _ in range(70):
        radius = rng.uniform(14, 46)
        cx, cy = rng.uniform(0, WIDTH), np.clip(rng.normal(0.52, 0.17), 0.05, 0.95) * HEIGHT
        away = np.hypot(x - cx, y - cy)
        disc = np.clip((radius - away) / 2.0, 0, 1) * (0.72 + 0.28 * np.clip(away / radius, 0, 1) ** 4)
        glow += disc[..., None] * bgr(colours[rng.integers(len(colours))]) * rng.uniform(0.12, 0.5)
    picture = 255.0 - (255.0 - picture) * (1.0 - np.clip(glow / 255.0, 0, 1))
    picture = np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.6))
    vignette(picture, 0.35)
    return picture


def shelf(rng: np.random.Generator) -> Picture:
    """Books, a vase and a plant on two boards, out of focus."""
    picture = gradient((0, "#cfd2cc"), (1, "#b4b8b0"))
    books = ("#6e7f80", "#b08d6a", "#8c4f43", "#d7c9ae", "#4f5f6e", "#a3a78d", "#c9b18f", "#394650")
    for board in (250, 500):
        x = 70 + int(rng.integers(60))
        while x < WIDTH - 60:
            if rng.random() < 0.1:
                x += int(rng.integers(90, 240))
                continue
            width, height = int(rng.integers(16, 40)), int(rng.integers(105, 175))
            colour = [float(v) for v in bgr(books[rng.integers(len(books))]) * rng.uniform(0.85, 1.1)]
            cv2.rectangle(picture, (x, board - height), (x + width - 2, board), colour, -1)
            band = board - height + int(rng.integers(18, 40))
            cv2.rectangle(picture, (x, band), (x + width - 2, band + 6), [v * 1.15 for v in colour], -1)
            x += width
        cv2.rectangle(picture, (0, board), (WIDTH, board + 18), [float(v) for v in bgr("#8f7657")], -1)
        shade = np.exp(-np.clip(np.arange(HEIGHT) - board - 18, 0, None) / 22.0) * (np.arange(HEIGHT) > board + 18)
        over(picture, "#5c5a52", np.repeat(0.45 * shade[:, None], WIDTH, axis=1))
    for _ in range(26):
        angle = rng.uniform(-1.25, 1.25)
        tip = 1090 + 150 * np.sin(angle) * rng.uniform(0.6, 1), 500 - 60 - 150 * np.cos(angle) * rng.uniform(0.6, 1)
        shade = rng.uniform(0.75, 1.1)
        centre = int((1090 + tip[0]) / 2), int((440 + tip[1]) / 2)
        length = int(np.hypot(tip[0] - 1090, tip[1] - 440) / 2)
        turn = np.degrees(np.arctan2(tip[1] - 440, tip[0] - 1090))
        cv2.ellipse(picture, centre, (length, 13), turn, 0, 360, [float(v) for v in bgr("#5d7a58") * shade], -1)
    pot = np.array([(1045, 435), (1135, 435), (1122, 500), (1058, 500)])
    cv2.fillConvexPoly(picture, pot, [float(v) for v in bgr("#c48a66")])
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    over(picture, "#fff2d6", 0.4 * np.exp(-(((x - 180) / 420) ** 2) - ((y - 60) / 380) ** 2))
    vignette(picture, 0.25)
    return soften(picture, 7.0)


def studio(rng: np.random.Generator) -> Picture:
    """A photographer's backdrop in grey green."""
    picture = gradient((0, "#4a5a58"), (1, "#36423f"))
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    over(picture, "#8fa39a", 0.8 * np.exp(-(((x - 640) / 520) ** 2) - ((y - 330) / 330) ** 2))
    for rows, columns, size in ((5, 8, 6.0), (12, 20, 4.0), (40, 70, 1.5)):
        picture += size * smooth_noise(rng, rows, columns)[..., None]
    vignette(picture, 0.3)
    return picture


PICTURES: dict[str, Callable[[np.random.Generator], Picture]] = {
    "dawn": dawn,
    "hills": hills,
    "lights": lights,
    "paper": paper,
    "shelf": shelf,
    "studio": studio,
}


def main() -> None:
    """Draw all into a folder."""
    folder = Path(sys.argv[1])
    for seed, (name, draw) in enumerate(PICTURES.items()):
        rng = np.random.default_rng(seed + 17)
        picture = draw(rng) + rng.normal(0, 1.0, (HEIGHT, WIDTH, 1))
        pixels = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{name}.jpg"), pixels, (cv2.IMWRITE_JPEG_QUALITY, 88))


if __name__ == "__main__":
    main()
