"""How a face looks: textures, tones and smoothing, drawn on the frame that the landmarks came from, in place."""

from livewarp.appearance.painter import Painter

__all__ = ["Painter"]
