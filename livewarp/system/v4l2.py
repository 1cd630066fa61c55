"""Video4Linux by ioctl: what a device node is, its output format, who holds it and who watches it.

Plain `fcntl` and `struct`, no library. It can be imported on every platform; calls need Linux, and raise
OSError where the kernel refuses. A *node* is a path such as /dev/video10; a *descriptor* is an open one.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from livewarp.errors import Problem

CAPTURE = 0x1  # of device_caps: programs can read pictures from it
OUTPUT = 0x2  # programs can write pictures to it
LOOPBACK_DRIVER = "v4l2 loopback"

# Of linux/videodev2.h. `struct v4l2_format` holds pointers, so that its size depends on the machine.
_WORD = struct.calcsize("P")
_BUF_TYPE_OUTPUT = 2
_FORMAT_BYTES = 200 + _WORD
_VIDIOC_QUERYCAP = 0x80685600
_VIDIOC_G_FMT = 0xC0005604 | _FORMAT_BYTES << 16
_VIDIOC_S_FMT = 0xC0005605 | _FORMAT_BYTES << 16
_VIDIOC_S_PARM = 0xC0CC5616
_VIDIOC_STREAMON = 0x40045612
_VIDIOC_SUBSCRIBE_EVENT = 0x4020565A
_EVENT_BYTES = 136  # on 64 bits; elsewhere the call fails, and who watches is found by looking who holds the node
_VIDIOC_DQEVENT = 0x80005659 | _EVENT_BYTES << 16
_CAPABILITY = struct.Struct("=16s32s32sIII12x")  # driver, card, bus, version, capabilities, device_caps
_TYPE = struct.Struct(f"=I{_WORD - 4}x")
_PIX_FORMAT = struct.Struct("=6I")  # width, height, fourcc, field, bytes per line, bytes in all
_OUTPUT_PARAMETERS = struct.Struct("=5I184x")  # type, capability, mode, seconds a frame as a fraction
_SUBSCRIPTION = struct.Struct("=3I20x")  # type, id, flags
_EVENT_SEND_INITIAL = 1
_FIELD_NONE = 1

# What a camera offers: one entry for an index, until the driver refuses.
_VIDIOC_ENUM_FMT = 0xC0405602
_VIDIOC_ENUM_FRAMESIZES = 0xC02C564A
_VIDIOC_ENUM_FRAMEINTERVALS = 0xC034564B
_BUF_TYPE_CAPTURE = 1
_DISCRETE = 1  # of sizes and of intervals; the other kinds are ranges
_MOST_ENTRIES = 200  # for a driver that never refuses
_FORMAT_ENTRY = struct.Struct("=3I32s2I12x")  # index, type, flags, description, fourcc, bus code
_SIZE_ENTRY = struct.Struct("=3I6I8x")  # index, fourcc, kind; width, height, or min, max, step of both
_INTERVAL_ENTRY = struct.Struct("=5I6I8x")  # index, fourcc, width, height, kind; min, max, step as fractions, s

# Of v4l2loopback.h, since 0.13: V4L2_EVENT_PRIVATE_START + 0x08E00000 + 1.
_EVENT_CLIENT_USAGE = 0x10E00001


Holder = tuple[int, str]  # pid and name of a process


class Capabilities(NamedTuple):
    """What a node says of itself."""

    driver: str
    card: str  # the name that programs show
    bus: str
    version: int  # of the kernel interface, major << 16 | minor << 8 | patch
    device_caps: int  # CAPTURE, OUTPUT and others

    @property
    def loopback(self) -> bool:
        """Whether it is one of v4l2loopback's."""
        return self.driver == LOOPBACK_DRIVER

    @property
    def stuck(self) -> bool:
        """Whether v4l2loopback 0.12 left it as neither input nor output when its writer ended."""
        return self.loopback and not self.device_caps & (CAPTURE | OUTPUT)


class Mode(NamedTuple):
    """A picture that a camera offers."""

    fourcc: str  # "MJPG"
    width: int
    height: int
    fps: float | None  # the most; None: the driver does not say


class OutputFormat(NamedTuple):
    """What a node takes from its writer."""

    width: int
    height: int
    fourcc: str  # "YU12" is I420
    stride_bytes: int
    frame_bytes: int


@contextlib.contextmanager
def opened(node: str | Path, flags: int = os.O_RDWR) -> Iterator[int]:
    """A descriptor of the node, without waiting for a picture; closed behind."""
    fd = os.open(node, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


DEV, SYS = Path("/dev"), Path("/sys/class/video4linux")


def nodes(folder: Path = DEV) -> list[str]:
    """The video nodes of this machine, by number."""
    found = [path for path in folder.glob("video*") if path.name[5:].isdigit()]
    return [str(path) for path in sorted(found, key=lambda path: int(path.name[5:]))]


def is_virtual(node: Path, folder: Path = SYS) -> bool:
    """Whether a node has no parent device, as v4l2loopback's; does not open it."""
    entry = folder / node.name
    return entry.exists() and "/devices/virtual/" in str(entry.resolve())


def capabilities(node: str | Path | int) -> Capabilities:
    """What a node, or a descriptor, says of itself."""
    if not isinstance(node, int):
        with opened(node) as fd:
            return capabilities(fd)
    reply = bytearray(_CAPABILITY.size)
    ioctl(node, _VIDIOC_QUERYCAP, reply)
    driver, card, bus, version, _, device_caps = _CAPABILITY.unpack(reply)
    return Capabilities(_text(driver), _text(card), _text(bus), version, device_caps)


def output_format(fd: int) -> OutputFormat:
    """What the device takes now."""
    reply = bytearray(_FORMAT_BYTES)
    _TYPE.pack_into(reply, 0, _BUF_TYPE_OUTPUT)
    ioctl(fd, _VIDIOC_G_FMT, reply)
    return _parse_format(reply)


def set_output_format(fd: int, width: int, height: int, fourcc: str, frame_bytes: int) -> OutputFormat:
    """Ask for a format; what the device made of it, which may be another one."""
    request = bytearray(_FORMAT_BYTES)
    _TYPE.pack_into(request, 0, _BUF_TYPE_OUTPUT)
    code = int.from_bytes(fourcc.encode("ascii"), "little")
    _PIX_FORMAT.pack_into(request, _TYPE.size, width, height, code, _FIELD_NONE, width, frame_bytes)
    ioctl(fd, _VIDIOC_S_FMT, request)
    return _parse_format(request)


def set_output_rate(fd: int, fps: float) -> None:
    """Set the frames a second that readers are given when they ask."""
    request = bytearray(_OUTPUT_PARAMETERS.size)
    _OUTPUT_PARAMETERS.pack_into(request, 0, _BUF_TYPE_OUTPUT, 0x1000, 0, 1000, round(1000 * fps))  # 0x1000: has a rate
    ioctl(fd, _VIDIOC_S_PARM, request)


def loopback_format(node: str | Path) -> str | None:
    """What readers of a v4l2loopback node get, as in "YU12:640x480@30"; None where it is not set."""
    try:
        text = Path("/sys/class/video4linux", Path(node).resolve().name, "format").read_text().strip()
    except OSError:
        return None
    return text or None


def refusal(error: OSError) -> Problem:
    """Why a node cannot be asked, for people."""
    return Problem(
        "you may not open it" if isinstance(error, PermissionError) else (error.strerror or str(error)).lower()
    )


def free_stuck(node: str | Path) -> bool:
    """Make an output again of a node that v4l2loopback 0.12 left as nothing when its writer ended.

    Returns
    -------
    bool
        Whether it was stuck.
    """
    with opened(node) as fd:
        if not capabilities(fd).stuck:
            return False
        with contextlib.suppress(OSError):  # EINVAL is its answer, and the device is an output again
            ioctl(fd, _VIDIOC_STREAMON, bytearray(struct.pack("=i", _BUF_TYPE_OUTPUT)))
        return True


def holders(node: str | Path) -> list[Holder]:
    """The processes that have the node open, as (pid, command), without this one.

    Root alone can list those of other users.
    """
    wanted = os.stat(node).st_rdev
    own = str(os.getpid())
    return [
        (int(pid), _command(pid)) for pid in os.listdir("/proc") if pid.isdigit() and pid != own and _holds(pid, wanted)
    ]


def formats(node: str | Path) -> list[Mode]:
    """The pictures that a camera offers, largest first within each format; of a range of sizes, its two ends.

    Asking leaves the camera off.
    """
    with opened(node) as fd:
        entries = _entries(fd, _VIDIOC_ENUM_FMT, _FORMAT_ENTRY, _BUF_TYPE_CAPTURE)
        return [mode for entry in entries for mode in _modes(fd, entry[4])]


def most_fps(node: str | Path, fourcc: str, width: int, height: int) -> float | None:
    """The most frames a second of this picture; None: the driver does not say."""
    with opened(node) as fd:
        return _most_fps(fd, int.from_bytes(fourcc.ljust(4).encode("latin-1"), "little"), width, height)


def stable_name(node: str | Path, by_id: Path = Path("/dev/v4l/by-id")) -> str:
    """The name under which a camera is found again after replugging; the node's own where udev gives it none."""
    wanted = Path(node).resolve()
    with contextlib.suppress(OSError):
        return next((str(link) for link in sorted(by_id.iterdir()) if link.resolve() == wanted), str(node))
    return str(node)


def maps(pid: int, node: str | Path) -> bool:
    """Whether the process has buffers of the node in its memory: readers that stream do, most writers do not."""
    try:
        return str(node) in Path("/proc", str(pid), "maps").read_text()
    except OSError:
        return False


def subscribe_viewers(fd: int) -> None:
    """Have v4l2loopback (since 0.13) report when readers begin and end to stream; before, it raises OSError.

    The first event, with the state of now, comes at once; `poll` for POLLPRI, then `viewers`.
    """
    ioctl(fd, _VIDIOC_SUBSCRIBE_EVENT, bytearray(_SUBSCRIPTION.pack(_EVENT_CLIENT_USAGE, 0, _EVENT_SEND_INITIAL)))


def viewers(fd: int) -> int | None:
    """How many readers stream, by the next event; None for an event of another kind. Raises OSError without one."""
    event = bytearray(_EVENT_BYTES)
    ioctl(fd, _VIDIOC_DQEVENT, event)
    kind = int.from_bytes(event[:4], "little")
    return struct.unpack_from("=I", event, 8)[0] if kind == _EVENT_CLIENT_USAGE else None


def ioctl(fd: int, request: int, argument: bytearray) -> None:
    """One call of the kernel, whose answer is in `argument`. Raises OSError where it refuses."""
    import fcntl

    fcntl.ioctl(fd, request, argument)


def _entries(fd: int, request: int, layout: struct.Struct, *question: int) -> Iterator[tuple[Any, ...]]:
    """What the driver lists in answer to the question."""
    for index in range(_MOST_ENTRIES):
        argument = bytearray(layout.size)
        struct.pack_into(f"={1 + len(question)}I", argument, 0, index, *question)
        try:
            ioctl(fd, request, argument)
        except OSError:  # EINVAL: there are no more
            return
        yield layout.unpack(argument)


def _modes(fd: int, code: int) -> list[Mode]:
    sizes: set[tuple[int, int]] = set()
    for _, _, kind, *numbers in _entries(fd, _VIDIOC_ENUM_FRAMESIZES, _SIZE_ENTRY, code):
        if kind == _DISCRETE:
            sizes.add((numbers[0], numbers[1]))
        else:
            least_width, most_width, _, least_height, most_height, _ = numbers
            sizes = {(least_width, least_height), (most_width, most_height)}
            break  # a range is the only entry
    fourcc = (code & 0x7FFF_FFFF).to_bytes(4, "little").decode("latin-1").strip()  # bit 31 marks big-endian ones
    ordered = sorted(sizes, key=lambda size: size[0] * size[1], reverse=True)
    return [Mode(fourcc, width, height, _most_fps(fd, code, width, height)) for width, height in ordered]


def _most_fps(fd: int, code: int, width: int, height: int) -> float | None:
    # The first fraction is the interval itself, or the shortest of a range.
    entries = _entries(fd, _VIDIOC_ENUM_FRAMEINTERVALS, _INTERVAL_ENTRY, code, width, height)
    return max((entry[6] / entry[5] for entry in entries if entry[5]), default=None)


def _parse_format(data: bytearray) -> OutputFormat:
    width, height, code, _, stride, size = _PIX_FORMAT.unpack_from(data, _TYPE.size)
    return OutputFormat(width, height, code.to_bytes(4, "little").decode("latin-1"), stride, size)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _holds(pid: str, rdev: int) -> bool:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                link = f"{folder}/{name}"
                # By name first: `stat` of a file on a dead network drive would block.
                if os.readlink(link).startswith("/dev/") and os.stat(link).st_rdev == rdev:
                    return True
    return False


def _command(pid: str) -> str:
    try:
        return Path("/proc", pid, "comm").read_text().strip()
    except OSError:
        return "?"
