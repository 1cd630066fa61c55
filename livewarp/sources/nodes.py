"""Which device nodes are webcams on Linux, and how one is found again when it comes back under another number."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from livewarp.errors import SourceError
from livewarp.sources.plan import SourceChoice
from livewarp.system.v4l2 import DEV, SYS, is_virtual, nodes


@dataclass(frozen=True)
class WebcamIdentity:
    """What stays of a webcam when it is unplugged.

    Attributes
    ----------
    node
        Where it was last: /dev/video0.
    by_id
        The link of /dev/v4l/by-id that names it by make and serial number, where there is one.
    card, index
        Its own name, and which of its nodes this is.
    port
        Where it is plugged in, as sysfs says it.
    """

    node: Path
    by_id: Path | None = None
    card: str = ""
    index: str = ""
    port: str = ""

    @property
    def stable(self) -> str:
        """The path by which a person should name it."""
        return str(self.by_id or self.node)


_WAIT = "connect it; or let livewarp wait for it: --wait"


def candidates() -> list[int | str]:
    """Indices or nodes of the webcams that there may be, best first, without virtual cameras on Linux."""
    if not sys.platform.startswith("linux"):
        return [0, 1, 2, 3]
    # Reading a virtual one would feed livewarp its own output.
    return [str(node) for node in _nodes() if not is_virtual(node, SYS)]


def identify(device: int | str) -> WebcamIdentity | None:
    """The identity of a device; None where there is no such device, or where devices have no paths."""
    if not sys.platform.startswith("linux"):
        return None
    path = DEV / f"video{device}" if isinstance(device, int) else Path(device)
    if not path.exists():
        return None
    node = path.resolve()
    links = sorted((DEV / "v4l" / "by-id").glob("*"))
    by_id = path if path.parent.name == "by-id" else next((link for link in links if link.resolve() == node), None)
    return WebcamIdentity(node, by_id, _read(node, "name"), _read(node, "index"), _port(node))


def webcam_choices() -> list[SourceChoice]:
    """The webcams that there may be, by the names under which they are found again."""
    choices = []
    for device in candidates():
        webcam = identify(device)
        source = f"webcam:{webcam.stable if webcam is not None else device}"
        card = webcam.card if webcam is not None else ""
        choices.append(SourceChoice(source, card or f"webcam {device}", f"webcam {device} "))
    return choices


def likely_webcam(wanted: str) -> str:
    """The stable path of the webcam that the text for --source names, or the first one; "": none."""
    kind, _, which = wanted.partition(":")
    if kind not in ("auto", "webcam") or not sys.platform.startswith("linux"):
        return ""
    device = (int(which) if which.isdecimal() else which) if which else next(iter(candidates()), "")
    webcam = identify(device) if device != "" else None
    return webcam.stable if webcam is not None else ""


def check_webcam(wanted: str) -> None:
    """Raise `SourceError` where the webcam that "webcam", "webcam:INDEX" or "webcam:/dev/..." names is not there."""
    if not sys.platform.startswith("linux"):
        return  # only opening one tells
    there = candidates()
    which = wanted.partition(":")[2]
    node = DEV / f"video{which}" if which.isdecimal() else Path(which)
    if which and not node.exists():
        choices = ", ".join(choice.source for choice in webcam_choices())
        raise SourceError(f"webcam {node}: no such device", allowed=choices or "none is connected", remedy=_WAIT)
    if not which and not there:
        raise SourceError("webcam: none is connected", remedy=f"{_WAIT}; or --source portrait")


def find(webcam: WebcamIdentity) -> Path | None:
    """The node under which that webcam is now, or None: by its link, else by name and port, else by name alone."""
    if webcam.by_id is not None:
        return webcam.by_id.resolve() if webcam.by_id.exists() else None
    alike = [node for node in _nodes() if (_read(node, "name"), _read(node, "index")) == (webcam.card, webcam.index)]
    same_port = [node for node in alike if _port(node) == webcam.port]
    return next(iter([n for n in same_port if n == webcam.node] or same_port or alike), None)


def _nodes() -> list[Path]:
    return [Path(node) for node in nodes(DEV)]


def _read(node: Path, attribute: str) -> str:
    try:
        return (SYS / node.name / attribute).read_text().strip()
    except OSError:
        return ""


def _port(node: Path) -> str:
    entry = SYS / node.name / "device"
    return str(entry.resolve()) if entry.exists() else ""
