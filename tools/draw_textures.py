"""Draw livewarp/assets/textures/age.npz from the table in `wrinkle_table.py`.

Usage: python tools/draw_textures.py [--picture PICTURE.png]

Layers, uint8, in face axes (see `livewarp.face68`), `px_per_iod` px an IOD, the middle of the pixel (0, 0) at
`origin_iod`:

creases, volume (variants, the same of both belong together)
    128: nothing; else a gain of exp((value - 128) / 127 * scale) on luminance at full strength. Creases are what is
    crisp of lines; volume is folds, bags and the soft part of lines, which comes first.
fine (variants)
    The same: fine lines and pores.
pigment (variants)
    0: nothing, 255: a spot at its darkest.

Volume is smooth, and kept at a quarter of the size. The same table and seeds give the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from wrinkle_table import CLEAR, CREASES, FOREHEAD, GRAINS, PATCHES, PORES, SPOTS, Crease, Grain

PX_PER_IOD = 320
LEFT, TOP, RIGHT, BOTTOM = -1.0, -0.95, 1.0, 1.55
WIDTH, HEIGHT = round((RIGHT - LEFT) * PX_PER_IOD), round((BOTTOM - TOP) * PX_PER_IOD)
CREASE_VARIANTS, FINE_VARIANTS, PIGMENT_VARIANTS = 3, 2, 4
SCALES = {"creases": 0.9, "volume": 0.9, "fine": 0.5}  # log gain at 0 and 255
CREASE_LEVELS, FINE_LEVELS = 2, 4  # steps of these layers: noise beyond them would only swell the file
SOFT_IOD, SOFT_SHARE = 0.016, 0.75  # how wide the soft part of a line is, and how much of the line
COARSE = 4  # volume is kept at this part of the size

Map = NDArray[np.float32]
X, Y = (
    axis.astype(np.float32)
    for axis in np.meshgrid(LEFT + (np.arange(WIDTH) + 0.5) / PX_PER_IOD, TOP + (np.arange(HEIGHT) + 0.5) / PX_PER_IOD)
)


def to_px(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Face axes to px, pixel centres."""
    return (points - [LEFT, TOP]) * PX_PER_IOD - 0.5


def noise(rng: np.random.Generator, sigma_px: float) -> Map:
    """Soft noise of mean 0 and deviation 1."""
    soft = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), (0, 0), sigma_px)
    return soft / soft.std()


def wander(rng: np.random.Generator, count: int, length: float) -> NDArray[np.float64]:
    """A curve of `count` values, deviation 1, that changes over `length` of them."""
    soft = cv2.GaussianBlur(rng.standard_normal((1, count + 400)), (0, 0), length)[0, 200:-200]
    return soft / max(soft.std(), 1e-9)


def curve(points: NDArray[np.float64], count: int = 200) -> NDArray[np.float64]:
    """(count, 2): a Catmull-Rom spline through the points, evenly spaced along its length."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, 60, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    dense = np.vstack([*pieces, points[-1:]])
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(dense, axis=0).T))]
    even = np.linspace(0, along[-1], count)
    return np.stack([np.interp(even, along, dense[:, k]) for k in (0, 1)], axis=1)


def draw_crease(canvas: Map, crease: Crease, mirrored: bool, rng: np.random.Generator) -> None:
    """Add a groove with soft lips: darkest on the line, its walls shaded, the skin beside it swollen."""
    given = np.array(crease.points)
    size = float(np.hypot(*np.ptp(given, axis=0)))
    line = curve(given + rng.normal(0, 0.025 * min(size, 0.2), given.shape))
    length = float(np.hypot(*np.diff(line, axis=0).T).sum())
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # to the left of the way, y down
    line += normal * (0.006 * min(1.0, length / 0.4) * wander(rng, len(line), 22))[:, None]
    if mirrored:
        line[:, 0] *= -1
        normal[:, 0] *= -1

    s = np.linspace(0, 1, len(line))
    fade = np.clip(np.minimum(s, 1 - s) / crease.taper, 0, 1)
    fade = fade * fade * (3 - 2 * fade)
    depth = (
        crease.depth
        * rng.uniform(0.75, 1.15)
        * fade
        * np.clip(1 + crease.broken * wander(rng, len(line), 14), 0.1, 1.6)
    )
    width = crease.width_iod * (0.55 + 0.45 * fade) * np.clip(1 + 0.16 * wander(rng, len(line), 25), 0.7, 1.35)

    reach = 9 * crease.width_iod
    (x0, y0), (x1, y1) = (
        np.floor(to_px(line.min(0) - reach)).astype(int),
        np.ceil(to_px(line.max(0) + reach)).astype(int),
    )
    rows, columns = slice(max(y0, 0), min(y1, HEIGHT)), slice(max(x0, 0), min(x1, WIDTH))
    x, y = X[rows, columns], Y[rows, columns]
    nearest = np.full(x.shape, 1e9, np.float32)
    index = np.zeros(x.shape, np.int64)
    for i, (px, py) in enumerate(line):
        apart = (x - px) ** 2 + (y - py) ** 2
        closer = apart < nearest
        nearest[closer], index[closer] = apart[closer], i
    apart = np.sqrt(nearest)
    side = (x - line[index, 0]) * normal[index, 0] + (y - line[index, 1]) * normal[index, 1]
    a, w = depth[index], width[index]
    groove = 0.70 * np.exp(-0.5 * (apart / w) ** 2) + 0.30 * np.exp(-0.5 * (apart / (2.8 * w)) ** 2)
    lip = np.where(side > 0, crease.lips[0], crease.lips[1])
    # Softly from one side to the other, so that the two lips do not meet in a step.
    lip = lip * (1 - np.exp(-0.5 * (side / w) ** 2)) * np.exp(-0.5 * ((apart - 2.4 * w) / (2.2 * w)) ** 2)
    canvas[rows, columns] += (a * (0.6 * lip - groove)).astype(np.float32)


def forehead(rng: np.random.Generator) -> list[Crease]:
    """The lines of one person's forehead: rows of pieces that differ in depth, length and height, and short ones."""
    f = FOREHEAD
    found, y = [], f.lowest_iod + rng.uniform(-0.02, 0.015)
    while y > f.highest_iod:
        # Lower in the middle and at the ends; no two rows have the same bend.
        dip, arch, tilt = rng.uniform(0.0, 0.025), rng.uniform(0.012, 0.042), rng.normal(0, 0.010)
        half = f.half_width_iod * rng.uniform(0.72, 1.05) * (1 - 0.5 * max(0.0, -0.55 - y))
        count = int(rng.integers(f.pieces[0], f.pieces[1] + 1))
        ends = np.sort(np.r_[-half, half, rng.uniform(-0.6 * half, 0.6 * half, count - 1)])
        middle = 1 - 0.6 * abs((y + 0.56) / 0.2) ** 2  # the rows half way up are the deepest
        for a, b in itertools.pairwise(ends):
            if rng.random() < f.missing or b - a < 0.16:
                continue
            a, b, lift = a - rng.uniform(-0.02, 0.04), b + rng.uniform(-0.02, 0.04), rng.normal(0, 0.009)
            x = np.linspace(a, b, 5)
            bend = dip * np.exp(-0.5 * (x / 0.10) ** 2) - arch * np.exp(-0.5 * ((np.abs(x) - 0.26) / 0.14) ** 2)
            points = np.stack([x, y + lift + bend + tilt * x / half + rng.normal(0, 0.002, 5)], axis=1)
            found.append(
                Crease(
                    tuple(map(tuple, points)),
                    float(rng.uniform(*f.depth) * max(middle, 0.35)),
                    float(rng.uniform(*f.width_iod) * np.clip((b - a) / 0.4, 0.55, 1.0)),
                    taper=0.45,
                    broken=0.5,
                    both=False,
                )
            )
        y -= rng.uniform(*f.apart_iod)
    for _ in range(f.fragments):
        x, at = rng.uniform(-0.36, 0.36), rng.uniform(f.highest_iod, -0.37)
        length = rng.uniform(0.05, 0.11)
        points = ((x - length, at + rng.normal(0, 0.006)), (x, at - 0.004), (x + length, at + rng.normal(0, 0.006)))
        found.append(Crease(points, float(rng.uniform(0.10, 0.24)), 0.0048, taper=0.5, broken=0.4, both=False))
    return found


def creases(rng: np.random.Generator) -> Map:
    """Every crease of one person, on both sides where it is for both."""
    canvas = np.zeros((HEIGHT, WIDTH), np.float32)
    for crease in (*CREASES, *forehead(rng)):
        for mirrored in (False, True) if crease.both else (False,):
            if rng.random() < crease.odds:
                draw_crease(canvas, crease, mirrored, rng)
    return 0.8 * np.tanh(canvas / 0.8)  # where creases cross, they do not add up


def volume(rng: np.random.Generator) -> Map:
    """Every patch of light and shade, and a little unevenness."""
    canvas = np.zeros((HEIGHT, WIDTH), np.float32)
    for patch in PATCHES:
        for side in (1, -1) if patch.both else (1,):
            turn = np.radians(patch.turn_deg) * side
            x, y = X - patch.at[0] * side, Y - patch.at[1]
            u = (x * np.cos(turn) + y * np.sin(turn)) / patch.radius_iod[0]
            v = (y * np.cos(turn) - x * np.sin(turn)) / patch.radius_iod[1]
            canvas += patch.light * np.exp(-0.5 * (u * u + v * v))
    return canvas + 0.014 * noise(rng, 12)


def lines_and_volume(seed: int, free: Map) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Creases and volume of one person as they are kept: what is soft of a line belongs to the volume."""
    lines = creases(np.random.default_rng(seed))
    soft = cv2.GaussianBlur(lines, (0, 0), SOFT_IOD * PX_PER_IOD)
    broad = (volume(np.random.default_rng(seed + 1)) + SOFT_SHARE * soft) * free
    small = cv2.resize(broad, None, fx=1 / COARSE, fy=1 / COARSE, interpolation=cv2.INTER_AREA)
    crisp = (lines - 0.5 * SOFT_SHARE * soft) * free
    return as_bytes(crisp, SCALES["creases"], CREASE_LEVELS), as_bytes(small, SCALES["volume"])


def draw_lines(canvas: Map, grain: Grain, side: int, rng: np.random.Generator) -> None:
    """Add short thin lines, more of them in the middle of the region than at its edge."""
    count = int(900 * grain.amount * grain.radius_iod[0] * grain.radius_iod[1] / 0.05)
    layers = [np.zeros((HEIGHT, WIDTH), np.float32) for _ in range(4)]
    for i in range(count):
        at = np.array(grain.at) + rng.standard_normal(2) * grain.radius_iod * [0.6, 0.6]
        if grain.fan is None:
            turn = np.radians(grain.direction_deg) + rng.normal(0, 0.22)
        else:
            away = at - grain.fan
            turn = np.arctan2(away[1], away[0]) + rng.normal(0, 0.14)
        length = grain.length_iod * np.exp(rng.normal(-0.4, 0.45))
        bend = rng.normal(0, 0.10)
        t = np.linspace(-0.5, 0.5, 7)
        along = np.stack([t, bend * (t * t - 0.08) * 4], axis=1) * length
        c, s = np.cos(turn), np.sin(turn)
        points = at + along @ np.array([[c, s], [-s, c]])
        points[:, 0] *= side
        # Two pieces: the middle of a line is deeper than its ends.
        strength = grain.depth * rng.uniform(0.25, 1.0) ** 1.5
        for piece, share in ((points, 0.45), (points[2:5], 1.0)):
            px = np.round(to_px(piece) * 16).astype(np.int32)[:, None]
            cv2.polylines(layers[i % 4], [px], False, float(strength * share), 1, cv2.LINE_AA, 4)
    canvas += sum(layers)


def fine(seed: int) -> Map:
    """Fine lines and pores of one person."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((HEIGHT, WIDTH), np.float32)
    for grain in GRAINS:
        for side in (1, -1) if grain.both else (1,):
            draw_lines(lines, grain, side, rng)
    # What is left when the wide blur is taken off is a line with soft lips, and a mean of nothing.
    grooves = cv2.GaussianBlur(np.minimum(lines, 1.5), (0, 0), 0.9) - cv2.GaussianBlur(
        np.minimum(lines, 1.5), (0, 0), 3.4
    )
    patchy = np.clip(1 + 0.45 * noise(rng, 22), 0.2, 2)
    dots = noise(rng, 1.3) - noise(rng, 3.0)
    where = sum(a * np.exp(-0.5 * (((X - x) / rx) ** 2 + ((Y - y) / ry) ** 2)) for x, y, rx, ry, a in PORES)
    return (-0.8 * grooves * patchy - 0.022 * np.maximum(dots, 0) * where).astype(np.float32)


def pigment(seed: int) -> Map:
    """Spots of one person, and a faint mottling."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((HEIGHT, WIDTH), np.float32)
    coarse, ragged = noise(rng, 7), noise(rng, 2.5)
    shares = np.array([spot[4] for spot in SPOTS])
    for _ in range(46):
        x, y, sx, sy, _ = SPOTS[rng.choice(len(SPOTS), p=shares / shares.sum())]
        at_x, at_y = rng.choice([-1, 1]) * rng.normal(x, sx), rng.normal(y, sy)
        radius = float(np.clip(0.015 * np.exp(rng.normal(0, 0.55)), 0.006, 0.044))
        turn, ratio = rng.uniform(0, np.pi), rng.uniform(0.65, 1.0)
        u = ((X - at_x) * np.cos(turn) + (Y - at_y) * np.sin(turn)) / radius
        v = ((Y - at_y) * np.cos(turn) - (X - at_x) * np.sin(turn)) / (radius * ratio)
        edge = np.clip((1.2 - np.hypot(u, v) + 0.25 * coarse + 0.16 * ragged) * 1.3, 0, 1)
        canvas = np.maximum(canvas, rng.uniform(0.25, 0.85) * edge * edge * (3 - 2 * edge))
    spots = cv2.GaussianBlur(canvas, (0, 0), 1.5) * np.clip(1 + 0.12 * ragged, 0.6, 1.3)
    mottled = np.clip(0.5 * noise(rng, 11) + 0.3 * noise(rng, 5), 0, 2) * 0.05
    return np.clip(spots + mottled, 0, 1)


def clear() -> Map:
    """1 where something may be drawn, 0 on eyes, lips and nostrils."""
    weight = np.ones((HEIGHT, WIDTH), np.float32)
    for x, y, rx, ry, edge in CLEAR:
        r = np.hypot((X - x) / rx, (Y - y) / ry)
        outside = np.clip((r - 1) * min(rx, ry) / edge, 0, 1)
        weight *= outside * outside * (3 - 2 * outside)
    return weight


def as_bytes(log_gain: Map, scale: float, step: int = 1) -> NDArray[np.uint8]:
    """128 for nothing."""
    units = np.round(np.clip(log_gain / scale, -1, 1) * 127 / step) * step
    return np.clip(128 + units, 0, 255).astype(np.uint8)


def main() -> None:
    """Draw, pack, and show if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--picture", type=Path, help="also write the layers side by side")
    options = parser.parse_args()
    free = clear()
    people = [lines_and_volume(100 + 2 * k, free) for k in range(CREASE_VARIANTS)]
    layers = {
        "creases": np.stack([lines for lines, _ in people]),
        "volume": np.stack([broad for _, broad in people]),
        "fine": np.stack([as_bytes(fine(20 + k) * free, SCALES["fine"], FINE_LEVELS) for k in range(FINE_VARIANTS)]),
        "pigment": np.stack(
            [np.round(pigment(40 + k) * free * 255).astype(np.uint8) // 4 * 4 for k in range(PIGMENT_VARIANTS)]
        ),
    }
    path = Path(__file__).parents[1] / "livewarp" / "assets" / "textures" / "age.npz"
    path.parent.mkdir(exist_ok=True)
    extent = np.array([LEFT, TOP, RIGHT, BOTTOM], np.float32)
    scales = np.array([SCALES[name] for name in ("creases", "volume", "fine")], np.float32)
    np.savez_compressed(path, px_per_iod=PX_PER_IOD, extent_iod=extent, scales=scales, **layers)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB", file=sys.stderr)
    if options.picture is not None:
        large = cv2.resize(layers["volume"][0], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(
            str(options.picture), np.hstack([*layers["creases"], large, layers["fine"][0], layers["pigment"][0]])
        )


if __name__ == "__main__":
    main()
