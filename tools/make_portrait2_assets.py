"""Rebuild livewarp/assets/portrait2 from NASA's public-domain portrait of Eileen Collins.

Usage: python tools/make_portrait2_assets.py astronaut.png [OUTPUT_FOLDER]

Makes person.jpg (the picture at twice its size, as the face in it is small), matte.png (where the
sitter and her helmet are), background.jpg (a painted backdrop without a straight line) and
portrait.json (landmarks). The outline was drawn by hand on the 512x512 picture that scikit-image
ships; between its two lines the colours decide.

Convention: positions are (x, y), px of that picture, pixel centres.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import dlib
import numpy as np

ENLARGED = 2  # the face box is 88 px wide; the demo shows it at twice that and a little more

# The sitter is inside the outer line, and everything inside the inner one is hers; open at the bottom.
OUTER = (
    "0,512 8,480 19,430 19,400 34,300 46,272 80,235 108,206 114,196 122,176 134,158 150,148 170,146 "
    "172,134 164,120 153,104 151,86 153,68 165,52 186,34 208,18 230,13 252,16 274,26 292,42 301,66 "
    "304,86 300,106 288,122 276,138 268,140 263,154 266,168 284,186 297,206 306,236 336,254 352,286 "
    "362,330 366,346 384,341 406,341 440,352 466,372 486,402 498,440 506,470 506,512"
)
INNER = (
    "36,512 28,470 26,440 42,310 62,275 100,230 122,212 128,196 132,176 146,158 178,156 188,162 192,150 184,130 "
    "172,112 160,104 158,86 164,64 190,42 212,26 240,22 264,30 286,48 294,72 294,96 280,122 262,136 "
    "256,152 254,172 276,192 292,216 300,242 326,260 342,290 352,340 370,352 400,350 436,362 460,382 "
    "480,416 486,450 486,512"
)

# Where dlib puts ends of the brows, lids and corners beside the feature; px of the enlarged picture.
CORRECTIONS = {
    17: (380.0, 181.0),
    26: (526.5, 191.0),
    36: (384.2, 201.8),
    37: (395.0, 193.8),
    38: (412.5, 194.2),
    39: (426.0, 208.2),
    40: (412.5, 209.2),
    41: (397.5, 207.0),
    42: (474.0, 210.8),
    43: (485.5, 201.5),
    44: (503.0, 200.2),
    45: (517.5, 207.0),
    46: (503.5, 212.8),
    47: (488.5, 213.5),
    48: (404.0, 278.8),
    54: (490.0, 281.0),
}


def line(text: str) -> np.ndarray:
    """(n, 1, 2) int32, px of the enlarged picture."""
    points = np.array([point.split(",") for point in text.split()], float)
    return np.round((points + 0.5) * ENLARGED - 0.5).astype(np.int32)[:, None]


def person(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours (h, w, 3) that run on past the outline, and the matte (h, w), enlarged."""
    large = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_LANCZOS4)
    sure = np.full(large.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.fillPoly(sure, [line(OUTER)], cv2.GC_PR_FGD)
    cv2.fillPoly(sure, [line(INNER)], cv2.GC_FGD)
    cv2.setRNGSeed(1)
    cv2.grabCut(large, sure, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    mask = np.where((sure == cv2.GC_FGD) | (sure == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    mask = np.where(labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA]), 255, 0).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    soft = cv2.GaussianBlur(mask, (0, 0), 2.5)  # steps of the cut rounded off
    inwards = cv2.erode(np.where(soft > 140, 255, 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    matte = cv2.GaussianBlur(inwards, (0, 0), 1.4)
    matte[-2:] = matte[-3]

    # What twice the size lacks: crisp edges, and the grain that skin shows when it is near.
    blurred = cv2.GaussianBlur(large, (0, 0), 1.6)
    crisp = cv2.addWeighted(large, 1.45, blurred, -0.45, 0).astype(np.float32)
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.normal(0, 1, large.shape[:2]).astype(np.float32), (0, 0), 0.8)
    crisp += (2.2 / grain.std()) * grain[..., None]
    crisp = np.clip(crisp, 0, 255).astype(np.uint8)

    # Near the edge and outside the colour is that of the nearest pixel well inside: no halo.
    inside = cv2.erode((matte > 250).astype(np.uint8), np.ones((5, 5), np.uint8))
    _, labels = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, 3), np.uint8)
    colours[labels[inside == 1]] = crisp[inside == 1]
    filled = np.where(inside[..., None] == 1, crisp, colours[labels])
    smooth = cv2.GaussianBlur(filled, (0, 0), 2.0)
    return np.where(inside[..., None] == 1, filled, smooth).astype(np.uint8), matte


def landmarks(picture: np.ndarray) -> np.ndarray:
    """(68, 2), px of the enlarged picture: dlib's at 4x size, median over 200 jittered boxes, corrected by hand."""
    origin = importlib.util.find_spec("face_recognition_models").origin
    predictor = dlib.shape_predictor(str(Path(origin).parent / "models" / "shape_predictor_68_face_landmarks.dat"))
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    large = cv2.resize(gray, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    box = max(dlib.get_frontal_face_detector()(large), key=lambda box: box.width())
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        half = box.width() * rng.uniform(0.92, 1.08) / 2
        x, y = box.center().x + rng.uniform(-12, 12), box.center().y + rng.uniform(-12, 12)
        shape = predictor(large, dlib.rectangle(*(round(v) for v in (x - half, y - half, x + half, y + half))))
        found.append([((p.x + 0.5) * ENLARGED / 4 - 0.5, (p.y + 0.5) * ENLARGED / 4 - 0.5) for p in shape.parts()])
    points = np.median(np.array(found), axis=0)
    for index, point in CORRECTIONS.items():
        points[index] = point
    return points


def background() -> np.ndarray:
    """(1080, 1920, 3): a painted studio backdrop, lit from the middle; nothing in it is straight."""
    height, width = 1080, 1920
    rng = np.random.default_rng(11)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 1.18 - 0.55 * np.hypot((x - 1020) / 1400, (y - 380) / 950) ** 1.5
    cloth = np.array([136.0, 126.0, 108.0], np.float32) * light[..., None]
    for size, depth in ((170, 13.0), (70, 8.0), (28, 4.0)):  # brushed clouds, large to small, cooler where darker
        clouds = cv2.GaussianBlur(rng.normal(0, 1, (height // 4, width // 4)).astype(np.float32), (0, 0), size / 4)
        clouds = cv2.resize(clouds / clouds.std(), (width, height), interpolation=cv2.INTER_CUBIC)
        cloth += depth * clouds[..., None] * np.array([0.75, 0.95, 1.1], np.float32)
    grain = cv2.GaussianBlur(rng.normal(0, 5, (height, width)).astype(np.float32), (0, 0), 1.0)
    return np.clip(cloth + grain[..., None], 0, 255).astype(np.uint8)


def main() -> None:
    """Write the four files."""
    picture = cv2.imread(sys.argv[1])
    assert picture is not None and picture.shape == (512, 512, 3), "expected the 512x512 portrait"
    default = Path(__file__).parents[1] / "livewarp" / "assets" / "portrait2"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    folder.mkdir(parents=True, exist_ok=True)
    colours, matte = person(picture)
    full_chroma = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    cv2.imwrite(str(folder / "person.jpg"), colours, [cv2.IMWRITE_JPEG_QUALITY, 90, *full_chroma])
    cv2.imwrite(str(folder / "matte.png"), matte, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    cv2.imwrite(str(folder / "background.jpg"), background(), [cv2.IMWRITE_JPEG_QUALITY, 84])
    points = [[round(float(v), 2) for v in point] for point in landmarks(picture)]
    rows = ",\n".join(f"  {json.dumps(point)}" for point in points)
    (folder / "portrait.json").write_text(f'{{"landmarks": [\n{rows}\n]}}\n', encoding="utf-8")
    for path in sorted(folder.iterdir()):
        print(f"{path.name:16} {path.stat().st_size / 1024:6.0f} KiB")


if __name__ == "__main__":
    main()
