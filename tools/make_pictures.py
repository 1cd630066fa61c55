"""Draws the pictures of the docs, and writes what is listed there, with the program itself: `make docs`.

Writes docs/images/before-after.jpg: the built-in portrait as it is and with the parameters written on it;
docs/images/adjustments.jpg: every adjustment on it; docs/adjustments.md: the table of them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livewarp import FaceFilter, Parameters
from livewarp.adjustments import ADJUSTMENTS, Adjustment
from livewarp.arrays import BgrFrame
from livewarp.sheet import contact_sheet, find_face
from livewarp.sources.portrait import PortraitSource

DOCS = Path(__file__).resolve().parents[1] / "docs"
IMAGES = DOCS / "images"
SHOWN = (
    ("as it came", Parameters(thin=0, eyes=0)),
    ("thin 0.35, eyes 0.25 (default)", Parameters()),
    ("thin 1, eyes 1", Parameters(thin=1, eyes=1)),
)
CROP_XYXY = (320, 40, 960, 720)  # of a 1280x720 frame: head and shoulders

SHEET_CELL_PX = 128
SHEET_BYTES = 900_000  # at most: a page should open at once

PAGE = """\
# Adjustments

<!-- Written by `make docs` from livewarp/adjustments.py: change it there or in tools/make_pictures.py. -->

Each of the {number} adjustments is a number; 0 leaves the face as it is. Any of them go together: they add up to one
displacement field, the frame is sampled once, and no mix of them folds the picture.

```
livewarp set smile=0.3 jaw=-0.2             # while it runs
livewarp apply in.mp4 out.mp4 --set smile=0.3
livewarp sheet me.jpg                       # all of them on your own face, as below
livewarp sheet me.jpg --strength 0.4        # less of each
```

{tables}
## What they look like

On the right of each, a grid that was straight before the warp; dark where the picture moves.

[![Every adjustment on the portrait, at its least, at 0 and at its most](images/adjustments.jpg)][sheet]

[sheet]: images/adjustments.jpg

## Your own

A table `[adjustments.NAME]` in `config.toml` adds an adjustment in the same terms as the built-in ones. It is read at
start; from then on `set`, `--set`, the panel and `livewarp sheet` know it by its name:

```toml
[adjustments.elf]
help = "A pointed chin."
ends = ["rounder", "more pointed"]   # words for its least and its most
keywords = ["v line", "elf"]         # what one may type to find it
area = "face"        # face, eyes, brows, nose or mouth: where it is listed
minimum = 0.0        # -1 to 0; the maximum, 0 to 1, is 1 where it is not given
strokes = [
  {{ kind = "shift", anchor = [8], radius = [0.45, 0.6], amount = [0.0, 0.12], paired = false }},
  {{ kind = "shift", anchor = [6], radius = [0.4, 0.4], amount = [0.05, 0.0], outer = 0.7 }},
]
```

A stroke moves (`shift`) or grows (`scale`) what is around its anchor: the mean of some of the 68 landmarks, plus an
`offset`. Lengths are inter-ocular distances along the face's own axes, x towards the subject's left, y towards the
chin; a stroke is written for the subject's right side, and `paired` (the default) adds its mirror image. All fields
are explained at the top of [livewarp/adjustments.py](../livewarp/adjustments.py).
"""


def adjustments_page() -> str:
    """The text of docs/adjustments.md."""
    tables = ""
    for area in dict.fromkeys(a.area for a in ADJUSTMENTS.values()):
        rows = "".join(map(_row, (a for a in ADJUSTMENTS.values() if a.area == area)))
        tables += f"## {area.capitalize()}\n\n| name | range | default | what it does |\n|---|---|---|---|\n{rows}\n"
    return PAGE.format(number=len(ADJUSTMENTS), tables=tables.rstrip("\n") + "\n")


def _row(a: Adjustment) -> str:
    low, high, default = (f"{v:g}".replace("-", "−") for v in (a.minimum, a.maximum, a.default))
    return f"| `{a.name}` | {low} to {high} | {default} | {a.help.rstrip('.')} ({a.ends[0]} … {a.ends[1]}). |\n"


def adjustments_picture() -> bytes:
    """The sheet of the portrait as a JPEG of at most SHEET_BYTES, as good as fits."""
    sheet = contact_sheet(*find_face(), cell_px=SHEET_CELL_PX)
    for quality in range(92, 40, -4):
        data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= SHEET_BYTES:
            return data
    raise SystemExit(f"the sheet of {sheet.shape[1]}x{sheet.shape[0]} does not fit into {SHEET_BYTES} bytes")


def labelled(frame: BgrFrame, text: str) -> BgrFrame:
    """The middle of the frame with a caption below."""
    x0, y0, x1, y1 = CROP_XYXY
    picture = cv2.copyMakeBorder(frame[y0:y1, x0:x1], 0, 44, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    place = (16, picture.shape[0] - 14)
    return cv2.putText(picture, text, place, cv2.FONT_HERSHEY_DUPLEX, 0.8, (40, 40, 40), 1, cv2.LINE_AA)


def main() -> None:
    """Draw them all."""
    source = PortraitSource(1280, 720)
    frame = np.empty((720, 1280, 3), np.uint8)
    source.render(0, frame)
    pictures = [labelled(FaceFilter(parameters).apply(frame), text) for text, parameters in SHOWN]
    IMAGES.mkdir(parents=True, exist_ok=True)
    sheet = cv2.resize(np.hstack(pictures), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(IMAGES / "before-after.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])
    (IMAGES / "adjustments.jpg").write_bytes(adjustments_picture())
    (DOCS / "adjustments.md").write_text(adjustments_page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
