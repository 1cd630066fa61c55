"""The control methods about a person's own textures; `control.web.uploads` takes them over HTTP."""

from __future__ import annotations

from typing import Any

from livewarp.appearance.collection import remove, texture_listing
from livewarp.appearance.own import BLENDS
from livewarp.appearance.unwrapping import LEAST_POINTS, NAMES
from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.schema import INTEGER, NONE, NUMBER, TEXT, listing, record
from livewarp.face68 import MEAN_FACE
from livewarp.sources.image import GIVEN_BYTES, GIVEN_PIXELS

_NAME = record({"name": TEXT})
_ROW = record({"name": TEXT, "parameter": TEXT, "blend": {"enum": list(BLENDS)}})
_POINT = record({"name": TEXT, "x": NUMBER, "y": NUMBER})
_POINTS = [
    {"name": name, "x": round(float(MEAN_FACE[at, 0]), 3), "y": round(float(MEAN_FACE[at, 1]), 3)}
    for name, at in NAMES.items()
]


def _list(changes: Changes, params: dict[str, Any]) -> Any:
    return {"textures": texture_listing()}


def _points(changes: Changes, params: dict[str, Any]) -> Any:
    return {"least": LEAST_POINTS, "max_bytes": GIVEN_BYTES, "max_pixels": GIVEN_PIXELS, "points": _POINTS}


def _reload(changes: Changes, params: dict[str, Any]) -> Any:
    return {"textures": changes.reload_textures()}


def _remove(changes: Changes, params: dict[str, Any]) -> Any:
    remove(params["name"])
    return {"textures": changes.reload_textures()}


_KNOBS = record({"textures": listing(TEXT)})

TEXTURE_METHODS = (
    Method("textures.list", _list, "Your own textures.", NONE, record({"textures": listing(_ROW)})),
    Method(
        "textures.points",
        _points,
        "What marks a picture: key points, where they are on a mean face, how many are needed; and its bounds.",
        NONE,
        record({"least": INTEGER, "max_bytes": INTEGER, "max_pixels": INTEGER, "points": listing(_POINT)}),
    ),
    Method(
        "textures.remove",
        _remove,
        "Delete a texture of your own, and its parameter with it.",
        _NAME,
        _KNOBS,
        True,
        ("parameters",),
    ),
    Method(
        "textures.reload",
        _reload,
        "Read your own textures anew; each is a parameter of the group own, which `describe` then has.",
        NONE,
        _KNOBS,
        True,
        ("parameters",),
    ),
)
