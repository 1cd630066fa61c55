"""JSON Schema of what the control plane takes and sends, and the check of params against it.

The schemas of the methods stand beside them (`livewarp.control.protocol.methods`); those that several share are
here. `description` doubles as the "allowed" of an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from livewarp.control.protocol.events import DEFAULT_RATE_HZ, MAX_RATE_HZ, MIN_RATE_HZ
from livewarp.control.protocol.reports import FaceReport, StateReport, StatsReport, WornReport, schema_of
from livewarp.errors import ParameterError
from livewarp.knobs import TYPES

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, more: bool = False) -> Schema:
    """An object with these members; `more`: and perhaps others."""
    schema: dict[str, Any] = {"type": "object", "properties": {**required, **(optional or {})}}
    if required:
        schema["required"] = list(required)
    return schema if more else {**schema, "additionalProperties": False}


def listing(item: Schema, description: str | None = None) -> Schema:
    """An array of such items."""
    schema = {"type": "array", "items": item}
    return schema if description is None else {**schema, "description": description}


def reference(name: str) -> Schema:
    """One of `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def nullable(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


ANY: Schema = {}
BOOL: Schema = {"type": "boolean", "description": "true or false"}
INTEGER: Schema = {"type": "integer", "description": "an integer"}
NUMBER: Schema = {"type": "number", "description": "a number"}
TEXT: Schema = {"type": "string", "description": "a text"}

NONE = record({})
NAMES = record({}, {"names": listing(TEXT, "a list of parameter names")})
ON = record({}, {"on": {**BOOL, "description": "true or false; omit to toggle"}})
BY: Schema = {
    "type": "object",
    "additionalProperties": NUMBER,
    "description": "an object with names and what to add to each",
}
SET: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["number", "boolean", "string"]},
    "description": "an object with names and values",
}
TOPICS = listing(TEXT, "a list of topics")
RATE: Schema = {
    "type": "number",
    "minimum": MIN_RATE_HZ,
    "maximum": MAX_RATE_HZ,
    "default": DEFAULT_RATE_HZ,
    "description": f"a number from {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g}",
}
PROBLEM = record({"what": TEXT, "remedy": TEXT})

DEFS: Mapping[str, Schema] = {
    "switches": record({"blank": BOOL, "freeze": BOOL}),
    "preset": record({"name": TEXT, "shipped": BOOL, "values": reference("parameters")}),
    "presets": record({"presets": listing(reference("preset")), "problems": listing(PROBLEM)}),
    "worn": schema_of(WornReport),
    "history": record({"undo": INTEGER, "redo": INTEGER}),
    "backgrounds": record({"backgrounds": listing(record({"name": TEXT, "shipped": BOOL}))}),
    "knob": record(
        {
            "type": {"enum": list(TYPES)},
            "default": reference("value"),
            "min": nullable(NUMBER),
            "max": nullable(NUMBER),
            "choices": nullable(listing(TEXT)),
            "unit": TEXT,
            "help": TEXT,
            "area": TEXT,
            "group": TEXT,
            "keywords": listing(TEXT),
            "ends": nullable(listing(TEXT, "the words for least and most")),
            "scaled": BOOL,
            "in_presets": BOOL,
            "initial": reference("value"),
        }
    ),
    "value": {"type": ["number", "boolean", "string"]},
    "state": schema_of(StateReport),
    "stats": schema_of(StatsReport),
    "face": schema_of(FaceReport),
    "source": record({"source": TEXT, "name": TEXT, "current": BOOL}, more=True),
    "error": record({"code": INTEGER, "message": TEXT}, {"data": ANY}),
}
"""What several methods and events speak of, by name; `parameters` is added to them, as it depends on the knobs."""

EVENTS: Mapping[str, Schema] = {
    "parameters": reference("parameters"),
    "switches": reference("switches"),
    "presets": reference("presets"),
    "preset": reference("worn"),
    "history": reference("history"),
    "backgrounds": reference("backgrounds"),
    "state": reference("state"),
    "stats": reference("stats"),
    "faces": listing(reference("face")),
}
"""What the events of each topic carry."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


def check_params(params: Mapping[str, Any], schema: Schema) -> None:
    """Refuse params that their schema does not allow (`ParameterError`); a `$ref` is left to its method."""
    if "$ref" in schema:
        return
    known = schema["properties"]
    for name, value in params.items():
        if name not in known:
            allowed = ", ".join(known) or "no params"
            raise ParameterError(name, value, allowed, f"unknown param {name[:80]!r}")
        if not _is(value, known[name]):
            raise ParameterError(name, value, known[name]["description"])
    for name in schema.get("required", ()):
        if name not in params:
            raise ParameterError(name, None, known[name]["description"], f"param {name!r} is missing")


def _is(value: object, schema: Schema) -> bool:
    """Whether a value is what this part of a schema of params says; it knows the keywords that those use."""
    if not isinstance(value, _TYPES[schema["type"]]):
        return False
    if isinstance(value, list):
        return all(_is(item, schema["items"]) for item in value)
    if schema["type"] == "number":
        assert isinstance(value, (int, float))
        bounds = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        return not isinstance(value, bool) and bounds[0] <= value <= bounds[1]
    return True
