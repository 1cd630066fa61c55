"""The command that adds a package to the environment which livewarp runs in."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from livewarp.system.environment import PIPX, UV_TOOL, install_command


@pytest.mark.parametrize(
    ("left", "again", "expected"),
    [
        ("", False, [sys.executable, "-m", "pip", "install", "x[y]>=1,<2"]),
        ("", True, [sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps", "x[y]>=1,<2"]),
        (PIPX, False, ["pipx", "inject", "livewarp", "x[y]>=1,<2"]),
        (PIPX, True, ["pipx", "inject", "--force", "livewarp", "x[y]>=1,<2"]),
        (UV_TOOL, False, ["uv", "pip", "install", "--python", sys.executable, "x[y]>=1,<2"]),
        (UV_TOOL, True, ["uv", "pip", "install", "--python", sys.executable, "--reinstall", "--no-deps", "x[y]>=1,<2"]),
    ],
)
def test_command_goes_to_this_environment(tmp_path: Path, left: str, again: bool, expected: list[str]) -> None:
    """The command names the installer that made the environment, and a shell reads it as these words."""
    if left:
        (tmp_path / left).touch()
    assert shlex.split(install_command("x[y]>=1,<2", again, tmp_path)) == expected


def test_pip_takes_the_command() -> None:
    """The words are what this environment's pip takes: it finds nothing to do for what is there."""
    words = shlex.split(install_command("click"))
    done = subprocess.run([*words, "--no-index", "--dry-run"], capture_output=True, text=True, check=True)
    assert "already satisfied" in done.stdout
