"""A sink that drops every frame: for benchmarks, and for when only the preview is wanted."""

from __future__ import annotations

from livewarp.arrays import BgrFrame


class NullSink:
    """Takes frames and forgets them."""

    name = "null"
    records = False
    dropped = 0
    problem = None
    watched = True  # whoever asks for this wants the work done

    def send(self, pixels: BgrFrame) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Nothing to release."""
