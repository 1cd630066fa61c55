"""Draws docs/images/panel.jpg, the web panel in light and dark, with the program itself: `make docs`.

Needs the system's Chromium, which tests/browser.py drives; without it the picture stays as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "panel.jpg"
PICTURE_BYTES = 400_000  # at most: it is in the README
SIZE = (1280, 800)
LOOK = {"thin": 0.8, "eyes": 0.6, "jaw": -0.2, "smile": 0.3}
STEPS = "document.querySelectorAll('#steps button.square, #problems [title]:last-child').forEach((b) => b.click())"
SETTLE_S = 6.0  # until thumbnails and the glide are there
LIVE = "document.body.dataset.link === 'open' && document.querySelector('#screen').dataset.picture === 'live'"

sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, find_chromium  # noqa: E402  # its folder has just been named


def shoot(executable: str, url: str, folder: Path) -> list[np.ndarray]:
    """The panel in light and dark, comparing, with a look on."""
    browser = Browser(executable, folder)
    try:
        shots = []
        page = browser.page(*SIZE, prefers_color_scheme="light")
        page.open(url)
        page.until(LIVE)
        page.click("[data-switch=split]")
        page.until("!document.querySelector('#divider').hidden")
        page.run("document.querySelector('#tab-shape').click()")
        time.sleep(SETTLE_S)
        page.run(STEPS)  # what this machine lacks is no part of the picture
        page.until("document.querySelector('#screen').hasAttribute('data-split')")
        # Both pictures are to show the same frame: the streams of a hidden page stand still.
        page.run("Object.defineProperty(document, 'hidden', { value: true })")
        page.run("document.dispatchEvent(new Event('visibilitychange'))")
        for theme in ("light", "dark"):
            page.run(f"document.documentElement.dataset.theme = '{theme}'")
            page.run(f"document.documentElement.dataset.shade = '{theme}'")
            page.run("new Promise((done) => setTimeout(done, 500))")  # colours fade
            shots.append(cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR))
        return shots
    finally:
        browser.close()


def halved(light: np.ndarray, dark: np.ndarray) -> np.ndarray:
    """Both in one: light to the left of a slanting line, dark to the right of it."""
    height, width = light.shape[:2]
    x = np.arange(width)[None, :] - (width * 0.5 + (height / 2 - np.arange(height)[:, None]) * 0.18)
    part = np.clip(x + 0.5, 0.0, 1.0)[..., None]
    return np.rint(light * (1.0 - part) + dark * part).astype(np.uint8)


def main() -> None:
    """Start a daemon, open its panel, write the picture."""
    executable = find_chromium()
    if executable is None:
        print(f"no Chromium here (Debian: apt install chromium): {PICTURE.relative_to(ROOT)} stays as it is")
        return
    with tempfile.TemporaryDirectory() as folder:
        options = [
            "--source",
            "portrait:2",
            "--width",
            "960",
            "--height",
            "540",
            "--sink",
            "null",
            "--control",
            "127.0.0.1:0",
            "--panel",
            "127.0.0.1:0",
        ]
        sets = [word for name, value in LOOK.items() for word in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "livewarp", "run", "--fresh", *options, *sets]
        own = {f"XDG_{name}_HOME": folder for name in ("CONFIG", "STATE")} | {"XDG_RUNTIME_DIR": folder}
        environment = {**os.environ, **own}  # the presets of the person who runs this are not ours to show
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment) as daemon:
            assert daemon.stderr is not None
            try:
                url = next(found[1] for line in daemon.stderr if (found := re.search(r"preview: (\S+)", line)))
                light, dark = shoot(executable, url, Path(folder) / "profile")
            finally:
                daemon.terminate()
                daemon.stderr.read()
    for quality in range(92, 60, -4):
        _, jpeg = cv2.imencode(".jpg", halved(light, dark), (cv2.IMWRITE_JPEG_QUALITY, quality))
        if len(jpeg) <= PICTURE_BYTES:
            break
    PICTURE.write_bytes(jpeg.tobytes())
    print(f"{PICTURE.relative_to(ROOT)}: {len(jpeg)} bytes")


if __name__ == "__main__":
    main()
