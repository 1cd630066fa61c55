"""Nothing leaves the machine: no command opens a socket to anywhere but loopback and this machine's own programs."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

# Python's own audit events say which addresses a process connects or binds to, and which names it looks up.
_WATCHED = """
import json, sys
asked = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        asked.append([event, int(arguments[0].family), repr(arguments[1])])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        asked.append([event, -1, repr(arguments[0])])
sys.addaudithook(hook)
from livewarp.cli.main import cli
try:
    cli(sys.argv[2:], standalone_mode=False)
except Exception as error:
    print(error, file=sys.stderr)
finally:
    with open(sys.argv[1], "w") as file:
        json.dump(asked, file)
"""
_OWN = ("'127.0.0.1'", "'localhost'", "'::1'", "b'127.0.0.1'", "b'localhost'", "b'::1'")


def addresses(tmp_path: Path, *arguments: str) -> list[list[Any]]:
    """What a command asked the network for, without this machine's own addresses and Unix sockets."""
    log = tmp_path / "asked.json"
    command = [sys.executable, "-c", _WATCHED, str(log), *arguments]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=500)
    asked: list[list[Any]] = json.loads(log.read_text())
    return [one for one in asked if one[1] != socket.AF_UNIX and not any(own in one[2] for own in _OWN)]


PORTS = ("--control", "127.0.0.1:0", "--panel", "127.0.0.1:0")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--fresh", "--source", "portrait", "--sink", "null", "--model", "mesh", *PORTS, "--frames", "5"),
        ("apply", "portrait.png", "out.png", "--model", "mesh"),
        ("doctor", "--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"),
        ("state",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_command_asks_another_machine(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Running, filtering, examining and asking the daemon need this machine alone."""
    person = Path(__file__).parent.parent / "livewarp" / "assets" / "portrait" / "person.jpg"
    (tmp_path / "portrait.png").write_bytes(person.read_bytes())
    assert addresses(tmp_path, *arguments) == []


def test_an_address_is_no_file(tmp_path: Path) -> None:
    """A source or input that is an address is refused: no library gets to fetch it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/clip.mp4"
        for arguments in (("apply", url, "out.mp4"), ("run", "--fresh", *PORTS, "--sink", "null", "--source", url)):
            command = [sys.executable, "-m", "livewarp", *arguments]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
            assert done.returncode in (1, 2)
            assert "clip.mp4" in done.stderr
            assert len(done.stderr.splitlines()) <= 2
        server.shutdown()
    assert asked == []
