"""numba's cache of compiled kernels, so that a damaged or missing one costs time and never the start.

numba reads back what lies in its folder as it is: a file that is cut off ends the program, one with a flipped bit runs
as machine code, a pipe waits for ever. Each file is therefore kept with its checksum, and what does not fit is compiled
again. The cache's methods are replaced for that, as numba offers no other way in.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from livewarp.system.regular import read_regular

_MAX_BYTES = 64 << 20  # the largest kernel has 2 MB
_MAGIC = b"livewarp"
_END_BYTES = len(_MAGIC) + hashlib.sha256().digest_size

_log = logging.getLogger(__name__)
_told: set[str] = set()


def choose_folder() -> None:
    """Name a folder for numba where it would find none, and refuse to start; to be called before numba is imported."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    spec = importlib.util.find_spec("livewarp")
    package = Path(spec.origin).parent if spec is not None and spec.origin else None
    places = [package, Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))]  # no error
    if any(_can_write(place) for place in places if place is not None):
        return
    for temporary in (None, "/dev/shm"):
        with contextlib.suppress(OSError):
            os.environ["NUMBA_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="livewarp-", dir=temporary)
            _log.warning(
                "no folder can be written that keeps compiled kernels; this start compiles them into %s", folder
            )
            return


def _can_write(folder: Path) -> bool:
    """Whether a file can be made there, or in the first folder above it that there is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def guard() -> None:
    """Check what the cache gives from now on, in this process; may be called more than once."""
    from numba.core.caching import IndexDataCacheFile

    if getattr(IndexDataCacheFile, "livewarp_guarded", False):
        return
    save, load = IndexDataCacheFile.save, IndexDataCacheFile.load

    def checked_save(self: Any, key: object, data: object) -> None:
        try:
            save(self, key, data)  # type: ignore[no-untyped-call]
        except Exception as error:
            _tell("kept", self._cache_path, error)

    def checked_load(self: Any, key: object) -> Any:
        try:
            return load(self, key)  # type: ignore[no-untyped-call]
        except Exception as error:
            _tell("read", self._cache_path, error)
            return None

    def load_index(self: Any) -> Any:
        found = _read(Path(self._index_path))
        if found is None:
            return {}
        stream = io.BytesIO(found)
        if pickle.load(stream) != self._version:
            return {}
        stamp, overloads = pickle.load(stream)
        return overloads if stamp == self._source_stamp else {}

    def save_index(self: Any, overloads: object) -> None:
        body = pickle.dumps(self._version, protocol=-1) + self._dump((self._source_stamp, overloads))
        _write(Path(self._index_path), body)

    def load_data(self: Any, name: str) -> Any:
        found = _read(Path(self._data_path(name)))
        return None if found is None else pickle.loads(found)

    def save_data(self: Any, name: str, data: object) -> None:
        _write(Path(self._data_path(name)), self._dump(data))

    new = {"save": checked_save, "load": checked_load, "_load_index": load_index, "_save_index": save_index}
    for name, method in {**new, "_load_data": load_data, "_save_data": save_data, "livewarp_guarded": True}.items():
        setattr(IndexDataCacheFile, name, method)


def _read(path: Path) -> bytes | None:
    """What was kept there; None for nothing, and for what is damaged."""
    try:
        text = read_regular(path, _MAX_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _tell("read", str(path.parent), error)
        return None
    body, end = text[:-_END_BYTES], text[-_END_BYTES:]
    if not end.startswith(_MAGIC):
        return text  # numba wrote it unguarded, or it is cut off: then it cannot be unpickled, which is caught
    if end != _end(body):
        _tell("read", str(path.parent), "damaged")
        return None
    return body


def _end(body: bytes) -> bytes:
    """What follows a file's content; a numba that is not guarded reads past it."""
    return _MAGIC + hashlib.sha256(body).digest()


def _write(path: Path, body: bytes) -> None:
    from livewarp.system.atomic import begin, complete, discard

    with _discarding(begin(path), discard) as partial:
        partial.write_bytes(body + _end(body))
        complete(partial, path)


@contextlib.contextmanager
def _discarding(partial: Path, discard: Any) -> Iterator[Path]:
    try:
        yield partial
    except BaseException:
        discard(partial)
        raise


def _tell(what: str, folder: str, error: object) -> None:
    """One line a folder and kind: there are dozens of kernels."""
    if (key := f"{what} {folder}") not in _told:
        _told.add(key)
        _log.info("compiled kernels cannot be %s in %s (%s); compiling them again", what, folder, error)
