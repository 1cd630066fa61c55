"""The token that programs of one user know each other by, and the proofs that are made of it.

It lies in the runtime folder, for this user alone, and is made by the first daemon. On the line port it is never
sent: each end shows by a keyed hash of both ends' random numbers and of the address that it has it, so that
a stranger who holds the port learns nothing, and gains nothing by passing messages on to the daemon.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from livewarp.errors import ControlError
from livewarp.system.regular import read_regular
from livewarp.system.runtime import make_private, runtime_folder, who_else_writes

DAEMON, CLIENT = "daemon", "client"  # who proves
UNAUTHORIZED = -32001  # one of the codes that JSON-RPC leaves to the server

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[0-9a-f]{64}")
_NONCE = re.compile(r"[0-9a-zA-Z_-]{16,128}")
_MAX_BYTES = 200


def token_path() -> Path:
    """Where this user's token is."""
    return runtime_folder() / "token"


def socket_file() -> Path:
    """Where this user's daemon listens, unless its settings say otherwise."""
    return runtime_folder() / "control.sock"


def read_token(path: Path | None = None) -> str | None:
    """The token; None: there is none yet.

    Raises
    ------
    ControlError
        The file is not this user's alone, or holds no token.
    """
    path = path or token_path()
    try:
        text = read_regular(path, _MAX_BYTES, private=True).decode("ascii").strip()
        if _TOKEN.fullmatch(text) is None:
            raise ValueError("no token")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise ControlError(f"token ignored: {path} is {reason}", remedy="livewarp token --new") from None
    return text


def new_token(path: Path | None = None) -> str:
    """Make another token, which takes the place of the old one; a running daemon notices.

    Raises
    ------
    ControlError
        It cannot be written, or others could put one of theirs in its place.
    """
    from livewarp.system.atomic import write_whole  # commands that only read it start sooner without

    path = path or token_path()
    token = os.urandom(_TOKEN_BYTES).hex()
    try:
        make_private(path.parent)
        others = who_else_writes(path.parent)
        if others is not None:
            raise ControlError(f"no token: others can write in {others}", remedy="set XDG_RUNTIME_DIR to your own")
        write_whole(path, token + "\n")
    except OSError as error:
        raise ControlError(f"no token: cannot write {path}: {error.strerror or error}") from None
    return token


def nonce() -> str:
    """A random number, for one proof."""
    return os.urandom(16).hex()


def is_nonce(text: object) -> bool:
    """Whether a text may be one: 16 to 128 letters, digits, `-` and `_`."""
    return isinstance(text, str) and _NONCE.fullmatch(text) is not None


def proof(token: str, who: str, address: str, client_nonce: str, daemon_nonce: str) -> str:
    """What only somebody with the token can say: HMAC-SHA256, as hexadecimal digits.

    Parameters
    ----------
    who
        `DAEMON` or `CLIENT`, so that neither can give the other's proof back.
    address
        HOST:PORT that the client has reached, so that nobody at another port can pass a proof on.
    """
    import hmac  # costs as much as a whole command over the Unix socket, which needs none

    message = "\n".join(("livewarp 2", who, address, client_nonce, daemon_nonce))
    return hmac.new(token.encode(), message.encode(), "sha256").hexdigest()


def same(left: str, right: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    import hmac

    return hmac.compare_digest(left.encode(), right.encode())
