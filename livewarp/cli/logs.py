"""The log: what a line of it looks like on a terminal, in a file and in systemd's journal."""

from __future__ import annotations

import logging
import os
import sys

LEVELS = {"quiet": logging.WARNING, "normal": logging.INFO, "verbose": logging.DEBUG}


def set_up(level: int) -> None:
    """Let livewarp's log, from this level on, go to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    root = logging.getLogger("livewarp")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(level)


# Least level → syslog priority, as sd-daemon(3) has it.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))


def _is_journal() -> bool:
    """Whether the log goes to systemd's journal; a child whose output goes elsewhere inherits the variable, too."""
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no descriptor behind it
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


class LineFormatter(logging.Formatter):
    """A line an event; over a status line on a terminal, without a time stamp; to the journal, with its priority."""

    def format(self, record: logging.LogRecord) -> str:
        """As logging has it."""
        text = super().format(record)
        if _is_journal():  # it stamps and names each line itself
            priority = next(p for level, p in _PRIORITIES if record.levelno >= level)
            return "\n".join(f"<{priority}>{line}" for line in text.splitlines())
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        return f"\r\x1b[K{text}" if sys.stderr.isatty() else f"livewarp: {text}"
