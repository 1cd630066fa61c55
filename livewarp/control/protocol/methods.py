"""The one table of control methods.

A new method is a row in the module of its family, with the function that it runs: the line port, the web panel,
`schema` and the tests derive from this table.
"""

from __future__ import annotations

from collections.abc import Mapping

from livewarp.control.protocol.access_methods import ACCESS_METHODS
from livewarp.control.protocol.background_methods import BACKGROUND_METHODS
from livewarp.control.protocol.camera_methods import CAMERA_METHODS
from livewarp.control.protocol.daemon_methods import DAEMON_METHODS, SETUP_METHODS
from livewarp.control.protocol.event_methods import EVENT_METHODS
from livewarp.control.protocol.history_methods import HISTORY_METHODS
from livewarp.control.protocol.method import Method, schema_document
from livewarp.control.protocol.parameter_methods import PARAMETER_METHODS, SWITCH_METHODS
from livewarp.control.protocol.preset_methods import PRESET_METHODS
from livewarp.control.protocol.schema import NONE
from livewarp.control.protocol.texture_methods import TEXTURE_METHODS
from livewarp.parameters import KNOBS

_SCHEMA = Method(
    "schema",
    lambda changes, params: schema_document(METHODS.values()),
    "JSON Schema of all methods and events.",
    NONE,
    {"type": "object"},
    made_of=lambda changes: tuple(KNOBS.values()),
)

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        *PARAMETER_METHODS,
        *PRESET_METHODS,
        *HISTORY_METHODS,
        *BACKGROUND_METHODS,
        *TEXTURE_METHODS,
        *SWITCH_METHODS,
        *SETUP_METHODS,
        *CAMERA_METHODS,
        *EVENT_METHODS,
        *DAEMON_METHODS,
        *ACCESS_METHODS,
        _SCHEMA,
    )
}
"""Every control method by name, in the order in which people see them."""

URGENT = frozenset(method.name for method in METHODS.values() if method.urgent)
"""What goes before all others: it hides the camera, or ends the daemon."""
