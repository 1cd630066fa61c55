"""What 68 landmarks cost: our evaluation of the forest against dlib's, on crops of the moving portrait.

Every crop is verified before anything is timed: our points, rounded like dlib's, are dlib's. What is
compared is interleaved, crop by crop. "From warm caches" calls twice and times the second; "from
memory" overwrites 64 MB before each call, so that no leaf is left in a cache. A live frame lies between.

Run: python benchmarks/landmarks.py [--samples 300]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dlib
import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import GrayFrame
from livewarp.face68 import Pose
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import forest
from livewarp.tracking import forest_kernels as kernels
from livewarp.tracking.forest import Forest, ForestLandmarks
from livewarp.tracking.landmarks import CROP_BOX_PX, CROP_SIDE_PX, DlibLandmarks, crop_face
from livewarp.tracking.weights import LANDMARKS_68, find_weights

INNER = (CROP_SIDE_PX - CROP_BOX_PX) // 2
OUTER = INNER + CROP_BOX_PX
SPOILER_BYTES = 64 << 20  # twice the last level of cache of what this was written on


@njit(nogil=True)
def plain(gray, box, mean, anchors, deltas, nodes, leaves, points):  # noqa: D103
    # What `kernels.evaluate` would be without prefetching and with one leaf at a time.
    shape = mean.copy()
    features = np.zeros(kernels.MAX_FEATURES, np.uint8)
    for cascade in range(nodes.shape[0]):
        kernels.read_pixels(gray, box, mean, shape, anchors[cascade], deltas[cascade], features)
        for tree in range(nodes.shape[1]):
            i = 0
            while i < kernels.N_SPLITS:
                node = np.int64(nodes[cascade, tree, i])
                difference = np.int64(features[node & 511]) - np.int64(features[node >> 9 & 511])
                i = 2 * i + 1 if difference + 256 > node >> 18 else 2 * i + 2
            leaf = leaves[cascade, tree, i - kernels.N_SPLITS]
            for k in range(kernels.N_COORDINATES):
                shape[k] += leaf[k]
    for i in range(points.shape[0]):
        points[i, 0] = box[0] + box[2] * shape[2 * i]
        points[i, 1] = box[1] + box[3] * shape[2 * i + 1]


@njit(nogil=True)
def all_pixels(gray, box, mean, anchors, deltas, features):  # noqa: D103
    for cascade in range(anchors.shape[0]):
        kernels.read_pixels(gray, box, mean, mean, anchors[cascade], deltas[cascade], features)


@njit(nogil=True)
def all_trees(nodes, features, leaves, starts):  # noqa: D103
    for cascade in range(nodes.shape[0]):
        kernels.walk_trees(nodes[cascade], features, leaves[cascade].reshape(-1), starts[cascade])


@njit(nogil=True)
def all_leaves(leaves, starts, shape):  # noqa: D103
    for cascade in range(starts.shape[0]):
        kernels.add_leaves(leaves[cascade].reshape(-1), starts[cascade], shape)


def portrait_crops(count: int) -> list[tuple[GrayFrame, Pose]]:
    """Crops of the moving portrait at 720p, with their poses."""
    source = PortraitSource(1280, 720)
    frame = np.empty((720, 1280, 3), np.uint8)
    crops = []
    for index in range(count):
        source.render(2 * index, frame)
        pose = source.truth(2 * index).pose
        crops.append((crop_face(frame, pose), pose))
    return crops


def timed(
    calls: dict[str, Callable[[GrayFrame, Pose], object]],
    crops: list[tuple[GrayFrame, Pose]],
    samples: int,
    spoil: bool,
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of each call, interleaved."""
    spoiler = np.zeros(SPOILER_BYTES if spoil else 0, np.uint8)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for crop, pose in crops[:3]:
        for call in calls.values():
            call(crop, pose)
    for i in range(samples):
        crop, pose = crops[i % len(crops)]
        for name, call in calls.items():
            if spoil:
                spoiler += 1
            else:
                call(crop, pose)
            start = time.perf_counter()
            call(crop, pose)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: np.array(values) for name, values in times.items()}


def print_table(title: str, times: dict[str, NDArray[np.float64]], baseline: str) -> None:
    """Median, p95, p99 and how many times faster than the baseline in the same run."""
    print(f"\n{title:44s} median ms   p95 ms   p99 ms   faster than dlib")
    for name, values in times.items():
        p50, p95, p99 = np.quantile(values, [0.5, 0.95, 0.99])
        print(f"  {name:42s} {p50:9.3f} {p95:8.3f} {p99:8.3f} {np.median(times[baseline]) / p50:12.1f}x")


def verify(ours: ForestLandmarks, theirs: dlib.shape_predictor, f: Forest, crops: list[tuple[GrayFrame, Pose]]) -> None:
    """Stop unless all three evaluations agree with dlib on every point of every crop."""
    rectangle = dlib.rectangle(INNER, INNER, OUTER - 1, OUTER - 1)
    box = np.array([INNER, INNER, CROP_BOX_PX - 1, CROP_BOX_PX - 1], np.float64)
    equal = total = 0
    farthest = 0.0
    for crop, _ in crops:
        expected = np.array([(p.x, p.y) for p in theirs(crop, rectangle).parts()])
        points, again = ours.evaluate(crop, (INNER, INNER, OUTER, OUTER)), np.empty((68, 2))
        plain(crop, box, *f.arrays(), again)
        if not np.array_equal(points, again):
            raise SystemExit("the plain loops differ")
        equal += int((np.floor(points + 0.5) == expected).sum())
        total += expected.size
        farthest = max(farthest, float(np.abs(points - expected).max()))
    print(f"{equal} of {total} coordinates in {len(crops)} crops round to dlib's")
    print(f"farthest from dlib's: {farthest:.4f} px, up to 0.5 is its rounding")
    if equal != total:
        raise SystemExit("not the same points: nothing is timed")


def start_up(weights: Path, repeats: int) -> None:
    """Print how long it takes until the model can be used, each the best of so many."""

    def best(call: Callable[[], object]) -> float:
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - start))
        return min(times)

    with tempfile.TemporaryDirectory() as folder:
        cached = Path(folder) / "forest.bin"
        read = forest.read_weights(weights)
        calls: dict[str, Callable[[], object]] = {
            "dlib reads the weights": lambda: dlib.shape_predictor(str(weights)),
            "we read the weights": lambda: forest.read_weights(weights),
            "we write the cache": lambda: forest._write_cached(cached, read, LANDMARKS_68.sha256),
            "we map the cache": lambda: forest._map_cached(cached, LANDMARKS_68.sha256),
        }
        print(f"\n{'Start-up, files in memory, kernels compiled':44s} best of {repeats}, ms")
        for name, call in calls.items():
            print(f"  {name:42s} {best(call):9.1f}")


def main() -> None:
    """Verify, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300, help="of each row (200 or more to be quoted)")
    samples = parser.parse_args().samples

    weights = find_weights()
    ours, theirs = ForestLandmarks(weights), DlibLandmarks(weights)
    f = ours._forest  # the same memory: another mapping would have page tables of its own to keep in the caches
    crops = portrait_crops(min(60, 3 * samples))
    verify(ours, dlib.shape_predictor(str(weights)), f, crops)

    box = np.array([INNER, INNER, CROP_BOX_PX - 1, CROP_BOX_PX - 1], np.float64)
    points = np.empty((68, 2))
    features = np.random.default_rng(0).integers(0, 256, kernels.MAX_FEATURES).astype(np.uint8)
    starts = np.zeros(f.nodes.shape[:2], np.intp)
    shape = f.mean.copy()
    calls: dict[str, Callable[[GrayFrame, Pose], object]] = {
        "dlib, as DlibLandmarks": theirs.predict,
        "ForestLandmarks, the mean over its boxes": ours.predict,
        "  the kernel alone, one box": lambda crop, pose: kernels.evaluate(crop, box[None], *f.arrays(), points[None]),
        "  without prefetch, leaf by leaf": lambda crop, pose: plain(crop, box, *f.arrays(), points),
        "  of it: 7500 pixels": lambda crop, pose: all_pixels(crop, box, *f.arrays()[:3], features),
        "  of it: 7500 trees, asking for leaves": lambda crop, pose: all_trees(f.nodes, features, f.leaves, starts),
        "  of it: 7500 leaves": lambda crop, pose: all_leaves(f.leaves, starts, shape),
    }
    for title, spoil in (("From warm caches", False), ("From memory", True)):
        print_table(title, timed(calls, crops, samples, spoil), "dlib, as DlibLandmarks")
    start_up(weights, min(5, samples))


if __name__ == "__main__":
    main()
