"""The web panel: a page with the live preview and a control for every parameter, on loopback only.

Every control method has a path, `/api/NAME`: GET where it changes nothing, POST where it does. Beside
them, `/api/events?topics=A,B` streams changes as server-sent events, `/preview.mjpeg` the frames that
the sinks get, `/split.mjpeg` each of them below the same frame as it came, and `/snapshot.jpg` is one frame.
`/api/backgrounds.add` and `/api/textures.add` take a picture as their body.

Each request is checked by the gate, and changes come only by POST with a JSON content type, which other origins
cannot send without a permission that only those have that the settings name. So it is with a picture's type.

Guarantees: everything runs in greenlets of the hub that started it; a slow client delays no other.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from gevent.pywsgi import LoggingLogAdapter
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from livewarp.control.access import Access
from livewarp.control.address import Address
from livewarp.control.listening import listen
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.jsonrpc import MAX_MESSAGE_BYTES, read_json
from livewarp.control.protocol.methods import METHODS, URGENT
from livewarp.control.protocol.refusals import INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, invalid_params
from livewarp.control.secret import UNAUTHORIZED
from livewarp.control.web.connections import HEADERS, UNAVAILABLE, PanelServer
from livewarp.control.web.gate import Gate
from livewarp.control.web.streams import EVENTS_TYPE, FRAMES_TYPE, Streams, close_all
from livewarp.control.web.thumbnails import THUMBNAILS_TYPE, thumbnails
from livewarp.control.web.uploads import UNSUPPORTED_MEDIA_TYPE, Uploads
from livewarp.errors import ControlError, ParameterError, Problem
from livewarp.sinks.preview import Preview

_MIME_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_MIME_TYPES |= {"webmanifest": "application/manifest+json", "png": "image/png"}
_HTTP_STATUS = {
    METHOD_NOT_FOUND: 404,
    INTERNAL_ERROR: 500,
    UNAUTHORIZED: 401,
}  # of JSON-RPC's codes; the others are the caller's: 400

log = logging.getLogger(__name__)


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
    access
        Who may use it.
    address
        Where to listen; after `start` with the real port in place of port 0.
    origins
        Of other pages that may use it with the token.

    Attributes
    ----------
    problems
        What is not as the settings want it.
    """

    def __init__(
        self, methods: Dispatcher, preview: Preview, access: Access, address: Address, origins: Collection[str] = ()
    ) -> None:
        self.address = address
        self.problems: list[Problem] = []
        self._access = access
        self._origins = origins
        self._methods = methods
        self._preview = preview
        self._uploads = Uploads(methods.events)
        self._files = _read_static()
        self._routes = self._map()
        self._server: PanelServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.address}/"

    def link(self) -> str:
        """Where to point a browser: this URL opens it once, and lets that browser in from then on."""
        return f"{self.url}?key={self._access.link()}"

    def start(self) -> None:
        """Listen, and serve from the running hub.

        Raises
        ------
        ControlError
            The address is in use, or not this machine's.
        """
        sock, problem = listen(self.address, "--panel", self._access)
        self.problems += [problem] if problem is not None else []
        self.address = Address(*sock.getsockname()[:2])
        self._gate = Gate(self._access, self.address, self._origins)
        self._streams = Streams(self._methods, self._preview)
        self._server = PanelServer(
            sock,
            self._serve,
            self._access,
            self._methods.turns,
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
            Rule("/thumbnails", endpoint=self._thumbnails, methods=["GET"]),
            Rule("/snapshot.jpg", endpoint=self._snapshot, methods=["GET"]),
            Rule("/api/backgrounds.add", endpoint=self._add_background, methods=["POST"]),
            Rule("/api/textures.add", endpoint=self._add_texture, methods=["POST"]),
            Rule("/backgrounds/<name>.jpg", endpoint=self._thumbnail, methods=["GET"]),
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
            self._gate.check_host(request)
            response = self._gate.sign_in(request) or self._gate.answer_preflight(request)
            if response is None:
                self._gate.check(request)
                endpoint, named = self._routes.bind("localhost").match(request.path, request.method)
                response = endpoint(request, **named)
        except ControlError as error:
            log.debug("panel refused %s %s: %s", request.method, request.path, error)
            response = _control_error(error)
            if error.code == UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = "Bearer"
                if request.path == "/":  # a person reads it
                    response.data, response.mimetype = f"livewarp: {error}\n", "text/plain"
        except HTTPException as error:
            log.debug("panel refused %s %s: %s", request.method, request.path, error)
            response = _http_error(error, request)
        except UnicodeDecodeError:
            response = _error(400, INVALID_REQUEST, "the address is not in UTF-8")
        except OSError as error:  # the client is gone, or takes too long for its body
            log.debug("panel client is gone: %s", error)
            response = Response(status=400, headers={"Connection": "close"})
        except Exception:
            log.exception("panel: %s %s failed", request.method, request.path)
            response = _error(500, INTERNAL_ERROR, "unexpected; the daemon's log says more")
        response.headers.extend(HEADERS)
        self._gate.let_read(request, response)
        return response(environ, start_response)

    def _page(self, request: _Request) -> Response:
        body, mime_type = self._files[request.path]
        return Response(body, mimetype=mime_type)

    def _call(self, name: str, request: _Request) -> Response:
        params: object = {}
        if METHODS[name].changes:
            got = request.mimetype
            if got != "application/json":
                raise ControlError(
                    "Content-Type", UNSUPPORTED_MEDIA_TYPE, got=repr(got[:80]), allowed="application/json"
                )
            params = read_json(request.get_data())
        with contextlib.nullcontext() if name in URGENT else self._methods.turns:
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
        events = self._streams.events(request.environ["livewarp.socket"], subscriptions, self._still_open(request))
        response = Response(events, content_type=EVENTS_TYPE)
        response.call_on_close(lambda: close_all(subscriptions))  # also after a HEAD, which sends no event
        return response

    def _snapshot(self, request: _Request) -> Response:
        jpeg = self._streams.snapshot()
        if jpeg is None:
            raise ControlError("no frame came", UNAVAILABLE, remedy="`livewarp state` says why")
        return Response(jpeg, mimetype="image/jpeg")

    def _add_background(self, request: _Request) -> Response:
        """Another picture to stand behind people: the body."""
        return _json(json.dumps(self._uploads.add(request)))

    def _add_texture(self, request: _Request) -> Response:
        """Another texture of the body, which is a parameter at once."""
        added = self._uploads.add_texture(request)
        with self._methods.turns:
            self._methods.call("textures.reload", {})
        return _json(json.dumps(added))

    def _thumbnail(self, request: _Request, name: str) -> Response:
        return Response(self._uploads.thumbnail(name), mimetype="image/jpeg")

    def _thumbnails(self, request: _Request) -> Response:
        try:
            body = thumbnails(self._methods, request.args)
        except ParameterError as error:
            raise invalid_params(error) from None
        return Response(body, content_type=THUMBNAILS_TYPE)

    def _still_open(self, request: _Request) -> Callable[[], bool]:
        return lambda: self._gate.still_open(request)

    def _stream(self, request: _Request) -> Response:
        if request.method == "HEAD":
            return Response(content_type=FRAMES_TYPE)
        environ, split = request.environ, request.path == "/split.mjpeg"
        frames = self._streams.frames(
            environ["livewarp.socket"], split, self._still_open(request), environ["livewarp.cut"]
        )
        return Response(frames, content_type=FRAMES_TYPE)


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
