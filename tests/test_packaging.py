"""What a release holds: the files of the wheel and the sdist, man pages, the unit of the packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from livewarp.cli.main import cli
from livewarp.system.service import packaged_unit

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "livewarp"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of a clone of this tree, and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("built")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("this tree is no clone: what belongs to a release is not known")
    for name in filter(None, tracked.stdout.split("\0")):
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, path, follow_symlinks=False)
    call = "from setuptools import build_meta as b; b.build_sdist({0!r}); b.build_wheel({0!r})"
    command = [sys.executable, "-W", "ignore", "-c", call.format(str(folder))]
    subprocess.run(command, cwd=folder / "tree", check=True, capture_output=True)
    return folder


def test_wheel_holds_every_file_of_the_package(built: Path) -> None:
    """Modules, pictures, the panel and the networks are all in the wheel, and nothing of the tests."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    tree = built / "tree"
    expected = {str(p.relative_to(tree)) for p in (tree / "livewarp").rglob("*") if p.is_file()}
    expected |= {f"livewarp/models/{p.name}" for p in (tree / "models").iterdir()}
    assert inside == expected


def test_sdist_can_be_tested_and_released_from(built: Path) -> None:
    """The sdist has the tests, tools, docs and pins of the repository."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"Makefile", "config.toml", "requirements-dev.txt", "tools/dist.py", "packaging/livewarp.spec"} <= inside
    assert {"tests/test_packaging.py", "docs/install.md", "models/NOTICE", "ARCHITECTURE.md"} <= inside


def test_man_pages_cover_every_command(tmp_path: Path) -> None:
    """Every command has a man page with its examples in lines of their own."""
    subprocess.run([sys.executable, ROOT / "tools" / "man_pages.py", tmp_path], check=True)
    assert {f"livewarp-{name}.1" for name in cli.commands} <= {path.name for path in tmp_path.iterdir()}
    page = (tmp_path / "livewarp-set.1").read_text()
    assert "\n.nf\nlivewarp set thin=0.6 eyes=0.4\n" in page
    assert ".B \\-\\-json" in page
    if man := shutil.which("man"):
        for path in tmp_path.iterdir():
            shown = subprocess.run([man, "--warnings", "-l", path], capture_output=True, text=True)
            assert shown.stderr == ""


def test_packaged_unit_is_the_same_for_every_user() -> None:
    """The unit of the packages names no folder of the person who made them."""
    text = packaged_unit(["/usr/bin/livewarp", "run"])
    assert "ExecStart=/usr/bin/livewarp run\n" in text
    assert "Type=notify\n" in text
    assert str(Path.home()) not in text
