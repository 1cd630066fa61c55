"""The web panel: a page with the live preview and a control for every parameter, on loopback only.

Any web page that a browser shows can send requests to a loopback port, so each request is checked:
`Host` (against DNS rebinding), who sent it (`Sec-Fetch-Site`, `Origin`), and changes come only by
POST with a JSON content type, which other origins cannot send without a permission that is never given.

Guarantees: everything but `_Newest.put` runs in greenlets of the hub that started it; a viewer that
reads slowly misses frames, and delays nobody.
"""

from __future__ import annotations

import importlib.resources
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import gevent.select
import gevent.socket
from gevent import get_hub
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import LoggingLogAdapter, WSGIHandler, WSGIServer
from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, UnsupportedMediaType
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from livewarp.control.client import Address
from livewarp.control.methods import (
    INTERNAL_ERROR,
    MAX_MESSAGE_BYTES,
    METHOD_NOT_FOUND,
    METHODS,
    Daemon,
    Methods,
    read_json,
)
from livewarp.control.server import listen
from livewarp.errors import ControlError
from livewarp.sinks.preview import Preview

MAX_CONNECTIONS = 300  # further ones wait until one is free
_SILENCE_S = 60.0  # how long a kept connection may be idle, or a viewer may read nothing
_SNAPSHOT_S = 2.0  # how long a snapshot waits for a frame
_LOOK_S = 1.0  # how often a viewer that waits for a frame is checked for having left
_STREAM_BUFFER_BYTES = 262_144  # about three frames: more would be delay for a slow viewer
_BOUNDARY = b"--frame\r\n"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STATIC = {  # the only files there are: path, file, type
    "/": ("index.html", "text/html"),
    "/panel.css": ("panel.css", "text/css"),
    "/panel.js": ("panel.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HTTP_STATUS = {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 500}  # other errors are the caller's: 400

log = logging.getLogger(__name__)


class _Newest:
    """The newest JPEG: put by the preview thread, awaited by greenlets. Made in the hub thread."""

    def __init__(self) -> None:
        self.jpeg = b""
        self.number = 0  # counts the JPEGs that greenlets could see
        self._put = b""  # written by the preview thread alone
        self._arrived = Event()
        self._doorbell = get_hub().loop.async_()
        self._doorbell.start(self._ring)

    def put(self, jpeg: bytes) -> None:
        """Called in the preview thread; nothing else may be touched from there."""
        self._put = jpeg
        self._doorbell.send()

    def _ring(self) -> None:
        """Show the newest to the greenlets; several bells in a row may ring as one, or one too many."""
        if self.jpeg is not self._put:
            self.jpeg = self._put
            self.number += 1
            self._wake()

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, Event()
        arrived.set()

    def wait(self, seen: int, timeout_s: float) -> bool:
        """Whether there is a newer one than number `seen`, waiting for it if need be."""
        if self.number == seen:
            self._arrived.wait(timeout_s)
        return self.number != seen

    def close(self) -> None:
        """Wake whoever waits, and wait for no more."""
        self._doorbell.stop()
        self._wake()


class _Handler(WSGIHandler):  # type: ignore[misc]  # gevent comes without types
    """pywsgi's handler, with deadlines, and without a traceback for what clients do."""

    # pywsgi compares args[0], which of a timeout is a text.
    ignored_socket_errors: tuple[Any, ...] = (*WSGIHandler.ignored_socket_errors, "timed out")

    def handle(self) -> None:
        self.socket.settimeout(_SILENCE_S)
        with self.rfile:  # else the garbage collector closes it, in any thread, and the hub's loop is for one only
            super().handle()

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "livewarp.socket": self.socket}

    def read_request(self, raw_requestline: str) -> Any:
        try:
            return super().read_request(raw_requestline)
        except OSError as error:
            raise ValueError(f"half a request: {error}") from None


class _Request(Request):
    max_content_length = MAX_MESSAGE_BYTES


class Panel:
    """Serves the page, the preview and the control methods over HTTP.

    Parameters
    ----------
    daemon
        What the methods act on.
    preview
        Where frames come from; whoever made it starts it, and closes it *before* the panel stops.
    address
        Where to listen; after `start`, where it listens (port 0 has become a real one).
    """

    def __init__(self, daemon: Daemon, preview: Preview, address: Address) -> None:
        self.address = address
        self._methods = Methods(daemon)
        self._preview = preview
        self._files = _read_static()
        self._routes = self._map()
        self._server: WSGIServer | None = None

    @property
    def url(self) -> str:
        """Where to point a browser."""
        return f"http://{self.address}/"

    def start(self) -> None:
        """Listen, and serve from the running hub. Raises `ControlError` where that is not possible."""
        sock = listen(self.address, "--panel")
        self.address = Address(*sock.getsockname()[:2])
        names = {str(self.address), f"localhost:{self.address.port}"}
        self._hosts = names | {name.removesuffix(":80") for name in names}  # browsers leave out the default
        self._newest = _Newest()
        self._preview.on_jpeg = self._newest.put
        self._server = WSGIServer(
            sock,
            self._serve,
            spawn=Pool(MAX_CONNECTIONS),
            handler_class=_Handler,
            log=None,
            error_log=LoggingLogAdapter(log, logging.DEBUG),  # malformed requests
            # Given, because pywsgi would ask the resolver for it.
            environ={"SERVER_NAME": self.address.host},
        )
        self._server.start()

    def stop(self) -> None:
        """Let the replies under way go out, then hang up; may be called more than once."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self._newest.close()
        server.stop(timeout=0.2)  # kept connections never end by themselves

    def _map(self) -> Map:
        def call(name: str) -> Callable[[_Request], Response]:
            return lambda request: self._call(name, request)

        rules = [
            *(Rule(path, endpoint=self._page, methods=["GET"]) for path in _STATIC),
            Rule("/preview.mjpeg", endpoint=self._stream, methods=["GET"]),
            Rule("/snapshot.jpg", endpoint=self._snapshot, methods=["GET"]),
            *(
                Rule(f"/api/{m.name}", endpoint=call(m.name), methods=["POST" if m.changes else "GET"])
                for m in METHODS.values()
            ),
        ]
        return Map(rules, merge_slashes=False)

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The WSGI application."""
        request = _Request(environ)
        try:
            self._check_sender(request)
            endpoint, _ = self._routes.bind("localhost").match(request.path, request.method)
            response: Response = endpoint(request)
        except HTTPException as error:
            response = _refusal(error, request)
        except OSError as error:  # the client is gone, or takes too long for its body
            log.debug("panel client is gone: %s", error)
            response = Response(status=400, headers={"Connection": "close"})
        except Exception:
            log.exception("panel: %s %s failed", request.method, request.path)
            response = _error(500, INTERNAL_ERROR, "unexpected; the daemon's log says more")
        response.headers.extend(_HEADERS)
        return response(environ, start_response)

    def _check_sender(self, request: _Request) -> None:
        """Refuse what other web pages sent; whoever is no browser sends none of these but Host."""
        host = request.environ.get("HTTP_HOST", "").lower()
        if host not in self._hosts:
            allowed = " or ".join(sorted(self._hosts))
            raise Forbidden(f"Host: got {host[:80]!r}, allowed: {allowed}; tunnels need the same port number")
        site = request.headers.get("Sec-Fetch-Site", "none")
        followed_link = request.path == "/" and request.method == "GET"  # shows nothing to who made the link
        if site not in {"same-origin", "none"} and not followed_link:
            raise Forbidden(f"Sec-Fetch-Site: got {site[:80]!r}, allowed: the panel's own page")
        origin = request.headers.get("Origin", f"http://{host}").lower()
        if origin != f"http://{host}":
            raise Forbidden(f"Origin: got {origin[:80]!r}, allowed: http://{host}")

    def _page(self, request: _Request) -> Response:
        body, mimetype = self._files[request.path]
        return Response(body, mimetype=mimetype)

    def _call(self, name: str, request: _Request) -> Response:
        try:
            params: object = {}
            if METHODS[name].changes:
                if request.mimetype != "application/json":
                    raise UnsupportedMediaType("Content-Type: allowed: application/json")
                params = read_json(request.get_data())
            return _json(self._methods.call(name, params))
        except ControlError as error:
            return _error(_HTTP_STATUS.get(error.code, 400), error.code, str(error), error.data)

    def _snapshot(self, request: _Request) -> Response:
        self._preview.watch()
        try:
            if self._newest.wait(self._newest.number, _SNAPSHOT_S):
                return Response(self._newest.jpeg, mimetype="image/jpeg")
        finally:
            self._preview.unwatch()
        raise ServiceUnavailable("no frame came; `livewarp state` says why")

    def _stream(self, request: _Request) -> Response:
        if request.method == "HEAD":
            return Response(mimetype="multipart/x-mixed-replace; boundary=frame")
        sock = request.environ["livewarp.socket"]
        sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_SNDBUF, _STREAM_BUFFER_BYTES)
        return Response(self._frames(sock), content_type="multipart/x-mixed-replace; boundary=frame")

    def _frames(self, sock: gevent.socket.socket) -> Iterator[bytes]:
        """The parts of a stream, until the viewer leaves or the panel stops.

        Each part brings the boundary that ends it, as browsers show a part only then.
        """
        self._preview.watch()
        try:
            seen = self._newest.number  # an older one is from when somebody watched last
            boundary = _BOUNDARY
            while self._server is not None:
                if not self._newest.wait(seen, _LOOK_S):
                    if _has_hung_up(sock):
                        return
                    continue
                seen, jpeg = self._newest.number, self._newest.jpeg
                head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                yield boundary + head + jpeg + b"\r\n" + _BOUNDARY
                boundary = b""
        finally:
            self._preview.unwatch()


def _read_static() -> Mapping[str, tuple[bytes, str]]:
    folder = importlib.resources.files("livewarp.control") / "static"
    return {path: ((folder / file).read_bytes(), kind) for path, (file, kind) in _STATIC.items()}


def _has_hung_up(sock: gevent.socket.socket) -> bool:
    try:
        readable, _, _ = gevent.select.select([sock], [], [], 0)
        return bool(readable) and sock.recv(1, gevent.socket.MSG_PEEK) == b""
    except OSError:
        return True


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status=status, mimetype="application/json")


def _error(status: int, code: int, message: str, data: object = None) -> Response:
    error = {"code": code, "message": message, "data": data}
    return _json(json.dumps({"error": error}), status)


def _refusal(error: HTTPException, request: _Request) -> Response:
    """An HTTP error as JSON; its code is the HTTP status, where control errors have negative ones."""
    status = error.code or 500
    log.debug("panel refused %s %s: %s", request.method, request.path, error)
    response = _error(status, status, error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name == "Allow":
            response.headers[name] = value
    return response
