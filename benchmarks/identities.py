"""Identities: how many ids are given to people who hide, blur, cross and come back, and whose they are.

    python benchmarks/identities.py                 # both models, a minute
    python benchmarks/identities.py --model mesh

Each scene is put together from GRID clips in ../shared/data: three people side by side, each clip played forwards and
backwards so that it has no cut. One of them ducks out of the picture for some seconds, all three blur (a camera that
searches its focus), two change places, or leave together and come back on each other's side. Ideal is one id a person.
An id that was another person's before is a swap. The tracker is that of `livewarp apply`: the same frames give the
same figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.tracking import FaceTracker

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "video" / "grid"
TRIOS = (("bbaf2n", "lrwp9a", "sbwe5n"), ("brbk7n", "pwij3p", "swiz3n"), ("lbax4n", "lwbsza", "sbia1a"))
FPS = 25.0
TILE_HW = (288, 360)
FACE = (0.5, 0.55)  # where in a tile a face is, about
SURE = 0.3  # confidence from which a face counts


class Tile(NamedTuple):
    """Where a person is at a time: offset from their own place, px, and the sigma of the blur, px."""

    x: float = 0.0
    y: float = 0.0
    blur: float = 0.0


def _ramp(t: float, begin: float, end: float, over: float = 0.5) -> float:
    """0 outside, 1 between, straight in between."""
    return float(np.clip(min((t - begin) / over, (end - t) / over), 0.0, 1.0))


def _duck(gone_s: float) -> Callable[[int, float], Tile]:
    return lambda who, t: Tile(y=-TILE_HW[0] * _ramp(t, 2.0, 3.0 + gone_s)) if who == 1 else Tile()


def _blur(who: int, t: float) -> Tile:
    return Tile(blur=12.0 * max(_ramp(t, 2.0, 5.0), _ramp(t, 7.0, 8.5)))


def _cross(who: int, t: float) -> Tile:
    share = _ramp(t, 2.0, 99.0, 2.0)
    return Tile(x=share * TILE_HW[1] * (1, -1, 0)[who])


def _sides(who: int, t: float) -> Tile:
    """Both duck; while they are gone they change places."""
    changed = TILE_HW[1] * (1, -1, 0)[who] if t > 5.0 else 0.0
    return Tile(x=changed, y=-TILE_HW[0] * _ramp(t, 2.0, 8.0) * (who < 2))


SCENES: dict[str, tuple[float, Callable[[int, float], Tile]]] = {
    "still": (6.0, lambda who, t: Tile()),
    "gone 3 s": (9.0, _duck(3.0)),
    "gone 9 s": (15.0, _duck(9.0)),
    "gone 30 s": (36.0, _duck(30.0)),
    "blurred": (11.0, _blur),
    "crossing": (7.0, _cross),
    "other sides": (12.0, _sides),
}


class Count(NamedTuple):
    """What a scene came to, against one id a person and no swap; the share of faces that were tracked."""

    people: int
    ids: int
    swaps: int
    tracked: float


def read_clip(name: str) -> list[NDArray[np.uint8]]:
    """Its frames, forwards and backwards."""
    video, frames = cv2.VideoCapture(str(CLIPS / f"{name}.mpg")), []
    while (got := video.read())[0]:
        frames.append(cv2.resize(got[1], TILE_HW[::-1]))
    return frames + frames[-2:0:-1]


def compose(clips: Sequence[list[NDArray[np.uint8]]], index: int, places: Sequence[Tile]) -> NDArray[np.uint8]:
    """One frame: an even backdrop, before which each tile lies where its person is; the last in front."""
    h, w = TILE_HW
    frame = np.full((h, w * len(clips), 3), 90, np.uint8)
    for who, (clip, place) in enumerate(zip(clips, places, strict=True)):
        tile = clip[index % len(clip)]
        if place.blur > 0.3:
            tile = cv2.GaussianBlur(tile, (0, 0), place.blur)
        x, y = round(who * w + place.x), round(-place.y)
        x0, x1, y0, y1 = max(0, x), min(frame.shape[1], x + w), max(0, y), min(h, y + h)
        if x1 > x0 and y1 > y0:
            frame[y0:y1, x0:x1] = tile[y0 - y : y1 - y, x0 - x : x1 - x]
    return frame


def run(scene: str, clips: Sequence[list[NDArray[np.uint8]]], model: str) -> Count:
    """Count the ids of a scene."""
    seconds, place_of = SCENES[scene]
    tracker = FaceTracker(model=model)
    owners: dict[int, int] = {}
    swaps = seen = there = 0
    last: dict[int, int] = {}
    for index in range(round(seconds * FPS)):
        places = [place_of(who, index / FPS) for who in range(len(clips))]
        faces = [f for f in tracker.update(compose(clips, index, places), index / FPS) if f.confidence >= SURE]
        for who, place in enumerate(places):
            if abs(place.y) > 10 or place.blur > 1 or 20 < abs(place.x) < TILE_HW[1] - 20:
                continue
            there += 1
            at = np.array([(who + FACE[0]) * TILE_HW[1] + place.x, FACE[1] * TILE_HW[0]])
            near = [f for f in faces if np.abs([f.pose.x - at[0], f.pose.y - at[1]]).max() < 0.3 * TILE_HW[1]]
            if near:
                seen += 1
                owner = owners.setdefault(near[0].id, who)
                swaps += owner != who and last.get(who) != near[0].id
                last[who] = near[0].id
    tracker.close()
    return Count(len(clips), len(owners), swaps, seen / there)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=("dlib", "mesh"))
    parser.add_argument("--quick", action="store_true", help="one trio, short scenes")
    parser.add_argument("--scene", action="append", choices=list(SCENES))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not CLIPS.is_dir():
        print(f"identities: left out: no {CLIPS}")
        return
    trios = [[read_clip(name) for name in trio] for trio in TRIOS[: 1 if args.quick else None]]
    scenes = args.scene or [name for name, (seconds, _) in SCENES.items() if seconds < (12.0 if args.quick else 1e9)]
    results: dict[str, dict[str, list[Count]]] = {}
    print(f"{'':14}{'':8}people   ids  swaps  tracked")
    for model in args.model or ("dlib", "mesh"):
        totals = [0, 0, 0]
        for scene in scenes:
            counts = [run(scene, clips, model) for clips in trios]
            results.setdefault(model, {})[scene] = counts
            sums = [sum(c[i] for c in counts) for i in range(3)]
            totals = [a + b for a, b in zip(totals, sums, strict=True)]
            tracked = 100 * float(np.mean([c.tracked for c in counts]))
            print(f"{scene:14}{model:8}{sums[0]:6}{sums[1]:6}{sums[2]:7}{tracked:8.1f} %", flush=True)
        print(f"{'all':14}{model:8}{totals[0]:6}{totals[1]:6}{totals[2]:7}")
    if args.json:
        told = {m: {s: [c._asdict() for c in counts] for s, counts in r.items()} for m, r in results.items()}
        args.json.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
