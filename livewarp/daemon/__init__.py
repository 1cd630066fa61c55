"""The running program: its parts are built from Settings, run, and taken down in order."""

from __future__ import annotations

from livewarp.daemon.daemon import Daemon, run_daemon

__all__ = ["Daemon", "run_daemon"]
