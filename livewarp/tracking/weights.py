"""Finds the files of weights and makes sure that they are the right ones.

The 68-point weights come with the PyPI package `face_recognition_models`, which is found by path: importing
it would need `pkg_resources`, which Python no longer has. The networks come with livewarp itself. See
`models/README.md` for the licences.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import json
import logging
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from livewarp.errors import ModelError
from livewarp.system.atomic import write_whole
from livewarp.system.environment import install_command
from livewarp.system.regular import expanded, read_regular

OTHER_MODEL = "livewarp run --model mesh"  # needs no weights but its own
_CLONE = Path(__file__).parents[2]  # of this file; a wheel's has no models/ beside it


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Attributes
    ----------
    name
        What a person calls them.
    file
        Its path in the package.
    size, sha256
        Of the file, bytes.
    package
        Whose installed files it is among.
    version
        Of that package, where it is not livewarp.
    other
        A command that does without it.
    fetch
        The command that gets it, where no package has it: it is then among the cached files.
    """

    name: str
    file: str
    size: int
    sha256: str
    package: str = "livewarp"
    version: str = ""
    other: str = ""
    fetch: str = ""

    @property
    def remedy(self) -> str:
        """The command that brings the file to this environment."""
        if self.fetch:
            return self.fetch
        if self.version:
            return install_command(f"{self.package}=={self.version}", again=True)
        if (_CLONE / "models").is_dir() and (_CLONE / ".git").exists():
            return f"git -C {shlex.quote(str(_CLONE))} checkout -- models"
        return install_command(_origin(), again=True)

    def error(self, problem: str, path: Path | None = None, got: object = None, allowed: str = "") -> ModelError:
        """What to raise where the file is missing or damaged; `problem` says why, if `got` and `allowed` do not."""
        subject = f"{self.name} {path}" if path is not None else self.name
        remedy = f"{self.remedy}; or use the model that needs none: {self.other}" if self.other else self.remedy
        return ModelError(f"{subject}: {problem}" if problem else subject, got=got, allowed=allowed, remedy=remedy)


LANDMARKS_68 = Weights(
    "landmark weights",
    "models/shape_predictor_68_face_landmarks.dat",
    99_693_937,
    "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    "face_recognition_models",
    "0.3.0",
    OTHER_MODEL,
)
FACE_MESH = Weights(
    "face mesh",
    "models/face_landmark.tflite",
    1_242_398,
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
BLAZE_FACE = Weights(
    "face detector",
    "models/face_detection_short_range.tflite",
    229_714,
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
PERSON = Weights(
    "person mask",
    "models/person_256x256.onnx",
    436_577,
    "022bfe7bef6435b7b7d76c18116a41da55a170e1e4b439aea4f2684c3c0be492",
)
PERSON_WIDE = Weights(
    "person mask for wide pictures",
    "models/person_256x144.onnx",
    436_585,
    "9b9378af70484f54f718b51b13b3a56a1ceb9bbb60cae82527eaa63eb74bdcf2",
)
HAIR = Weights(
    "hair network",
    "models/hair_320x320.onnx",
    756_228,
    "ad7ef4c35eac84dac28597c73c560bca1bba589e6febda6d5b42370dc643bea9",
    fetch="livewarp fetch hair",
)
HAIR_SMALL = Weights(
    "hair network for slow machines",
    "models/hair_256x256.onnx",
    756_228,
    "bd3fd25be35e02b11b8c751aa506150b258a15089c1beb225fd51db33787a3c6",
    fetch="livewarp fetch hair",
)


def _origin() -> str:
    """Where this installation of livewarp came from, as pip takes it; its name where nobody wrote that down."""
    try:
        written = importlib.metadata.distribution("livewarp").read_text("direct_url.json")
        return str(json.loads(written or "{}").get("url", "livewarp"))
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return "livewarp"


def needed(model: str, detector: str) -> tuple[Weights, ...]:
    """The weights that a choice of `[tracking]` needs."""
    own = FACE_MESH if model == "mesh" else LANDMARKS_68
    if detector == "hog":
        return (own,)
    # What BlazeFace finds, the mesh confirms.
    return tuple(dict.fromkeys((own, FACE_MESH, BLAZE_FACE)))


_STAMP_BYTES = 65_536  # a path and three numbers are far less
_log = logging.getLogger(__name__)


def weights_path(setting: str | None) -> Path | None:
    """The path that `[tracking] weights` names, if it does."""
    return expanded(setting) if setting else None


def find_weights(path: Path | None = None, weights: Weights = LANDMARKS_68) -> Path:
    """The checked file of some weights.

    Parameters
    ----------
    path
        Where it is; None: in the installed package, or in the cache.
    weights
        Which.

    Raises
    ------
    ModelError
        It is missing, unreadable or not the file that it should be.
    """
    if path is None:
        path = kept_path(weights) if weights.fetch else _packaged(weights)
    try:
        stat = path.stat()
        if stat.st_size != weights.size:
            raise weights.error("", path, got=f"{stat.st_size} bytes", allowed=str(weights.size))
        key = [str(path.resolve()), stat.st_size, stat.st_mtime_ns, weights.sha256]
        stamp = user_cache_path("livewarp") / f"{Path(weights.file).stem}.json"
        if _read_stamp(stamp) != key:
            check_sha256(path, weights)
            _write_stamp(stamp, key)
    except OSError as error:
        raise weights.error(error.strerror or str(error), path) from error
    return path


def kept_path(weights: Weights) -> Path:
    """Where weights that were fetched are kept."""
    return user_cache_path("livewarp") / weights.file


def check_sha256(path: Path, weights: Weights) -> None:
    """Read the whole file; `ModelError` if it is not what it should be."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != weights.sha256:
        raise weights.error("sha256", path, got=got, allowed=weights.sha256)


def _packaged(weights: Weights) -> Path:
    if weights.package == "livewarp":
        # A wheel holds the files themselves; in a clone livewarp/models is a link, where the system knows links.
        here = Path(str(importlib.resources.files("livewarp")))
        folders = [folder for folder in (here, here.parent) if (folder / weights.file).is_file()]
        return (folders or [here])[0] / weights.file
    spec = find_spec(weights.package)
    if spec is None or spec.origin is None:
        raise weights.error(f"package {weights.package} is missing")
    return Path(spec.origin).parent / weights.file


def _read_stamp(stamp: Path) -> object:
    try:
        return json.loads(read_regular(stamp, _STAMP_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def _write_stamp(stamp: Path, key: list[object]) -> None:
    # Without the stamp each start costs a checksum (0.1-0.3 s); that is no reason to fail.
    try:
        write_whole(stamp, json.dumps(key))
    except OSError as error:
        _log.debug("cannot remember the checksum in %s: %s", stamp, error)
