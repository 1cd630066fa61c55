"""Runs a command as root in a machine with cameras: /dev/video0 is vivid, 10, 11 and 12 are v4l2loopback.

    python3 tests/vm/machine.py [--uml] [--loopback 0.12.7] [--timeout S] COMMAND ...

The machine sees the host's file system, read-only, so the same Python with the same packages runs there; /run and
/dev are its own. `exchange` is a folder of the host, in there /run/vm, that both write. QEMU works in software
(15 times slower for Python, 100 times for SIMD); user-mode Linux is as quick as the host but for memory.

`build.py` makes what is booted here.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build

HERE = build.HERE
TIMED_OUT, NO_RESULT = 124, 125
LOOPBACK_OPTIONS = "devices=3 video_nr=10,11,12 card_label=Virtual,Clip,Spare exclusive_caps=1,1,1"
VIVID_OPTIONS = "n_devs=1 vid_cap_nr=0 node_types=0x1 num_inputs=1 input_types=0x00"

# QEMU's emulation of AVX2 crashes NumPy; dlib-bin needs AVX. This processor has the one and not the other.
CPU = "SandyBridge,-x2apic,-tsc-deadline"
MEMORY_MB = 2048

# What user-mode Linux says at every start and end.
NOISE = ("Failed to initialize ubd device", "reboot: System halted")


def run(
    command: Sequence[str],
    exchange: Path,
    *,
    uml: bool = False,
    loopback: str | None = build.CI_VERSION,
    loopback_options: str = LOOPBACK_OPTIONS,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
    tell: Callable[[str], object] = lambda line: print(line, flush=True),
) -> int:
    """Boot, run a command, power off.

    Parameters
    ----------
    command
        Program and arguments; it starts in an empty folder of its own.
    exchange
        What the two share; also left there: `console`, `dmesg`.
    uml
        Take user-mode Linux, not QEMU.
    loopback
        Version of v4l2loopback; None: not loaded, though its file is there to be loaded (`VM_LOOPBACK`).
    environment
        What the command gets besides the little that the machine sets.
    timeout_s
        For all of it, s.
    tell
        Gets every line of output as it comes.

    Returns
    -------
    The command's exit status; 124: time-out, 125: the machine ended without a result.

    Raises
    ------
    Unavailable
        Something that the machine must see lies where it has a folder of its own.
    """
    for path in (HERE, Path(sys.executable), exchange):
        if path.parts[1] in ("dev", "proc", "run", "sys"):
            raise build.Unavailable(f"{path}: the machine has a /{path.parts[1]} of its own and would not see it")
    made = build.folder() / ("uml" if uml else "qemu")
    module = made / f"v4l2loopback-{loopback or build.CI_VERSION}.ko"
    shutil.copy(made / "busybox", exchange / "busybox")
    shutil.copy(HERE / "guest.sh", exchange / "guest.sh")
    (exchange / "guest.sh").chmod(0o755)
    settings = {
        "MODULES": made / "modules",
        "LOOPBACK": module if loopback else "",
        "LOOPBACK_OPTIONS": loopback_options,
        "VIVID_OPTIONS": VIVID_OPTIONS,
        "OUTPUT": "console" if uml else "port",
    }
    (exchange / "settings").write_text("".join(f"{k}={shlex.quote(str(v))}\n" for k, v in settings.items()))
    variables = {"VM_LOOPBACK": str(module), "VM_LOOPBACK_OPTIONS": loopback_options}
    variables |= {"VM_VIVID": str(made / "modules" / "vivid.ko"), "VM_VIVID_OPTIONS": VIVID_OPTIONS}
    variables |= environment or {}
    exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in variables.items())
    (exchange / "command").write_text(f"{exports}exec {shlex.join(command)}\n")
    (exchange / "status").unlink(missing_ok=True)

    begin = _uml(made, exchange) if uml else _qemu(made, exchange)
    with subprocess.Popen(
        begin, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        timed_out = threading.Event()

        def stop() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # user-mode Linux is a process for each of the guest's

        def stop_late() -> None:
            timed_out.set()
            stop()

        timer = threading.Timer(timeout_s, stop_late)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                text = line.decode(errors="replace").rstrip("\r\n")
                if not text.startswith(NOISE):
                    tell(text)
        finally:
            timer.cancel()
            stop()
    with contextlib.suppress(OSError, ValueError):
        return int((exchange / "status").read_text())
    with contextlib.suppress(OSError):
        for line in (exchange / "console").read_text(errors="replace").splitlines()[-20:]:
            tell(f"console: {line}")
    return TIMED_OUT if timed_out.is_set() else NO_RESULT


def _qemu(made: Path, exchange: Path) -> list[str]:
    initrd = exchange / "initrd.gz"
    initrd.write_bytes(gzip.compress(_initrd(made), 1))
    share = "local,security_model=none,multidevs=remap"
    return [
        *("nice", "-n", "5", "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", CPU),
        *("-smp", "2", "-m", str(MEMORY_MB), "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(made / "vmlinuz"), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable random.trust_cpu=on"),
        *("-virtfs", f"{share},path=/,mount_tag=host,readonly=on"),
        *("-virtfs", f"{share},path={exchange},mount_tag=exchange"),
        *("-serial", f"file:{exchange / 'console'}"),
        # Not "stdio": an empty standard input would count as hung up, and the guest would wait for ever.
        *("-chardev", "file,id=output,path=/dev/fd/1", "-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=output"),
    ]


def _uml(made: Path, exchange: Path) -> list[str]:
    # "exchange" is no word of the kernel's: it becomes a variable of PID 1.
    root = ["rootfstype=hostfs", "rootflags=/", "root=/dev/root", "ro", f"init={exchange / 'guest.sh'}"]
    console = ["con0=null,fd:1", "con=null", "quiet"]
    # Its memory is a file, which should be in memory.
    linux = ["env", "TMPDIR=/dev/shm", "nice", "-n", "5", str(made / "linux"), f"mem={MEMORY_MB}M"]
    return [*linux, *root, *console, f"exchange={exchange}"]


def _initrd(made: Path) -> bytes:
    """What QEMU's kernel starts from, an archive in the "newc" format: busybox, modules, initrd.sh as init."""
    files = {"busybox": made / "busybox", "init": HERE / "initrd.sh"}
    files |= {f"modules/{path.name}": path for path in (made / "boot").iterdir()}
    archive = bytearray()

    def add(name: str, mode: int, data: bytes = b"") -> None:
        fields = (len(archive), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        for part in (b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0", data):
            archive.extend(part)
            archive.extend(b"\0" * (-len(archive) % 4))

    for folder in ("dev", "proc", "sys", "root", "modules"):
        add(folder, 0o040755)
    for name, path in files.items():
        add(name, 0o100755, path.read_bytes())
    add("TRAILER!!!", 0)
    return bytes(archive)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uml", action="store_true")
    parser.add_argument("--loopback", default=build.CI_VERSION, help=f"{', '.join(build.SUITE_OF)} or none")
    parser.add_argument("--timeout", type=float, default=600.0)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    loopback = None if arguments.loopback == "none" else arguments.loopback
    build.build([loopback or build.CI_VERSION], arguments.uml)
    environment = {k: v for k, v in os.environ.items() if k.startswith(("LIVEWARP", "NUMBA", "OPENCV", "PYTHON"))}
    with tempfile.TemporaryDirectory(prefix="vm") as exchange:
        sys.exit(
            run(
                arguments.command,
                Path(exchange),
                uml=arguments.uml,
                loopback=loopback,
                environment=environment,
                timeout_s=arguments.timeout,
            )
        )


if __name__ == "__main__":
    main()
