"""Which device nodes are webcams on Linux, and how one is found again when it comes back under another number."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from livewarp.system.v4l2 import DEV, SYS, is_virtual, nodes


@dataclass(frozen=True)
class Webcam:
    """What stays of a webcam when it is unplugged.

    Attributes
    ----------
    node
        Under which it was last seen: /dev/video0.
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


def webcams() -> list[int | str]:
    """The webcams that there may be, best first; virtual cameras on Linux left out."""
    if not sys.platform.startswith("linux"):
        return [0, 1, 2, 3]
    # Reading a virtual one would feed livewarp its own output.
    return [str(node) for node in _nodes() if not is_virtual(node, SYS)]


def identify(device: int | str) -> Webcam | None:
    """What is known of a device that is there; None where it is not, or where devices have no paths."""
    if not sys.platform.startswith("linux"):
        return None
    path = DEV / f"video{device}" if isinstance(device, int) else Path(device)
    if not path.exists():
        return None
    node = path.resolve()
    links = sorted((DEV / "v4l" / "by-id").glob("*"))
    by_id = path if path.parent.name == "by-id" else next((link for link in links if link.resolve() == node), None)
    return Webcam(node, by_id, _read(node, "name"), _read(node, "index"), _port(node))


def find(webcam: Webcam) -> Path | None:
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
