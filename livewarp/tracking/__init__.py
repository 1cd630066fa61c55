"""Tracking: where the faces are in each frame, as 68 calm landmarks a face."""

from __future__ import annotations

from livewarp.tracking.tracker import GAP_S, FaceTracker

__all__ = ["GAP_S", "FaceTracker"]
