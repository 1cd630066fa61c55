"""The process that helps to compile on a first start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from livewarp.filtering import compiling
from livewarp.live import loading as loading_module
from livewarp.live.loading import Loading

# In a process with a cache of its own: what a kernel that was left there by a helper costs whoever needs it.
_SECOND = """
import json
from livewarp.filtering import compiling
from livewarp.live import loading as loading_module
from livewarp.live.loading import Loading
from livewarp.parameters import Parameters
from livewarp.warping import Warp
from livewarp.warping.kernels import sample

cold = compiling.is_cold()
compiling.Helper().wait()
compiling.warm_up_warp(Warp(), 720, 1280, Parameters())
print(json.dumps([cold, compiling.is_cold(), len(sample.stats.cache_hits), len(sample.stats.cache_misses)]))
"""


def sampler(folder: Path | None) -> object:
    """A kernel whose cache is there."""
    return SimpleNamespace(stats=SimpleNamespace(cache_path=None if folder is None else str(folder)))


def test_it_is_cold_until_a_warp_has_been_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing is kept, or nothing is compiled at all, nobody can help."""
    monkeypatch.setattr(compiling, "sample", sampler(tmp_path / "none"))
    assert compiling.is_cold()
    monkeypatch.setattr(compiling, "sample", sampler(tmp_path))
    assert compiling.is_cold()
    (tmp_path / "kernels.sample-51.py311.nbi").touch()
    assert not compiling.is_cold()
    monkeypatch.setattr(compiling, "sample", sampler(None))
    assert not compiling.is_cold()
    monkeypatch.setattr(compiling, "sample", lambda: None)
    assert not compiling.is_cold()


def test_a_warm_start_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost a second of CPU each time."""
    monkeypatch.setattr(compiling, "is_cold", lambda: False)
    monkeypatch.setattr(compiling.subprocess, "Popen", lambda *args, **options: pytest.fail("started"))
    compiling.Helper().wait()


def test_it_is_only_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot start, fails or hangs keeps nobody from starting."""
    monkeypatch.setattr(compiling, "is_cold", lambda: True)
    monkeypatch.setattr(compiling, "HELP_S", 0.05)
    for program in ("/none/such", "/bin/false"):
        monkeypatch.setattr(compiling.sys, "executable", program)
        compiling.Helper().wait()
    hung = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(compiling.subprocess, "Popen", lambda *args, **options: hung)
    compiling.Helper().wait()
    assert hung.returncode is not None


def test_what_it_compiles_need_not_be_compiled_again(tmp_path: Path) -> None:
    """The kernel of the warp comes out of the cache that the helper has filled."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _SECOND], env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.stdout.strip() == "[true, false, 1, 0]", done.stderr


def test_the_people_who_wait_are_told_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first start counts the kernels as they come, in its state's reason; any other only warms up."""
    loading = Loading(lambda: pytest.fail("made"), (72, 128), lambda error: None)
    assert loading.doing() == "warming up"
    counts = iter([3, 99])
    monkeypatch.setattr(compiling, "compiled_kernels", lambda: next(counts))
    monkeypatch.setattr(loading_module, "is_cold", lambda: True)
    monkeypatch.setattr(loading_module, "_PROGRESS_S", 0.0)
    loading.run()  # its maker fails, which leaves it without a filter
    assert re.fullmatch(r"compiling, once: 3 of \d+ kernels", loading.doing())
    assert re.fullmatch(r"compiling, once: (\d+) of \1 kernels", loading.doing())


def test_set_up_compiles_every_part() -> None:
    """What tools/setup.py compiles, which may not import livewarp, are the parts that there are."""
    text = (Path(__file__).parents[1] / "tools" / "setup.py").read_text()
    found = re.search(r"parts = \(([^)]*)\) if goal == .test", text)
    assert found is not None
    assert {part.strip(' "') for part in found[1].split(",")} == set(compiling.PARTS)
