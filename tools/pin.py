"""Renew the pins: pyproject.toml → requirements*.txt, each version exact and with the hashes of its files.

    python3.11 tools/pin.py                   follow pyproject.toml, keep what still fits
    python3.11 tools/pin.py --upgrade         take the newest of everything
    python3.11 tools/pin.py -P numba          take the newest of one

Run it with the oldest Python that is supported: what installs there has wheels for the newer ones, which need
no further packages. It works in a temporary environment of its own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HEADER = """\
# {what}
# CPython 3.11 to 3.14 on Linux (x86-64, ARM), 3.12 to 3.14 on macOS (ARM): the wheels that there are.
# Made from pyproject.toml by tools/pin.py; edit that, not this.
"""
BUILD = "What building and installing the weights package and livewarp itself takes; installed before the others."
RUN = "What livewarp runs on."
TEST = "What livewarp runs on, and what checks and tests it."

# Wheels only: the sdists of dlib or numba would need compilers and minutes. face_recognition_models (weights,
# pure data) has no wheel.
WHEELS = "--pip-args=--only-binary=:all: --no-binary=face_recognition_models"


def compile_pins(python: Path, output: str, what: str, source: str, *options: str, text: str = "") -> None:
    """Write one requirements file; `text` is what `source` holds where that is standard input ("-")."""
    made = ("--generate-hashes", "--strip-extras", "--allow-unsafe", "--annotation-style=line")
    left_out = ("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host")
    files = (f"--output-file={output}", source)
    command = [
        str(python),
        "-m",
        "piptools",
        "compile",
        "-q",
        *made,
        *left_out,
        *options,
        *sys.argv[1:],
        *files,
    ]
    subprocess.run(command, cwd=ROOT, check=True, input=text, text=True)
    path = ROOT / output
    pins = path.read_text()
    if "://" in pins:
        sys.exit(f"{output}: holds an address, allowed: names, versions and hashes")
    lines = pins[pins.index("--only-binary") :].splitlines()
    kept = [line for line in lines if line and "considered to be unsafe" not in line]
    path.write_text(HEADER.format(what=what) + "\n".join(kept) + "\n")


def main() -> None:
    """See the module's docstring."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "bin", "python")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "pip-tools>=7.6,<8"], check=True)
        wheels = "--pip-args=--only-binary=:all:"
        build = "setuptools>=77\npip>=25\n"  # as in pyproject.toml; pip: in the packages, for the weights
        compile_pins(python, "requirements-build.txt", BUILD, "-", wheels, "--no-annotate", text=build)
        weights = "--extra=dlib-weights"  # whoever uses make has the default model
        compile_pins(python, "requirements.txt", RUN, "pyproject.toml", WHEELS, weights)
        same = "--constraint=requirements.txt"
        compile_pins(python, "requirements-dev.txt", TEST, "pyproject.toml", WHEELS, same, weights, "--extra=dev")


if __name__ == "__main__":
    main()
