"""Sampling alone: `kernels.sample` from a ready coarse field against `cv2.remap` with ready maps.

One thread each. Every result is compared with exact bilinear interpolation before anything is timed. What is
compared runs in turns, in an order that changes every round; a ratio is the median over rounds of (theirs /
ours) within one round.

The rows: `grid` is the product (field on a coarse grid, every `step` px); `copy` moves the same bytes and is the
floor. The fields: `everywhere` moves every pixel and leaves nothing to skip; `face` is what thinning and larger eyes
do: 30 % of the ROI moves.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import Box
from livewarp.warping import grids, kernels

FRAME_HW = (720, 1280)
ROIS = {"400x450": (437, 131, 837, 581), "240x240": (517, 231, 757, 471)}
STEPS = (4, 8)
BASELINES = ("remap float x, y", "remap fixed", "copy")
WORST = {"portrait": 1.5, "noise": 2.5}  # grey levels off exact interpolation that are allowed
Field = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def everywhere(x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Up to 6 px, at no pixel 0."""
    return np.stack([6.1 + 6.0 * np.sin(x / 61 + y / 90), 6.0 * np.cos(y / 57 + x / 143) - 6.1], axis=-1)


def face(x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Six shifts along the jaw and two eye scales, in a face half as wide as the ROI."""
    width, height = size
    iod = width / 4.4
    field = np.zeros((*x.shape, 2))
    for side in (-1, 1):
        for dx, dy, radius, amount in (
            (0.95, 0.35, 0.62, 0.06),
            (0.85, 0.85, 0.62, 0.09),
            (0.5, 1.25, 0.55, 0.07),
        ):
            cx, cy = width / 2 + side * dx * iod, height * 0.45 + dy * iod
            inside = np.clip(1 - ((x - cx) ** 2 + (y - cy) ** 2) / (radius * iod) ** 2, 0, None)
            field[..., 0] += side * amount * iod * inside**3
        cx, cy = width / 2 + side * 0.33 * iod, height * 0.45
        inside = np.clip(1 - ((x - cx) ** 2 + (y - cy) ** 2) / (0.36 * iod) ** 2, 0, None)
        field[..., 0] -= 0.45 * inside**3 * (x - cx)
        field[..., 1] -= 0.45 * inside**3 * (y - cy)
    return field


FIELDS = {"everywhere": everywhere, "face": face}


def gridded(field: Field, roi: Box, step: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The coarse grid, and what Catmull-Rom makes of it at every pixel (h, w, 2), px."""
    width, height = roi[2] - roi[0], roi[3] - roi[1]
    gh, gw = grids.grid_shape(roi, step)
    x, y = np.meshgrid((np.arange(gw) - 1.0) * step, (np.arange(gh) - 1.0) * step)
    grid = field(x, y, (width, height)).astype(np.float32)

    def along(nodes: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        k, i = np.divmod(np.arange(n), step)
        weights = np.array([grids.weigh(m / step) for m in range(step)], np.float32).astype(np.float64)
        return sum(weights[i, m, None, None] * nodes[k + m] for m in range(4))

    return grid, along(along(grid.astype(np.float64), height).transpose(1, 0, 2), width).transpose(1, 0, 2)


def bilinear(source: NDArray[np.uint8], u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact, clamped to the source."""
    height, width, _ = source.shape
    u, v = np.clip(u, 0, width - 1), np.clip(v, 0, height - 1)
    x, y = np.minimum(u.astype(int), width - 2), np.minimum(v.astype(int), height - 2)
    fx, fy = (u - x)[..., None], (v - y)[..., None]
    s = source.astype(np.float64)
    upper = s[y, x] * (1 - fx) + s[y, x + 1] * fx
    lower = s[y + 1, x] * (1 - fx) + s[y + 1, x + 1] * fx
    return upper * (1 - fy) + lower * fy


def runs(
    frame: NDArray[np.uint8], field: Field, roi: Box
) -> tuple[dict[str, Callable[[], NDArray[np.uint8]]], dict[str, tuple[float, float]]]:
    """Return what is timed, by name, and of each the worst and the mean error, grey levels."""
    x0, y0, x1, y1 = roi
    result: dict[str, Callable[[], NDArray[np.uint8]]] = {}
    errors: dict[str, tuple[float, float]] = {}
    x, y = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
    view = np.s_[y0:y1, x0:x1]

    def add(name: str, run: Callable[[], NDArray[np.uint8]], exact: NDArray[np.float64]) -> None:
        result[name] = run
        error = run() - exact
        errors[name] = float(np.abs(error).max()), float(error.mean())

    for step in STEPS:
        grid, shift = gridded(field, roi, step)
        out = frame.copy()

        def product(grid=grid, step=step, out=out):  # type: ignore[no-untyped-def]
            kernels.sample(frame, out, grid.reshape(-1), np.array([roi]), np.array([float(step)]), (0, 0))
            return out[view]

        exact = bilinear(frame, x + shift[..., 0], y + shift[..., 1])
        add(f"grid {step}", product, exact)

    # all below sample the field of the finest grid
    _, shift = gridded(field, roi, STEPS[0])
    exact = bilinear(frame, x + shift[..., 0], y + shift[..., 1])
    both = np.stack([x + shift[..., 0], y + shift[..., 1]], axis=-1).astype(np.float32)
    map_x, map_y = np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])
    fixed, table = cv2.convertMaps(both, None, cv2.CV_16SC2)
    target = np.empty((y1 - y0, x1 - x0, 3), np.uint8)

    def remap(a, b):  # type: ignore[no-untyped-def]
        return lambda: cv2.remap(frame, a, b, cv2.INTER_LINEAR, dst=target, borderMode=cv2.BORDER_REPLICATE)

    add("remap float xy", remap(both, None), exact)
    add("remap float x, y", remap(map_x, map_y), exact)
    add("remap fixed", remap(fixed, table), exact)

    def copy() -> NDArray[np.uint8]:
        np.copyto(target, frame[view])
        return target

    result["copy"] = copy
    return result, errors


def measure(functions: dict[str, Callable[[], object]], samples: int) -> dict[str, NDArray[np.float64]]:
    """Seconds, (samples,) of each; the order rotates from round to round."""
    names = list(functions)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for n in range(samples + 10):
        for name in names[n % len(names) :] + names[: n % len(names)]:
            start = time.perf_counter()
            functions[name]()
            seconds = time.perf_counter() - start
            if n >= 10:  # warmed up
                taken[name].append(seconds)
    return {name: np.array(values) for name, values in taken.items()}


def pictures(portrait: Path | None) -> dict[str, NDArray[np.uint8]]:
    """White noise is the worst case of accuracy; a portrait the real one."""
    result = {"noise": np.random.default_rng(0).integers(0, 256, (*FRAME_HW, 3), dtype=np.uint8)}
    if portrait is not None:
        picture = cv2.imread(str(portrait))
        if picture is None:
            raise SystemExit(f"{portrait}: not a readable picture")
        scale = FRAME_HW[1] / picture.shape[1]
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        result["portrait"] = np.ascontiguousarray(picture[: FRAME_HW[0]])
    return result


def report(
    functions: dict[str, Callable[[], NDArray[np.uint8]]],
    errors: dict[str, tuple[float, float]],
    samples: int,
) -> dict[str, dict[str, float]]:
    """Measure, print a table, return its rows."""
    pixels = functions["copy"]().size // 3
    taken = measure(functions, samples)
    print(
        f"{'':18}{'median ms':>10}{'p95 ms':>9}{'ns/px':>7}{'worst':>8}{'mean':>9}"
        f"{'float/':>9}{'fixed/':>9}{'copy/':>9}"
    )
    rows = {}
    for name, seconds in taken.items():
        median, p95 = float(np.median(seconds)), float(np.quantile(seconds, 0.95))
        worst, mean = errors.get(name, (0.0, 0.0))
        row = {"median_ms": 1e3 * median, "p95_ms": 1e3 * p95, "worst_error": worst, "mean_error": mean}
        for other in BASELINES:
            row[f"times_faster_than_{other}"] = float(np.median(taken[other] / seconds))
        ratios = "".join(f"{row[f'times_faster_than_{other}']:8.2f}x" for other in BASELINES)
        print(
            f"{name:18}{1e3 * median:10.4f}{1e3 * p95:9.4f}{1e9 * median / pixels:7.2f}{worst:8.2f}{mean:9.4f}{ratios}"
        )
        rows[name] = row
    return rows


def main() -> None:
    """Verify, measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portrait", type=Path, help="a picture of a face, enlarged to 1280 px width")
    parser.add_argument("--samples", type=int, default=300, help="rounds, default %(default)s")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    results: dict[str, object] = {"machine": platform.machine(), "opencv": cv2.__version__}
    for picture, frame in pictures(args.portrait).items():
        for field in FIELDS:
            for name, roi in ROIS.items():
                functions, errors = runs(frame, FIELDS[field], roi)
                verify(errors, worst_limit=WORST[picture])
                print(f"\n{picture}, field {field}, ROI {name}, {args.samples} rounds")
                results[f"{picture} {field} {name}"] = report(functions, errors, args.samples)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


def verify(errors: dict[str, tuple[float, float]], worst_limit: float) -> None:
    """Nothing is timed that is not right."""
    for name in (f"grid {step}" for step in STEPS):
        worst, mean = errors[name]
        if worst > worst_limit or abs(mean) >= 0.1:
            raise SystemExit(f"{name} is {worst} grey levels off, {mean} on average")


if __name__ == "__main__":
    main()
