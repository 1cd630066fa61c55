"""Builds the machines that have cameras, from Debian packages; run by hand, by `make vm` and by .ci/run.

    python3 tests/vm/build.py                       a Debian kernel for QEMU, v4l2loopback 0.15.0
    python3 tests/vm/build.py 0.12.7 0.15.0         other or more versions of v4l2loopback
    python3 tests/vm/build.py --uml 0.12.7 0.15.0   the same and a kernel that runs as an ordinary program
    python3 tests/vm/build.py --install             first install the compiler and QEMU, if root is to be had

There is no disk image: a machine sees the host's own file system, read-only, so all that is made is a kernel,
its few modules, and the little programs that start it. Packages are fetched by apt with lists of its own and
only unpacked. Standard library only: it runs before the tests' environment exists.

Guarantees:

- What is there is not made again; two calls at once do the work once, the other waits.
- But for --install, nothing outside the folder changes and root is not needed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"  # of the kernel; its 6.1 is the newest that all these v4l2loopback compile for
SUITE_OF = {"0.12.7": "bookworm", "0.13.2": "bookworm-backports", "0.15.0": "trixie"}
CI_VERSION = "0.15.0"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"

# What must be there before the root file system is; cameras are loaded afterwards, from the host's folder.
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "virtio_console")
CAMERA_MODULES = ("vivid", "videodev")

UML_CONFIG = HERE / "uml.config"


class Unavailable(Exception):
    """What the machines need and this host lacks; the text says it."""


def folder() -> Path:
    """Where the machines are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LIVEWARP_VM_DIR") or cache / "livewarp-test-vm").resolve()


def is_built(versions: Iterable[str], uml: bool = False) -> bool:
    """Whether all of this is there and nothing needs to be fetched or compiled."""
    kind = "uml" if uml else "qemu"
    return all((folder() / kind / f"v4l2loopback-{v}.ko").exists() for v in versions)


def build(versions: Iterable[str] = (CI_VERSION,), uml: bool = False, install: bool = False) -> Path:
    """Make what is missing, and with `install` first install what that takes; the folder.

    Raises
    ------
    Unavailable
        This host cannot: another processor, no QEMU, no compiler, no packages.
    subprocess.CalledProcessError
        A step failed that should not have.
    """
    versions = list(versions)
    here = folder()
    here.mkdir(parents=True, exist_ok=True)
    with (here / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other builder's work is then ours, too
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise Unavailable(f"it is for Linux on x86_64, this is {sys.platform} on {platform.machine()}")
        if install:
            _install(_missing(uml))
        if missing := _missing(uml):
            raise Unavailable(f"not installed here: {', '.join(missing)} (packages {', '.join(missing.values())})")
        if is_built(versions, uml=False) and (not uml or is_built(versions, uml=True)):
            return here
        _step("package lists", here / "apt" / "updated", _update_lists)
        _step("kernel", here / "qemu" / "vmlinuz", _make_kernel)
        for version in versions:
            _step(f"v4l2loopback {version}", here / "qemu" / f"v4l2loopback-{version}.ko", _make_loopback)
        if uml:
            _step("user-mode Linux", here / "uml" / "linux", _make_uml)
            for version in versions:
                _step(f"v4l2loopback {version} (uml)", here / "uml" / f"v4l2loopback-{version}.ko", _make_uml_loopback)
    return here


def _step(name: str, made: Path, make: Callable[[Path], None]) -> None:
    """Make one file, unless it is there; `make` gets its path and writes it last."""
    if made.exists():
        return
    made.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    make(made)
    assert made.exists()
    print(f"[vm] {name}: {time.monotonic() - begin:.0f} s", flush=True)


# What has to be on the host, and the Debian package that has it.
NEEDED = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "nice": "coreutils",
    "make": "make",
    "gcc": "gcc",
    "strip": "binutils",
    "/usr/lib/x86_64-linux-gnu/libelf.so.1": "libelf-dev",  # of the tool that checks kernel modules
    str(KEYRING): "debian-archive-keyring",
}
NEEDED_QEMU = {"qemu-system-x86_64": "qemu-system-x86", "/usr/share/seabios/bios-256k.bin": "seabios"}
NEEDED_UML = {"flex": "flex", "bison": "bison", "bc": "bc", "xz": "xz-utils", "/usr/include/stdio.h": "libc6-dev"}


def _missing(uml: bool) -> dict[str, str]:
    """The part of what is needed that is not here."""
    needed = NEEDED | NEEDED_QEMU | (NEEDED_UML if uml else {})
    return {what: package for what, package in needed.items() if shutil.which(what) is None and not Path(what).exists()}


def _install(missing: dict[str, str]) -> None:
    """Install packages on the host."""
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise Unavailable("no apt-get here")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-oDPkg::Lock::Timeout=120"]
    for command in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *missing.values()]):
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise Unavailable(f"{', '.join(missing)} not installed here, nor {error.filename}") from None
        if done.returncode:
            raise Unavailable(f"{' '.join(missing.values())} cannot be installed: {done.stderr.strip()[-300:]}")


# ------------------------------------------------------------------------------------------ packages


def _apt(*arguments: str, cwd: Path | None = None) -> str:
    """Run apt-get with lists, cache and sources of our own; what it said."""
    apt = folder() / "apt"
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt / "state",
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
        "APT::Sandbox::User": "root",  # else its helper user could not read this folder
    }
    command = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items()), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"apt-get {arguments[0]} failed: {done.stderr.strip() or done.stdout[-500:]}")
    return done.stdout


def _mirror() -> str:
    """Debian's mirror as this host's apt is told, where that is a Debian."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for file in files:
        with contextlib.suppress(OSError):
            for line in file.read_text().splitlines():
                found = re.search(r"^(?:URIs:|deb\b).*?(https?://\S*/debian)/?(?:\s|$)", line)
                if found:
                    return found[1]
    return MIRROR


def _update_lists(made: Path) -> None:
    apt = made.parent
    (apt / "state" / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (apt / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    suites = sorted({SUITE, *SUITE_OF.values()})
    lines = [f"deb [signed-by={KEYRING} arch=amd64] {_mirror()} {suite} main\n" for suite in suites]
    (apt / "sources.list").write_text("".join(lines))
    _apt("update", "-o", "APT::Update::Error-Mode=any")
    made.touch()


def _unpack(package: str, into: Path, suite: str = SUITE) -> None:
    """Fetch a package of a suite and unpack it; nothing is installed."""
    with _scratch("debs") as debs:
        _apt("download", f"{package}/{suite}", cwd=debs)
        (deb,) = debs.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, into], check=True)


def _stands_for(package: str, pattern: str) -> str:
    """The name of the package that a meta package of the kernel's suite depends on."""
    with _scratch("debs") as debs:
        _apt("download", f"{package}/{SUITE}", cwd=debs)
        (deb,) = debs.glob("*.deb")
        fields = subprocess.run(["dpkg-deb", "-f", deb, "Depends"], check=True, capture_output=True, text=True).stdout
    found = re.search(pattern, fields)
    assert found, f"{package} depends on {fields!r}"
    return found[0]


@contextlib.contextmanager
def _scratch(name: str) -> Iterator[Path]:
    """An empty folder for as long as it is needed."""
    path = folder() / f"scratch-{name}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# ------------------------------------------------------------------------------------------- modules


class Modules:
    """The modules of a kernel, by name."""

    def __init__(self, root: Path) -> None:
        self._paths = {p.name.split(".")[0].replace("-", "_"): p for p in root.rglob("*.ko*")}

    def with_dependencies(self, names: Iterable[str]) -> list[Path]:
        """What has to be loaded for `names`, each after what it needs; what is built in is left out."""
        ordered: dict[str, Path] = {}

        def add(name: str) -> None:
            path = self._paths.get(name.replace("-", "_"))
            if path is None or path.stem in ordered:
                return
            found = re.search(rb"\0depends=([^\0]*)", path.read_bytes())
            for needed in found[1].decode().split(",") if found and found[1] else ():
                add(needed)
            ordered[path.stem] = path

        for name in names:
            add(name)
        return list(ordered.values())


def _install_modules(modules: Modules, names: Iterable[str], into: Path) -> None:
    """Copy modules, and write down the order in which they load."""
    paths = modules.with_dependencies(names)
    into.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copyfile(path, into / path.name)
    (into / "order").write_text("".join(f"{path.name}\n" for path in paths))


# ---------------------------------------------------------------------------------------------- QEMU


def _make_kernel(made: Path) -> None:
    out = made.parent
    with _scratch("kernel") as scratch:
        _unpack(_stands_for("linux-image-amd64", r"linux-image-\S+-amd64"), scratch)
        _unpack("busybox-static", scratch)
        shutil.copyfile(next(scratch.glob("**/bin/busybox")), out / "busybox")
        (out / "busybox").chmod(0o755)
        modules = Modules(scratch / "lib" / "modules")
        _install_modules(modules, CAMERA_MODULES, out / "modules")
        _install_modules(modules, BOOT_MODULES, out / "boot")
        (kernel,) = (scratch / "boot").glob("vmlinuz-*")
        (out / "release").write_text(kernel.name.removeprefix("vmlinuz-"))
        shutil.copyfile(kernel, made)


def _headers() -> Path:
    """The unpacked headers of QEMU's kernel, ready to compile modules against."""
    root = folder() / "headers"
    release = (folder() / "qemu" / "release").read_text()
    common = release.removesuffix("-amd64") + "-common"
    headers = root / "usr" / "src" / f"linux-headers-{release}"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        for package in (f"linux-headers-{release}", f"linux-headers-{common}", "linux-kbuild-6.1"):
            _unpack(package, root)
        # The packaged file names its other half by the place where it would be installed.
        (headers / "Makefile").write_text(f"include {root}/usr/src/linux-headers-{common}/Makefile\n")
        (root / "complete").touch()
    return headers


def _make_loopback(made: Path) -> None:
    _compile_loopback(made, ["-C", str(_headers()), "CC=gcc"])


def _compile_loopback(made: Path, kernel: list[str]) -> None:
    version = made.stem.removeprefix("v4l2loopback-")
    with _scratch("loopback") as scratch:
        _unpack("v4l2loopback-dkms", scratch, SUITE_OF[version])
        source = scratch / "usr" / "src" / f"v4l2loopback-{version}"
        _run(["make", *kernel, f"M={source}", "modules"], made.with_suffix(".log"))
        _run(["strip", "--strip-debug", "-o", str(made), str(source / "v4l2loopback.ko")], made.with_suffix(".log"))


def _run(command: list[str], log: Path, cwd: Path | None = None) -> None:
    """Run a long command at low priority; on failure show the end of what it said."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with log.open("ab") as out:
        done = subprocess.run(["nice", "-n", "10", *command], cwd=cwd, env=environment, stdout=out, stderr=out)
    if done.returncode:
        sys.stderr.write("".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:]))
        raise subprocess.CalledProcessError(done.returncode, command)


# ----------------------------------------------------------------------------------- user-mode Linux


def _make_uml(made: Path) -> None:
    """Compile the kernel's source for the architecture "um", whose kernel is a program."""
    out, source, log = made.parent, folder() / "uml-source", made.with_suffix(".log")
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    with _scratch("uml") as scratch:
        _unpack("linux-source-6.1", scratch)
        (archive,) = scratch.glob("usr/src/linux-source-*.tar.xz")
        _run(["tar", "-C", str(source), "--strip-components=1", "-xf", str(archive)], log)
    make = ["make", "ARCH=um", f"-j{os.cpu_count()}"]
    _run([*make, "defconfig"], log, source)
    with (source / ".config").open("a") as config:  # of a line that is there twice, the last one counts
        config.write(UML_CONFIG.read_text())
    _run([*make, "olddefconfig"], log, source)
    assert "CONFIG_VIDEO_VIVID=m" in (source / ".config").read_text()
    _run([*make, "linux", "modules"], log, source)
    _install_modules(Modules(source), CAMERA_MODULES, out / "modules")
    for module in (out / "modules").glob("*.ko"):
        _run(["strip", "--strip-debug", str(module)], log)
    shutil.copyfile(folder() / "qemu" / "busybox", out / "busybox")
    (out / "busybox").chmod(0o755)
    _run(["strip", "-o", str(made), str(source / "linux")], log)


def _make_uml_loopback(made: Path) -> None:
    _compile_loopback(made, ["-C", str(folder() / "uml-source"), "ARCH=um"])


def main() -> None:
    """See the module's docstring; exit status 3: this host cannot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uml", action="store_true")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("versions", nargs="*", default=[CI_VERSION], help=f"of {', '.join(SUITE_OF)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.versions) - set(SUITE_OF):
        parser.error(f"v4l2loopback {', '.join(unknown)}: allowed: {', '.join(SUITE_OF)}")
    try:
        begin = time.monotonic()
        made = build(arguments.versions, arguments.uml, arguments.install)
        print(f"[vm] {made}: ready after {time.monotonic() - begin:.0f} s")
    except Unavailable as reason:
        print(f"[vm] cannot be built: {reason}")
        sys.exit(3)


if __name__ == "__main__":
    main()
