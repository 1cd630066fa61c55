"""docs/streamdeck.md: its plugin runs as it stands, between a real control socket and a Stream Deck that is played."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

from control_fixture import FakeDaemon, control
from livewarp.control.client import Client
from livewarp.control.secret import socket_file

TEXT = (Path(__file__).parents[1] / "docs" / "streamdeck.md").read_text(encoding="utf-8")
TIMEOUT_S = 30.0
_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Deck:
    """The program that starts plugins: one WebSocket, of which this is the server's end (RFC 6455)."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(TIMEOUT_S)
        self.port = self._server.getsockname()[1]

    def meet(self) -> None:
        """Wait for the plugin, and greet it."""
        self._peer, _ = self._server.accept()
        self._peer.settimeout(TIMEOUT_S)
        self._reader = self._peer.makefile("rb")
        head = "".join(line.decode() for line in iter(self._reader.readline, b"\r\n"))
        key = re.search(r"Sec-WebSocket-Key: (\S+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1((key[1] + _SALT).encode()).digest()).decode()
        self._peer.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def say(self, **message: object) -> None:
        """Send it a message."""
        data = json.dumps(message).encode()
        size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
        self._peer.sendall(b"\x81" + size + data)

    def hear(self) -> dict[str, object]:
        """Its next message; what a client sends is masked."""
        first, second = self._reader.read(2)
        assert (first, second & 0x80) == (0x81, 0x80)
        size = second & 0x7F
        size = struct.unpack(">H", self._reader.read(2))[0] if size == 126 else size
        mask, data = self._reader.read(4), self._reader.read(size)
        message: dict[str, object] = json.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))
        return message

    def hear_state(self, context: str, state: int) -> None:
        """Wait until it gives a key this state."""
        wanted = {"event": "setState", "context": context, "payload": {"state": state}}
        while self.hear() != wanted:
            pass

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._peer.close()
        self._server.close()


def test_the_plugin_of_the_docs_puts_looks_on_and_lights_up(tmp_path: Path) -> None:
    """A key puts its look on; it is lit while that is on, also by somebody else, and dark once it is edited."""
    manifest = json.loads(re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0])
    [program] = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    plugin = tmp_path / manifest["CodePath"]
    plugin.write_text(program, encoding="utf-8")
    deck, daemon = Deck(), FakeDaemon()
    with control(daemon, path=socket_file()):
        words = ["-port", str(deck.port), "-pluginUUID", "me", "-registerEvent", "registerPlugin", "-info", "{}"]
        root = str(Path(__file__).parents[1])
        running = subprocess.Popen([sys.executable, str(plugin), *words], env={**os.environ, "PYTHONPATH": root})
        try:
            deck.meet()
            assert deck.hear() == {"event": "registerPlugin", "uuid": "me"}
            action = manifest["Actions"][0]["UUID"]
            for context, look in (("one", "doll"), ("two", "slim")):
                deck.say(event="willAppear", action=action, context=context, payload={"settings": {"look": look}})
            deck.hear_state("two", 0)
            deck.say(event="keyDown", action=action, context="one", payload={"settings": {"look": "doll"}})
            deck.hear_state("one", 1)
            assert daemon.parameters["eyes"] == 0.85
            with Client() as client:
                client.load_preset("slim")
                deck.hear_state("two", 1)
                client.set(thin=0.3)
            deck.hear_state("two", 0)
        finally:
            deck.close()  # the plugin ends with its deck
            assert running.wait(TIMEOUT_S) == 0
