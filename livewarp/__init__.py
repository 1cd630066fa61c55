"""livewarp: a real-time webcam face filter that runs as a daemon.

Importing it costs nothing: the public names load what they need when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["FaceFilter", "FaceTracker", "Parameters", "__version__"]

if TYPE_CHECKING:
    from livewarp.filtering.filter import FaceFilter
    from livewarp.parameters import Parameters
    from livewarp.tracking import FaceTracker

_HOMES = {
    "FaceFilter": "livewarp.filtering.filter",
    "FaceTracker": "livewarp.tracking",
    "Parameters": "livewarp.parameters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'livewarp' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
