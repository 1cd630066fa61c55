"""The one table of stages: what a frame goes through, in order.

The filter, the figures, `watch`, the benchmarks and their plots derive from it. A new stage is a row here and a
module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from livewarp.adjustments import ADJUSTMENTS
from livewarp.appearance.hair_colour import dyes
from livewarp.appearance.recipe import is_wanted
from livewarp.arrays import BgrFrame
from livewarp.filtering.background import Background
from livewarp.filtering.hairdressing import Hairdressing
from livewarp.filtering.hiding import cover
from livewarp.filtering.overlay import draw_overlay, mirror
from livewarp.filtering.reshaping import Reshaping
from livewarp.filtering.retouching import Retouching
from livewarp.knobs import Value
from livewarp.parameters import hides
from livewarp.scene import Scene
from livewarp.worker import Worker

Values = Mapping[str, Value]
"""Effective values by knob: on their way where they glide, with `enabled` and `strength` in them."""


class Work(Protocol):
    """What a stage does to the picture, with its buffers; each filter has its own."""

    @property
    def prepare(self) -> Callable[[int, int], None] | None:
        """Compiles or loads what `run` needs for frames of (height, width), once; None: it needs nothing.

        Live it runs in the worker while frames go on: it must not call a `parallel=True` kernel, only
        compile it (two threads in such kernels abort the process).
        """

    def run(self, frame: BgrFrame, scene: Scene, values: Values, economy: int) -> None:
        """Change the frame in place; `economy`: 0 full quality, 3 as cheap as it goes."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Work that is one function and needs no preparation."""

    function: Callable[[BgrFrame, Scene, Values], None]
    prepare: None = None

    def run(self, frame: BgrFrame, scene: Scene, values: Values, economy: int) -> None:
        """Call it."""
        self.function(frame, scene, values)


def always(values: Values) -> bool:
    """Whatever the values are."""
    return True


def needs_none(values: Values, has_time: bool) -> bool:
    """No mask, whatever the values are."""
    return False


def in_any_scene(scene: Scene) -> bool:
    """Whatever the tracker found."""
    return True


def has_faces(scene: Scene) -> bool:
    """Only where there is a face."""
    return bool(scene.faces)


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the table.

    Attributes
    ----------
    name
        Also its key in the figures.
    help
        What it does, for people.
    make
        Makes its work for one filter; None: the loop or the tracker does it.
    is_wanted
        Whether these effective values need it; evaluated when they change.
    applies
        Whether it has anything to do in this scene; evaluated with every frame.
    economy
        What it saves at each step of the governor, for people; "": nothing more. Dear effects go first, landmarks last.
    at_start
        It is prepared before the first frame, and always in the figures. The others are prepared when they are
        first wanted, and are in the figures when they ran.
    wants_masks
        Whether, where it is wanted, these effective values need the mask of people; they may, too, where there is time.
    wants_hair
        It needs the masks of hair, where it is wanted.
    cover
        For a stage that hides something: hides the whole frame where the stage is wanted and cannot run yet, or
        any more. None: frames go without the stage meanwhile.
    make_beside
        In place of `make`, for work that has tasks of its own for the worker. Such work may have a `problem`: what is
        wrong with what it shows, or None.
    """

    name: str
    help: str
    make: Callable[[], Work] | None = None
    is_wanted: Callable[[Values], bool] = always
    applies: Callable[[Scene], bool] = in_any_scene
    economy: tuple[str, str, str] = ("", "", "")
    at_start: bool = False
    wants_masks: Callable[[Values, bool], bool] = needs_none
    wants_hair: bool = False
    cover: Callable[[BgrFrame, Values], None] | None = None
    make_beside: Callable[[Worker], Work] | None = None

    def work(self, worker: Worker) -> Work | None:
        """Its work for one filter, whose worker this is; None: the loop or the tracker does it."""
        if self.make_beside is not None:
            return self.make_beside(worker)
        return self.make() if self.make is not None else None


def has_hair(scene: Scene) -> bool:
    """Only where some head's hair is known."""
    return bool(scene.hair)


def _reshapes(values: Values) -> bool:
    return any(values[name] for name in ADJUSTMENTS)


STAGES = (
    Stage("read", "The source delivers a frame.", at_start=True),
    Stage(
        "track",
        "Faces are found and followed.",
        economy=("faces are searched for less often", "", "landmarks are predicted in every second frame"),
        at_start=True,
    ),
    Stage(
        "mask",
        "People are told from what is behind them, and hair from the rest.",
        economy=("masks are made less often", "masks are made from fewer pixels", ""),
    ),
    Stage(
        "appearance",
        "Skin is smoothed and toned, wrinkles and spots are drawn.",
        Retouching,
        is_wanted,
        has_faces,
        economy=("the working size of skin is halved", "the skin is neither smoothed nor toned", ""),
    ),
    Stage("hair", "Hair is dyed, and turns grey.", Hairdressing, dyes, has_hair, wants_hair=True),
    Stage(
        "background",
        "What is behind people is hidden.",
        is_wanted=hides,
        make_beside=Background,
        wants_masks=lambda values, has_time: True,
        cover=cover,
    ),
    Stage(
        "warp",
        "Faces are reshaped.",
        Reshaping,
        _reshapes,
        has_faces,
        at_start=True,
        wants_masks=lambda values, has_time: values["protect"] == "on" or (values["protect"] == "auto" and has_time),
    ),
    Stage(
        "mirror",
        "Left and right are swapped.",
        lambda: Plain(lambda frame, scene, values: mirror(frame)),
        lambda values: bool(values["mirror"]),
    ),
    Stage(
        "overlay",
        "What the tracker found is drawn.",
        lambda: Plain(lambda frame, scene, values: draw_overlay(frame, scene.faces, bool(values["mirror"]))),
        lambda values: bool(values["overlay"]),
        has_faces,
    ),
    Stage("send", "Every sink gets the frame.", at_start=True),
)
"""Every stage, in the order in which a frame goes through them."""

NAMES = tuple(stage.name for stage in STAGES)
READ, TRACK, MASK, SEND = (NAMES.index(name) for name in ("read", "track", "mask", "send"))
