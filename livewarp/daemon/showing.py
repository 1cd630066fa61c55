"""What the daemon shows the person who started it, a line that is written over and the steps, and tells systemd."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import gevent

from livewarp.live.engine import Engine
from livewarp.system import notify

EVERY_S = 1.0
ALIVE_S = 10.0  # since the loop's last turn: it hangs, and the watchdog is to know
_OVER = "\r\x1b[K"


def show(text: str) -> None:
    """Write on the terminal, unless it has been closed."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def clear_line() -> None:
    """Take the line back that is written over."""
    show(_OVER)


def is_read_at_once(stream: TextIO) -> bool:
    """Whether what is written there is kept nowhere: a terminal, or another program's pipe, and no journal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    journal = os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"  # systemd.exec(5)
    return stream.isatty() or (stat.S_ISFIFO(status.st_mode) and not journal)


def show_status(state: Callable[[], dict[str, Any]], stats: Callable[[], dict[str, Any]]) -> None:
    """Greenlet: a line a second over itself; above it the steps towards a call, once and when one changes."""
    told: list[bool] = []
    while True:
        gevent.sleep(EVERY_S)
        now, s = state(), stats()
        done = [step["done"] for step in now["checklist"]]
        if done != told and now["state"] != "starting":
            told = done
            show(_OVER + "\n".join(checklist_lines(now["checklist"])) + "\n")
        show(
            f"{_OVER}{now['headline']}  {s['fps']:5.1f} fps  latency {s['latency']['p50_ms']:.1f} ms  "
            f"faces {s['faces']}  late {s['late']}  dropped {s['dropped']}"
        )


def checklist_lines(steps: list[dict[str, Any]]) -> list[str]:
    """The steps as `state` has them, a line each: ✓ or ✗, what it is, and the command that helps."""
    marked = ((step, f"{'✓' if step['done'] else '✗'} {step['text']}") for step in steps)
    return [f"{text}  →  {step['command']}" if step["command"] else text for step, text in marked]


def tell_systemd(engine: Engine) -> None:
    """Greenlet: feeds the watchdog while the loop turns, and tells what it does."""
    told = ""
    while True:
        if time.monotonic() - engine.iterated_s < ALIVE_S:
            notify.watchdog()
        state = engine.state
        if (text := f"{state.state}: {state.reason}") != told:
            told = text
            notify.status(text)
        gevent.sleep(min(notify.watchdog_s() or EVERY_S, EVERY_S))
