"""Fixtures that many tests share: real faces where they are, synthetic ones always."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings

from livewarp.arrays import BgrFrame
from panel_browser_fixture import open_panel, panel_browser, panel_daemon  # noqa: F401  # fixtures for all modules

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# People look for new counterexamples with every run; on CI a run says the same of the same commit.
# No deadline: a busy machine is no counterexample.
settings.register_profile("people", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "people")


@pytest.hookimpl(trylast=True)  # after the shuffling
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The machine with cameras is built while the others run: what needs it comes last."""
    items.sort(key=lambda item: item.path.name == "test_vm.py")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings of the person who runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real faces, or a skip that says that it is missing."""
    if not DATA.is_dir():
        pytest.skip(f"no real faces here: {DATA.parent.name}/{DATA.name} is not beside the repository")
    return DATA


@pytest.fixture
def noise() -> BgrFrame:
    """A frame in which every moved pixel shows: smoothed noise, (360, 480, 3)."""
    rng = np.random.default_rng(68)
    return cv2.GaussianBlur(rng.integers(0, 256, (360, 480, 3)).astype(np.uint8), (5, 5), 1.2)  # type: ignore


@pytest.fixture(scope="session", autouse=True)
def hangups_reach_programs() -> None:
    """Programs that tests start meet SIGHUP as under a terminal, also where the tests themselves run under nohup."""
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:
        signal.signal(hangup, lambda number, frame: None)  # handlers are not inherited
