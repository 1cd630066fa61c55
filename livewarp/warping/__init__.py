"""Warping: from faces and parameters to a reshaped frame."""

from __future__ import annotations

from livewarp.warping.warp import Warp, warp

__all__ = ["Warp", "warp"]
