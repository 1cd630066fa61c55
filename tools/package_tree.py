"""The files of an installed package: a virtual environment under /opt, and what a desktop and a shell look for.

`tools/dist.py` wraps the tree for each distribution. Nothing is downloaded here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = Path("/opt/livewarp")
LICENCE = "MIT AND Apache-2.0"
CODECS_LICENCE = "GPL-3.0-or-later"  # x264 and x265 (GPL 2 or later) in PyAV's FFmpeg (LGPL 3 or later)
SHELLS = {
    "bash": "usr/share/bash-completion/completions/livewarp",
    "zsh": "usr/share/zsh/site-functions/_livewarp",
    "fish": "usr/share/fish/vendor_completions.d/livewarp.fish",
}
# Tests of the libraries, and headers: a third of a package's files, and nothing imports them.
UNUSED = ("numba/tests", "numpy/**/tests", "numpy/_core/include", "llvmlite/tests", "psutil/tests", "gevent/tests")
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}

_PROBE = "import json, platform, sys; print(json.dumps([sys.version_info[:2], platform.machine()]))"


@dataclass(frozen=True)
class Target:
    """What a package is made for.

    Attributes
    ----------
    path, python
        The interpreter, and its version, "3.11".
    machine
        As the kernel calls it, "x86_64".
    version
        Of livewarp.
    licence
        Of the whole, libraries included.
    """

    path: Path
    python: str
    machine: str
    version: str
    licence: str

    @classmethod
    def of(cls, path: Path, wheel: Path) -> "Target":
        """For this interpreter, and the livewarp of this wheel."""
        requires = _metadata(wheel)
        licence = f"{LICENCE} AND {CODECS_LICENCE}" if re.search(r"^Requires-Dist: av\b", requires, re.M) else LICENCE
        answer = subprocess.run([path, "-c", _PROBE], check=True, capture_output=True, text=True).stdout
        version, machine = json.loads(answer)
        return cls(path, ".".join(map(str, version)), machine, wheel.name.split("-")[1], licence)

    @property
    def debian(self) -> str:
        """The machine as Debian calls it."""
        return DEBIAN.get(self.machine, self.machine)

    @property
    def tags(self) -> list[str]:
        """The platform tags of wheels that run there, newest first."""
        return [f"manylinux_2_{minor}_{self.machine}" for minor in range(40, 16, -1)] + [
            f"manylinux2014_{self.machine}",
            f"manylinux2010_{self.machine}",
            f"linux_{self.machine}",
        ]

    def words(self) -> dict[str, str]:
        """What the files in packaging/ are filled in with."""
        major, minor = self.python.split(".")
        return {
            "version": self.version,
            "licence": self.licence,
            "python": self.python,
            "next_python": f"{major}.{int(minor) + 1}",
        }


def _metadata(wheel: Path) -> str:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def make_tree(tree: Path, pip: Path, target: Target, wheels: Path, pinned: Path) -> Path:
    """Fill `tree` with the files of the package.

    Parameters
    ----------
    pip
        A Python that has pip.
    wheels, pinned
        The folder of all wheels, and the requirements with their hashes.
    """
    home = tree / HOME.relative_to("/")
    home.parent.mkdir(parents=True)
    _run(target.path, "-m", "venv", "--without-pip", home)
    inside = home / "bin" / "python"
    install = (pip, "-m", "pip", "--python", inside, "install", "--quiet", "--no-index", "--no-compile", "--no-deps")
    _run(*install, "--find-links", wheels, "-r", pinned)
    _run(*install, next(wheels.glob("livewarp-*.whl")), next(wheels.glob("pip-*.whl")))
    _take_out_unused(home)
    _desktop_and_shells(tree, home)
    _documents(tree, home)
    _say_where_it_will_be(tree, home)
    return tree


def _run(*words: object, **environ: str) -> str:
    done = subprocess.run([str(word) for word in words], env=os.environ | environ, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nlivewarp: failed: {' '.join(map(str, words))}")
    return done.stdout


def _take_out_unused(home: Path) -> None:
    """Remove what nobody imports."""
    (packages,) = home.glob("lib/python*/site-packages")
    for pattern in UNUSED:
        for path in list(packages.glob(pattern)):
            shutil.rmtree(path, ignore_errors=True)


def _desktop_and_shells(tree: Path, home: Path) -> None:
    """The command, menu entry, icon, user unit, completions and man pages."""
    inside = home / "bin" / "python"

    def write(name: str, text: str) -> None:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    (tree / "usr" / "bin").mkdir(parents=True)
    (tree / "usr" / "bin" / "livewarp").symlink_to(HOME / "bin" / "livewarp")
    write("usr/share/applications/livewarp.desktop", (ROOT / "packaging" / "livewarp.desktop").read_text())
    icon = (ROOT / "livewarp" / "control" / "static" / "icon.svg").read_text()
    write("usr/share/icons/hicolor/scalable/apps/livewarp.svg", icon)
    unit = "from livewarp.system.service import packaged_unit as u; print(u(['/usr/bin/livewarp', 'run']), end='')"
    write("usr/lib/systemd/user/livewarp.service", _run(inside, "-c", unit))
    for rule in ("RULE_05", "RULE_04"):  # WirePlumber leaves our v4l2loopback device to us
        code = f"from livewarp.doctor.programs import {rule} as r; print('\\n'.join(r), end='')"
        name, _, text = _run(inside, "-c", code).partition("\n")
        write(name.replace("~/.config/", "usr/share/"), text)
    for shell, name in SHELLS.items():
        write(name, _run(inside, "-m", "livewarp", "completion", shell))
    man = tree / "usr" / "share" / "man" / "man1"
    man.mkdir(parents=True)
    _run(inside, ROOT / "tools" / "man_pages.py", man)


def _documents(tree: Path, home: Path) -> None:
    """Licences of everything that is inside, and where the sources of the GPL codecs are."""
    doc = tree / "usr" / "share" / "doc" / "livewarp"
    doc.mkdir(parents=True)
    for name in ("README.md", "CHANGELOG.md", "config.toml"):
        shutil.copy(ROOT / name, doc)
    (packages,) = home.glob("lib/python*/site-packages")
    parts = [
        f"livewarp itself: {LICENCE}\n\n{(ROOT / 'LICENSE').read_text()}",
        f"The networks in models/:\n\n{(ROOT / 'models' / 'NOTICE').read_text()}\n"
        f"{(ROOT / 'models' / 'LICENSE.Apache-2.0').read_text()}",
    ]
    if list(packages.glob("av-*.dist-info")):
        parts.append((ROOT / "packaging" / "codecs.txt").read_text())
    for info in sorted(packages.glob("*.dist-info")):
        parts += _licences_of(info)
    (doc / "copyright").write_text(f"\n{'-' * 100}\n".join(parts))


def _licences_of(info: Path) -> list[str]:
    """The licence of an installed package, as its own metadata and files give it."""
    text = (info / "METADATA").read_text()
    head = text.split("\n\n", 1)[0]
    name = info.name.removesuffix(".dist-info")
    kinds = re.findall(r"^(?:License-Expression|License|Classifier: License ::) ?:? ?(.+)", head, re.M)
    files: list[Any] = sorted(
        path for path in info.rglob("*") if path.is_file() and re.match(r"(?i)(licen[sc]e|copying|notice)", path.name)
    )
    said = "\n\n".join(path.read_text(errors="replace") for path in files)
    return [f"{name}: {'; '.join(kinds) or 'see below'}\n\n{said}"]


def _say_where_it_will_be(tree: Path, home: Path) -> None:
    """Replace the path of the tree by that of the installed package, and compile the modules as of there."""
    for path in [*(home / "bin").iterdir(), home / "pyvenv.cfg"]:
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes()
        path.write_bytes(text.replace(str(tree).encode(), b""))
    for name in home.glob("bin/[Aa]ctivate*"):
        name.unlink()
    for direct in home.glob("lib/python*/site-packages/*.dist-info/direct_url.json"):
        direct.unlink()  # it names the wheel in a folder that is gone
    python = home / "bin" / "python"
    _run(
        python,
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        "-s",
        tree,
        "-p",
        "/",
        "--invalidation-mode",
        "unchecked-hash",
        home,
    )
