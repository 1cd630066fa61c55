"""Draw the example of docs/textures.md: freckles painted on the template, as a person would with a small brush.

Usage: python tools/draw_example_texture.py

Writes docs/textures/freckles.png (the painted template) and docs/textures/stripes.png with stripes.json (a picture of
its own, placed by nine points).
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from livewarp.appearance.unwrapping import template, template_points

FOLDER = Path(__file__).parents[1] / "docs" / "textures"
SEEN = ("right_eye_outer", "left_eye_outer", "right_eye_inner", "left_eye_inner", "nose_tip")
SEEN += ("right_mouth_corner", "left_mouth_corner", "chin", "nose_root")


def freckles() -> np.ndarray:
    """The template with some two hundred freckles over nose and cheeks."""
    painted = template().astype(np.float32)
    rng = np.random.default_rng(4)
    points = template_points()
    middle = np.array(points["nose_root"]) * 0.35 + np.array(points["nose_tip"]) * 0.65
    y, x = np.mgrid[: painted.shape[0], : painted.shape[1]].astype(np.float32)
    for _ in range(210):
        at = middle + rng.normal(0, 1, 2) * (190, 62)
        radius = rng.uniform(2.5, 6.5)
        near = (slice(int(at[1]) - 14, int(at[1]) + 15), slice(int(at[0]) - 14, int(at[0]) + 15))
        apart = np.hypot(x[near] - at[0], (y[near] - at[1]) * rng.uniform(0.8, 1.3)) / radius
        cover = np.clip(1.4 - apart, 0, 1)[..., None] * rng.uniform(0.35, 0.9)
        painted[near] += cover * (np.array([70.0, 104.0, 150.0], np.float32) - painted[near])
    return painted.round().astype(np.uint8)


def stripes() -> tuple[np.ndarray, dict[str, list[float]]]:
    """Two stripes on either cheek, on a transparent picture of 600x700 px, and where nine key points are on it."""
    scale, shift = 0.5, np.array([-20.0, -60.0])
    points = {name: (np.array(template_points()[name]) * scale + shift).round(1).tolist() for name in SEEN}
    picture = np.zeros((700, 600, 4), np.uint8)
    for side in ("right", "left"):
        inner, mouth = np.array(points[f"{side}_eye_inner"]), np.array(points[f"{side}_mouth_corner"])
        outer = np.array(points[f"{side}_eye_outer"])
        out = np.sign(outer[0] - inner[0])
        for k, colour in enumerate(((210, 90, 30, 235), (235, 235, 235, 235))):
            start = np.array([inner[0] + out * 22, inner[1] + (mouth[1] - inner[1]) * (0.42 + 0.16 * k)])
            end = start + np.array([out * 105, -14.0])
            line = [round(float(v) * 16) for v in (*start, *end)]
            cv2.line(picture, (line[0], line[1]), (line[2], line[3]), colour, 14, cv2.LINE_AA, 4)
    return picture, points


def main() -> None:
    """Write the three files."""
    FOLDER.mkdir(exist_ok=True)
    cv2.imwrite(str(FOLDER / "freckles.png"), freckles(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    picture, points = stripes()
    cv2.imwrite(str(FOLDER / "stripes.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    (FOLDER / "stripes.json").write_text(json.dumps(points, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
