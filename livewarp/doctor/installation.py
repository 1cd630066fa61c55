"""Checks of what was installed: Python, wheels, weights, compiled kernels."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livewarp.doctor.finding import Finding, note, ok, problem
from livewarp.system.environment import install_command
from livewarp.system.machine import Machine
from livewarp.system.regular import expanded

if TYPE_CHECKING:
    from livewarp.doctor.case import Case

OLDEST_PYTHON = (3, 11)
# Wheel → the module that shows that it works; face_recognition_models only carries a file, see `weights`.
MODULES = {
    "click": "click",
    "numpy": "numpy",
    "platformdirs": "platformdirs",
    "psutil": "psutil",
    "pydantic": "pydantic",
    "rich": "rich",
    "werkzeug": "werkzeug",
    "gevent": "gevent",
    "opencv-python": "cv2",
    "dlib-bin": "dlib",
    "av": "av",
    "pillow": "PIL",
    "simplejpeg": "simplejpeg",
    "jeepney": "jeepney",
    "numba": "numba",
    "pyvirtualcam": "pyvirtualcam",
}
# One JSON line a module, in a process of its own: a wheel built for another CPU kills the process that loads it.
_PROBE = """
import importlib, json, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name); error = None
    except BaseException as e:
        error = f"{type(e).__name__}: {e}"
    print(json.dumps([name, error]), flush=True)
"""
_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object file")
_BOUND = re.compile(r"(>=|<)([\d.]+)")


def python(machine: Machine) -> Finding:
    """Whether this Python is new enough and every wheel loads, in a version that livewarp was tested with."""
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return problem(f"Python {here}; needed: 3.11 or newer", "make PYTHON=python3.11 run")
    versions, odd = _versions()
    failed = _failed_imports(machine)
    if failed:
        wheel, why = next(iter(failed.items()))
        library = _LIBRARY.search(why)
        known = library and library[1] in ("libGL.so.1", "libgthread-2.0.so.0", "libxcb.so.1")
        remedy = machine.distribution.install(library[1]) if library and known else install_command(wheel, again=True)
        return problem(f"{wheel} does not load: {why}", remedy, failed=failed, versions=versions)
    if odd:
        wheel, (_, tested) = next(iter(odd.items()))
        texts = {name: f"{why}; tested: {bounds}" for name, (why, bounds) in odd.items()}
        return note(f"{wheel} {texts[wheel]}", install_command(f"{wheel}{tested}"), versions=versions, odd=texts)
    return ok(f"{here}; {len(MODULES)} wheels load", python=here, versions=versions)


def weights(case: Case) -> Finding:
    """Whether the weights that the settings ask for are there and are the right ones, byte for byte."""
    from livewarp.errors import ModelError
    from livewarp.tracking.models import chosen_model
    from livewarp.tracking.weights import LANDMARKS_68, OTHER_MODEL, check_sha256, find_weights, needed, weights_path

    tracking = case.settings.tracking
    model = chosen_model(tracking.model, weights_path(tracking.weights))
    paths: dict[str, str] = {}
    for which in needed(model, tracking.detector):
        wanted = tracking.weights if which is LANDMARKS_68 else None
        remedy = f"edit {case.config}: [tracking] weights" if wanted and case.config else which.remedy
        # Who has no 68-point weights needs none with the other model.
        remedies = (remedy, OTHER_MODEL) if which is LANDMARKS_68 else (remedy,)
        try:
            path = find_weights(expanded(wanted) if wanted else None, which)
        except ModelError as error:
            return problem(error.problem.what, *remedies)
        try:
            check_sha256(path, which)  # the daemon trusts size and date once the sum was right; a doctor checks
        except (ModelError, OSError):
            return problem(f"{path} is damaged: its checksum is wrong", *remedies)
        paths[which.name] = str(path)
    return ok(f"model {model}: {', '.join(paths)}: there, checksum right", paths=paths)


def kernels(case: Case) -> Finding:
    """Whether compiled kernels can be kept, and are; else each start compiles them."""
    environ = case.machine.environ
    if environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return problem("NUMBA_DISABLE_JIT is set: nothing is compiled, far too slow", "unset NUMBA_DISABLE_JIT")
    try:
        from livewarp.tracking import forest_kernels
        from livewarp.warping import fading, field, grids, kernels, squeeze

        modules = (fading, field, grids, kernels, squeeze, forest_kernels)
        compiled = [f for module in modules for f in vars(module).values() if _is_cached(f)]
        folders = sorted({str(f.stats.cache_path) for f in compiled})
    except RuntimeError as error:  # numba found no folder that it may write to
        remedy = "export NUMBA_CACHE_DIR=$HOME/.cache/livewarp/numba"
        return problem(f"compiled kernels cannot be kept: {error}", remedy)
    import numba

    layer = str(numba.config.THREADING_LAYER)  # type: ignore[attr-defined]
    kept = sum(1 for folder in folders for _ in Path(folder).glob("*.nbi"))
    data = {"folders": folders, "kept": kept, "threading_layer": layer}
    if kept == 0:
        return note("not compiled yet: the first start takes up to a minute longer", **data)
    return ok(f"compiled and kept; one thread each (threading layer: {layer})", **data)


def config(case: Case) -> Finding:
    """Whether config.toml says nothing that livewarp refuses."""
    if case.config_error:
        return problem(case.config_error, f"edit {case.config}" if case.config else "mend the option", path=case.config)
    if case.config is None:
        return ok("none, so the defaults; config.toml of the repository shows them all")
    return ok(f"{case.config} is valid", path=str(case.config))


def _is_cached(thing: Any) -> bool:
    return bool(getattr(getattr(thing, "stats", None), "cache_path", None))


def _versions() -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Wheel → version, and wheel → what is odd about it and which versions were tested."""
    versions, odd = {}, {}
    for requirement in metadata.requires("livewarp") or ():
        if "extra ==" in requirement:
            continue
        match = re.match(r"[\w.-]+", requirement)
        assert match is not None
        name, bounds = match[0], requirement[match.end() :]
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            odd[name] = "is not installed", bounds
            continue
        if not _within(versions[name], bounds):
            odd[name] = f"is {versions[name]}", bounds
    return versions, odd


def _within(version: str, bounds: str) -> bool:
    """Whether a version lies in bounds such as <9,>=8.5."""
    here = _numbers(version)
    return all(
        here >= _numbers(limit) if sign == ">=" else here < _numbers(limit) for sign, limit in _BOUND.findall(bounds)
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _failed_imports(machine: Machine) -> dict[str, str]:
    """Wheel → why its module does not load."""
    said = machine.run([sys.executable, "-c", _PROBE, *MODULES.values()])
    results: dict[str, str | None] = {}
    for line in said.text.splitlines():
        if line.startswith("["):  # a library may print warnings of its own
            name, error = json.loads(line)
            results[name] = error
    failed = {}
    for wheel, module in MODULES.items():
        if module not in results:
            died = f"killed Python (status {said.status}): is it built for another CPU?"
            failed[wheel] = died if said.status < 0 else f"could not be tried: {said.text.strip()[-200:]}"
            break
        if results[module] is not None:
            failed[wheel] = " ".join(str(results[module]).split())
    return failed
