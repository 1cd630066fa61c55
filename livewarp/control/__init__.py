"""The control plane. `Client` is for everybody; it needs nothing but the standard library."""

from livewarp.control.client import Client

__all__ = ["Client"]
