"""Pictures over HTTP: a browser sends those that stand behind people or are drawn on faces, and sees the former small.

Guarantees: a body is bounded, is one picture of three kinds, and is decoded beside the hub, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.lock import BoundedSemaphore
from werkzeug.wrappers import Request

from livewarp.appearance.collection import add, checked_name, knob_name
from livewarp.appearance.own import BLENDS
from livewarp.appearance.unwrapping import of_given
from livewarp.control.protocol.events import Events
from livewarp.control.protocol.jsonrpc import read_json
from livewarp.control.protocol.refusals import INVALID_PARAMS, not_done
from livewarp.control.web.connections import UNAVAILABLE
from livewarp.errors import ControlError, LivewarpError
from livewarp.filtering.pictures import add_given, name_of, small_jpeg
from livewarp.sources.image import GIVEN_BYTES, decode_drawn

T = TypeVar("T")

UNSUPPORTED_MEDIA_TYPE = 415  # HTTP status, and the code of its error
_TYPES = ("image/jpeg", "image/png", "image/webp")
_WAIT_S = 20.0  # for the one before


class Uploads:
    """Adds pictures for one panel; for the hub's greenlets.

    Parameters
    ----------
    events
        Sends subscribers what there is then.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._turn = BoundedSemaphore(1)

    def add(self, request: Request) -> dict[str, str]:
        """Keep the picture that is the body as a background, under `name`; `replace=1`: also one that is taken.

        Raises
        ------
        ControlError
            It is no such picture, or the name is none or is taken.
        """
        name = name_of(request.args.get("name", "")[:200])
        if not name:
            raise ControlError("name", INVALID_PARAMS, allowed="?name=NAME, with a letter or a digit")
        self._take(request, lambda data: add_given(data, name, _replaces(request)))
        self._events.publish("backgrounds")
        return {"name": name}

    def add_texture(self, request: Request) -> dict[str, str]:
        """Keep the picture that is the body as a texture, under `name`; it becomes a knob with `textures.reload`.

        `points`: JSON, {name: [x, y], ...} px of the picture as it is seen upright; without them it is a painted
        template. `blend`: shade, paint or both. `replace` as in `add`.

        Raises
        ------
        ControlError
            As `add`; or the points place no picture.
        """
        name, wanted = request.args.get("name", ""), request.args.get("blend", "both")
        blend = next((known for known in BLENDS if known == wanted), None)
        if blend is None:
            raise ControlError("blend", INVALID_PARAMS, got=repr(wanted[:20]), allowed=", ".join(BLENDS))
        text = request.args.get("points")
        points = None if text is None else read_json(text.encode())

        def keep(data: bytes) -> None:
            checked_name(name)
            add(name, of_given(decode_drawn(data, f"texture {name}"), points, blend), _replaces(request))

        self._take(request, keep)
        return {"name": name, "parameter": knob_name(name)}

    def _take(self, request: Request, keep: Callable[[bytes], object]) -> None:
        """Do that with the body, once it is the turn of this one."""
        if request.mimetype not in _TYPES:
            got = repr(request.mimetype[:80])
            raise ControlError("Content-Type", UNSUPPORTED_MEDIA_TYPE, got=got, allowed=", ".join(_TYPES))
        if not self._turn.acquire(timeout=_WAIT_S):
            raise ControlError("another picture is being added", UNAVAILABLE, remedy="try again")
        try:
            request.max_content_length = GIVEN_BYTES
            data = request.get_data(cache=False)
            _beside(lambda: keep(data))
        finally:
            self._turn.release()

    def thumbnail(self, name: str) -> bytes:
        """A small JPEG of a background; `ControlError` where there is none of that name."""
        return _beside(lambda: small_jpeg(name))


def _replaces(request: Request) -> bool:
    return request.args.get("replace") == "1"


def _beside(run: Callable[[], T]) -> T:
    """What `run` returns, in another thread; what it refuses is a `ControlError`."""
    try:
        result: T = gevent.get_hub().threadpool.apply(run)
    except LivewarpError as error:
        raise not_done(error) from error
    return result
