"""What a PipeWire session has, as its registry tells it: the nodes and their properties, kept up to date.

Threads: PipeWire's own loop calls back; whoever makes one, or reads `nodes`, holds the loop's lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_size_t, c_uint32
from ctypes import c_void_p as pointer
from typing import Any

from livewarp.system import libpipewire as pw

_NODE = b"PipeWire:Interface:Node"
_REGISTRY_VERSION = 3
_MOST = 1000  # properties of a node


class _Interface(Structure):
    """struct spa_interface, with which every object of the library begins."""

    _fields_ = (("type", c_char_p), ("version", c_uint32), ("methods", pointer), ("data", pointer))


class _Item(Structure):
    """struct spa_dict_item."""

    _fields_ = (("key", c_char_p), ("value", c_char_p))


class _Dictionary(Structure):
    """struct spa_dict."""

    _fields_ = (("flags", c_uint32), ("n_items", c_uint32), ("items", POINTER(_Item)))


_Global = CFUNCTYPE(None, pointer, c_uint32, c_uint32, c_char_p, c_uint32, POINTER(_Dictionary))
_GlobalRemove = CFUNCTYPE(None, pointer, c_uint32)
_GetRegistry = CFUNCTYPE(pointer, pointer, c_uint32, c_size_t)
_AddListener = CFUNCTYPE(c_int, pointer, pointer, pointer, pointer)


class _Events(Structure):
    """struct pw_registry_events."""

    _fields_ = (("version", c_uint32), ("added", _Global), ("removed", _GlobalRemove))


# Where these stand in the methods of a core and of a registry, counted in pointers; the first is the version.
_CORE_GET_REGISTRY, _REGISTRY_ADD_LISTENER = 6, 1


class SessionList:
    """The nodes of a session, by the connection that it was made with.

    Parameters
    ----------
    core
        The connection; it must live longer than this, and takes the registry with it when it ends.

    Attributes
    ----------
    nodes
        Number → properties.
    """

    def __init__(self, core: int) -> None:
        self.nodes: dict[int, dict[str, str]] = {}
        # What C holds pointers to, for as long as the connection lives.
        self._hook = ctypes.create_string_buffer(pw.HOOK_BYTES)
        self._events = _Events(version=0, added=_Global(self._on_added), removed=_GlobalRemove(self._on_removed))
        registry = _method(core, _CORE_GET_REGISTRY, _GetRegistry)(_REGISTRY_VERSION, 0)
        if registry:
            add = _method(registry, _REGISTRY_ADD_LISTENER, _AddListener)
            add(ctypes.addressof(self._hook), ctypes.addressof(self._events), None)

    def cameras(self) -> Iterator[dict[str, str]]:
        """The properties of those that are cameras."""
        return (about for about in self.nodes.values() if about.get("media.class") == "Video/Source")

    def _on_added(self, data: object, number: int, rights: int, kind: bytes, version: int, about: Any) -> None:
        """Of the loop's thread."""
        if kind == _NODE and about:
            items = about.contents.items[: min(about.contents.n_items, _MOST)]
            self.nodes[number] = {_text(item.key): _text(item.value) for item in items if item.key}

    def _on_removed(self, data: object, number: int) -> None:
        """Of the loop's thread."""
        self.nodes.pop(number, None)


def _method(thing: int, number: int, kind: Any) -> Any:
    """A method of an object, bound to it."""
    interface = _Interface.from_address(thing)
    address = pointer.from_address(interface.methods + number * ctypes.sizeof(pointer)).value
    function = kind(address)
    return lambda *arguments: function(interface.data, *arguments)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
