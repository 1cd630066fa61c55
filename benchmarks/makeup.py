"""What make-up does to real faces: where it stays, how calm it is, how equal on light and dark skin, what it costs.

Each figure stands beside its floor and its aim. Before anything is timed, zero must give back every byte.

Run: python benchmarks/makeup.py [--quick] [--only SECTION]... [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from appearance import Painter, followed, polygon, scene_of, values
from common import Target, measure_sections
from numpy.typing import NDArray
from people import DATA, Person, clip, everybody

from livewarp.appearance.contours import CONTOURS
from livewarp.arrays import BgrFrame
from livewarp.effects import EFFECTS, Dye
from livewarp.face68 import Face
from livewarp.filtering.filter import FaceFilter
from livewarp.scene import Scene

MAKEUP = {e.name: part.region for e in EFFECTS.values() for part in e.parts if isinstance(part, Dye)}
ALL = dict.fromkeys(MAKEUP, 1.0)
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)


def lab(frame: BgrFrame) -> NDArray[np.float32]:
    """CIELAB, D65."""
    return np.asarray(cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_BGR2LAB))


def region(shape: tuple[int, ...], face: Face, name: str, grow_iod: float = 0.0) -> NDArray[np.bool_]:
    """Where a contour has anything, and so much around it."""
    contour, mask = CONTOURS[name], np.zeros(shape[:2], np.uint8)
    places = (contour.corners.on(face) * 16).round().astype(np.int32)
    for t in contour.triangles[(contour.amounts[contour.triangles] > 0).any(axis=1)]:
        cv2.fillConvexPoly(mask, places[t], 1, shift=4)
    side = 2 * round(grow_iod * face.pose.iod_px + 1) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))).astype(bool)


def between(shape: tuple[int, ...], outline: NDArray[Any], shrunk_px: int) -> NDArray[np.bool_]:
    """Inside an outline that may bend inwards, as the inner lips of a smile do, and so far from it."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1)
    return cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * shrunk_px + 1,) * 2)).astype(bool)


def outside(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """What changes beside each region, and what lipstick changes between the lips of mouths that are open."""
    targets = []
    for name, where in MAKEUP.items():
        beside = []
        for person in people:
            moved = np.abs(painter.draw(person, **{name: 1.0}).astype(np.float32) - person.frame).mean(axis=2)
            face = person.scene.faces[0]
            near = region(moved.shape, face, where, 0.15) & ~region(moved.shape, face, where, 0.01)
            beside.append(float(moved[near].mean()))
        targets.append(Target(f"{name}=1: mean change within 0.15 IOD beside it", max(beside), 0.3, 0.1, "levels"))
    teeth = []
    for person in people:
        points, iod = person.landmarks, person.scene.faces[0].pose.iod_px
        mask = between(person.frame.shape, points[INNER_LIPS], round(0.015 * iod))
        if np.hypot(*(points[62] - points[66])) > 0.08 * iod and mask.any():
            moved = np.abs(painter.draw(person, lipstick=1.0).astype(np.float32) - person.frame).mean(axis=2)
            teeth.append(float(moved[mask].mean()))
    targets.append(Target(f"lipstick=1: mean change between {len(teeth)} open lips", max(teeth), 3, 1, "levels"))
    return {"open mouths": len(teeth)}, targets


def equal(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """Whether dark and light skin get the same: strength, the change of the channels' logarithms, against luminance."""
    targets, rows = [], {}
    for name, where in MAKEUP.items():
        strength, light, seen = [], [], []
        for person in people:
            drawn = painter.draw(person, **{name: 1.0})
            apart = np.abs(np.log(drawn + 8.0) - np.log(person.frame + 8.0)).max(axis=2)
            mask = region(apart.shape, person.scene.faces[0], where)
            strength.append(float(np.quantile(apart[mask], 0.75)))
            light.append(float(np.median(lab(person.frame)[..., 0][polygon(apart.shape, person.landmarks[2:15], -6)])))
            seen.append(float(np.quantile(np.linalg.norm(lab(drawn) - lab(person.frame), axis=2)[mask], 0.75)))
        r = abs(float(np.corrcoef(strength, light)[0, 1]))
        order = np.array_split(np.argsort(light), 4)
        rows[name] = [round(float(np.median(np.array(seen)[quarter])), 1) for quarter in order]
        targets.append(Target(f"{name}=1: strength against skin luminance, |r|", r, 0.3, 0.15))
    return {"CIELAB difference by quarter, dark to light": rows}, targets


def speech(clips: int, count: int) -> tuple[dict[str, Any], list[Target]]:
    """On clips of speech: flicker of the lips, and how far the dye's edge is from the lips' own, % of the IOD."""
    ratios, edges = [], []
    for path in sorted((DATA / "video" / "grid").glob("*.mpg"))[:clips]:
        frames = [cv2.resize(f, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for f in clip(path, 5, count)]
        drawn, scenes = followed(frames, **ALL)
        pairs = [(f, d, s.faces[0]) for f, d, s in zip(frames, drawn, scenes, strict=True) if s.faces]
        ratios.append(_jitter([(d, face) for _, d, face in pairs]) / _jitter([(f, face) for f, _, face in pairs]))
        edges += [_edge(frame, picture, face) for frame, picture, face in pairs]
    if not ratios:
        print("speech: not measured; the clips are missing")
        return {}, []
    far = np.array([e for e in edges if e is not None])
    steady = np.abs(far - np.median(far))
    return {"clips": len(ratios), "edges": len(far)}, [
        Target("flicker at lips and eyes, times the input's, worst clip", max(ratios), 1.2, 1.1, "x"),
        Target("lower edge of the dye against the lip's own, middle", abs(float(np.median(far))), 1, 0.5, "% IOD"),
        Target("the same, how far it strays from that, median", float(np.median(steady)), 1, 0.5, "% IOD"),
    ]


def _jitter(clip_: Sequence[tuple[BgrFrame, Face]]) -> float:
    """Mean second difference over time at the landmarks of lips and eyes, levels."""
    rows = []
    for frame, face in clip_:
        blurred = cv2.blur(frame, (5, 5))
        at = np.r_[face.landmarks[36:68], CONTOURS["brow_hair"].corners.on(face)[::5]].round().astype(int)
        rows.append(blurred[np.clip(at[:, 1], 0, frame.shape[0] - 1), np.clip(at[:, 0], 0, frame.shape[1] - 1)])
    series = np.array(rows, np.float32)
    return float(np.abs(series[2:] - 2 * series[1:-1] + series[:-2]).mean())


def _edge(frame: BgrFrame, drawn: BgrFrame, face: Face) -> float | None:
    """How far below the lip's own lower edge, where its redness falls most, the dye ends, % of the IOD."""
    points, iod = face.landmarks, face.pose.iod_px
    down = points[57] - points[51]
    down /= np.linalg.norm(down) + 1e-6
    steps = np.arange(-0.10, 0.12, 0.004)
    line = points[57] + steps[:, None] * iod * down
    strip = [line + s * iod * np.array([-down[1], down[0]]) for s in (-0.05, -0.025, 0.0, 0.025, 0.05)]
    at = np.array(strip, np.float32)

    def along(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR).mean(axis=0)

    redness = np.convolve(along(lab(frame)[..., 1]), np.ones(5) / 5, "same")
    fall = -np.gradient(redness)[4:-4]
    dye = along(np.abs(drawn.astype(np.float32) - frame).sum(axis=2))
    if fall.max() < 0.25 or dye.max() < 10:
        return None  # a lip without an edge, or a mouth that is hidden
    ends = int(np.flatnonzero(dye > 0.5 * dye.max())[-1])
    return 100.0 * float(steps[ends] - steps[4 + int(np.argmax(fall))])


def cost(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """CPU of one thread a frame: all make-up, above nothing and above another effect, which shares the groundwork."""
    frame, scene = scene_of(1280, 720, 137.0, 1)
    wanted: list[dict[str, float]] = [{}, {"teeth": 0.01}, dict.fromkeys(MAKEUP, 0.7), {**ALL, "teeth": 0.01}]
    filters = [FaceFilter(values(**w), glide_s=0.0) for w in wanted]
    out, spent = np.empty_like(frame), [[] for _ in wanted]  # type: ignore[var-annotated]
    for round_ in range(12 if quick else 150):
        for k in range(len(wanted)) if round_ % 2 else reversed(range(len(wanted))):
            began_s = time.thread_time()
            filters[k].render(frame, scene, out)
            spent[k].append(time.thread_time() - began_s)
    nothing, teeth, makeup, both = (1e3 * statistics.median(s[5:]) for s in spent)
    filters[0].render(frame, scene, out)
    if not np.array_equal(out, frame):
        sys.exit("all at 0 changes bytes")
    return {}, [
        Target("CPU a frame: all make-up, 720p, face 220 px", makeup - nothing, 1, 0.4, "ms"),
        Target("the same beside another effect", both - teeth, 1, 0.4, "ms"),
    ]


def covered(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """Cups of several colours before the mouth: on how many anything changes that can be seen."""
    changes = []
    for person in people:
        face = person.scene.faces[0]
        x, y = face.landmarks[48:68].mean(axis=0)
        half = 0.42 * face.pose.iod_px
        box = slice(int(y - half), int(y + half)), slice(int(x - half), int(x + half))
        for colour in ((235, 238, 240), (150, 90, 30), (40, 45, 40), (60, 140, 60)):
            frame = person.frame.copy()
            frame[box] = colour
            drawn = painter.draw(Person(person.name, frame, Scene((face,))), lipstick=1.0)
            changes.append(float(np.abs(drawn[box].astype(np.float32) - frame[box]).mean()))
    seen = 100.0 * sum(change > 0.3 for change in changes) / len(changes)
    return {"cups": len(changes), "worst": round(max(changes), 2)}, [
        Target(f"lipstick=1: of {len(changes)} cups before the mouth, changed by over 0.3 levels", seen, 5, 1, "%")
    ]


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few people, few frames: to see that it runs")
    parser.add_argument("--only", action="append", help="a section; may be repeated")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    only = set(options.only or ())
    people = [] if only and only <= {"cost", "speech"} else everybody(3 if options.quick else 99)
    painter = Painter()
    sections: dict[str, Callable[[], tuple[dict[str, Any], list[Target]]]] = {
        "outside": lambda: outside(people, painter),
        "covered": lambda: covered(people, painter),
        "equal": lambda: equal(people, painter),
        "speech": lambda: speech(1 if options.quick else 99, 12 if options.quick else 60),
        "cost": lambda: cost(options.quick),
    }
    measure_sections(sections, options, "makeup")


if __name__ == "__main__":
    main()
