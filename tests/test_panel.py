"""The web panel: real HTTP against a server in a hub of its own, with a real preview."""

from __future__ import annotations

import contextlib
import functools
import http.client
import logging
import re
import socket
import threading
import time

import cv2
import numpy as np
import pytest

from control_fixture import ANY_PORT, TIMEOUT_S, FakeDaemon, served
from livewarp.control.access import Access
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.jsonrpc import MAX_MESSAGE_BYTES
from livewarp.control.protocol.methods import METHODS
from livewarp.control.web.connections import MAX_CONNECTIONS, Handler
from livewarp.control.web.panel import Panel, _read_static
from livewarp.errors import ControlError
from livewarp.parameters import KNOBS
from livewarp.sinks.preview import Preview
from panel_fixture import STREAM, Engine, Viewer, WatchedPreview, ask, bearer, serve_panel

STATIC = list(_read_static())


@pytest.fixture
def daemon():
    """A daemon whose start values are not the defaults."""
    return FakeDaemon()


@pytest.fixture
def preview():
    """A running preview."""
    preview = WatchedPreview()
    preview.start()
    yield preview
    preview.close()


@pytest.fixture
def panel(daemon, preview, tmp_path):
    """A panel of both."""
    with serve_panel(daemon, preview, tmp_path) as panel:
        yield panel


@pytest.fixture
def browse(panel):
    """Sends one request; header None leaves it out."""
    return functools.partial(ask, panel.address)


def test_the_page_and_its_files(browse):
    """The page and every file that it names are served from the package, with their types."""
    page = browse("GET", "/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    files = set(re.findall(r'(?:src|href)="(/[^"]*)"', page.body.decode()))
    scripts = {path for path in files if path.endswith(".js")}
    unread = list(scripts)
    while unread:
        imports = re.findall(r'^import .* from "(/[^"]*)"', browse("GET", unread.pop()).body.decode(), re.MULTILINE)
        unread += set(imports) - scripts
        scripts |= set(imports)
    assert scripts == {path for path in STATIC if path.endswith(".js")}  # and none that nobody needs
    assert {path.partition("#")[0] for path in files} | scripts | {"/"} == set(STATIC)
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    kinds["webmanifest"] = "application/manifest+json"
    for path in set(STATIC) - {"/"}:
        assert browse("GET", path).headers["Content-Type"].split(";")[0] == kinds[path.rpartition(".")[2]]


def test_every_icon_that_is_used_is_there(browse):
    """The page and its scripts use no icon that the sheet of icons does not have."""
    there = set(re.findall(r'<symbol id="(\w+)"', browse("GET", "/icons.svg").body.decode()))
    used = set(re.findall(r"/icons.svg#(\w+)", browse("GET", "/").body.decode()))
    for path in STATIC:
        if path.endswith(".js"):
            used |= set(re.findall(r'\bicon\("(\w+)"', browse("GET", path).body.decode()))
    assert used <= there


def test_the_page_needs_nothing_from_elsewhere(browse):
    """What is served names no other host, has nothing inline and makes no HTML of text, as the policy demands."""
    for path in STATIC:
        text = browse("GET", path).body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?://", text)
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    page = browse("GET", "/").body.decode()
    assert not re.findall(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)", page)


@pytest.mark.parametrize("path", ["/", "/panel.js", "/api/get", "/api/nothing", "/snapshot.jpg"])
def test_every_answer_has_the_security_headers(browse, path):
    """Every answer, refusals included, forbids framing, sniffing, caching and use by other origins."""
    headers = browse("GET", path, Sec_Fetch_Site="cross-site").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers


def test_methods_that_read_come_by_get(browse, daemon):
    """Each method that changes nothing is a GET."""
    assert browse("GET", "/api/get").json == dict(daemon.parameters)
    assert list(browse("GET", "/api/describe").json) == list(KNOBS)
    assert browse("GET", "/api/stats").json == daemon.speed
    assert browse("GET", "/api/state").json == {**daemon.state(), "preset": {"name": None, "edited": False}}
    assert browse("GET", "/api/version").json["protocol"] == 2


def test_methods_that_change_come_by_post(browse, panel, daemon):
    """Each method that changes something is a POST with a JSON object."""
    own = f"http://{panel.address}"
    assert browse("POST", "/api/set", {"thin": 0.75}, Origin=own).json == {"thin": 0.75}
    assert daemon.parameters["thin"] == 0.75
    assert browse("POST", "/api/reset", {}, Origin=own, Sec_Fetch_Site="same-origin").json == dict(daemon.initial)
    assert daemon.parameters == daemon.initial


@pytest.mark.parametrize("name", list(METHODS))
def test_each_path_has_its_http_method(browse, daemon, name):
    """A change by GET, or a question by POST, is 405 and names what is allowed."""
    daemon.on_stop = pytest.fail
    if METHODS[name].changes:
        replies = {"POST": browse("GET", f"/api/{name}")}
    else:
        replies = {"GET": browse("POST", f"/api/{name}", {})}
    for allowed, reply in replies.items():
        assert reply.status == 405
        assert allowed in reply.headers["Allow"]
        assert reply.json["error"]["code"] == 405
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert browse(method, f"/api/{name}").status == 405
    assert daemon.changes == []


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/set", {"thin": 2}, 400, -32602),
        ("/api/set", {"nose": 0}, 400, -32602),
        ("/api/set", [1], 400, -32602),
        ("/api/set", None, 415, 415),
        ("/api/set", b"", 400, -32700),
        ("/api/set", b"{", 400, -32700),
        ("/api/set", b'{"thin": NaN}', 400, -32700),
        ("/api/set", b"[" * 60_000, 400, -32700),
        ("/api/set", b" " * (MAX_MESSAGE_BYTES + 1), 413, 413),
        ("/api/reset", {"names": ["nose"]}, 400, -32602),
        ("/api/nothing", {}, 404, 404),
    ],
)
def test_what_is_refused_says_why(browse, daemon, path, body, status, code):
    """What is refused is answered with a fitting HTTP status and an error object, and changes nothing."""
    reply = browse("POST", path, body)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert reply.json["error"]["message"]
    assert daemon.changes == []


def test_a_refused_parameter_has_its_data(browse):
    """A refused parameter comes with name, got and allowed, as on the line port."""
    assert browse("POST", "/api/set", {"thin": 2}).json["error"]["data"] == {
        "name": "thin",
        "what": "parameter thin",
        "got": 2,
        "allowed": KNOBS["thin"].kind.allowed,
        "remedy": "",
    }


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}.evil.example",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", STREAM), ("POST", "/api/set")])
def test_another_host_name_is_refused(browse, panel, daemon, method, path, host):
    """A request under another name (DNS rebinding) is refused, whatever it asks for."""
    host = host and host.format(port=panel.address.port)
    body = {"thin": 1} if method == "POST" else None
    assert browse(method, path, body, Host=host).status == 403
    assert daemon.changes == []


def test_localhost_is_a_name_of_the_panel(browse, panel, daemon):
    """The panel answers as localhost, too, and there its own origin is that one."""
    host = f"localhost:{panel.address.port}"
    assert browse("POST", "/api/set", {"thin": 1}, Host=host, Origin=f"http://{host}").status == 200
    assert browse("POST", "/api/set", {"thin": 0}, Host=host, Origin=f"http://{panel.address}").status == 403
    assert daemon.parameters["thin"] == 1.0


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://{host}"},
        {"Origin": "http://{host}.evil.example"},
        {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://{host}"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "multipart/form-data"},
        {"Content_Type": "text/plain; application/json"},
        {"Content_Type": None},
    ],
)
def test_other_pages_cannot_change_anything(browse, panel, daemon, headers):
    """A POST that another page could make a browser send is refused."""
    daemon.on_stop = pytest.fail
    headers = {name: value and value.format(host=panel.address) for name, value in headers.items()}
    for path, body in (("/api/set", {"thin": 1}), ("/api/reset", {}), ("/api/stop", {})):
        assert browse("POST", path, body, **headers).status in {403, 415}
    assert daemon.changes == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    "path", [STREAM, "/split.mjpeg", "/snapshot.jpg", "/api/get", "/api/state", "/api/events?topics=state", "/panel.js"]
)
def test_other_pages_cannot_see_anything(browse, preview, path, site):
    """An <img> or fetch of another page, also of another port of this machine, gets nothing."""
    assert browse("GET", path, Sec_Fetch_Site=site).status == 403
    assert preview.viewers == 0


def test_links_to_the_panel_work(browse):
    """A link in another page may open the panel, which shows that page nothing."""
    assert browse("GET", "/", Sec_Fetch_Site="cross-site").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../methods.py",
        "/static/index.html",
        "/..%2fmethods.py",
        "/%2e%2e/%2e%2e/errors.py",
        "/panel.js/",
        "/panel.js%00",
        "/index.html",
        "/api/",
        "/api/../panel.js",
        "/api/__class__",
        "\\panel.js",
    ],
)
def test_there_are_no_other_files(browse, path):
    """Nothing is served but the few paths that the panel has."""
    assert browse("GET", path).status == 404


def test_a_snapshot_is_the_newest_frame(browse, preview):
    """A snapshot is one JPEG of a frame from after the question; nobody watches afterwards."""
    with Engine(preview):
        reply = browse("GET", "/snapshot.jpg")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert cv2.imdecode(np.frombuffer(reply.body, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
    assert preview.viewers == 0


def test_a_snapshot_without_frames_says_so(browse, preview, monkeypatch):
    """When no frame comes, a snapshot ends with 503 and names the command that says why."""
    monkeypatch.setattr("livewarp.control.web.streams._SNAPSHOT_S", 0.05)
    reply = browse("GET", "/snapshot.jpg")
    assert (reply.status, "livewarp state" in reply.json["error"]["message"]) == (503, True)
    assert preview.viewers == 0


def test_the_stream_brings_new_frames(panel, preview):
    """Each viewer gets frame after frame, each a whole JPEG and a new one."""
    with Engine(preview), Viewer(panel.address) as one, Viewer(panel.address) as two:
        for viewer in (one, two):
            frames = [viewer.frame() for _ in range(5)]
            assert len(set(frames)) == 5
            for jpeg in frames:
                assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
            assert viewer.response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
            assert viewer.response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert preview.viewers == 2


def test_a_viewer_that_leaves_is_noticed(panel, preview):
    """When the last viewer leaves, nobody watches any more, while frames come."""
    with Engine(preview):
        with Viewer(panel.address) as viewer:
            viewer.frame()
            assert preview.viewers == 1
        assert preview.left.wait(TIMEOUT_S)


def test_a_viewer_that_leaves_is_noticed_without_frames(panel, preview, monkeypatch):
    """A viewer that leaves while no frame comes is noticed, too."""
    monkeypatch.setattr("livewarp.control.web.streams._CHECK_S", 0.05)
    watched = threading.Event()
    monkeypatch.setattr(preview, "watch", lambda split: (Preview.watch(preview, split), watched.set()))
    with Viewer(panel.address):
        assert watched.wait(TIMEOUT_S)
    assert preview.left.wait(TIMEOUT_S)


def test_a_slow_viewer_delays_nobody(panel, preview, browse):
    """A viewer that never reads misses frames; others get theirs, and it costs no more than its buffer."""
    with Engine(preview, (720, 1280, 3)), Viewer(panel.address) as deaf, Viewer(panel.address) as viewer:
        deaf.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        frames = {viewer.frame() for _ in range(25)}
        assert len(frames) == 25
        assert browse("GET", "/api/get").status == 200
        assert preview.viewers == 2


def test_a_viewer_that_never_reads_is_dropped(panel, preview, monkeypatch):
    """A viewer that takes nothing for long is dropped, so that nothing is encoded for it."""
    monkeypatch.setattr("livewarp.control.web.connections._SILENCE_S", 0.2)
    with Engine(preview, (720, 1280, 3)), Viewer(panel.address):
        assert preview.left.wait(TIMEOUT_S)


def test_a_connection_is_closed_in_the_hub(daemon, preview, monkeypatch):
    """What reads a connection is closed when that ends, by its client or by `stop`, and not left to be collected."""
    files = []
    handle = Handler.handle
    monkeypatch.setattr(Handler, "handle", lambda self: (files.append(self.rfile), handle(self)))
    with served(lambda: Panel(Dispatcher(daemon), preview, Access(), ANY_PORT), daemon) as panel:
        left, kept = (http.client.HTTPConnection(*panel.address, timeout=TIMEOUT_S) for _ in range(2))
        for connection in (left, kept):
            connection.request("GET", "/", headers=bearer())
            connection.getresponse().read()
        left.close()
    kept.close()
    assert [file.closed for file in files] == [True, True]


def test_half_a_request_is_closed(panel, monkeypatch, capfd):
    """Half a request and silence, in its head or its body, ends in time, without a traceback."""
    monkeypatch.setattr("livewarp.control.web.connections._SILENCE_S", 0.1)
    host = f"Host: {panel.address}\r\n"
    body = "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    for text in ("GE", f"GET / HTTP/1.1\r\n{host}", f"POST /api/set HTTP/1.1\r\n{host}{body}"):
        with socket.create_connection(panel.address, TIMEOUT_S) as sock:
            sock.sendall(text.encode())
            while sock.recv(10_000):
                pass
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("upgrade", ["Connection: Upgrade\r\n", "Upgrade: websocket\r\n"])
def test_an_upgrade_is_not_granted(panel, daemon, upgrade):
    """A request that wants another protocol is answered as any other, at once."""
    head = f"POST /api/set HTTP/1.1\r\nHost: {panel.address}\r\nContent-Type: application/json\r\n{upgrade}"
    head += f"Authorization: {bearer()['Authorization']}\r\n"
    with socket.create_connection(panel.address, TIMEOUT_S) as sock:
        sock.sendall(f"{head}Content-Length: 13\r\n\r\n".encode() + b'{"thin": 0.5}')
        assert sock.recv(100).split()[1] == b"200"
    assert daemon.parameters["thin"] == 0.5


def test_idle_connections_keep_nobody_out(panel, browse):
    """Connections that ask for nothing, more than there may be, make room for whoever comes."""
    held = [socket.create_connection(panel.address, TIMEOUT_S) for _ in range(MAX_CONNECTIONS + 120)]
    try:
        assert {browse("GET", "/").status for _ in range(10)} == {200}
    finally:
        for sock in held:
            sock.close()


def test_one_connection_too_many_is_refused(panel, browse, preview, monkeypatch):
    """Over the limit of connections at work, each is answered with 503; when one ends, there is room."""
    monkeypatch.setattr("livewarp.control.web.connections.MAX_CONNECTIONS", 2)
    with Engine(preview), Viewer(panel.address) as first:
        with Viewer(panel.address) as second:
            first.frame(), second.frame()
            replies = [browse("GET", "/") for _ in range(3)]
            assert {reply.status for reply in replies} == {503}
            assert replies[0].json["error"]["code"] == 503
            assert replies[0].headers["Cross-Origin-Resource-Policy"] == "same-origin"
        deadline_s = time.monotonic() + TIMEOUT_S
        while browse("GET", "/").status != 200:
            assert time.monotonic() < deadline_s


def test_too_many_headers_are_refused_quietly(panel, capfd, caplog):
    """A request with 101 headers is a client's fault: 400, without a traceback."""
    with socket.create_connection(panel.address, TIMEOUT_S) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: 1\r\n" % i for i in range(101)) + b"\r\n")
        assert sock.recv(100).split()[1] == b"400"
    assert capfd.readouterr() == ("", "")
    assert "Traceback" not in caplog.text
    assert len(caplog.records) <= 1


@pytest.mark.parametrize(
    "text", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1\r\n\r\n", b"{}\n\n"]
)
def test_what_is_not_http_is_refused_quietly(panel, browse, capfd, text):
    """What is not HTTP gets a 400 and no line in anybody's terminal."""
    with socket.create_connection(panel.address, TIMEOUT_S) as sock:
        sock.sendall(text)
        assert sock.recv(100).split()[1] == b"400"
    assert browse("GET", "/api/get").status == 200
    assert capfd.readouterr() == ("", "")


def test_an_unexpected_failure_is_an_error_object(browse, daemon, caplog):
    """What livewarp did wrong is 500 with an error object, and is logged with traceback."""
    daemon.stats = lambda: {}["fps"]
    with caplog.at_level(logging.ERROR, logger="livewarp"):
        reply = browse("GET", "/api/stats")
    assert (reply.status, reply.json["error"]["code"]) == (500, -32603)
    assert [bool(record.exc_info) for record in caplog.records] == [True]
    assert browse("GET", "/api/get").status == 200


def test_the_reply_to_stop_arrives(browse, panel, preview):
    """`stop` is answered before the panel ends, also while somebody watches."""
    with Engine(preview), Viewer(panel.address) as viewer:
        viewer.frame()
        assert browse("POST", "/api/stop", {}).json["stopping"] is True
        with contextlib.suppress(ConnectionError, AssertionError, ValueError, http.client.HTTPException):
            while viewer.frame():
                pass
        preview.close()
    assert preview.left.wait(TIMEOUT_S)


def test_a_port_in_use_names_the_option(panel, daemon, preview):
    """A panel port that is in use is refused with the option that chooses another."""
    with pytest.raises(ControlError, match=f"{panel.address} is in use by another program.*--panel"):
        served(lambda: Panel(Dispatcher(daemon), preview, Access(), panel.address)).__enter__()
