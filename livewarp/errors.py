"""The errors that livewarp raises on purpose, and the exit status each ends the program with.

Every text says what failed, what it got, what is allowed and how to mend it, in one line.
"""

from __future__ import annotations

import reprlib

EXIT_RUNTIME = 1
EXIT_USAGE = 2


class LivewarpError(Exception):
    """Base of every error that livewarp raises on purpose."""

    exit_status = EXIT_RUNTIME


class SettingsError(LivewarpError):
    """A setting, from a file or an option, is unknown, of the wrong type or out of bounds."""

    exit_status = EXIT_USAGE


class ParameterError(LivewarpError, ValueError):
    """A live parameter is unknown, of the wrong type or out of bounds.

    Attributes
    ----------
    name, got, allowed
        The parameter as it was named, the value as it was given, and what would be accepted, as text.

    Parameters
    ----------
    problem
        What is wrong, where it is not the value.
    """

    exit_status = EXIT_USAGE

    def __init__(self, name: str, got: object, allowed: str, problem: str | None = None) -> None:
        problem = problem or f"parameter {name}: got {reprlib.repr(got)}"
        super().__init__(f"{problem}, allowed: {allowed}")
        self.name = name
        self.got = got
        self.allowed = allowed


class FrameError(LivewarpError, ValueError):
    """An array that is no frame: wrong dtype, shape or size."""

    exit_status = EXIT_USAGE


class ModelError(LivewarpError):
    """Model weights are missing, damaged or not those that were expected."""


class SourceError(LivewarpError):
    """A source cannot be opened or has failed for good."""


class SinkError(LivewarpError):
    """A sink cannot be opened or written to."""


class ControlError(LivewarpError):
    """The control port cannot be bound or reached, or it answered with an error.

    Attributes
    ----------
    code, data
        JSON-RPC error code and data where the daemon answered with one, else 0 and None.
    """

    def __init__(self, message: str, code: int = 0, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
