"""What is sent where there is no new frame: the last one again, or a placeholder."""

from __future__ import annotations

from livewarp.arrays import BgrFrame
from livewarp.live.placeholder import Placeholder, Placeholders
from livewarp.live.state import Conditions, StateName
from livewarp.mailbox import Mailbox
from livewarp.parameters import Parameters, Switches


class StandIn:
    """Keeps the last frame and chooses what to show; for the engine thread.

    Attributes
    ----------
    kept
        The last frame of the source that was sent, or None.
    made_with
        The parameters that it was made with.
    """

    def __init__(self, mailbox: Mailbox, width: int, height: int) -> None:
        self._mailbox = mailbox
        self._placeholders = Placeholders(width, height)
        self._placeholder: BgrFrame | None = None  # the last one shown
        self.kept: BgrFrame | None = None
        self.made_with = Parameters()

    def keep(self, pixels: BgrFrame, parameters: Parameters) -> None:
        """Keep a frame that has been sent; the one before goes back to the mailbox."""
        self.discard()
        self.kept, self.made_with = pixels, parameters

    def discard(self) -> None:
        """Send the kept frame no more."""
        if self.kept is not None:
            self._mailbox.give(self.kept)
            self.kept = None

    def choose(self, switches: Switches, conditions: Conditions, hint: str) -> BgrFrame:
        """What to send now; `hint`: why the source is silent, for whoever watches the output."""
        if switches.blank:
            return self._show(Placeholder.PRIVATE)
        stalled = conditions.holds(StateName.STALLED)
        if self.kept is not None and (switches.freeze or not stalled):
            return self.kept
        if stalled:
            return self._show(Placeholder.UNAVAILABLE, hint)
        if conditions.holds(StateName.STARTING) or conditions.holds(StateName.IDLE):
            # Also while nobody watches: it is the first thing that somebody who begins to sees.
            return self._show(Placeholder.STARTING)
        if switches.freeze:  # held, but the frame that was is gone
            return self._show(Placeholder.PRIVATE)
        if self._placeholder is None:
            return self._show(Placeholder.STARTING)
        return self._placeholder  # what was shown before, until the next frame comes

    def is_placeholder(self, pixels: BgrFrame) -> bool:
        """Whether these pixels, as `choose` gave them, are no frame of the source."""
        return pixels is self._placeholder

    def _show(self, kind: Placeholder, reason: str = "") -> BgrFrame:
        self._placeholder = self._placeholders.picture(kind, reason)
        return self._placeholder
