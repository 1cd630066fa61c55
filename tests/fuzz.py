"""Targets for bytes that anybody may send, or that a disk may hold: each may refuse them in words, and nothing else.

    python tests/fuzz.py                              # ten minutes each, one after the other
    python tests/fuzz.py --minutes 1 --only http toml

Inputs are drawn by hypothesis: an entry of the target's corpus (`tests/corpora/NAME/`, small files, and bytes made
here), changed in a few places. What fails is printed in its smallest form, and kept as a file of the corpus once it
is mended: the tests run every entry as it is, and a few changed ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import naive_forest
from control_fixture import FakeDaemon
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.jsonrpc import answer, read_json
from livewarp.control.protocol.presets import Presets
from livewarp.control.protocol.refusals import INTERNAL_ERROR
from livewarp.control.secret import read_token
from livewarp.errors import ControlError, ModelError, ParameterError, SettingsError
from livewarp.settings import load_settings
from livewarp.sinks.preview import Preview
from livewarp.sources.pixels import Damaged, Resized, decode_jpeg
from livewarp.system import spa, v4l2
from livewarp.tracking import forest, weights
from panel_fixture import serve_panel

CORPORA = Path(__file__).parent / "corpora"
MINUTES = 10.0
_KEY = "5a" * 32
_EXAMPLES = 500  # between two looks at the clock
_TOKENS = (b"", b"\0", b"\xff\xff\xff\xff", b"\n", b'"', b"[" * 200, b"{", b"1e999", b"\xf0\x9f\x99\x82", b"A" * 5_000)

Target = Callable[[bytes], None]


@contextmanager
def line(folder: Path) -> Iterator[Target]:
    """A line of the control port: an answer in JSON that blames the caller, or the end of the connection."""
    daemon = FakeDaemon()
    dispatcher = Dispatcher(daemon, Presets(folder / "presets"))

    def run(data: bytes) -> None:
        try:
            message = read_json(data)
        except ControlError:
            return
        text = "".join(answer(dispatcher, message))
        assert "\n" not in text
        replies = json.loads(text) if text else []
        for reply in replies if isinstance(replies, list) else [replies]:
            assert reply.get("error", {}).get("code") != INTERNAL_ERROR, reply

    yield run


@contextmanager
def http(folder: Path) -> Iterator[Target]:
    """What comes on the panel's port: an answer that is no 500, or none; and the next request is served."""
    daemon = FakeDaemon()
    with serve_panel(daemon, Preview(), folder / "presets") as panel:
        daemon.on_stop = lambda: None
        token = (read_token() or "").encode()

        def run(data: bytes) -> None:
            with socket.create_connection(panel.address, 10) as sock:
                sock.sendall(data.replace(b"TOKEN", token).replace(b"HOST", str(panel.address).encode()))
                sock.shutdown(socket.SHUT_WR)
                got = bytearray()
                try:
                    while chunk := sock.recv(65_536):
                        got += chunk
                except ConnectionError:
                    pass
            assert not got or got.startswith((b"HTTP/1.", b"{")), bytes(got[:80])
            assert b" 500 " not in got[:20], bytes(got[:300])

        yield run


@contextmanager
def toml(folder: Path) -> Iterator[Target]:
    """config.toml: settings, or an error that says what is wrong."""
    path = folder / "config.toml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            load_settings(path).start_parameters()
        except SettingsError as error:
            told = str(error)
        else:
            return
        assert str(path) in told

    yield run


@contextmanager
def preset(folder: Path) -> Iterator[Target]:
    """A file among the presets: one of them, or a problem."""
    presets = Presets(folder / "presets")
    presets.save("fuzz", FakeDaemon().parameters, True)
    [path] = (folder / "presets").glob("*.toml")

    def run(data: bytes) -> None:
        path.write_bytes(data)
        json.dumps(presets.listing(), allow_nan=False)
        try:
            presets.values("fuzz")
        except ParameterError:
            return

    yield run


@contextmanager
def jpeg(folder: Path) -> Iterator[Target]:
    """A webcam's MJPEG frame: a picture, or one that is damaged or of another size."""
    out = np.empty((48, 64, 3), np.uint8)

    def run(data: bytes) -> None:
        try:
            decode_jpeg(memoryview(data), out)
        except (Damaged, Resized):
            return

    yield run


@contextmanager
def weights_file(folder: Path) -> Iterator[Target]:
    """Weights, or their compact form in the cache: a model whose every answer is a number, or a refusal."""
    path = folder / "model"
    gray = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)

    def run(data: bytes) -> None:
        path.write_bytes(data)
        found = []
        with suppress(ModelError):
            found.append(forest.read_weights(path))
        cached = forest._map_cached(path, _KEY)
        found += [cached] if cached is not None else []
        for model in found:
            with mock.patch.object(forest, "_shared", lambda *_, model=model: model):
                points = forest.ForestLandmarks(path).evaluate(gray, (60.0, 60.0, 220.0, 220.0))
            assert points.shape == (68, 2)

    yield run


@contextmanager
def stamp(folder: Path) -> Iterator[Target]:
    """The file that says that weights have been checked: they have, or are checked again."""
    path = folder / "stamp.json"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        weights._read_stamp(path)

    yield run


@contextmanager
def events(folder: Path) -> Iterator[Target]:
    """What a driver answers to an ioctl: numbers and names, whatever they are."""

    def run(data: bytes) -> None:
        def ioctl(fd: int, request: int, argument: bytearray) -> None:
            argument[:] = data[: len(argument)].ljust(len(argument), b"\0")

        with mock.patch.object(v4l2, "ioctl", ioctl):
            assert v4l2.viewers(0) is None or data[:4] == struct.pack("<I", 0x10E00001)
            v4l2.capabilities(0)
            v4l2.output_format(0)

    yield run


@contextmanager
def pod(folder: Path) -> Iterator[Target]:
    """What PipeWire says was agreed on: what was offered, or KeyError."""

    def run(data: bytes) -> None:
        for parse in (spa.parse_format, spa.parse_captured):
            try:
                agreed = parse(data)
            except KeyError:
                continue
            assert min(agreed.width, agreed.height) >= 0

    yield run


TARGETS = {target.__name__: target for target in (line, http, toml, preset, jpeg, weights_file, stamp, events, pod)}


def corpus(name: str) -> list[bytes]:
    """What a target's inputs are made from."""
    kept = [path.read_bytes() for path in sorted((CORPORA / name).glob("*"))]
    return [*kept, *_made(name)] or [b""]


def _made(name: str) -> list[bytes]:
    """Entries that are better made than kept."""
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    if name == "jpeg":
        return [cv2.imencode(".jpg", picture[: 48 // n])[1].tobytes() for n in (1, 2)]
    if name == "pod":
        wish = spa.wanted_format
        return [spa.enum_format("I420", 640, 480, 30.0), wish("MJPG", 640, 480, 30.0), wish("YUYV", 64, 48, 15.0)]
    if name == "events":
        return [struct.pack("<I4xI", 0x10E00001, 1).ljust(136, b"\0"), b"uvcvideo".ljust(104, b"\0")]
    if name == "weights_file":
        with tempfile.TemporaryDirectory() as folder:
            path = naive_forest.write(Path(folder) / "small.dat", naive_forest.model())
            small = forest.read_weights(path)
            forest._write_cached(Path(folder) / "cache", small, _KEY)
            return [path.read_bytes(), (Path(folder) / "cache").read_bytes()]
    return []


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Entries of the corpus, changed in a few places; and, now and then, anything."""
    place = st.integers(0, 1 << 20)
    piece = st.binary(max_size=8) | st.sampled_from(_TOKENS)
    change = st.tuples(st.sampled_from(("flip", "insert", "overwrite", "cut", "end", "repeat")), place, place, piece)
    changed = st.builds(_change, st.sampled_from(corpus(name)), st.lists(change, max_size=5))
    return changed | st.binary(max_size=200)


def _change(data: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    for how, at, length, piece in changes:
        at %= len(data) + 1
        length %= 64
        if how == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << length % 8]) + data[at + 1 :]
        elif how == "insert":
            data = data[:at] + piece + data[at:]
        elif how == "overwrite":
            data = data[:at] + piece + data[at + len(piece) :]
        elif how == "cut":
            data = data[:at] + data[at + length :]
        elif how == "end":
            data = data[:at]
        elif how == "repeat":
            data = data[:at] + data[at : at + length] * 3 + data[at + length :]
    return data


def fuzz(name: str, target: Target, examples: int, number: int | None = None) -> None:
    """So many inputs; raises what one of them brought about, with the input."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(name))
    def run(data: bytes) -> None:
        try:
            target(data)
        except BaseException as error:
            error.add_note(f"{name}: {data!r:.2000}")
            raise

    (run if number is None else seed(number)(run))()


def tell(text: str) -> None:
    """To the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Each target for its time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each target [%(default)s]")
    parser.add_argument("--only", nargs="*", choices=sorted(TARGETS), default=sorted(TARGETS))
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    failed = []
    for name in args.only:
        until_s, number = time.monotonic() + 60 * args.minutes, 0
        with tempfile.TemporaryDirectory(prefix="livewarp-fuzz-") as folder, TARGETS[name](Path(folder)) as target:
            for entry in corpus(name):
                target(entry)
            try:
                while time.monotonic() < until_s:
                    number += 1
                    fuzz(name, target, _EXAMPLES, number)
            except Exception as error:
                failed.append(name)
                for each in getattr(error, "exceptions", (error,)):
                    tell(f"{name} fails: {each!r}\n{' '.join(getattr(each, '__notes__', []))[:3000]}")
        tell(f"{name}: {_EXAMPLES * number} inputs")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
