"""The errors that livewarp raises on purpose, the exit status each ends the program with, and problems that last.

Every text says what failed, what it got, what is allowed and the remedy, in one line, and is put together here
from these fields: nobody takes it apart again.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass

EXIT_RUNTIME = 1
EXIT_USAGE = 2


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The remedy for a misspelt word: "did you mean thin?", or "" where none of the words is near."""
    plain = {known.casefold(): known for known in words}
    near = difflib.get_close_matches(word[:40].casefold(), plain, 1)
    return f"did you mean {plain[near[0]]}?" if near else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong while it lasts, and the remedy; for people."""

    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


class LivewarpError(Exception):
    """Base of every error that livewarp raises on purpose.

    Parameters
    ----------
    what
        What failed and why: "video talk.mp4: no frame can be decoded".
    got, allowed
        What was given, and what would be accepted; "" and None: does not apply.
    remedy
        What to do about it, best a command.

    Attributes
    ----------
    what, got, allowed, remedy
        As given.
    """

    exit_status = EXIT_RUNTIME

    def __init__(self, what: str, *, got: object = None, allowed: str = "", remedy: str = "") -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(str(Problem(self._fact(), remedy)))

    @property
    def problem(self) -> Problem:
        """The same as a problem that lasts."""
        return Problem(self._fact(), self.remedy)

    def _fact(self) -> str:
        """All but the remedy, in one line."""
        text = self.what if self.got is None else f"{self.what}: got {self.got}"
        between = ", " if self.got is not None else "; "
        return f"{text}{between}allowed: {self.allowed}" if self.allowed else text


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

    def __init__(self, name: str, got: object, allowed: str, problem: str | None = None, remedy: str = "") -> None:
        self.name = name
        self._problem = problem or f"parameter {name}: got {reprlib.repr(got)}"
        super().__init__(problem or f"parameter {name}", got=got, allowed=allowed, remedy=remedy)

    def _fact(self) -> str:
        return f"{self._problem}, allowed: {self.allowed}"


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

    def __init__(
        self,
        what: str,
        code: int = 0,
        data: object = None,
        *,
        got: object = None,
        allowed: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(what, got=got, allowed=allowed, remedy=remedy)
        self.code = code
        self.data = data
