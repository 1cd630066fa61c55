"""What a control method works with: the daemon that it acts on, and the changes of one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from livewarp.control.protocol.events import Events, Inbox
from livewarp.control.protocol.history import History, Side
from livewarp.control.protocol.presets import Presets
from livewarp.knobs import Value
from livewarp.live.trials import Thumbnail
from livewarp.parameters import Parameters, Switches, Wanted, check
from livewarp.settings import Settings


class Controlled(Protocol):
    """What the control plane needs of the daemon. Every call is quick, and is made from the hub thread.

    Attributes
    ----------
    initial
        What `reset` goes back to: the values of the config file and the options at start.
    settings
        As they were loaded.
    """

    initial: Parameters
    settings: Settings

    @property
    def parameters(self) -> Parameters:
        """The parameters that the next frame uses."""

    @property
    def switches(self) -> Switches:
        """What the sinks get instead of the filtered frame."""

    def change(self, wanted: Wanted) -> int:
        """Use these from the next frame on, swapped whole; the index of the first that certainly does."""

    def panel_link(self) -> str:
        """A URL that opens the panel in a browser, once."""

    def sources(self) -> list[dict[str, Any]]:
        """What `switch_source` may be given: {source, name, current}."""

    def switch_source(self, wanted: str) -> int:
        """Take frames from there; returns at once. Raises `SettingsError` for what names no source."""

    def camera(self) -> dict[str, Any]:
        """The webcam that is used, by its stable path ("": none), and its controls. Raises `SourceError`."""

    def set_camera(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Set these controls of it and keep them. Raises `ParameterError`, `SourceError`."""

    def reset_camera(self, names: Iterable[str] | None) -> dict[str, Any]:
        """Set these, or all, to its defaults and keep them no more. Raises `ParameterError`, `SourceError`."""

    def use_model(self, model: str) -> None:
        """Find landmarks with another model; returns at once. Raises `SettingsError` for what names none."""

    def reload(self) -> dict[str, Any]:
        """Read config.toml anew: {parameters: applied ones, restart: settings that need a restart}."""

    def reload_textures(self) -> list[str]:
        """Read a person's own textures anew; the knobs that they are."""

    def stats(self) -> dict[str, Any]:
        """How fast it goes, ready for JSON: plain types, no NaN."""

    def state(self) -> dict[str, Any]:
        """What the daemon is doing and why, ready for JSON; `since_s` is how long it has been so."""

    def faces(self) -> list[dict[str, Any]]:
        """The faces of the newest frame, ready for JSON."""

    def thumbnails(self, looks: Mapping[str, Mapping[str, Value]], trying: str | None) -> list[Thumbnail]:
        """Those there are of these looks on the newest face; asks for more, or for large ones of `trying`."""

    def stop(self) -> None:
        """Ask the daemon to end; returns at once, and the answer still goes out."""


class Session(Protocol):
    """A connection that stays, and so can carry events.

    Attributes
    ----------
    private
        Whether only the user whom livewarp runs for can have made it.
    """

    private: bool

    def challenge(self, client_nonce: str) -> dict[str, str]:
        """Show that this end has the token; {nonce, proof}."""

    def prove(self, given: str) -> None:
        """Let the client in, if it has the token. Raises `ControlError`."""

    def subscribe(self, inbox: Inbox) -> None:
        """Send these events, in the place of those of an earlier subscription."""

    def unsubscribe(self, topics: Iterable[str] | None) -> tuple[str, ...]:
        """Send no more of these topics, or of any; those that are left."""


class Changes:
    """What one message changes, until it is applied.

    Attributes
    ----------
    socket_path
        Where the daemon's Unix socket is; None: it has none.
    frame
        The first that certainly uses what has been applied; None: nothing was.
    count
        How many there were, applied or not.
    switched
        The switches among them, and how they are now.
    """

    def __init__(
        self,
        daemon: Controlled,
        presets: Presets,
        events: Events,
        history: History,
        session: Session | None = None,
        socket_path: Path | None = None,
    ) -> None:
        self.daemon = daemon
        self.history = history
        self.presets = presets
        self.events = events
        self.session = session
        self.socket_path = socket_path
        self.frame: int | None = None
        self.count = 0
        self.switched: dict[str, bool] = {}
        self.take_over()

    def take_over(self) -> None:
        """Begin with what the daemon uses now; what has not been applied is lost."""
        self.parameters = self.daemon.parameters
        self.switches = self.daemon.switches
        self._changed = False
        self._alone = False
        self._before = self.parameters
        self._preset = self.history.preset

    def set(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Use these values when the message is through; in their own types. `ParameterError` refuses them all."""
        checked = check(values)
        if checked:
            self._change(self.parameters.replace(**checked))
        return checked

    def _change(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._changed = True
        self.count += 1

    def switch(self, **on: bool) -> None:
        """Use these switches when the message is through."""
        self.switches = replace(self.switches, **on)
        self.switched |= on
        self._changed = True
        self.count += 1

    def overtake(self, on: Mapping[str, bool]) -> None:
        """Somebody has switched these meanwhile, whose word is the later one."""
        self.switches = replace(self.switches, **on)

    def apply(self) -> None:
        """Hand what has changed to the daemon."""
        if self._changed:
            self._count_frame(self.daemon.change(Wanted(self.parameters, self.switches)))
            self.history.record(self._before, self.parameters, self._preset, self._alone)
        self._changed = self._alone = False
        self._before = self.parameters

    def wear(self, name: str) -> dict[str, Value]:
        """Use a preset's values when the message is through; raises `ParameterError` for a name there is not."""
        name, values = self.presets.get(name)
        self._preset, self._alone = name, True
        return self.set(values)

    def reset(self, names: Iterable[str], everything: bool) -> dict[str, Value]:
        """Go back to the values of the settings; `everything`: then no preset is on any more."""
        self._preset, self._alone = None if everything else self._preset, True
        return self.set({name: self.daemon.initial[name] for name in names})

    def keep(self, work: Callable[[], object], preset: Callable[[str | None], str | None]) -> None:
        """Change presets by `work`, at once and undoably; `preset`: which one is on then, given the one before."""
        self.apply()
        before = self.presets.texts()
        work()
        self.history.record_files(before, self.presets.texts(), preset(self.history.preset))
        self._preset = self.history.preset

    def move(self, step: Callable[[], Side]) -> dict[str, Any]:
        """Undo or redo, over what the message has changed so far."""
        self.apply()
        to = step()
        if to.values:
            self.parameters = self._before = self.parameters.replace(**to.values)
            self._changed = True
        self._preset = to.preset
        self.count += 1
        return {"values": dict(to.values), "presets": list(to.files), **self.history.report()}

    def switch_source(self, wanted: str) -> None:
        """Take frames from elsewhere, at once."""
        self._count_frame(self.daemon.switch_source(wanted))
        self.count += 1

    def reload(self) -> dict[str, Any]:
        """Read the config file, over what the message has changed so far."""
        self.apply()
        result = self.daemon.reload()
        self.take_over()
        if result["parameters"]:
            self._change(self.parameters)  # the same again: the answer names the first frame that uses them
        return result

    def reload_textures(self) -> list[str]:
        """Read the own textures, over what the message has changed so far."""
        self.apply()
        names = self.daemon.reload_textures()
        self.take_over()
        self._change(self.parameters)  # the same again: the answer names the first frame that uses them
        return names

    def _count_frame(self, frame: int) -> None:
        self.frame = frame if self.frame is None else max(self.frame, frame)
