"""Where the time goes, function by function, with every kernel under its own name.

Under pyinstrument numba reports each call of a kernel, as a function beside those of Python, without its
caller. py-spy samples Python's frames only, of which a kernel has none: it would count as its caller's own
time. So while py-spy samples, each kernel that Python code calls is called through a Python function of
the kernel's name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from numba.core.dispatcher import Dispatcher

from livewarp.errors import LivewarpError, SettingsError
from livewarp.system.environment import install_command

HOW = f"{install_command('pyinstrument')} (or py-spy)"
INTERVAL_S = 0.0005  # a frame takes a few milliseconds
_FORMATS = {".html": "html", ".txt": "text", ".json": "speedscope"}


def check_profile(path: Path) -> None:
    """Refuse what cannot be done before anything is measured.

    Raises
    ------
    SettingsError
        There is no profiler, or it cannot write such a file.
    """
    if path.suffix not in _FORMATS:
        raise SettingsError("--profile", got=path, allowed=f"a name that ends in {', '.join(_FORMATS)} (speedscope)")
    if find_spec("pyinstrument") is None:
        if shutil.which("py-spy") is None:
            raise SettingsError("--profile: no profiler is installed", remedy=HOW)
        if path.suffix != ".json":
            raise SettingsError(
                "--profile",
                got=path,
                allowed=".json, which py-spy writes",
                remedy=f"for others: {install_command('pyinstrument')}",
            )


@contextmanager
def profiled(path: Path) -> Iterator[None]:
    """Profile what is done meanwhile, in all threads py-spy, in this one pyinstrument; kernels must be warm."""
    take = _pyinstrument if find_spec("pyinstrument") is not None else _py_spy
    with take(path):
        yield


@contextmanager
def _pyinstrument(path: Path) -> Iterator[None]:
    from pyinstrument import Profiler
    from pyinstrument.renderers import HTMLRenderer, SpeedscopeRenderer

    profiler = Profiler(interval=INTERVAL_S)
    profiler.start()
    try:
        yield
    finally:
        profiler.stop()
    write: dict[str, Callable[[], str]] = {
        "html": lambda: profiler.output(HTMLRenderer()),
        "text": lambda: profiler.output_text(unicode=True, show_all=True),
        "speedscope": lambda: profiler.output(SpeedscopeRenderer()),
    }
    try:
        path.write_text(write[_FORMATS[path.suffix]](), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--profile {path}: {error.strerror or error}") from error


@contextmanager
def _py_spy(path: Path) -> Iterator[None]:
    rate = str(round(1 / INTERVAL_S / 2))
    command = ["py-spy", "record", "--pid", str(os.getpid()), "--format", "speedscope", "--rate", rate, "-o", str(path)]
    with (
        kernels_named(),
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as spy,
    ):
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)  # it writes what it has
            _, said = spy.communicate(timeout=30.0)
    if not path.is_file():
        raise LivewarpError(f"py-spy: {said.strip().splitlines()[-1] if said.strip() else 'wrote nothing'}")


@contextmanager
def kernels_named() -> Iterator[list[str]]:
    """Meanwhile Python code calls kernels through functions of their names; gives the names."""
    changed: list[tuple[Any, str, Dispatcher]] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("livewarp."):
            for attribute, value in list(vars(module).items()):
                if isinstance(value, Dispatcher):
                    changed.append((module, attribute, value))
    try:
        for module, attribute, kernel in changed:
            setattr(module, attribute, _named(kernel))
        yield sorted({kernel.py_func.__name__ for _, _, kernel in changed})
    finally:
        for module, attribute, kernel in changed:
            setattr(module, attribute, kernel)


def _named(kernel: Dispatcher) -> Callable[..., Any]:
    """A Python function that calls a kernel and shows in a profile as that kernel."""

    def call(*arguments: Any) -> Any:
        return kernel(*arguments)

    code: CodeType = kernel.py_func.__code__
    call.__code__ = call.__code__.replace(
        co_name=f"{code.co_name} (kernel)",
        co_qualname=f"{code.co_name} (kernel)",
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )
    assert isinstance(call, FunctionType)
    return call
