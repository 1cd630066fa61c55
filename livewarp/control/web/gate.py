"""Who may use the panel, request by request.

Any web page that a browser shows can send requests to a loopback port, so each request is checked: `Host` (against
DNS rebinding), who sent it (`Sec-Fetch-Site`, `Origin`), and that it shows the token: programs, and pages that the
settings name, in `Authorization`, the panel's own page by a cookie. A link that opens the panel sets that cookie once.
"""

from __future__ import annotations

from collections.abc import Collection

from werkzeug.wrappers import Request, Response

from livewarp.control.access import Access, unauthorized
from livewarp.control.address import Address
from livewarp.errors import ControlError

FORBIDDEN = 403  # HTTP status, and the code of its error
REMEDY = "`livewarp open` opens the panel; programs send `Authorization: Bearer` with what `livewarp token` prints"
_COOKIE_S = 31_536_000  # a year; a new token ends it sooner
_OPEN_PATHS = frozenset({"/api/version"})


class Gate:
    """The checks of a panel.

    Parameters
    ----------
    address
        Where it listens.
    origins
        Those of other pages that may use it with the token, as browsers write them.
    """

    def __init__(self, access: Access, address: Address, origins: Collection[str]) -> None:
        self._access = access
        self._port = address.port
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        names = {str(address), f"localhost:{address.port}"}
        self._hosts = names | {name.removesuffix(":80") for name in names}  # browsers omit the default port

    def check_host(self, request: Request) -> None:
        """Refuse (`ControlError`) a request that was meant for another server: so says its name for this one."""
        host = request.environ.get("HTTP_HOST", "").lower()
        if host not in self._hosts:
            allowed = " or ".join(sorted(self._hosts))
            remedy = "tunnels need the same port number"
            raise ControlError("Host", FORBIDDEN, got=repr(host[:80]), allowed=allowed, remedy=remedy)

    def check(self, request: Request) -> None:
        """Refuse (`ControlError`) who may not use it; of the headers of senders, other programs send none."""
        named = self.named_origin(request) is not None
        self._check_sender(request, request.environ["HTTP_HOST"].lower(), named)
        if request.path not in _OPEN_PATHS and not (
            self._has_token(request) or (self._has_cookie(request) and not named)
        ):
            raise unauthorized(REMEDY)

    def _check_sender(self, request: Request, host: str, named: bool) -> None:
        site = request.headers.get("Sec-Fetch-Site", "none")
        followed_link = request.path == "/" and request.method == "GET"  # the page with the link cannot read the answer
        if site not in {"same-origin", "none"} and not followed_link and not named:
            raise ControlError("Sec-Fetch-Site", FORBIDDEN, got=repr(site[:80]), allowed="the panel's own page")
        origin = request.headers.get("Origin", f"http://{host}").lower()
        if origin != f"http://{host}" and not named:
            remedy = "control.allow_origins lets other pages in, with the token"
            raise ControlError("Origin", FORBIDDEN, got=repr(origin[:80]), allowed=f"http://{host}", remedy=remedy)

    def _has_token(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._access.knows(token.strip())

    def _has_cookie(self, request: Request) -> bool:
        name, value = self._access.cookie(self._port)
        return self._access.same(request.cookies.get(name, ""), value)

    def still_open(self, request: Request) -> bool:
        """Whether a stream may go on: somebody may have made a new token."""
        return self._has_token(request) or self._has_cookie(request)

    def named_origin(self, request: Request) -> str | None:
        """The origin of a page that the settings let in; None: it is none of them."""
        origin = request.headers.get("Origin", "")
        return origin if origin.lower() in self._origins else None

    def sign_in(self, request: Request) -> Response | None:
        """What a link that opens the panel gets: the cookie, and the address without the key; None: it is no link.

        Raises
        ------
        ControlError
            The link has been used, and this browser has not the cookie that it gave.
        """
        key = request.args.get("key")
        if key is None or request.path != "/":
            return None
        fresh = self._access.redeem(key)
        if not (fresh or self._has_cookie(request)):
            raise unauthorized(f"this link has been used; {REMEDY}")
        response = Response(status=303, headers={"Location": "/"})
        name, value = self._access.cookie(self._port)
        response.set_cookie(name, value, max_age=_COOKIE_S, httponly=True, samesite="Strict")
        return response

    def answer_preflight(self, request: Request) -> Response | None:
        """What a browser hears that asks for a named page whether it may send the token; None: it asks nothing."""
        if request.method != "OPTIONS" or self.named_origin(request) is None:
            return None
        allowed = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": "600"}
        return Response(status=204, headers={**allowed, "Access-Control-Allow-Headers": "Authorization, Content-Type"})

    def let_read(self, request: Request, response: Response) -> None:
        """Tell the browser that a named page may read the answer."""
        origin = self.named_origin(request)
        if self._origins:
            response.headers["Vary"] = "Origin"
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Livewarp-Frame"
