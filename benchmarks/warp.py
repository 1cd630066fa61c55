"""The whole warp against other ways to do the same, on the same frame and the same face, one thread each.

Everything is verified before it is timed. What is compared runs in turns, shuffled in every round; a ratio is the
median over rounds of (theirs / ours) within one round. Landmarks are given, so nobody's detection is timed. The
frame is the built-in portrait, its face 220 px wide (points 0-16) in 1280x720; other sizes crop or extend that
frame and leave the face alone, several faces stand side by side, and `area` lets the face grow with the frame.

The rows: `in place` is what the live loop calls (what it changed is put back between calls, untimed), `to another`
copies the frame, as facetweak does; `two` is thin and eyes (facetweak: face_slim and eye_size), `all` every
adjustment there is; each at half its maximum. `remap` and `sampling` start from ready maps or a ready field.

Run: python benchmarks/warp.py [--quick] [--main] [--json FILE] [--plot FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import peers
import sampling
from numpy.typing import NDArray

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import BgrFrame, Box, FloatArray
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.parameters import Parameters
from livewarp.sources.headmotion import HeadPose
from livewarp.sources.portrait import PortraitSource
from livewarp.warping import Warp, kernels
from livewarp.warping.grids import grid_shape
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import (
    BORDER_IOD,
    MARGIN_PX,
    Placed,
    exact_field,
    grid_step,
    limit,
    place_faces,
    roi_of,
    sum_strokes,
)

SIZES = {"480p": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
FACE_PX = 220.0  # between points 0 and 16
STRIP_PX = 480  # of a 1080p frame for each of several faces
TWO = ("thin", "eyes")
EYES = (36, 39), (42, 45)  # their corners
TABLE = StrokeTable(ADJUSTMENTS.values())


def parameters(names: Sequence[str]) -> Parameters:
    """These at half, all others at 0."""
    return Parameters(**(dict.fromkeys(ADJUSTMENTS, 0.0) | dict.fromkeys(names, 0.5)))


# The whole head's reach leaves too little of the frame around it to compare with formulas that know no border.
SETS = {"two": parameters(TWO), "all": parameters(tuple(name for name in ADJUSTMENTS if name != "head_size"))}


# -------------------------------------------------------------------------------------------------- scenes


@dataclass(frozen=True)
class Scene:
    """A frame and the faces in it."""

    name: str
    frame: BgrFrame
    faces: tuple[Face, ...]


def portrait(name: str, size: tuple[int, int], scale: float) -> Scene:
    """The sitter at rest, a little lower than usual: the field fades near the frame's border."""
    source = PortraitSource(*size, motion=lambda t: HeadPose(y=0.3, scale=scale))
    frame = np.empty((size[1], size[0], 3), np.uint8)
    source.render(0, frame)
    return Scene(name, frame, (Face.from_landmarks(source.truth(0).landmarks),))


def reference() -> Scene:
    """720p with a face FACE_PX wide."""
    landmarks = portrait("", SIZES["720p"], 1.0).faces[0].landmarks
    return portrait("720p", SIZES["720p"], FACE_PX / float(np.ptp(landmarks[[0, 16], 0])))


def resized(scene: Scene, name: str) -> Scene:
    """The same pixels of the face in a larger or smaller frame; what is new mirrors what is there."""
    width, height = SIZES[name]
    frame = scene.frame
    h, w = frame.shape[:2]
    add_x, add_y = max(0, width - w), max(0, height - h)
    frame = np.pad(frame, ((add_y // 2, add_y - add_y // 2), (add_x // 2, add_x - add_x // 2), (0, 0)), "symmetric")
    x, y = scene.faces[0].landmarks.mean(axis=0) + np.array([add_x // 2, add_y // 2])
    x0 = min(max(0, round(float(x)) - width // 2), frame.shape[1] - width)
    y0 = min(max(0, round(float(y)) - height // 2), frame.shape[0] - height)
    shift = np.array([add_x // 2 - x0, add_y // 2 - y0], np.float32)
    return Scene(name, np.ascontiguousarray(frame[y0 : y0 + height, x0 : x0 + width]), (moved(scene.faces[0], shift),))


def tiled(scene: Scene, n: int) -> Scene:
    """1080p with `n` upright strips that hold the face."""
    width, height = SIZES["1080p"]
    x0 = round(float(scene.faces[0].landmarks[:, 0].mean())) - STRIP_PX // 2
    above = (height - scene.frame.shape[0]) // 2
    strip = np.pad(scene.frame[:, x0 : x0 + STRIP_PX], ((above, above), (0, 0), (0, 0)), "symmetric")
    frame = np.tile(strip, (1, width // STRIP_PX, 1))
    shifts = [np.array([k * STRIP_PX - x0, above], np.float32) for k in range(n)]
    return Scene(f"{n} faces", frame, tuple(moved(scene.faces[0], shift) for shift in shifts))


def moved(face: Face, shift: NDArray[np.float32]) -> Face:
    """The face somewhere else."""
    return Face.from_landmarks(face.landmarks + shift)


# -------------------------------------------------------------------------------------------- what is timed


@dataclass(frozen=True)
class Candidate:
    """Something to time; `prepare` runs before each call and is not timed."""

    name: str
    run: Callable[[], Any]
    prepare: Callable[[], None] = lambda: None
    seconds: float = 20.0  # when to stop short of the wanted number of samples


@dataclass(frozen=True)
class Plan:
    """The first face of a scene with a set of parameters, limited, and its exact field."""

    placed: Placed
    step_px: float
    field: NDArray[np.float64]  # (h, w, 2), exact, px

    @property
    def strokes(self) -> FloatArray:
        """Those of the face."""
        return self.placed.strokes

    @property
    def roi(self) -> Box:
        """What they can move."""
        return self.placed.roi

    @property
    def view(self) -> tuple[slice, slice]:
        """Rows and columns of the ROI."""
        x0, y0, x1, y1 = self.roi
        return slice(y0, y1), slice(x0, x1)

    @property
    def touched_px(self) -> int:
        """Pixels that move."""
        return int((self.field != 0).any(axis=-1).sum())


def plan(scene: Scene, values: Parameters) -> Plan:
    """Verified: the formulas in NumPy agree with the compiled ones."""
    face = scene.faces[0]
    strokes = TABLE.place(face, values)
    roi = x0, y0, x1, y1 = roi_of(strokes, *scene.frame.shape[:2])
    height, width = scene.frame.shape[:2]
    # Nearer to the border the field fades, which no other row does.
    agree(BORDER_IOD * face.pose.iod_px, min(x0, y0, width - x1, height - y1), "px of border around the ROI")
    placed = limited(scene, values)[0]
    compiled = exact_field([placed], roi, (height, width))
    x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float64), np.arange(y0, y1, dtype=np.float64))
    field = np.stack(peers.stroke_field(placed.strokes, x, y), axis=-1)
    agree(np.abs(field - compiled).max(), 1e-3, "px between the strokes in NumPy and the compiled ones")
    return Plan(placed, grid_step(face.pose.iod_px), field)


def limited(scene: Scene, values: Parameters) -> list[Placed]:
    """The strokes of a scene's faces, as weak as they have to be together."""
    size_hw = scene.frame.shape[0], scene.frame.shape[1]
    placed = place_faces(TABLE, scene.faces, values, size_hw)
    limit(placed, size_hw, np.ones(len(ADJUSTMENTS), np.float32))
    return placed


def touched_px(scene: Scene, values: Parameters) -> int:
    """Pixels that move, of all faces together, which are alike."""
    placed = limited(scene, values)[:1]
    field = exact_field(placed, placed[0].roi, (scene.frame.shape[0], scene.frame.shape[1]))
    return int((field != 0).any(axis=-1).sum()) * len(scene.faces)


def gridded(placed: Placed, step_px: float, frame_hw: tuple[int, int]) -> FloatArray:
    """The field of a face on its grid, as `Warp` makes it."""
    field = np.zeros((*grid_shape(placed.roi, step_px), 2), np.float32)
    sum_strokes(placed, field, placed.roi[0] - step_px, placed.roi[1] - step_px, step_px, frame_hw)
    return field


def ours(scene: Scene, which: str) -> list[Candidate]:
    """The product, in place and to another array."""
    warp, values = Warp(), SETS[which]
    work, out = scene.frame.copy(), np.empty_like(scene.frame)

    changed = np.flatnonzero((warp.apply(scene.frame, scene.faces, values) != scene.frame).any(axis=(1, 2)))
    rows = slice(changed[0], changed[-1] + 1)

    def restore() -> None:
        np.copyto(work[rows], scene.frame[rows])

    return [
        Candidate(f"livewarp {which}, in place", lambda: warp.apply(work, scene.faces, values, work), restore),
        Candidate(f"livewarp {which}, to another", lambda: warp.apply(scene.frame, scene.faces, values, out)),
    ]


def facetweak(scene: Scene, which: str) -> list[Candidate]:
    """Its public `effects.apply`, with the landmarks in the form in which its own detector hands them over."""
    if peers.effects is None:
        return []
    points = [face.landmarks.astype(np.float64) for face in scene.faces]
    adjustments = peers.facetweak_adjustments(0.5, ("face_slim", "eye_size") if which == "two" else ())

    def run() -> NDArray[np.uint8]:
        out = scene.frame
        for p in points:
            out = peers.effects.apply(out, p, adjustments)
        return out

    return [Candidate(f"facetweak {which}", run)]


def recipe(scene: Scene, which: str, plan: Plan) -> list[Candidate]:
    """NumPy maps and `cv2.remap`."""
    out = scene.frame.copy()

    def run() -> BgrFrame:
        out[plan.view] = peers.opencv_recipe(scene.frame, plan.roi, plan.strokes, 1.0)
        return out

    return [Candidate(f"NumPy + remap {which}", run)]


def pictures(scene: Scene, plans: dict[str, Plan]) -> list[Candidate]:
    """Everything that makes a picture with a reshaped face."""
    landmarks = scene.faces[0].landmarks
    result = [Candidate("seed recipe, thin alone", lambda: peers.seed_recipe(scene.frame, landmarks), seconds=6.0)]
    for which, p in plans.items():
        result += ours(scene, which) + recipe(scene, which, p) + facetweak(scene, which)
    return result


def parts(scene: Scene, which: str, plan: Plan) -> list[Candidate]:
    """What `Warp.apply` in place is made of."""
    values, (x0, y0, x1, y1) = SETS[which], plan.roi
    height, width = size_hw = scene.frame.shape[0], scene.frame.shape[1]
    left, top = max(0, x0 // kernels.BLOCK * kernels.BLOCK - kernels.BLOCK), max(0, y0 - MARGIN_PX)
    around = np.s_[top : y1 + MARGIN_PX, left : x1 + kernels.BLOCK]
    source = np.ascontiguousarray(scene.frame[around])
    field = gridded(plan.placed, plan.step_px, size_hw).reshape(-1)
    rois, steps = np.array([plan.roi]), np.array([plan.step_px])
    out, kept = scene.frame.copy(), np.ones(len(ADJUSTMENTS), np.float32)
    wanted = place_faces(TABLE, scene.faces[:1], values, size_hw)

    def hold_back() -> None:
        limit([wanted[0]._replace(strokes=wanted[0].strokes.copy())], size_hw, kept)

    return [
        Candidate(f"  {which}: place strokes", lambda: TABLE.place(scene.faces[0], values)),
        Candidate(f"  {which}: find the ROI", lambda: roi_of(plan.strokes, height, width)),
        Candidate(f"  {which}: limit", hold_back),
        Candidate(f"  {which}: field on the grid", lambda: gridded(plan.placed, plan.step_px, size_hw)),
        Candidate(f"  {which}: copy of the ROI", lambda: np.copyto(source, scene.frame[around])),
        Candidate(f"  {which}: sample", lambda: kernels.sample(source, out, field, rois, steps, (left, top))),
    ]


def ready(scene: Scene, which: str, plan: Plan) -> list[Candidate]:
    """Sampling alone over the ROI of this face, by benchmarks/sampling.py."""
    x0, y0, _, _ = plan.roi

    def field(x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
        return np.stack(peers.stroke_field(plan.strokes, x + x0, y + y0), axis=-1)

    functions, errors = sampling.runs(scene.frame, field, plan.roi)
    sampling.verify(errors, worst_limit=sampling.WORST["portrait"])
    names = {
        f"grid {sampling.STEPS[0]}": "sampling alone",
        "remap float x, y": "remap, ready float maps",
        "remap fixed": "remap, ready fixed maps",
        "copy": "copy of the ROI",
    }
    return [Candidate(f"{title}, {which}", functions[name]) for name, title in names.items()]


def halves(plan: Plan, scene: Scene, pool: ThreadPoolExecutor) -> list[Candidate]:
    """The sampling of one face in one thread, and its upper and lower half in two."""
    x0, y0, x1, y1 = plan.roi
    step = round(plan.step_px)  # whole, so that the lower half begins at a node
    field = gridded(plan.placed, step, (scene.frame.shape[0], scene.frame.shape[1]))
    rows = (y1 - y0) // 2 // step
    middle = y0 + rows * step
    out = scene.frame.copy()

    def half(roi: Box, grid: FloatArray) -> None:
        kernels.sample(scene.frame, out, grid.reshape(-1), np.array([roi]), np.array([float(step)]), (0, 0))

    def two() -> BgrFrame:
        lower = pool.submit(half, (x0, middle, x1, y1), field[rows:])
        half((x0, y0, x1, middle), field)
        lower.result()
        return out

    def one() -> BgrFrame:
        half(plan.roi, field)
        return out

    expected = one().copy()
    np.copyto(out, scene.frame)
    agree(int((two() != expected).sum()), 0, "bytes between one thread and two")
    return [Candidate("sampling, one thread", one), Candidate("sampling, two halves in two threads", two)]


# ------------------------------------------------------------------------------------------- verification


def agree(difference: float, allowed: float, what: str) -> None:
    """Nothing is timed that is not right."""
    if not difference <= allowed:
        raise SystemExit(f"got {difference:.4f} {what}, allowed: {allowed}")


def verify(scene: Scene, plans: dict[str, Plan]) -> dict[str, Any]:
    """Every candidate that makes a picture does what it says; what was found."""
    found: dict[str, Any] = {}
    frame, face = scene.frame, scene.faces[0]
    places, corner = positions(scene)
    for candidate, on_places in zip(pictures(scene, plans), pictures(places, plans), strict=True):
        name, which = candidate.name, "all" if " all" in candidate.name else "two"
        picture = candidate.run().copy()
        view = plans[which].view
        result: dict[str, float] = {"mean_change": float(cv2.absdiff(picture[view], frame[view]).mean())}
        agree(-result["mean_change"], -0.2, f"grey levels changed by {name} (negated)")
        if not name.startswith(("facetweak", "seed")):
            x0, y0, x1, y1 = plans[which].roi
            x, y = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
            field = plans[which].field
            error = picture[view] - sampling.bilinear(frame, x + field[..., 0], y + field[..., 1])
            result |= {"worst_error": float(np.abs(error).max()), "mean_error": float(error.mean())}
            # Grey levels: 1.5 of sampling, and 0.05 px of the field's grid at the steepest edges.
            agree(result["worst_error"], 4.0, f"grey levels worst between {name} and the exact warp")
            agree(abs(result["mean_error"]), 0.1, f"grey levels on average between {name} and the exact warp")
            outside = picture != frame
            outside[view] = False
            agree(int(outside.sum()), 0, f"bytes outside the ROI changed by {name}")
        if which == "two":
            x, y = face.landmarks.T.astype(np.float64)
            seen = sampling.bilinear(on_places.run(), x, y)[:, :2] + corner
            result["narrower_px"] = float(np.mean(face.landmarks[2:7, 0] - seen[2:7, 0] + seen[10:15, 0] - x[10:15]))
            result["larger_eyes"] = float(np.mean([(x[j] - x[i]) / (seen[j, 0] - seen[i, 0]) for i, j in EYES]))
            agree(-result["narrower_px"], -1.0, f"px of narrowing by {name} (negated)")
            if not name.startswith("seed"):
                agree(-result["larger_eyes"], -1.03, f"times larger eyes by {name} (negated)")
        found[name] = result
    return found


def positions(scene: Scene) -> tuple[Scene, NDArray[np.float64]]:
    """A picture of which blue and green are x and y, around the first face, and where both are 0.

    What a warp makes of it tells where each pixel came from, to half a px.
    """
    height, width = scene.frame.shape[:2]
    corner = np.round(scene.faces[0].landmarks.mean(axis=0).astype(np.float64)) - 128
    frame = np.zeros_like(scene.frame)
    frame[..., 0] = np.clip(np.arange(width) - corner[0], 0, 255)
    frame[..., 1] = np.clip(np.arange(height) - corner[1], 0, 255)[:, None]
    return replace(scene, frame=frame), corner


# -------------------------------------------------------------------------------------- timing and reports


def measure(
    candidates: Sequence[Candidate], samples: int, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, NDArray[np.float64]]:
    """Seconds by that clock, (n,) of each; n is `samples`, or less once `seconds` have gone, but 10 at least."""
    taken: dict[str, list[float]] = {c.name: [] for c in candidates}
    spent = dict.fromkeys(taken, 0.0)
    for candidate in candidates:
        for _ in range(min(3, samples)):
            candidate.prepare()
            candidate.run()
    rng = np.random.default_rng(0)
    while True:
        active = [
            c
            for c in candidates
            if len(taken[c.name]) < min(10, samples)
            or (len(taken[c.name]) < samples and spent[c.name] < min(seconds, c.seconds))
        ]
        if not active:
            return {name: np.array(values) for name, values in taken.items()}
        for k in rng.permutation(len(active)):  # shuffled: who runs after whom decides what is in the caches
            candidate = active[k]
            candidate.prepare()
            start = clock()
            candidate.run()
            elapsed = clock() - start
            taken[candidate.name].append(elapsed)
            spent[candidate.name] += elapsed


def ratio(theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> float:
    """How many times longer theirs takes: median over the rounds that both took part in."""
    n = min(len(theirs), len(ours))
    return float(np.median(theirs[:n] / ours[:n]))


def report(title: str, taken: dict[str, NDArray[np.float64]], baselines: dict[str, str]) -> dict[str, Any]:
    """Print a table, return its rows; `baselines`: the row to which each is a ratio."""
    print(f"\n{title}")
    print(f"{'':40}{'median ms':>11}{'p95':>10}{'p99':>10}{'samples':>9}{'ratio':>9}")
    rows = {}
    for name, seconds in taken.items():
        median, p95, p99 = (1e3 * float(np.quantile(seconds, q)) for q in (0.5, 0.95, 0.99))
        rows[name] = {"median_ms": median, "p95_ms": p95, "p99_ms": p99, "samples": len(seconds)}
        cell = ""
        if name in baselines:
            rows[name]["ratio_to"] = baselines[name]
            rows[name]["ratio"] = ratio(seconds, taken[baselines[name]])
            cell = f"{rows[name]['ratio']:8.2f}x"
        print(f"{name:40}{median:11.4f}{p95:10.4f}{p99:10.4f}{len(seconds):9}{cell}")
    return rows


def to_ours(taken: dict[str, NDArray[np.float64]]) -> dict[str, str]:
    """Each row against the product in place with the same adjustments; `sampling` and `remap` against our sampling."""
    result = {}
    for name in taken:
        which = "all" if " all" in name else "two"
        ready = name.startswith(("sampling", "remap", "copy"))
        result[name] = f"sampling alone, {which}" if ready else f"livewarp {which}, in place"
    return result


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    samples: int
    seconds: float


def main_table(scene: Scene, plans: dict[str, Plan], effort: Effort) -> dict[str, Any]:
    """Everyone, at 720p."""
    verified = verify(scene, plans)
    print(f"{'verified':40}{'worst error':>12}{'mean error':>12}{'narrower px':>13}{'eyes':>8}{'change':>9}")
    for name, found in verified.items():
        keys = ("worst_error", "mean_error", "narrower_px", "larger_eyes", "mean_change")
        cells = [f"{found[k]:.3f}" if k in found else "" for k in keys]
        print(f"{name:40}{cells[0]:>12}{cells[1]:>12}{cells[2]:>13}{cells[3]:>8}{cells[4]:>9}")
    others = [c for which, p in plans.items() for c in ready(scene, which, p) + parts(scene, which, p)]
    taken = measure(pictures(scene, plans) + others, effort.samples, effort.seconds)
    rows = report(
        f"{scene.name}, face {FACE_PX:.0f} px wide, ratios to livewarp in the same run", taken, to_ours(taken)
    )
    two, every = (taken[f"livewarp {which}, in place"] for which in SETS)
    per_px = ratio(every / plans["all"].touched_px, two / plans["two"].touched_px)
    targets: dict[str, tuple[float, str, float]] = {
        "all on, times two on": (ratio(every, two), "<=", 2.5),
        "all on, times two on, per touched px": (per_px, "<=", 1.5),
    }
    for which in SETS:
        for name, least in (("remap, ready float maps", 2.2), ("remap, ready fixed maps", 1.4)):
            targets[f"{name}, {which} / sampling"] = (rows[f"{name}, {which}"]["ratio"], ">=", least)
    if peers.effects:
        targets["facetweak two / livewarp two"] = (rows["facetweak two"]["ratio"], ">=", 20.0)
        targets["facetweak all / livewarp all"] = (rows["facetweak all"]["ratio"], ">=", 80.0)
    print("\ntargets")
    for name, (got, relation, wanted) in targets.items():
        met = got >= wanted if relation == ">=" else got <= wanted
        print(f"{name:44}{got:9.2f}   {relation} {wanted:g}   {'met' if met else 'MISSED'}")
    sizes = {which: {"touched_px": p.touched_px, "roi": p.roi, "strokes": len(p.strokes)} for which, p in plans.items()}
    for which, size in sizes.items():
        x0, y0, x1, y1 = size["roi"]
        print(f"{which}: {size['strokes']} strokes, ROI {x1 - x0}x{y1 - y0}, {size['touched_px']} px move")
    return {
        "verified": verified,
        "rows": rows,
        "sizes": sizes,
        "targets": {name: {"got": t[0], "wanted": f"{t[1]} {t[2]:g}"} for name, t in targets.items()},
    }


def growth(scene: Scene, effort: Effort) -> dict[str, Any]:
    """Other frames, more faces, larger faces; and what the cost of all adjustments depends on."""
    scenes = [resized(scene, name) for name in SIZES] + [tiled(scene, n) for n in (1, 2, 4)]
    scenes += [portrait(f"area {name}", size, 1.0) for name, size in SIZES.items()]
    results: dict[str, Any] = {}
    terms, costs = [], []
    print(
        f"\n{'median ms':14}{'IOD px':>8}{'moved px':>10}{'two':>9}{'all':>9}{'to another':>12}{'ns/moved px':>13}"
        f"{'facetweak':>11}{'ratio two':>11}{'ratio all':>11}"
    )
    for s in scenes:
        candidates = [c for which in SETS for c in ours(s, which) + facetweak(s, which)]
        taken = measure(candidates, effort.samples, effort.seconds)
        median = {name: float(np.median(seconds)) for name, seconds in taken.items()}
        touched = touched_px(s, SETS["all"])
        cost = median["livewarp all, in place"]
        terms.append([1.0, len(s.faces), touched, s.frame.shape[0] * s.frame.shape[1]])
        costs.append(cost)
        row: dict[str, Any] = {"iod_px": s.faces[0].pose.iod_px, "touched_px": touched, "median_s": median}
        for which in SETS:
            if peers.effects:
                row[f"ratio_{which}"] = ratio(taken[f"facetweak {which}"], taken[f"livewarp {which}, in place"])
        results[s.name] = row
        print(
            f"{s.name:14}{row['iod_px']:8.0f}{touched:10}{1e3 * median['livewarp two, in place']:9.3f}{1e3 * cost:9.3f}"
            f"{1e3 * median['livewarp all, to another']:12.3f}{1e9 * cost / touched:13.2f}"
            f"{1e3 * median.get('facetweak all', np.nan):11.1f}"
            f"{row.get('ratio_two', np.nan):10.1f}x{row.get('ratio_all', np.nan):10.1f}x"
        )
    # Least squares of relative errors, so that 4K does not decide alone; fixed cost and cost a face are never
    # told apart by frames with one face, but by those with more.
    weights = 1 / np.array(costs)
    fit, *_ = np.linalg.lstsq(np.array(terms) * weights[:, None], np.ones(len(costs)), rcond=None)
    off = float(np.abs(np.array(terms) @ fit * weights - 1).max())
    results["fit"] = {
        "us_a_frame": 1e6 * fit[0],
        "us_a_face": 1e6 * fit[1],
        "ns_a_moved_px": 1e9 * fit[2],
        "ns_a_frame_px": 1e9 * fit[3],
        "worst_relative_error": off,
    }
    print(
        f"all on, in place = {1e6 * fit[0]:.0f} µs + {1e6 * fit[1]:.0f} µs a face + {1e9 * fit[2]:.2f} ns a moved px"
        f" + {1e9 * fit[3]:.4f} ns a frame px, within {100 * off:.0f} %"
    )
    return results


def beside(name: str, iods_px: Sequence[float], apart: float) -> Scene:
    """1080p of noise with mean faces side by side, `apart` times the mean of their IODs between their middles."""
    width, height = SIZES["1080p"]
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    faces, x = [], width / 2 - apart * (sum(iods_px) - iods_px[0]) / 2
    for k, iod in enumerate(iods_px):
        x += apart * (iod + iods_px[k - 1]) / 2 if k else 0.0
        points = Pose(x, height * 0.4, iod, 0.0, 0.0, 0.0).project(MEAN_FACE).astype(np.float32)
        faces.append(Face.from_landmarks(points))
    return Scene(name, frame, tuple(faces))


def smoothness(effort: Effort) -> dict[str, float]:
    """By size of face, and faces that overlap against the sum of each alone: milliseconds, and that ratio."""
    scenes = [beside(f"IOD {iod}", [iod], 0.0) for iod in (*range(60, 321, 20), 99, 101)]
    pairs = [(250.0, 60.0), (150.0, 150.0)]
    scenes += [beside(f"alone {iod:g}", [iod], 0.0) for iod in (250.0, 60.0, 150.0)]
    scenes += [beside(f"overlapping {a:g} and {b:g}", [a, b], 2.2) for a, b in pairs]
    candidates = [replace(ours(s, "all")[0], name=s.name) for s in scenes]
    taken = measure(candidates, effort.samples, effort.seconds, time.thread_time)  # of the CPU: others may run
    result = {name: 1e3 * float(np.median(seconds)) for name, seconds in taken.items()}
    print(f"\n{'all on, 1080p, in place':40}{'median ms':>11}")
    for name, median in result.items():
        print(f"{name:40}{median:11.3f}")
    for a, b in pairs:
        times = result[f"overlapping {a:g} and {b:g}"] / (result[f"alone {a:g}"] + result[f"alone {b:g}"])
        result[f"overlapping {a:g} and {b:g}, times the sum of each alone"] = times
        print(f"{a:g} and {b:g}: {times:.2f} times the sum of each alone; wanted: 1.3 at most")
    return result


def plot(path: Path, rows: dict[str, Any]) -> None:
    """Bars of the medians, on a logarithmic scale."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise SystemExit("--plot needs matplotlib; leave it out, or pip install matplotlib") from None
    mpl.use("agg")
    from matplotlib import pyplot as plt

    names = [name for name in rows if not name.startswith("  ")]
    figure, axes = plt.subplots(figsize=(9, 0.35 * len(names) + 1), layout="constrained")
    ours = ["#2a7" if name.startswith(("livewarp", "sampling")) else "#999" for name in names]
    axes.barh(names, [rows[name]["median_ms"] for name in names], color=ours)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="ms a frame, median; one thread, 1280x720")
    figure.savefig(path, dpi=120)


def processor() -> str:
    """What the machine calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    """Verify, measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few samples: does it run at all?")
    parser.add_argument("--main", action="store_true", help="the main table alone")
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--plot", type=Path, help="where a picture of the main table goes; needs matplotlib")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    effort = Effort(2, 0.2) if args.quick else Effort(300, 20.0)
    scene = reference()
    plans = {which: plan(scene, values) for which, values in SETS.items()}
    results: dict[str, Any] = {
        "machine": f"{os.cpu_count()} x {processor()}, {platform.machine()}",
        "opencv": cv2.__version__,
        "facetweak": peers.FACETWEAK if peers.effects else None,
        "adjustments": len(ADJUSTMENTS) - 1,  # see SETS
    }
    print(f"{results['machine']}; OpenCV {cv2.__version__}; {peers.FACETWEAK}{'' if peers.effects else ' is missing'}")
    results["main"] = main_table(scene, plans, effort)
    if not args.main:
        with ThreadPoolExecutor(1) as pool:
            taken = measure(
                [c for p in plans.values() for c in halves(p, scene, pool)][-2:], effort.samples, effort.seconds
            )
        results["threads"] = report("a second thread, all on", taken, dict.fromkeys(taken, "sampling, one thread"))
        results["growth"] = growth(scene, effort)
        results["smoothness"] = smoothness(effort)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.plot:
        plot(args.plot, results["main"]["rows"])


if __name__ == "__main__":
    main()
