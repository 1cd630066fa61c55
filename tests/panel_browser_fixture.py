"""What the tests of the panel in a real browser share: the program as a person starts it, and the browser.

Both take seconds to start, so all modules of these tests share one of each (`conftest` has the fixtures).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from browser import Browser, Page, find_chromium
from livewarp.control.client import Client
from livewarp.control.secret import read_token

LIVE = "document.body.dataset.link === 'open' && document.querySelector('#screen').dataset.picture === 'live'"
OPTIONS = ["--source", "portrait", "--sink", "null", "--width", "640", "--height", "360", "--fps", "15"]
OPTIONS += ["--control", "127.0.0.1:0"]


class Running:
    """The daemon in a process of its own.

    Parameters
    ----------
    folder
        For its files.
    panel
        Where it serves the panel; port 0: any.
    program
        For Python's command line; a test that adds to livewarp gives its own.
    """

    def __init__(self, folder: Path, panel: str = "127.0.0.1:0", program: Sequence[str] = ("-m", "livewarp")) -> None:
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
        environment["XDG_RUNTIME_DIR"] = str(folder)
        self.environment = environment  # in which commands find its token
        self._process = subprocess.Popen(
            [sys.executable, *program, "run", *OPTIONS, "--panel", panel, "--fresh"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        self.log = ""
        self.control = self._wait_for(r"control: (\S+)")
        self.link = self._wait_for(r"preview: (\S+)")
        self.url = self.link.partition("/?")[0]
        self.token = read_token(folder / "livewarp" / "token")
        self._rest = threading.Thread(target=self._read_rest)  # a full pipe would stop the daemon
        self._rest.start()

    def _wait_for(self, pattern: str) -> str:
        assert self._process.stderr is not None
        while not (found := re.search(pattern, self.log)):
            line = self._process.stderr.readline()
            self.log += line
            if not line:
                pytest.fail(f"ended without {pattern!r}:\n{self.log}")
        return found[1]

    def _read_rest(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log += line

    @property
    def address(self) -> str:
        """HOST:PORT of the panel."""
        return self.url.removeprefix("http://")

    def call(self, method: str, **params: object) -> object:
        """One call over the line port, as from another program."""
        with Client(self.control, token=self.token) as client:
            return client.call(method, params)

    def end(self) -> None:
        """Stop it and wait for its end."""
        self._process.terminate()
        self._process.wait(500)
        self._rest.join(500)
        assert self._process.stderr is not None
        self._process.stderr.close()


def launch(profile: Path, *arguments: str) -> Browser:
    """A browser with that profile and these arguments beside the usual ones, or a skip that says that there is none."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium here (Debian: apt install chromium)")
    return Browser(executable, profile, *arguments)


@pytest.fixture(scope="session")
def panel_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A daemon on the built-in portrait."""
    running = Running(tmp_path_factory.mktemp("daemon"))
    yield running
    running.end()


@pytest.fixture(scope="session")
def panel_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser, or a skip that says that there is none."""
    browser = launch(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def open_panel(panel_browser: Browser, panel_daemon: Running) -> Iterator[Callable[..., Page]]:
    """Opens the panel, as it is after a start, with the tab that is named."""
    pages: list[Page] = []
    panel_daemon.call("reset")
    for switch in ("blank", "freeze"):
        panel_daemon.call(switch, on=False)

    def open_page(width: int = 1280, height: int = 800, tab: str = "shape", **media: str) -> Page:
        page = panel_browser.page(width, height, **media)
        pages.append(page)
        page.open(panel_daemon.link)
        page.until(LIVE)
        page.until("document.querySelector('#parameter-thin') !== null")
        page.run(f"document.querySelector('#tab-{tab}').click()")
        return page

    yield open_page
    for page in pages:
        page.run("localStorage.clear()")
        page.close()
