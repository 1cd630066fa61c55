"""Who can sit for the built-in portrait, and what of each picture the moving of it must know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sitter:
    """A person in a picture of the package.

    Attributes
    ----------
    name
        How a person asks for it.
    credit
        Who that is and who took the picture, for people.
    folder
        Of `livewarp/assets`: person.jpg, matte.png, background.jpg, portrait.json.
    scale
        Frame px that a portrait px is in a frame of 720 rows and 600 or more columns.
    eyes_to_bottom_px
        Portrait px from the eyes down to where the picture may end, so that a tall frame is filled.
    lid_reach_px
        How far above each upper lid, right and left, skin follows it down, portrait px.
    """

    name: str
    credit: str
    folder: str
    scale: float
    eyes_to_bottom_px: float
    lid_reach_px: tuple[float, float]


SITTERS: tuple[Sitter, ...] = (
    # A face box of about 250 px; the lids' skin ends at her glasses.
    Sitter("portrait", "Grace Hopper; US Navy", "portrait", 1.15, 480.0, (6.5, 8.5)),
    # The same inter-ocular distance.
    Sitter("portrait:2", "Eileen Collins; NASA", "portrait2", 1.03, 780.0, (8.0, 9.0)),
)
"""The first is what `portrait` alone means."""


DEMO = SITTERS[1]
"""Who stands in for a webcam, and shows what livewarp does: younger, so that ageing and smoothing can be seen."""


def sitter_named(name: str) -> Sitter:
    """Whom that source shows; `portrait:1` is `portrait`."""
    return next((sitter for sitter in SITTERS if sitter.name == name), SITTERS[0])
