"""Where frames go: the sinks and the preview together, and who watches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from livewarp.arrays import BgrFrame
from livewarp.errors import Problem
from livewarp.sinks import Sink
from livewarp.sinks.preview import Preview


class Outputs:
    """All that a frame goes to.

    Parameters
    ----------
    sinks
        Cameras, recordings and what else there is.
    preview
        Counts its viewers itself.
    """

    def __init__(self, sinks: Sequence[Sink], preview: Preview | None) -> None:
        self.sinks = tuple(sinks)
        self._cameras = tuple(sink for sink in sinks if not sink.records)
        self._preview = preview

    @property
    def watched(self) -> bool:
        """Whether somebody watches, or may do so."""
        previewed = self._preview is not None and self._preview.viewers > 0
        return previewed or any(sink.watched is not False for sink in self.sinks)

    @property
    def viewers(self) -> int:
        """How many watch for certain: viewers of the preview, and each sink that somebody watches."""
        return (self._preview.viewers if self._preview else 0) + sum(sink.watched is True for sink in self.sinks)

    @property
    def dropped(self) -> int:
        """Frames that some sink never got."""
        return sum(sink.dropped for sink in self.sinks)

    @property
    def failure(self) -> Exception | None:
        """Why the preview has died, or None."""
        return self._preview.failure if self._preview is not None else None

    def problems(self) -> list[Problem]:
        """What is wrong with the sinks."""
        found = [sink.problem for sink in self.sinks if sink.problem is not None]
        return [each if each.remedy else Problem(each.what, "`livewarp doctor` looks closer") for each in found]

    def announce(self, pixels: BgrFrame) -> None:
        """A frame as it came, which is about to be filtered and sent: for those who compare."""
        if self._preview is not None:
            self._preview.offer_before(pixels)

    def retract(self) -> None:
        """The frame that was announced will not be sent."""
        if self._preview is not None:
            self._preview.forget_before()

    def send(self, pixels: BgrFrame, recordings: bool = True, camera: bool = True, hidden: bool = False) -> None:
        """Send one frame to all, or to all that keep nothing.

        `camera`: whether it is one, and no placeholder; `hidden`: whether the room in it is hidden.
        """
        for sink in self.sinks if recordings else self._cameras:
            sink.send(pixels)
        if self._preview is not None:
            self._preview.offer(pixels, camera, hidden)

    def closes(self) -> list[Callable[[], None]]:
        """What closes the sinks."""
        return [sink.close for sink in self.sinks]
