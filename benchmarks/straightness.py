"""How far the world beside a thinned face bends: livewarp's `thin` against other formulas.

Straight vertical lines stand 0.3, 0.6 and 1 IOD outside the widest place of the face contour, on both sides. Each is
followed through the warp from the brows to the chin; what counts is how far it is moved sideways at most, in % of
the IOD: px where the IOD is 100 px. `narrower` is how far points 2-7 and 9-14 of the jaw move inwards on each side,
mean, in the same unit; `half out` and `half in` where the pull has fallen to half of that at point 4, IOD outside
and inside of it; `Jacobian` the smallest determinant of the map (below 0 it folds). The formulas are compared each
at its own maximum, and at strengths at which all narrow the face equally: like livewarp at `thin=1`, beyond the
others' maximum, and like the weakest of them at its maximum.

No pixels are sampled: lines and points are followed through the exact maps. Everything that is compared is first
verified: our field against the compiled one, facetweak's formula against the package where it is installed.

Run: python benchmarks/straightness.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import peers
from numpy.typing import NDArray

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import Landmarks
from livewarp.face68 import JAW, MEAN_FACE, Face, Pose
from livewarp.parameters import Parameters
from livewarp.scene import Mask
from livewarp.segmentation.distance import away_from_people
from livewarp.sources.headmotion import HeadPose
from livewarp.sources.portrait import PortraitSource
from livewarp.warping.field import add_strokes
from livewarp.warping.strokes import StrokeTable
from livewarp.warping.warp import exact_field, limit, place_faces

OUTSIDE_IOD = (0.3, 0.6, 1.0)
FRAME_HW = (720, 1280)
TABLE = StrokeTable(ADJUSTMENTS.values())
Warp = Callable[[NDArray[Any], NDArray[Any]], peers.Map]


def faces() -> dict[str, Face]:
    """The mean face and the built-in portrait, both upright and from the front."""
    mean = Pose(640.0, 260.0, 100.0, 0.0, 0.0, 0.0).project(MEAN_FACE)
    portrait = PortraitSource(FRAME_HW[1], FRAME_HW[0], motion=lambda t: HeadPose()).truth(0).landmarks
    return {"mean face": Face.from_landmarks(mean), "portrait": Face.from_landmarks(portrait)}


def livewarp_thin(face: Face, strength: float) -> Warp:
    """The exact map of `thin`, the limit against folding included."""
    values = Parameters(**(dict.fromkeys(ADJUSTMENTS, 0.0) | {"thin": strength}))
    placed = place_faces(TABLE, [face], values, FRAME_HW)
    limit(placed, FRAME_HW, np.ones(len(ADJUSTMENTS), np.float32))
    strokes = placed[0].strokes
    field = np.zeros((*FRAME_HW, 2), np.float32)
    add_strokes(strokes, field, 0.0, 0.0, 1.0)
    x, y = np.meshgrid(np.arange(FRAME_HW[1], dtype=np.float64), np.arange(FRAME_HW[0], dtype=np.float64))
    ours = np.stack(peers.stroke_field(strokes, x, y), axis=-1)
    agree(np.abs(ours - field).max(), 1e-3, "the field in NumPy and the compiled one")  # px: float32 strokes

    def warp(x: NDArray[Any], y: NDArray[Any]) -> peers.Map:
        dx, dy = peers.stroke_field(strokes, x, y)
        return x + dx, y + dy

    return warp


def person(face: Face) -> NDArray[np.uint8]:
    """A true mask, drawn at a quarter of the frame's size: face, head, neck and shoulders."""
    drawn, iod, jaw = np.zeros(FRAME_HW, np.uint8), face.pose.iod_px, face.landmarks[JAW]
    x, half = float(jaw[[0, 16], 0].mean()), float(jaw[16, 0] - jaw[0, 0]) / 2
    chin = float(face.landmarks[8, 1])
    cv2.fillPoly(drawn, [np.round(jaw).astype(np.int32)], (255,))
    cv2.ellipse(
        drawn,
        (round(x), round(float(jaw[[0, 16], 1].mean()))),
        (round(half), round(1.3 * iod)),
        0,
        180,
        360,
        (255,),
        -1,
    )
    left, top, right, bottom = x - 0.55 * iod, chin - 0.4 * iod, x + 0.55 * iod, chin + 0.8 * iod
    cv2.rectangle(drawn, (round(left), round(top)), (round(right), round(bottom)), (255,), -1)
    cv2.ellipse(
        drawn, (round(x), round(chin + 1.6 * iod)), (round(1.9 * iod), round(1.1 * iod)), 0, 180, 360, (255,), -1
    )
    small = cv2.resize(drawn, (FRAME_HW[1] // 4, FRAME_HW[0] // 4), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def livewarp_protected(face: Face, strength: float) -> Warp:
    """The map of `thin` with a true mask of people; the exact field at pixels, linear between them."""
    values = Parameters(**(dict.fromkeys(ADJUSTMENTS, 0.0) | {"thin": strength}))
    away = away_from_people(Mask(person(face), 0.0), [face], FRAME_HW)
    placed = [p._replace(away=away) for p in place_faces(TABLE, [face], values, FRAME_HW)]
    limit(placed, FRAME_HW, np.ones(len(ADJUSTMENTS), np.float32))
    field = exact_field(placed, (0, 0, FRAME_HW[1], FRAME_HW[0]), FRAME_HW)

    def warp(x: NDArray[Any], y: NDArray[Any]) -> peers.Map:
        i = np.clip(np.floor(x).astype(int), 0, FRAME_HW[1] - 2)
        j = np.clip(np.floor(y).astype(int), 0, FRAME_HW[0] - 2)
        u, v = (x - i)[..., None], (y - j)[..., None]
        top = field[j, i] * (1 - u) + field[j, i + 1] * u
        bottom = field[j + 1, i] * (1 - u) + field[j + 1, i + 1] * u
        d = top * (1 - v) + bottom * v
        return x + d[..., 0], y + d[..., 1]

    return warp


def facetweak_slim(face: Face, strength: float) -> Warp:
    """Checked against the package where it is installed."""
    if peers.effects and strength <= 1.0:
        x, y = np.meshgrid(np.arange(FRAME_HW[1], dtype=np.float64), np.arange(FRAME_HW[0], dtype=np.float64))
        ours = peers.facetweak_slim(x, y, face.landmarks, strength)
        theirs = peers.facetweak_map(FRAME_HW, face.landmarks, strength)
        # px: OpenCV's cubic interpolation rounds positions to 1/32 px, four times over.
        agree(max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)), 0.2, "facetweak's formula and code")
    return lambda x, y: peers.facetweak_slim(x, y, face.landmarks, strength)


def gpupixel_thin(face: Face, strength: float) -> Warp:
    """The shader's formula."""
    return lambda x, y: peers.gpupixel_thin(x, y, face.landmarks, strength)


FORMULAS: dict[str, tuple[Callable[[Face, float], Warp], float]] = {
    "livewarp thin": (livewarp_thin, 1.0),
    "livewarp, protected": (livewarp_protected, 1.0),
    "gpupixel thin_face": (gpupixel_thin, peers.GPUPIXEL_MAXIMUM),
    "facetweak face_slim": (facetweak_slim, 1.0),
}
"""Each with its own maximum."""


def agree(difference: float, allowed: float, what: str) -> None:
    """Nothing is reported that is not right."""
    if difference > allowed:
        raise SystemExit(f"{what} differ by {difference:.4f} px, allowed: {allowed}")


def seen_at(warp: Warp, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points (n, 2) of the frame are seen in the output: the backward map, inverted by iteration."""
    seen = points.copy()
    for _ in range(200):
        seen -= 0.7 * (np.stack(warp(seen[:, 0], seen[:, 1]), axis=1) - points)  # converges where nothing folds
    return seen


def line_seen_at(warp: Warp, x: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where, in each row y, the vertical line at x is seen."""
    seen = np.full(y.shape, x)
    for _ in range(200):
        seen -= 0.7 * (warp(seen, y)[0] - x)
    agree(float(np.abs(warp(seen, y)[0] - x).max()), 1e-3, "a line and its inverted map")
    return seen


def narrowing(warp: Warp, landmarks: Landmarks) -> float:
    """How far points 2-7 and 9-14 of the jaw move towards the middle, mean, px."""
    points = landmarks[2:15].astype(np.float64)
    moved = seen_at(warp, points)[:, 0] - points[:, 0]
    half = len(points) // 2
    return float((moved[:half].sum() - moved[half + 1 :].sum()) / (2 * half))


def least_stretch(warp: Warp, face: Face) -> float:
    """Smallest determinant of the map's derivative around the face; below 0 it folds."""
    (x0, y0), (x1, y1) = face.landmarks.min(axis=0) - face.pose.iod_px, face.landmarks.max(axis=0) + face.pose.iod_px
    x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float64), np.arange(y0, y1, dtype=np.float64))
    d = 1e-3  # px
    (ux1, vx1), (ux0, vx0) = warp(x + d, y), warp(x - d, y)
    (uy1, vy1), (uy0, vy0) = warp(x, y + d), warp(x, y - d)
    determinant = ((ux1 - ux0) * (vy1 - vy0) - (uy1 - uy0) * (vx1 - vx0)) / (4 * d * d)
    return float(determinant.min())


def half_way(warp: Warp, face: Face) -> tuple[float, float]:
    """How far outside and inside of point 4 the sideways pull is half of that at it, IOD."""
    x, y = (float(v) for v in face.landmarks[4])
    away = np.arange(0.0, 2.0, 0.005)  # IOD

    def reach(side: float) -> float:
        at = x + side * away * face.pose.iod_px
        pull = np.abs(warp(at, np.full_like(at, y))[0] - at)
        return float(away[np.argmax(pull < pull[0] / 2)])

    return reach(-1.0), reach(1.0)


def strength_for(make: Callable[[Face, float], Warp], face: Face, target: float, maximum: float) -> float | None:
    """The strength at which a formula narrows the face by `target` px; None if it folds before."""
    low, high = 0.0, maximum
    while narrowing(make(face, high), face.landmarks) < target:
        low, high = high, 1.1 * high
        if least_stretch(make(face, high), face) <= 0.0:
            return None
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if narrowing(make(face, middle), face.landmarks) < target else (low, middle)
    return (low + high) / 2


def bends(warp: Warp, face: Face) -> dict[str, float]:
    """Largest sideways deviation of the lines at each distance, % of IOD."""
    points, iod = face.landmarks.astype(np.float64), face.pose.iod_px
    y = np.arange(points[:, 1].min(), points[8, 1] + 0.5)
    result = {}
    for outside in OUTSIDE_IOD:
        lines = points[JAW, 0].min() - outside * iod, points[JAW, 0].max() + outside * iod
        result[f"{outside:g}"] = 100 * max(float(np.abs(line_seen_at(warp, x, y) - x).max()) for x in lines) / iod
    return result


def row(make: Callable[[Face, float], Warp], face: Face, strength: float) -> dict[str, Any]:
    """What a formula does at a strength."""
    warp = make(face, strength)
    outside, inside = half_way(warp, face)
    return {
        "strength": strength,
        "narrowing_percent_iod": 100 * narrowing(warp, face.landmarks) / face.pose.iod_px,
        "bend_percent_iod": bends(warp, face),
        "half_way_outside_iod": outside,
        "half_way_inside_iod": inside,
        "least_jacobian": least_stretch(warp, face),
    }


def compare(face: Face, target: float | None) -> dict[str, Any]:
    """A table of all formulas, each narrowing the face by `target` px, or at its own maximum; its rows."""
    print(
        f"{'':22}{'strength':>9}{'narrower':>10}"
        + "".join(f"{f'{d:g} IOD':>9}" for d in OUTSIDE_IOD)
        + f"{'half out':>10}{'half in':>9}{'Jacobian':>10}"
    )
    rows: dict[str, Any] = {}
    for formula, (make, maximum) in FORMULAS.items():
        strength = maximum if target is None else strength_for(make, face, target, maximum)
        if strength is None:
            print(f"{formula:22}folds before it narrows the face that much")
            rows[formula] = None
            continue
        rows[formula] = r = row(make, face, strength)
        cells = "".join(f"{bend:9.2f}" for bend in r["bend_percent_iod"].values())
        print(
            f"{formula:22}{strength:9.3f}{r['narrowing_percent_iod']:10.2f}{cells}"
            f"{r['half_way_outside_iod']:10.2f}{r['half_way_inside_iod']:9.2f}{r['least_jacobian']:10.2f}"
        )
    return rows


def main() -> None:
    """Verify, measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    for name, face in faces().items():
        ours = narrowing(livewarp_thin(face, 1.0), face.landmarks)
        weakest = min(narrowing(make(face, maximum), face.landmarks) for make, maximum in FORMULAS.values())
        for title, target in (
            ("each at its own maximum", None),
            ("all narrowed like livewarp at thin=1", ours),
            ("all narrowed like the weakest at its maximum", weakest),
        ):
            print(f"\n{name}, {title}")
            results[f"{name}, {title}"] = compare(face, target)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
