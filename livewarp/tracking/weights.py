"""Finds the 68-point weights and makes sure that they are the right ones.

The file comes with the PyPI package `face_recognition_models`, which is found by path: importing
it would need `pkg_resources`, which Python no longer has. See `models/README.md` for the licence.
"""

from __future__ import annotations

import hashlib
import json
import logging
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from livewarp.errors import ModelError

FILE_NAME = "shape_predictor_68_face_landmarks.dat"
SIZE_BYTES = 99_693_937
SHA256 = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
REMEDY = "pip install --force-reinstall --no-deps face_recognition_models==0.3.0"

_log = logging.getLogger(__name__)


def find_weights(path: Path | None = None) -> Path:
    """The checked weights file.

    Parameters
    ----------
    path
        Where it is; None: in the installed package.

    Raises
    ------
    ModelError
        It is missing, unreadable or not the file that it should be.
    """
    if path is None:
        spec = find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            raise ModelError(f"landmark weights: package face_recognition_models is missing; mend it: {REMEDY}")
        path = Path(spec.origin).parent / "models" / FILE_NAME
    try:
        stat = path.stat()
        if stat.st_size != SIZE_BYTES:
            raise ModelError(
                f"landmark weights {path}: got {stat.st_size} bytes, allowed: {SIZE_BYTES}; mend it: {REMEDY}"
            )
        key = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, SHA256]
        stamp = user_cache_path("livewarp") / "weights.json"
        if _read_stamp(stamp) != key:
            _check_sha256(path)
            _write_stamp(stamp, key)
    except OSError as error:
        raise ModelError(f"landmark weights {path}: {error.strerror or error}; mend it: {REMEDY}") from error
    return path


def _check_sha256(path: Path) -> None:
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != SHA256:
        raise ModelError(f"landmark weights {path}: sha256 is {got}, allowed: {SHA256}; mend it: {REMEDY}")


def _read_stamp(stamp: Path) -> object:
    try:
        return json.loads(stamp.read_text())
    except (OSError, ValueError):
        return None


def _write_stamp(stamp: Path, key: list[object]) -> None:
    # Without the stamp each start costs a checksum (0.1-0.3 s); that is no reason to fail.
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps(key))
    except OSError as error:
        _log.debug("cannot remember the checksum in %s: %s", stamp, error)
