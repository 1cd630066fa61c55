"""Rebuild livewarp/assets/portrait from the public-domain portrait of Grace Hopper.

Usage: python tools/make_portrait_assets.py grace_hopper.jpg [OUTPUT_FOLDER]

Makes person.jpg (the sitter, her jacket continued downwards and to the right), matte.png (where she
is), background.jpg (a painted room) and portrait.json (landmarks). The outline and the corrections
of the landmarks were drawn by hand on the 512x600 picture of Wikimedia Commons that matplotlib ships.

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

WIDTH, HEIGHT = 560, 740  # px: the picture's 512x600 and what is added to the right and below

# The sitter's outline, clockwise from the bottom left: sleeve, shoulder, neck, hair, ear, hat and
# down the other side. Beyond x = 511 it is the other sleeve, mirrored; below y = 599 it goes on.
OUTLINE = (
    "8,745 9,680 9.7,640 11,600 13,575 16,550 19,520 22,490 26,455 29,432 33,415 38,402 44,391 50,384.5 "
    "57,380 63,378.5 70,374 80,368.5 90,365 100,362.5 115,360 125,357 135,352.5 148,348 160,344 167,342 "
    "176,338 184,331 190,324.5 196,319 201,313 203.5,309 202,304 199.5,298.5 196,297.5 190,295 180,291 "
    "172,287 166,283 162,278 160,272 158,265 157,257 157.3,247 159,238 162,231 162,226 158.5,220 "
    "155.5,212 153.5,200 153.8,191 157,184.5 156,182 150,182.5 147,180 146.8,165 148,150 150,135 "
    "152.5,118 154.5,107 157,99 161,92.5 167,87 173.5,84 176.5,76 181,67.5 188,59 196,51 204,45 "
    "212,41.5 219,38.5 221.5,34 225,30.5 231,27 238,24.5 247,22.8 255,22.4 268,23.6 280,26.7 288,30.5 "
    "295,36 300.5,40.8 312,44 323,48.2 332,53.5 340,60.5 347,69.5 351,77.5 353,85.8 357,86.5 362,86.6 "
    "365.5,92 368,100 369.2,112 370.3,126 371.2,140 370,155 368,170 366.8,181 370,184.5 373.5,191 "
    "375,199.5 373.5,210 370,222 366,238 363,251 361.5,261 361,270 359,278 355,288 350,296 344,301.5 "
    "337,305.5 331.5,307 330.5,311.5 336,320 345,327.5 352,333.5 363,341.5 375,345.5 388,350.5 "
    "400,356.5 420,365.5 440,371.5 450,373.5 462,378.5 472,383 482,388 488,389.5 493,394.5 497,402.5 "
    "501,416 507,432 511,445 514.5,457 518,475 522,500 525,530 528,560 531,600 534,640 537,690 540,745"
)

# Where dlib's points sit beside the feature: it takes the sitter's left ear and hair for the jaw,
# the corners of the glasses for the ends of the brows, and puts the lids about 2 px too low.
CORRECTIONS = {
    0: (177.3, 203.0),
    1: (184.5, 226.5),
    2: (190.0, 249.0),
    10: (314.5, 319.5),
    11: (326.5, 306.0),
    12: (333.5, 289.5),
    13: (338.0, 268.5),
    14: (342.0, 245.5),
    15: (346.5, 219.0),
    16: (351.0, 193.0),
    17: (184.5, 174.0),
    26: (345.5, 166.5),
    36: (208.6, 194.4),
    37: (215.3, 187.0),
    38: (227.8, 186.4),
    39: (238.6, 194.4),
    40: (228.4, 196.0),
    41: (217.0, 196.4),
    42: (292.2, 191.8),
    43: (300.5, 182.3),
    44: (313.0, 182.2),
    45: (323.5, 189.4),
    46: (314.0, 192.0),
    47: (302.4, 192.6),
}


def person(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(HEIGHT, WIDTH, 3) colours that run on past the edge, and the matte (HEIGHT, WIDTH)."""
    height, width = picture.shape[:2]
    canvas = cv2.copyMakeBorder(picture, 0, HEIGHT - height, 0, WIDTH - width, cv2.BORDER_REFLECT)
    # The cloth goes on below as the rows between the ribbons and the button, there and back.
    cloth = canvas[532:572]
    strip = np.concatenate([cloth[::-1], cloth] * 2)[: HEIGHT - height]
    strip[:, :26] = strip[:, 26:52][:, ::-1]  # the flag beside the sleeve
    canvas[height:] = cv2.medianBlur(strip, 3)  # specks would repeat
    y, x = np.mgrid[height : height + 4, 228:264]
    button = ((x - 245.0) / 13.0) ** 2 + ((y - 589.0) / 13.5) ** 2 < 1.0
    canvas[height : height + 4, 228:264][button] = canvas[height - 4 : height, 228:264][::-1][button]

    fine = 8  # supersampling of the outline
    points = np.array([p.split(",") for p in OUTLINE.split()], float)
    polygon = np.round(((points + 0.5) * fine - 0.5) * 16).astype(np.int32)
    mask = np.zeros((HEIGHT * fine, WIDTH * fine), np.uint8)
    cv2.fillPoly(mask, [polygon], 255, shift=4)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.2 * fine)
    mask = np.where(mask > 127, 255, 0).astype(np.uint8)  # corners of the polygon rounded off
    mask = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))  # 0.5 px inwards
    matte = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    matte = cv2.GaussianBlur(matte, (0, 0), 0.8)
    matte[-2:] = matte[-3]

    # Near the edge and outside the colour is that of the nearest pixel well inside: no halo.
    inside = cv2.erode((matte > 250).astype(np.uint8), np.ones((3, 3), np.uint8))
    _, labels = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, 3), np.uint8)
    colours[labels[inside == 1]] = canvas[inside == 1]
    filled = np.where(inside[..., None] == 1, canvas, colours[labels])
    smooth = cv2.GaussianBlur(filled, (0, 0), 1.5)
    filled = np.where(inside[..., None] == 1, filled, smooth)
    return filled.astype(np.uint8), matte


def landmarks(picture: np.ndarray) -> np.ndarray:
    """(68, 2): dlib's points at 4x size, median over 200 jittered boxes, then corrected by hand."""
    origin = importlib.util.find_spec("face_recognition_models").origin
    predictor = dlib.shape_predictor(str(Path(origin).parent / "models" / "shape_predictor_68_face_landmarks.dat"))
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    box = dlib.get_frontal_face_detector()(gray)[0]
    large = cv2.resize(gray, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        half = box.width() * rng.uniform(0.92, 1.08) / 2
        x, y = box.center().x + rng.uniform(-6, 6), box.center().y + rng.uniform(-6, 6)
        corners = [round(4 * v) for v in (x - half, y - half, x + half, y + half)]
        shape = predictor(large, dlib.rectangle(*corners))
        found.append([((p.x + 0.5) / 4 - 0.5, (p.y + 0.5) / 4 - 0.5) for p in shape.parts()])
    points = np.median(np.array(found), axis=0)
    for index, point in CORRECTIONS.items():
        points[index] = point
    return points


def background() -> np.ndarray:
    """(1080, 1920, 3): a blue panelled wall, shelves with books, a framed picture, out of focus."""
    height, width = 1080, 1920
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 1.12 - 0.30 * np.hypot((x - 1250) / 1500, (y - 260) / 1000) ** 1.2
    wall = np.array([150.0, 122.0, 92.0], np.float32) * light[..., None]
    room = np.clip(wall, 0, 255).astype(np.uint8)

    def shade(x0: int, y0: int, x1: int, y1: int, gain: float) -> None:
        part = room[y0:y1, x0:x1]
        part[:] = np.clip(part * gain, 0, 255).astype(np.uint8)

    def panel(x0: int, y0: int, x1: int, y1: int) -> None:
        for inset, gain in ((0, 0.80), (6, 1.14), (12, 0.90)):
            a, b, c, d = x0 + inset, y0 + inset, x1 - inset, y1 - inset
            shade(a, b, c, b + 6, gain)
            shade(a, d - 6, c, d, 2.0 - gain)
            shade(a, b + 6, a + 6, d - 6, gain)
            shade(c - 6, b + 6, c, d - 6, 2.0 - gain)

    for left in range(-60, width, 400):  # wall panels, the edges of which a warp would bend
        panel(max(left, 0), 90, min(left + 340, width), 690)
        panel(max(left, 0), 800, min(left + 340, width), 1060)
    shade(0, 735, width, 741, 1.22)
    shade(0, 741, width, 757, 1.08)
    shade(0, 757, width, 766, 0.72)

    for top in (330, 610):  # two shelves with books
        at = 60
        while at < 430:
            thick, tall = int(rng.integers(18, 40)), int(rng.integers(120, 205))
            hue, value = float(rng.choice([8, 15, 22, 105, 112, 95])), float(rng.uniform(60, 150))
            colour = np.uint8([[[hue, rng.uniform(60, 130), value]]])
            bgr = cv2.cvtColor(colour, cv2.COLOR_HSV2BGR)[0, 0].tolist()
            cv2.rectangle(room, (at, top - tall), (at + thick, top), bgr, -1)
            shade(at + thick - 4, top - tall, at + thick + 1, top, 0.6)
            shade(at, top - tall, at + 3, top, 1.25)
            band = top - int(tall * 0.8)
            shade(at, band, at + thick, band + 8, 1.5)
            at += thick + 1 + (int(rng.integers(30, 70)) if rng.random() < 0.12 else 0)
        cv2.rectangle(room, (36, top), (500, top + 20), (58, 82, 112), -1)
        shade(36, top, 500, top + 4, 1.3)
        shade(36, top + 20, 506, top + 40, 0.74)

    # A framed seascape on the other side.
    cv2.rectangle(room, (1508, 196), (1800, 556), (30, 40, 52), -1)
    cv2.rectangle(room, (1520, 208), (1788, 544), (74, 108, 142), -1)
    cv2.rectangle(room, (1532, 220), (1776, 532), (206, 216, 220), -1)
    sky = np.linspace(0, 1, 190, dtype=np.float32)[:, None, None]
    room[256:446, 1566:1742] = np.array([190, 160, 120]) * (1 - sky) + np.array([214, 222, 226]) * sky
    sea = np.linspace(0, 1, 50, dtype=np.float32)[:, None, None]
    room[446:496, 1566:1742] = np.array([150, 130, 80]) * (1 - sea) + np.array([96, 72, 40]) * sea
    cv2.fillPoly(room, [np.array([[1640, 450], [1640, 340], [1690, 442]])], (232, 236, 238), cv2.LINE_AA)
    cv2.fillPoly(room, [np.array([[1634, 444], [1634, 360], [1604, 440]])], (214, 218, 222), cv2.LINE_AA)
    cv2.fillPoly(room, [np.array([[1600, 452], [1700, 450], [1686, 466], [1612, 466]])], (40, 48, 90), cv2.LINE_AA)

    room = cv2.GaussianBlur(room, (0, 0), 3.0)
    grain = cv2.GaussianBlur(rng.normal(0, 6, (height, width)).astype(np.float32), (0, 0), 1.0)
    return np.clip(room + grain[..., None], 0, 255).astype(np.uint8)


def main() -> None:
    """Write the four files."""
    picture = cv2.imread(sys.argv[1])
    assert picture is not None and picture.shape == (600, 512, 3), "expected the 512x600 portrait"
    default = Path(__file__).parents[1] / "livewarp" / "assets" / "portrait"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    folder.mkdir(parents=True, exist_ok=True)
    colours, matte = person(picture)
    full_chroma = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    cv2.imwrite(str(folder / "person.jpg"), colours, [cv2.IMWRITE_JPEG_QUALITY, 94, *full_chroma])
    cv2.imwrite(str(folder / "matte.png"), matte, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    cv2.imwrite(str(folder / "background.jpg"), background(), [cv2.IMWRITE_JPEG_QUALITY, 86])
    points = [[round(float(v), 2) for v in point] for point in landmarks(picture)]
    rows = ",\n".join(f"  {json.dumps(point)}" for point in points)
    (folder / "portrait.json").write_text(f'{{"landmarks": [\n{rows}\n]}}\n', encoding="utf-8")
    for path in sorted(folder.iterdir()):
        print(f"{path.name:16} {path.stat().st_size / 1024:6.0f} KiB")


if __name__ == "__main__":
    main()
