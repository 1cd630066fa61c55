"""Backgrounds by name: those that come with livewarp, and a person's own in one folder.

Guarantees: a name is never a path; a picture of one's own is decoded and drawn anew before it is kept, so that the
folder holds nothing but plain pictures of a bounded size, without the place and time that cameras write into theirs.
"""

from __future__ import annotations

import importlib.resources
import math
from pathlib import Path

import cv2
import numpy as np
from platformdirs import user_data_path

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError, SettingsError
from livewarp.knobs import Name
from livewarp.sources.image import decode_given, read_image
from livewarp.system.atomic import replacing

MAX_BYTES = 50_000_000  # of a picture that is added
MAX_OWN = 200
_LARGEST_WH = (1920, 1080)  # a picture that is larger is made smaller
_THUMBNAIL_HW = 180, 320
_QUALITY = 93  # of the JPEG that is kept
_NAME = Name()


def shipped() -> list[str]:
    """The names of those that come with livewarp."""
    folder = importlib.resources.files("livewarp").joinpath("assets/backgrounds")
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".jpg"))


def own_folder() -> Path:
    """Where a person's own are."""
    return user_data_path("livewarp") / "backgrounds"


def own() -> list[str]:
    """The names of a person's own."""
    try:
        stems = [path.stem for path in own_folder().glob("*.jpg") if path.is_file()]
    except OSError:
        return []
    return sorted(stem for stem in stems if _NAME.check(stem) == stem)


def add_picture(path: Path, name: str | None = None, replace: bool = False) -> str:
    """Keep a picture as a background; its name: that of the file, in plain letters, unless one is given.

    Raises
    ------
    LivewarpError
        The file is no picture, is too large, or cannot be kept; or the name is none, or is taken.
    """
    what = f"background {path}"
    name = check_name(name_of(path.stem) if name is None else name, replace)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise LivewarpError(f"{what}: {error.strerror or error}") from error
    if size > MAX_BYTES:
        raise LivewarpError(what, got=f"{size} bytes", allowed=f"up to {MAX_BYTES}")
    _keep(read_image(path), name)
    return name


def add_given(data: bytes, name: str, replace: bool = False) -> str:
    """Keep a picture that somebody sends, a PNG, JPEG or WebP, as a background; its name.

    Raises
    ------
    LivewarpError
        As `add_picture`.
    """
    check_name(name, replace)
    _keep(decode_given(data, f"background {name}", max(_LARGEST_WH)), name)
    return name


def name_of(text: str) -> str:
    """A name in plain letters after a file's, without its ending; "" where none is left."""
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(filter(None, words.split("-")))[:40].strip("-")


def check_name(name: str, replace: bool) -> str:
    """The name, where a picture may be added under it; else `LivewarpError`."""
    if _NAME.check(name) is None:
        raise SettingsError("background: name", got=repr(name), allowed=_NAME.allowed, remedy="give one with --name")
    taken = own()
    if name in shipped() or (name in taken and not replace):
        remedy = "give another (--name)" + (
            "" if name in shipped() else ", or replace it (--force, or replace=1 by HTTP)"
        )
        raise SettingsError(f"background {name}: the name is taken", remedy=remedy)
    if name not in taken and len(taken) >= MAX_OWN:
        raise LivewarpError(f"background {name}: there are {MAX_OWN} already", remedy="livewarp background remove NAME")
    return name


def _keep(picture: BgrFrame, name: str) -> None:
    """Write a picture into the folder, no larger than is needed."""
    height, width = picture.shape[:2]
    share = min(1.0, max(_LARGEST_WH[0] / width, _LARGEST_WH[1] / height))
    if share < 1.0:
        smaller = max(1, round(width * share)), max(1, round(height * share))
        picture = np.asarray(cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    try:
        own_folder().mkdir(parents=True, exist_ok=True)
        _, jpeg = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
        with replacing(own_folder() / f"{name}.jpg") as partial:
            partial.write_bytes(jpeg.tobytes())
    except (OSError, cv2.error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise LivewarpError(f"background {name}: cannot be kept: {reason}", remedy=f"see {own_folder()}") from error


def remove_picture(name: str) -> None:
    """Delete one of a person's own; `SettingsError` where there is none of that name."""
    if name not in own():
        raise SettingsError("background", got=repr(name), allowed=", ".join(own()) or "nothing: you have added none")
    try:
        (own_folder() / f"{name}.jpg").unlink()
    except OSError as error:
        raise LivewarpError(f"background {name}: {error.strerror or error}") from error


def picture_listing() -> dict[str, list[dict[str, str | bool]]]:
    """All there are, as the control plane tells it."""
    names = [(name, True) for name in shipped()] + [(name, False) for name in own()]
    return {"backgrounds": [{"name": name, "shipped": is_shipped} for name, is_shipped in names]}


def small_jpeg(name: str) -> bytes:
    """A background as a small JPEG.

    Raises
    ------
    LivewarpError
        There is none of that name, or its file is damaged.
    """
    _, jpeg = cv2.imencode(".jpg", load_picture(name, *_THUMBNAIL_HW), (cv2.IMWRITE_JPEG_QUALITY, 85))
    return jpeg.tobytes()


def stamp_of(name: str) -> int:
    """When one of a person's own was written, ns; 0: it is shipped, or there is none of that name."""
    try:
        return (own_folder() / f"{name}.jpg").stat().st_mtime_ns if _NAME.check(name) is not None else 0
    except OSError:
        return 0


def load_picture(name: str, height: int, width: int) -> BgrFrame:
    """A background for frames of this size, (height, width, 3) uint8 BGR: scaled to cover it, the middle of it.

    Raises
    ------
    LivewarpError
        There is none of that name, or its file is damaged.
    """
    if name in shipped():
        with importlib.resources.as_file(
            importlib.resources.files("livewarp").joinpath(f"assets/backgrounds/{name}.jpg")
        ) as path:
            picture = read_image(path)
    elif name in own():
        picture = read_image(own_folder() / f"{name}.jpg")
    else:
        remedy = "`livewarp background list` names them; add one with `livewarp background add FILE`"
        raise SettingsError("background_picture", got=repr(name), allowed=", ".join(shipped() + own()), remedy=remedy)
    h, w = picture.shape[:2]
    share = max(height / h, width / w)
    size = max(width, math.ceil(w * share)), max(height, math.ceil(h * share))
    way = cv2.INTER_AREA if share < 1.0 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])
