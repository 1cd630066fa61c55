"""A machine that is a folder: its own /dev, /proc, /sys and /etc, and programs that are functions.

Its video nodes are files; what the kernel would say of them stands in `kernel`, which answers the ioctls that
`livewarp.system.v4l2` asks.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from livewarp.system.machine import CommandResult, Machine

CAPTURE, OUTPUT = 0x1, 0x2
KERNEL = "6.1.0-18-amd64"
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'


@dataclass
class Node:
    """What the kernel says of a node: modes as (fourcc, width, height, fps); `ranged` gives them as a range."""

    driver: str
    card: str
    caps: int
    modes: Sequence[tuple[str, int, int, float]] = ()
    ranged: bool = False


@dataclass
class FakeMachine:
    """The folder, and what may be changed about the machine before it is looked at."""

    root: Path
    environ: dict[str, str] = field(default_factory=lambda: {"HOME": "/home/ann", "USER": "ann"})
    nodes: dict[str, Node] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    groups: list[int] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    holders: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # of nodes, for tests that ask for them
    sockets: list[socket.socket] = field(default_factory=list)  # to be closed by the test
    answer: Callable[[Sequence[str]], CommandResult] = lambda command: CommandResult(127, "not found")

    def __post_init__(self) -> None:
        self.write("/etc/os-release", DEBIAN)
        self.write("/proc/sys/kernel/osrelease", KERNEL + "\n")
        self.write(f"/lib/modules/{KERNEL}/modules.dep", "kernel/drivers/media/usb/uvc/uvcvideo.ko:\n")

    @property
    def machine(self) -> Machine:
        """What the code under test gets."""
        return Machine(
            root=self.root,
            environ=self.environ,
            platform="linux",
            groups=self.groups,
            run=self._run,
            may_use=lambda path: path.name not in self.denied,
        )

    def write(self, path: str, text: str = "") -> Path:
        """A file of that absolute name."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def plug(self, name: str, node: Node, by_id: str = "", virtual: bool = False) -> None:
        """A video device appears: node, sysfs entry, udev's link."""
        file = self.write(f"/dev/{name}")
        self.nodes[name] = node
        place = self.root / "sys/devices" / ("virtual" if virtual else "pci0000:00") / "video4linux" / name
        place.mkdir(parents=True)
        (place / "name").write_text(node.card + "\n")
        entry = self.root / "sys/class/video4linux" / name
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.symlink_to(place)
        if by_id:
            link = self.root / "dev/v4l/by-id" / by_id
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)

    def load_v4l2loopback(self, version: str = "0.15.0", name: str = "video10", caps: int = OUTPUT) -> None:
        """The module is loaded, now and at start, with one device."""
        self.write("/sys/module/v4l2loopback/refcnt", "0")
        if version:
            self.write("/sys/module/v4l2loopback/version", version)
        self.write("/etc/modules-load.d/v4l2loopback.conf", "v4l2loopback\n")
        if name:
            self.plug(name, Node("v4l2 loopback", "livewarp", caps), virtual=True)

    def start_pipewire(self) -> socket.socket:
        """Library, session manager, portal, and a daemon that listens; close it."""
        self.write("/usr/lib/x86_64-linux-gnu/libpipewire-0.3.so.0")
        self.write("/proc/77/comm", "wireplumber\n")
        self.write("/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service")
        self.environ["XDG_RUNTIME_DIR"] = "/run/u"
        path = self.root / "run/u/pipewire-0"
        path.parent.mkdir(parents=True, exist_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(path))
        listening.listen(8)
        return listening

    def ioctl(self, fd: int, request: int, argument: bytearray) -> int:
        """The kernel's side of `livewarp.system.v4l2`."""
        node = self.nodes[Path(os.readlink(f"/proc/self/fd/{fd}")).name]
        fill = {
            0x80685600: _capabilities,
            0xC0405602: _format,
            0xC02C564A: _size,
            0xC034564B: _interval,
        }.get(request)
        if fill is None or not fill(node, argument):
            raise OSError(errno.EINVAL, "Invalid argument")
        return 0

    def _run(self, command: Sequence[str]) -> CommandResult:
        self.commands.append(list(command))
        return self.answer(command)


def _code(fourcc: str) -> int:
    return int.from_bytes(fourcc.ljust(4).encode(), "little")


def _capabilities(node: Node, argument: bytearray) -> bool:
    struct.pack_into(
        "=16s32s32sIII", argument, 0, node.driver.encode(), node.card.encode(), b"usb", 0, node.caps, node.caps
    )
    return True


def _fourccs(node: Node) -> list[str]:
    return list(dict.fromkeys(mode[0] for mode in node.modes))


def _format(node: Node, argument: bytearray) -> bool:
    index, kind = struct.unpack_from("=2I", argument)
    names = _fourccs(node)
    if kind != 1 or index >= len(names):
        return False
    struct.pack_into("=I", argument, 44, _code(names[index]))
    return True


def _size(node: Node, argument: bytearray) -> bool:
    index, code = struct.unpack_from("=2I", argument)
    sizes = sorted({mode[1:3] for mode in node.modes if _code(mode[0]) == code})
    if node.ranged:
        if index:
            return False
        (least_w, least_h), (most_w, most_h) = sizes
        struct.pack_into("=7I", argument, 8, 3, least_w, most_w, 2, least_h, most_h, 2)
        return True
    if index >= len(sizes):
        return False
    struct.pack_into("=3I", argument, 8, 1, *sizes[index])
    return True


def _interval(node: Node, argument: bytearray) -> bool:
    index, code, width, height = struct.unpack_from("=4I", argument)
    rates = [m[3] for m in node.modes if _code(m[0]) == code and m[1:3] == (width, height) and m[3]]
    if index >= len(rates):
        return False
    struct.pack_into("=3I", argument, 16, 1, 1000, round(1000 * rates[index]))
    return True
