"""`livewarp fetch`: the one command that asks another machine, what it accepts, and what it makes of that."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import naive_hair as naive
from livewarp.errors import ModelError
from livewarp.fetch import PUBLISHED, SIDES_PX, fetch_hair
from livewarp.fetch.conversion import convert_hair
from livewarp.fetch.download import Published, download, read_copy
from livewarp.fetch.tflite import Graph, Operator, Tensor, read_graph
from livewarp.tracking.weights import kept_path

MODELS = Path(__file__).resolve().parents[1] / "models"
CONTENT = bytes(range(256)) * 300


@pytest.fixture(scope="module")
def published_hair() -> Path:
    """The network as it is published, or a skip that says that it is missing."""
    path = Path(__file__).resolve().parents[2] / "shared" / "models" / "hair_segmentation.tflite"
    if not path.is_file():
        pytest.skip(f"no hair network here: {path.parent.name}/{path.name} is not beside the repository")
    return path


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        content = {"/cut": CONTENT[:-5], "/long": CONTENT * 9, "/other": CONTENT[::-1]}.get(self.path, CONTENT)
        self.send_response(200)
        if self.path == "/broken":  # fewer bytes than promised
            self.send_header("Content-Length", str(len(CONTENT) + 9))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of the right file, and of wrong ones."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def wanted(address: str) -> Published:
    """The server's file."""
    return Published("thing", address, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_a_download_is_the_very_file_and_tells_how_far_it_is(server: str) -> None:
    """All bytes arrive, and progress rises to the whole size."""
    steps: list[tuple[int, int]] = []
    assert download(wanted(f"{server}/right"), lambda *step: steps.append(step)) == CONTENT
    assert steps == sorted(steps)
    assert steps[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("cut", f"{len(CONTENT) - 5} bytes"),
        ("long", "more than"),
        ("other", "sha256"),
        ("broken", "cannot get it|bytes"),
        ("missing", "404"),
    ],
)
def test_any_other_file_is_refused_in_a_line(server: str, path: str, says: str) -> None:
    """A cut, a longer, another, a broken off and a missing file each are an error of one line with a remedy."""
    size = len(CONTENT) + 9 * (path == "broken")
    with pytest.raises(ModelError, match=says) as caught:
        download(replace(wanted(f"{server}/{path}"), size=size), lambda done, total: None)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.remedy


def test_without_a_network_the_remedy_is_a_copy() -> None:
    """Nobody listens: one line that names the host, the address and --from."""
    with pytest.raises(ModelError) as caught:
        download(wanted("http://127.0.0.1:9/thing"), lambda done, total: None)
    assert "127.0.0.1" in str(caught.value)
    assert "--from" in caught.value.remedy
    assert len(str(caught.value).splitlines()) == 1


def test_a_copy_is_checked_as_a_download_is(tmp_path: Path) -> None:
    """A copy is taken; a cut one, a folder and none at all are refused in a line."""
    (tmp_path / "whole").write_bytes(CONTENT)
    assert read_copy(wanted("http://x/y"), tmp_path / "whole") == CONTENT
    (tmp_path / "cut").write_bytes(CONTENT[:-1])
    for name in ("cut", ".", "none"):
        with pytest.raises(ModelError) as caught:
            read_copy(wanted("http://x/y"), tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1


def small_network(rng: np.random.Generator) -> Graph:
    """Every kind of layer that the hair network has, in a network of 16 x 16."""
    tensors: list[Tensor] = [Tensor((1, 16, 16, 4))]
    operators: list[Operator] = []

    def constant(*shape: int) -> int:
        tensors.append(Tensor(shape, rng.normal(0, 0.4, shape).astype(np.float32)))
        return len(tensors) - 1

    def layer(kind: str, ins: tuple[int, ...], outs: int = 1, **more: int) -> int:
        made = tuple(range(len(tensors), len(tensors) + outs))
        tensors.extend(Tensor(()) for _ in made)
        operators.append(Operator(kind, ins, made, **more))  # type: ignore[arg-type]
        return made[0]

    first = layer("CONV_2D", (0, constant(8, 2, 2, 4), constant(8)), stride=2)
    first = layer("PRELU", (first, constant(1, 1, 8)))
    pooled = layer("MaxPoolingWithArgmax2D", (first,), outs=2)
    deep = layer("DEPTHWISE_CONV_2D", (pooled, constant(1, 3, 3, 8), constant(8)), same=True)
    deep = layer("CONV_2D", (deep, constant(8, 3, 3, 8), constant(8)), same=True, dilation=2)
    deep = layer("ADD", (deep, pooled))
    back = layer("MaxUnpooling2D", (deep, pooled + 1))
    up = layer("Convolution2DTransposeBias", (deep, constant(8, 3, 3, 8), constant(8)))
    both = layer("CONCATENATION", (back, up, first))
    once = layer("MAX_POOL_2D", (both,))
    again = layer("Convolution2DTransposeBias", (once, constant(8, 2, 2, 24), constant(8)))
    last = layer("Convolution2DTransposeBias", (again, constant(2, 2, 2, 8), constant(2)))
    return Graph(tuple(tensors), tuple(operators), (0,), (last,))


def both_results(path: Path, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What OpenCV and, where it is installed, onnxruntime make of (channels, h, w)."""
    net = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
    net.setInput(picture[None])
    found = net.forward()[0, 0]
    try:
        import onnxruntime
    except ImportError:
        return found, None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return found, session.run(None, {"t0": picture[None]})[0][0, 0]


def test_every_layer_is_converted_to_the_same_numbers(tmp_path: Path) -> None:
    """OpenCV's and onnxruntime's results of a converted network are those of its layers by plain loops, to 1e-4."""
    rng = np.random.default_rng(21)
    graph = small_network(rng)
    picture = rng.random((16, 16, 4), np.float32)
    right = naive.run_graph(graph, picture)
    assert right.std() > 0.1
    path = tmp_path / "small.onnx"
    path.write_bytes(convert_hair(graph, 16, 16))
    for result in both_results(path, picture.transpose(2, 0, 1).copy()):
        if result is not None:
            np.testing.assert_allclose(result, right, atol=1e-4)


def test_a_layer_that_is_not_known_is_refused() -> None:
    """No network is converted in part."""
    graph = Graph((Tensor((1, 8, 8, 4)), Tensor((1, 8, 8, 4))), (Operator("RELU", (0,), (1,)),), (0,), (1,))
    with pytest.raises(ValueError, match="RELU"):
        convert_hair(graph, 8, 8)


def test_a_file_is_read_as_opencv_reads_it() -> None:
    """Shapes and numbers of a network that comes with livewarp are those that OpenCV sees; a cut file is refused."""
    data = (MODELS / "face_detection_short_range.tflite").read_bytes()
    graph = read_graph(data)
    assert graph.tensors[graph.inputs[0]].shape == (1, 128, 128, 3)
    assert len(graph.outputs) == 2
    convolutions = [operator for operator in graph.operators if operator.kind == "CONV_2D"]
    kernel = graph.tensors[convolutions[0].ins[1]]
    assert kernel.shape[1:3] == (5, 5)
    assert convolutions[0].stride == 2
    assert convolutions[0].same
    for broken in (data[:5000], b"no network", data[:4] + b"TFL4" + data[8:]):
        with pytest.raises(ValueError, match="TensorFlow"):
            read_graph(broken)


def test_the_hair_network_is_fetched_converted_and_kept(
    published_hair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy gives both networks, each the very file that the daemon expects; OpenCV agrees with onnxruntime."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [path.parent.parent for path in fetch_hair(published_hair)] == [tmp_path / "livewarp"] * 2
    for weights, side in SIDES_PX.items():
        data = kept_path(weights).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (weights.size, weights.sha256)
        # Noise, as rounding decides between maxima that are nearly equal, and one place over the other is no error.
        rng = np.random.default_rng(1)
        smooth = cv2.resize(rng.random((9, 9, 4), np.float32), (side, side))
        picture = 0.95 * smooth + 0.05 * rng.random((side, side, 4), np.float32)
        found, right = both_results(kept_path(weights), picture.transpose(2, 0, 1).copy())
        assert found.shape == (side, side)
        if right is not None:
            np.testing.assert_allclose(found, right, atol=1e-4)
    assert PUBLISHED.sha256.startswith("d2c940c4")


def test_a_full_disk_is_a_line_and_leaves_nothing(published_hair: Path, tmp_path: Path) -> None:
    """Where no file may grow, the command ends with one line and status 1, and keeps no part of a network."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "sys.argv = ['livewarp', 'fetch', 'hair', '--from', sys.argv[1]];"
        "from livewarp.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(published_hair)],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "numba")},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot be kept" in done.stderr
    assert list((tmp_path / "livewarp").rglob("*.onnx")) == []
