"""The machine that livewarp runs on, as `devices`, `doctor` and `service` ask it.

Everything they ask the system goes through one `Machine`, so that a test can show them another one: a folder
with its own /dev, /proc, /sys and /etc, and programs that are functions.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from livewarp.system import v4l2

COMMAND_S = 20.0  # for a program that only reports or switches something; systemctl waits for a slow start itself

# Word of ID or ID_LIKE in os-release → package manager.
_FAMILIES = {
    "debian": "apt",
    "ubuntu": "apt",
    "fedora": "dnf",
    "rhel": "dnf",
    "arch": "pacman",
    "suse": "zypper",
    "opensuse": "zypper",
}
_INSTALL = {
    "apt": "sudo apt install",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S --needed",
    "zypper": "sudo zypper install",
}
# Without a question, and the other way round.
_WITHOUT_ASKING = {
    "apt": ("apt-get install -y", "apt-get remove -y"),
    "dnf": ("dnf install -y", "dnf remove -y"),
    "pacman": ("pacman -S --needed --noconfirm", "pacman -R --noconfirm"),
    "zypper": ("zypper --non-interactive install", "zypper --non-interactive remove"),
}
# What is needed → package manager → packages; {kernel} is the running kernel's release, {flavour} what Arch calls it.
_PACKAGES = {
    "v4l2loopback": {
        "apt": "v4l2loopback-dkms linux-headers-{kernel}",
        "dnf": "akmod-v4l2loopback kernel-devel-{kernel}",  # of the repository RPM Fusion free
        "pacman": "v4l2loopback-dkms {flavour}-headers",
        "zypper": "v4l2loopback-kmp-default",
    },
    "kernel headers": {
        "apt": "linux-headers-{kernel}",
        "dnf": "kernel-devel-{kernel}",
        "pacman": "{flavour}-headers",
        "zypper": "kernel-default-devel",
    },
    "PipeWire's libcamera plugin": {
        "apt": "pipewire-libcamera libcamera-ipa",
        "dnf": "pipewire-plugin-libcamera",
        "pacman": "pipewire-libcamera libcamera-ipa",
        "zypper": "pipewire-libcamera",
    },
    "PipeWire": dict.fromkeys(_INSTALL, "pipewire wireplumber"),
    "xdg-desktop-portal": dict.fromkeys(_INSTALL, "xdg-desktop-portal xdg-desktop-portal-gtk"),
    "libGL.so.1": {"apt": "libgl1", "dnf": "libglvnd-glx", "pacman": "libglvnd", "zypper": "Mesa-libGL1"},
    "libgthread-2.0.so.0": {"apt": "libglib2.0-0", "dnf": "glib2", "pacman": "glib2", "zypper": "libgthread-2_0-0"},
    "libxcb.so.1": {"apt": "libxcb1", "dnf": "libxcb", "pacman": "libxcb", "zypper": "libxcb1"},
}


@dataclass(frozen=True)
class CommandResult:
    """What a program said, and its exit status; 127 where there is no such program."""

    status: int
    text: str


def run_command(command: Sequence[str]) -> CommandResult:
    """Run a program to its end; its standard output and error together."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )
    except FileNotFoundError:
        return CommandResult(127, f"{command[0]}: not found")
    except (OSError, subprocess.TimeoutExpired) as error:
        return CommandResult(126, f"{shlex.join(command)}: {error}")
    return CommandResult(done.returncode, done.stdout)


def _may_use(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK)


@dataclass(frozen=True)
class Machine:
    """One machine, through its files and programs.

    Attributes
    ----------
    root
        The folder that stands for /.
    environ, platform, groups
        As `os.environ`, `sys.platform` and `os.getgroups()` have them.
    run
        Runs a program.
    may_use
        Whether this user may read and write a device node.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    platform: str = sys.platform
    groups: Sequence[int] = field(default_factory=lambda: getattr(os, "getgroups", list)())
    run: Callable[[Sequence[str]], CommandResult] = run_command
    may_use: Callable[[Path], bool] = _may_use

    @property
    def linux(self) -> bool:
        """Whether it has Linux's /dev, /proc and /sys."""
        return self.platform.startswith("linux")

    def path(self, absolute: str | Path) -> Path:
        """Where the file of that absolute name is."""
        return self.root / str(absolute).lstrip("/")

    def text(self, absolute: str | Path) -> str:
        """What a small text file holds; "" where it cannot be read."""
        try:
            return self.path(absolute).read_text(errors="replace").strip()
        except OSError:
            return ""

    @cached_property
    def kernel(self) -> str:
        """Release of the running kernel, as `uname -r` gives it."""
        return self.text("/proc/sys/kernel/osrelease")

    @cached_property
    def distribution(self) -> Distribution:
        """Which Linux it is."""
        entries = dict(line.split("=", 1) for line in self.text("/etc/os-release").splitlines() if "=" in line)
        fields = {key: value.strip("\"'") for key, value in entries.items()}
        words = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
        family = next((_FAMILIES[word] for word in words if word in _FAMILIES), "")
        return Distribution(
            fields.get("PRETTY_NAME", ""), family, self.kernel, fields.get("ID", ""), fields.get("VERSION_ID", "")
        )

    def video_nodes(self) -> list[Path]:
        """The video device nodes, by number, as absolute names."""
        return [v4l2.DEV / Path(node).name for node in v4l2.nodes(self.path(v4l2.DEV))]

    def video_name(self, node: Path) -> str:
        """The name that the kernel has for a video device node, without opening it."""
        return self.text(v4l2.SYS / node.name / "name") or node.name

    def is_virtual_video(self, node: Path) -> bool:
        """Whether a video device node is v4l2loopback's, as far as sysfs says."""
        return v4l2.is_virtual(node, self.path(v4l2.SYS))

    def process(self, pid: int) -> str:
        """A process's name; "" where there is none."""
        return self.text(f"/proc/{pid}/comm")

    def running(self, *names: str) -> bool:
        """Whether a process of one of these names runs; the kernel keeps 15 letters of a name."""
        wanted = {name[:15] for name in names}
        return any(self.text(f"/proc/{p.name}/comm") in wanted for p in self.path("/proc").glob("[0-9]*"))


@dataclass(frozen=True)
class Distribution:
    """A Linux distribution: name, package manager ("": none of the four), kernel, os-release's ID and version."""

    name: str
    family: str
    kernel: str = ""
    id: str = ""
    version: str = ""

    def install(self, *wanted: str) -> str:
        """The command, or the sentence, by which a person gets these; keys of `_PACKAGES`."""
        if not self.family:
            return f"install with your system's package manager: {', '.join(wanted)}"
        return f"{_INSTALL[self.family]} {' '.join(map(self._packages, wanted))}"

    def install_unasked(self, wanted: str) -> tuple[str, str]:
        """The commands, for root, that install it without a question and that remove its first package again; or ""."""
        if not self.family:
            return "", ""
        install, remove = _WITHOUT_ASKING[self.family]
        packages = self._packages(wanted)
        return f"{install} {packages}", f"{remove} {packages.split()[0]}"

    def _packages(self, wanted: str) -> str:
        flavour = next((f"linux-{f}" for f in ("lts", "zen", "hardened", "rt") if f in self.kernel), "linux")
        return _PACKAGES[wanted][self.family].format(kernel=self.kernel or "$(uname -r)", flavour=flavour)
