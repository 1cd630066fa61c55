"""Thumbnails of looks on the newest face, over HTTP: what the panel asks for, twice a second, while it shows looks.

One answer has all that are new: a line of JSON, an array with {look, bytes, number, box, trying} each, then the JPEGs
one after the other.

Guarantees: nothing of the camera goes out while blanked, and nothing that shows the room while that is hidden.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.errors import ParameterError
from livewarp.parameters import hides

THUMBNAILS_TYPE = "application/octet-stream"
_PARAMS = ("since", "trying")


def thumbnails(methods: Dispatcher, query: Mapping[str, str]) -> bytes:
    """The answer to a query: `since`: the number of the newest that the reader has; `trying`: a look to try, large.

    Raises
    ------
    ParameterError
        An unknown param, or a number that is none.
    """
    for name in query:
        if name not in _PARAMS:
            raise ParameterError(name, query[name], ", ".join(_PARAMS), f"unknown param {name[:80]!r}")
    since = query.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) < 16):
        raise ParameterError("since", since, "a whole number")
    daemon = methods.daemon
    looks = {preset["name"]: preset["values"] for preset in methods.presets.listing()["presets"]}
    made = [] if daemon.switches.blank else daemon.thumbnails(looks, query.get("trying"))
    shown = [t for t in made if t.number > int(since) and (t.hidden or not hides(daemon.parameters))]
    heads = [
        {"look": t.look, "bytes": len(t.jpeg), "number": t.number, "box": list(t.box), "trying": t.trying}
        for t in shown
    ]
    return json.dumps(heads).encode() + b"\n" + b"".join(t.jpeg for t in shown)
