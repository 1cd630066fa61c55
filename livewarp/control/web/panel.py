"""The web panel: a page with the live preview and a control for every parameter, on loopback only.

Every control method has a path, `/api/NAME`: GET where it changes nothing, POST where it does. Beside
them, `/api/events?topics=A,B` streams changes as server-sent events, `/preview.mjpeg` the frames that
the sinks get, `/split.mjpeg` each of them below the same frame as it came, and `/snapshot.jpg` is one frame.

Any web page that a browser shows can send requests to a loopback port, so each request is checked:
`Host` (against DNS rebinding), who sent it (`Sec-Fetch-Site`, `Origin`), and changes come only by
POST with a JSON content type, which other origins cannot send without a permission that is never given.

Guarantees: everything runs in greenlets of the hub that started it; a slow client delays no other.
"""

from __future__ import annotations

import importlib.resources
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.pywsgi import LoggingLogAdapter, WSGIHandler, WSGIServer
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from livewarp.control.client import Address
from livewarp.control.line.server import listen
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.jsonrpc import MAX_MESSAGE_BYTES, read_json
from livewarp.control.protocol.methods import METHODS
from livewarp.control.protocol.refusals import INTERNAL_ERROR, METHOD_NOT_FOUND, invalid_params
from livewarp.control.web.streams import EVENTS_TYPE, FRAMES_TYPE, Streams, close_all
from livewarp.errors import ControlError, ParameterError
from livewarp.sinks.preview import Preview

MAX_CONNECTIONS = 300
_REFUSALS = 50  # connections over the limit that are refused at a time; the others wait
_REFUSAL_S = 1.0  # how long a refused connection may take to read the reason
_SILENCE_S = 60.0  # how long a kept connection may be idle, or a viewer may read nothing

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_MIME_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_HTTP_STATUS = {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 500}  # of JSON-RPC's codes; the others are the caller's: 400
_FORBIDDEN, _UNSUPPORTED_MEDIA_TYPE, _UNAVAILABLE = 403, 415, 503  # HTTP statuses, and the codes of their errors

log = logging.getLogger(__name__)


class _Handler(WSGIHandler):  # type: ignore[misc]  # gevent comes without types
    """pywsgi's handler, with deadlines, and without a traceback for what clients do."""

    # pywsgi compares args[0], which is a string for a timeout.
    ignored_socket_errors: tuple[Any, ...] = (*WSGIHandler.ignored_socket_errors, "timed out")

    def handle(self) -> None:
        with self.rfile:  # else the garbage collector closes it, in any thread, and the hub's loop is for one only
            if self.server.pool.free_count() < _REFUSALS:
                _refuse_connection(self.socket)
            self.socket.settimeout(_SILENCE_S)
            super().handle()

    def _connection_upgrade_requested(self) -> bool:
        """Never granted: pywsgi would hand over the bare connection, and reading a body there blocks until it ends."""
        return False

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
    methods
        The control methods; shared with the line port, so that clients of each hear of the other's changes.
    preview
        Where frames come from; its owner starts it, and closes it *before* the panel stops.
    address
        Where to listen; after `start` with the real port in place of port 0.
    """

    def __init__(self, methods: Dispatcher, preview: Preview, address: Address) -> None:
        self.address = address
        self._methods = methods
        self._preview = preview
        self._files = _read_static()
        self._routes = self._map()
        self._server: WSGIServer | None = None

    @property
    def url(self) -> str:
        """Where to point a browser."""
        return f"http://{self.address}/"

    def start(self) -> None:
        """Listen, and serve from the running hub.

        Raises
        ------
        ControlError
            The address is in use, or not this machine's.
        """
        sock = listen(self.address, "--panel")
        self.address = Address(*sock.getsockname()[:2])
        names = {str(self.address), f"localhost:{self.address.port}"}
        self._hosts = names | {name.removesuffix(":80") for name in names}  # browsers omit the default port
        self._streams = Streams(self._methods, self._preview)
        self._server = WSGIServer(
            sock,
            self._serve,
            spawn=Pool(MAX_CONNECTIONS + _REFUSALS),
            handler_class=_Handler,
            log=None,
            error_log=LoggingLogAdapter(log, logging.DEBUG),  # malformed requests
            # Given here, since pywsgi would ask the resolver for it.
            environ={"SERVER_NAME": self.address.host},
        )
        self._server.start()

    def stop(self) -> None:
        """Send the replies under way, then hang up; may be called more than once."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self._streams.close()
        server.stop(timeout=0.2)  # kept connections never end by themselves

    def _map(self) -> Map:
        def call(name: str) -> Callable[[_Request], Response]:
            return lambda request: self._call(name, request)

        rules = [
            *(Rule(path, endpoint=self._page, methods=["GET"]) for path in self._files),
            Rule("/preview.mjpeg", endpoint=self._stream, methods=["GET"]),
            Rule("/split.mjpeg", endpoint=self._stream, methods=["GET"]),
            Rule("/api/events", endpoint=self._events, methods=["GET"]),
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
        except ControlError as error:
            log.debug("panel refused %s %s: %s", request.method, request.path, error)
            response = _control_error(error)
        except HTTPException as error:
            log.debug("panel refused %s %s: %s", request.method, request.path, error)
            response = _http_error(error, request)
        except OSError as error:  # the client is gone, or takes too long for its body
            log.debug("panel client is gone: %s", error)
            response = Response(status=400, headers={"Connection": "close"})
        except Exception:
            log.exception("panel: %s %s failed", request.method, request.path)
            response = _error(500, INTERNAL_ERROR, "unexpected; the daemon's log says more")
        response.headers.extend(_HEADERS)
        return response(environ, start_response)

    def _check_sender(self, request: _Request) -> None:
        """Refuse (`ControlError`) requests of other web pages; of these headers, other programs send only Host."""
        host = request.environ.get("HTTP_HOST", "").lower()
        if host not in self._hosts:
            allowed = " or ".join(sorted(self._hosts))
            remedy = "tunnels need the same port number"
            raise ControlError("Host", _FORBIDDEN, got=repr(host[:80]), allowed=allowed, remedy=remedy)
        site = request.headers.get("Sec-Fetch-Site", "none")
        followed_link = request.path == "/" and request.method == "GET"  # the page with the link cannot read the answer
        if site not in {"same-origin", "none"} and not followed_link:
            raise ControlError("Sec-Fetch-Site", _FORBIDDEN, got=repr(site[:80]), allowed="the panel's own page")
        origin = request.headers.get("Origin", f"http://{host}").lower()
        if origin != f"http://{host}":
            raise ControlError("Origin", _FORBIDDEN, got=repr(origin[:80]), allowed=f"http://{host}")

    def _page(self, request: _Request) -> Response:
        body, mime_type = self._files[request.path]
        return Response(body, mimetype=mime_type)

    def _call(self, name: str, request: _Request) -> Response:
        params: object = {}
        if METHODS[name].changes:
            got = request.mimetype
            if got != "application/json":
                raise ControlError(
                    "Content-Type", _UNSUPPORTED_MEDIA_TYPE, got=repr(got[:80]), allowed="application/json"
                )
            params = read_json(request.get_data())
        answer = self._methods.call(name, params)
        response = _json(answer.text)
        if answer.frame is not None:
            response.headers["Livewarp-Frame"] = str(answer.frame)
        return response

    def _events(self, request: _Request) -> Response:
        """Server-sent events: `topics` separated by commas, at most `rate_hz` of each a second."""
        try:
            subscriptions = self._streams.subscribe(request.args)
        except ParameterError as error:
            raise invalid_params(error) from None
        events = self._streams.events(request.environ["livewarp.socket"], subscriptions)
        response = Response(events, content_type=EVENTS_TYPE)
        response.call_on_close(lambda: close_all(subscriptions))  # also after a HEAD, which sends no event
        return response

    def _snapshot(self, request: _Request) -> Response:
        jpeg = self._streams.snapshot()
        if jpeg is None:
            raise ControlError("no frame came", _UNAVAILABLE, remedy="`livewarp state` says why")
        return Response(jpeg, mimetype="image/jpeg")

    def _stream(self, request: _Request) -> Response:
        if request.method == "HEAD":
            return Response(content_type=FRAMES_TYPE)
        frames = self._streams.frames(request.environ["livewarp.socket"], split=request.path == "/split.mjpeg")
        return Response(frames, content_type=FRAMES_TYPE)


def _refuse_connection(sock: gevent.socket.socket) -> None:
    """Answer a connection over the limit with 503, and hang up when the client has read it.

    Closing with unread bytes would reset the connection, and the client could lose the answer.
    """
    text = _control_error(ControlError("too many connections", _UNAVAILABLE, allowed=str(MAX_CONNECTIONS))).get_data(
        as_text=True
    )
    head = {"Content-Type": "application/json", "Content-Length": len(text), "Connection": "close", "Retry-After": 1}
    lines = [f"{name}: {value}" for name, value in {**head, **_HEADERS}.items()]
    try:
        with gevent.Timeout(_REFUSAL_S):
            sock.sendall("\r\n".join(["HTTP/1.1 503 Service Unavailable", *lines, "", text]).encode())
            sock.shutdown(gevent.socket.SHUT_WR)
            while sock.recv(65_536):
                pass
    except (OSError, gevent.Timeout):
        return  # the client has left, or has had its time


def _read_static() -> Mapping[str, tuple[bytes, str]]:
    """Path: body and MIME type of the only files that are served; read once, so no path of a request is ever opened."""
    files: dict[str, tuple[bytes, str]] = {}
    for file in (importlib.resources.files("livewarp.control") / "static").iterdir():
        mime_type = _MIME_TYPES.get(file.name.rpartition(".")[2])
        if mime_type is not None:  # else it is an editor's
            path = "/" if file.name == "index.html" else f"/{file.name}"
            files[path] = file.read_bytes(), mime_type
    return files


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status=status, mimetype="application/json")


def _control_error(error: ControlError) -> Response:
    status = error.code if error.code > 0 else _HTTP_STATUS.get(error.code, 400)
    return _error(status, error.code, str(error), error.data)


def _error(status: int, code: int, message: str, data: object = None) -> Response:
    error = {"code": code, "message": message, "data": data}
    return _json(json.dumps({"error": error}), status)


def _http_error(error: HTTPException, request: _Request) -> Response:
    """An HTTP error as JSON; its code is the HTTP status, where JSON-RPC's codes are negative."""
    status = error.code or 500
    response = _error(status, status, error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name == "Allow":
            response.headers[name] = value
    return response
