"""What the tests of the web panel share: a panel with a real preview, and plain HTTP without any of our own code."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from control_fixture import ANY_PORT, TIMEOUT_S, FakeDaemon, served
from livewarp.control.access import Access
from livewarp.control.address import Address
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.presets import Presets
from livewarp.control.secret import read_token
from livewarp.control.web.panel import Panel
from livewarp.sinks.preview import Preview

STREAM = "/preview.mjpeg"


class WatchedPreview(Preview):
    """A preview that tells when nobody watches any more."""

    def __init__(self):
        super().__init__()
        self.left = threading.Event()

    def unwatch(self, split=False):
        """Tell when the last one leaves."""
        super().unwatch(split)
        if self.viewers == 0:
            self.left.set()


class Engine:
    """Offers frames that count upwards, from a thread, until it is closed."""

    def __init__(self, preview, shape=(48, 64, 3)):
        self.preview = preview
        self._pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        i = 0
        while not self._ended.wait(0.002):
            i += 1
            self.offer(i)

    def offer(self, i):
        """Offer frame i."""
        # Flat blocks: JPEG keeps each of their levels.
        self._pixels[:16, :16], self._pixels[:16, 16:32] = i % 250, i // 250
        self.preview.offer(self._pixels)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        self._thread.join(TIMEOUT_S)


class Reply:
    """A whole HTTP response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        """The body, which must say that it is JSON."""
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


def bearer(token: str | None = None) -> dict[str, str]:
    """The header that shows the token."""
    return {"Authorization": f"Bearer {token or read_token()}"}


def ask(address: Address, method: str, path: str, body: object = None, **headers: str | None) -> Reply:
    """Send one request to a panel; header None leaves it out."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    sent: dict[str, str | None] = {"Host": str(address), **bearer()}
    if body is not None:
        sent["Content-Type"] = "application/json"
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent["Content-Length"] = str(len(body))
    for name, value in headers.items():
        sent[name.replace("_", "-")] = value
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        return Reply(connection.getresponse())


class Viewer:
    """Reads the stream as a browser does."""

    def __init__(self, address: Address, path: str = STREAM) -> None:
        self.connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
        self.connection.request("GET", path, headers=bearer())
        self._response: http.client.HTTPResponse | None = None

    @property
    def response(self) -> http.client.HTTPResponse:
        """The head of the stream, which comes with its first frame."""
        if self._response is None:
            self._response = self.connection.getresponse()
        return self._response

    def frame(self) -> bytes:
        """The JPEG of the next part."""
        return self.part()[0]

    def part(self) -> tuple[bytes, int]:
        """The next part and how many halves it has; it must be followed by its boundary at once."""
        line = self.response.readline()
        if line == b"--frame\r\n":
            line = self.response.readline()
        assert line == b"Content-Type: image/jpeg\r\n"
        name, length = self.response.readline().split(b": ")
        assert name == b"Content-Length"
        halves, count = self.response.readline().split(b": ")
        assert halves == b"Livewarp-Halves"
        assert self.response.readline() == b"\r\n"
        jpeg = self.response.read(int(length))
        assert self.response.readline() == b"\r\n"
        assert self.response.readline() == b"--frame\r\n"
        return jpeg, int(count)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *error: object) -> None:
        if self._response is not None:
            self._response.close()
        self.connection.close()


@contextlib.contextmanager
def serve_panel(daemon: FakeDaemon, preview: Preview, folder: Path) -> Iterator[Panel]:
    """A panel of both, whose presets are in that folder; it runs in a hub of its own, as in the daemon's main one."""
    with served(lambda: Panel(Dispatcher(daemon, Presets(folder)), preview, Access(), ANY_PORT), daemon) as panel:
        yield panel
        preview.close()  # before the panel stops, as in the daemon
