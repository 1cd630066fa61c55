"""Gets one published file whose size and checksum are known: over the network, or from a copy of it.

Guarantees: nothing but that very file is accepted, and no more than its size is read.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from livewarp import __version__
from livewarp.errors import ModelError
from livewarp.system.regular import read_regular

_SILENCE_S = 15.0  # of a server, after which it is given up
_PIECE = 32_768  # bytes: a step of the progress bar


@dataclass(frozen=True, slots=True)
class Published:
    """A file that somebody publishes.

    Attributes
    ----------
    name
        What a person calls it.
    address
        Where it is.
    size, sha256
        Of the file, bytes.
    """

    name: str
    address: str
    size: int
    sha256: str

    def checked(self, data: bytes, origin: str) -> bytes:
        """The same bytes, or `ModelError` where they are not that file's; `origin` says where they come from."""
        if len(data) != self.size:
            got = f"{len(data)} bytes" if len(data) <= self.size else f"more than {self.size} bytes"
            raise ModelError(f"{self.name} {origin}", got=got, allowed=f"{self.size}", remedy=self._again)
        got = hashlib.sha256(data).hexdigest()
        if got != self.sha256:
            raise ModelError(f"{self.name} {origin}: sha256", got=got, allowed=self.sha256, remedy=self._again)
        return data

    @property
    def _again(self) -> str:
        return f"take the one at {self.address}"


def read_copy(wanted: Published, path: Path) -> bytes:
    """A file on this machine, checked.

    Raises
    ------
    ModelError
        It cannot be read, or is another file.
    """
    try:
        data = read_regular(path, wanted.size + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ModelError(f"{wanted.name} {path}: {why}", remedy=wanted._again) from error
    return wanted.checked(data, str(path))


def download(wanted: Published, progress: Callable[[int, int], None]) -> bytes:
    """The file from its address, checked.

    Parameters
    ----------
    progress
        Called with the bytes that are there and all that there will be.

    Raises
    ------
    ModelError
        It cannot be had, or is another file by now.
    """
    host = urlsplit(wanted.address).hostname
    elsewhere = f"get {wanted.address} on another machine, then `livewarp fetch hair --from FILE`"
    request = urllib.request.Request(wanted.address, headers={"User-Agent": f"livewarp/{__version__}"})
    data = bytearray()
    try:
        with urllib.request.urlopen(request, timeout=_SILENCE_S) as answer:
            while len(data) <= wanted.size and (piece := answer.read(_PIECE)):
                data += piece
                progress(min(len(data), wanted.size), wanted.size)
    except urllib.error.HTTPError as error:
        error.close()
        raise ModelError(f"{wanted.name}: {host} answered {error.code} {error.reason}", remedy=elsewhere) from error
    except (OSError, http.client.HTTPException) as error:  # no name, no route, refused, silent, cut
        why = getattr(error, "reason", error)
        text = getattr(why, "strerror", None) or str(why) or type(why).__name__
        raise ModelError(f"{wanted.name}: cannot get it from {host}: {text}", remedy=elsewhere) from error
    return wanted.checked(bytes(data), f"from {host}")
