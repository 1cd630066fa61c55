"""The Python environment that livewarp is installed in, and the command that adds a package to this very one.

A plain `pip install` would often go to another Python than the one that runs, or be refused.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

# What the two installers of programs leave in the environment that they make.
UV_TOOL, PIPX = "uv-receipt.toml", "pipx_metadata.json"


def install_command(requirement: str, again: bool = False, prefix: Path | None = None) -> str:
    """The shell command that installs a package where this program would import it from.

    Parameters
    ----------
    requirement
        As pip takes it: a name, perhaps with versions or extras, or a path.
    again
        Whether to replace an installed copy that is damaged, and that alone.
    prefix
        Of the environment; None: this interpreter's.
    """
    prefix = Path(sys.prefix) if prefix is None else prefix
    if (prefix / PIPX).is_file():
        words = ["pipx", "inject", *(["--force"] if again else []), "livewarp", requirement]
    elif (prefix / UV_TOOL).is_file() or (find_spec("pip") is None and shutil.which("uv")):
        reinstall = ["--reinstall", "--no-deps"] if again else []
        words = ["uv", "pip", "install", "--python", sys.executable, *reinstall, requirement]
    else:
        reinstall = ["--force-reinstall", "--no-deps"] if again else []
        words = [sys.executable or "python3", "-m", "pip", "install", *reinstall, requirement]
    if words[0] != "pipx" and os.name == "posix" and prefix.is_dir() and not os.access(prefix, os.W_OK):
        words.insert(0, "sudo")  # an environment of the system's, as that of a package under /opt
    return shlex.join(words)
