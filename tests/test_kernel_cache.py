"""The cache of compiled kernels: what is damaged in it is compiled again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from livewarp.system.kernel_cache import guard
guard()
sys.path.insert(0, {folder!r})
from kernel import twice
print(twice(21), sum(twice.stats.cache_hits.values()))
"""
KERNEL = "from numba import njit\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"


def run(folder: Path) -> list[str]:
    """Run the kernel in a process of its own: its result, and how often the cache had it."""
    program = PROGRAM.format(folder=str(folder))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def spoil(path: Path, how: str) -> None:
    """Damage a file."""
    content = bytearray(path.read_bytes())
    if how == "pipe":
        path.unlink()
        os.mkfifo(path)
        return
    if how == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"empty": b"", "cut": content[: len(content) // 2], "garbage": b"x" * 999}.get(how, bytes(content))
    )


def test_a_damaged_cache_costs_time_only(tmp_path):
    """Whatever is wrong with index or code of a kernel, it is compiled again, and found the next time."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    assert run(tmp_path) == ["42", "0"]
    assert run(tmp_path) == ["42", "1"]
    for how, suffix in (("empty", "nbi"), ("pipe", "nbi"), ("flipped", "nbc"), ("cut", "nbc"), ("pipe", "nbc")):
        for path in (tmp_path / "cache").rglob(f"*.{suffix}"):
            spoil(path, how)
        assert run(tmp_path) == ["42", "0"], (how, suffix)
    assert run(tmp_path) == ["42", "1"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is no folder to write in on Linux only")
def test_without_a_folder_it_compiles_all_the_same(monkeypatch, tmp_path):
    """Where neither the package nor the user's folder can be written, a temporary one is named to numba."""
    from livewarp.system import kernel_cache

    monkeypatch.setattr(kernel_cache, "_can_write", lambda folder: False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kernel_cache.choose_folder()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == tmp_path
