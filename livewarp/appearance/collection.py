"""A person's collection of own textures: a folder of files, each of which is a knob of the group *own*.

Names are as those of presets; the knob's is the same in lower case, with `_` for blanks and hyphens.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from platformdirs import user_config_path

from livewarp.appearance import own
from livewarp.appearance.own import OwnTexture
from livewarp.effects import EFFECTS, Effect, Paint
from livewarp.errors import SettingsError
from livewarp.parameters import KNOBS, define_effect, withdraw_effect

MOST = 24  # textures: each that is drawn costs time
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 _-]{0,38}[A-Za-z0-9_-])?")
# What the command line means otherwise, and what Windows takes for a device.
_RESERVED = re.compile(r"template|add|list|show|remove|con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)
_ALLOWED = "1 to 40 letters, digits, spaces, - and _, from a letter or digit on, that no parameter is called"

_log = logging.getLogger(__name__)


def folder() -> Path:
    """Where they are: `textures` in the user's config folder."""
    return user_config_path("livewarp") / "textures"


def knob_name(name: str) -> str:
    """The knob of a texture of that name."""
    return re.sub(r"[ -]+", "_", name.lower())


def checked_name(name: str) -> str:
    """The name, if a texture may have it. Raises `SettingsError`."""
    other = KNOBS.get(knob_name(name))
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name) or (other is not None and other.group != "own"):
        raise SettingsError("texture name", got=repr(name[:60]), allowed=_ALLOWED)
    return name


def path_of(name: str) -> Path:
    """The file of a texture that there is, however its name is written. Raises `SettingsError`."""
    checked_name(name)
    for path in files():
        if knob_name(path.stem) == knob_name(name):
            return path
    there = ", ".join(path.stem for path in files()) or "none yet: livewarp texture add NAME PICTURE"
    raise SettingsError(f"texture {name!r}: there is none of that name", allowed=there)


def files() -> list[Path]:
    """Of the textures that there are, by name; what has no name of a texture is left out, and so are links."""
    try:
        there = sorted(folder().iterdir())
    except OSError:
        return []
    named = [path for path in there if path.suffix == own.SUFFIX and _NAME.fullmatch(path.stem)]
    return [path for path in named if not path.is_symlink() and path.is_file()][:MOST]


def texture_listing() -> list[dict[str, str]]:
    """Those that are knobs, ready for JSON: {name, parameter, blend} each."""
    there = own.own_textures()
    named = [(path.stem, knob_name(path.stem)) for path in files()]
    return [{"name": name, "parameter": knob, "blend": there[knob].blend} for name, knob in named if knob in there]


def add(name: str, texture: OwnTexture, replace: bool) -> Path:
    """Keep a texture under a name.

    Raises
    ------
    SettingsError
        The name is not allowed or taken, there are too many, or it cannot be written.
    """
    checked_name(name)
    taken = next((path for path in files() if knob_name(path.stem) == knob_name(name)), None)
    if taken is not None and not replace:
        remedy = "give another name, or replace it (--force, or replace=1 by HTTP)"
        raise SettingsError(f"texture {name!r}: exists", remedy=remedy)
    if taken is None and len(files()) >= MOST:
        raise SettingsError("textures", got=f"{MOST} of them", allowed=f"{MOST}", remedy="remove one first")
    path = taken or folder() / f"{name}{own.SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own.write(path, texture)
    except OSError as error:
        raise SettingsError(f"texture {name!r}: cannot be kept: {error.strerror or error}") from error
    return path


def remove(name: str) -> None:
    """Delete a texture. Raises `SettingsError`."""
    try:
        path_of(name).unlink()
    except OSError as error:
        raise SettingsError(f"texture {name!r}: cannot be removed: {error.strerror or error}") from error


def install_textures() -> list[str]:
    """Read the folder: each texture becomes a knob, and those that are gone are none any more; the knobs' names.

    A damaged file is skipped and logged.
    """
    found: dict[str, OwnTexture] = {}
    for path in files():
        try:
            checked_name(path.stem)
            found[knob_name(path.stem)] = own.read(path)
        except SettingsError as error:
            _log.warning("%s", error)
    own.publish(found)
    for name in [name for name, effect in EFFECTS.items() if effect.group == "own" and name not in found]:
        withdraw_effect(name)
    for name in found:
        if name not in EFFECTS:
            help_ = f"Your own texture {name}, added by `livewarp texture add`."
            define_effect(Effect(name, "own", help_, ("off", "full"), ("own", "texture", "paint"), (Paint(name),)))
    return list(found)
