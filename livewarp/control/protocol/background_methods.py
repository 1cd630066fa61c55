"""The control methods about pictures that stand behind people; `control.web.uploads` takes them over HTTP."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.schema import NONE, TEXT, record, reference
from livewarp.filtering.pictures import picture_listing, remove_picture

_NAME = record({"name": TEXT})


def _list(changes: Changes, params: dict[str, Any]) -> Any:
    return picture_listing()


def _remove(changes: Changes, params: dict[str, Any]) -> Any:
    remove_picture(params["name"])
    return {"name": params["name"]}


BACKGROUND_METHODS = (
    Method("backgrounds.list", _list, "The pictures that can stand behind people.", NONE, reference("backgrounds")),
    Method("backgrounds.remove", _remove, "Delete a picture of your own.", _NAME, _NAME, True, ("backgrounds",)),
)
