"""`livewarp doctor`: whether a call could be made now, and which command mends what is missing.

A check is a small function that gives one `Finding`; `checks.CHECKS` lists them. Where Python itself or a wheel
is broken no other check is made: it would fail for that reason alone.
"""

from __future__ import annotations

import logging
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from livewarp import __version__
from livewarp.doctor import installation
from livewarp.doctor.finding import Finding, problem
from livewarp.errors import LivewarpError
from livewarp.system.machine import Machine

__all__ = ["Report", "conclusion", "examine", "machine_line", "report_lines"]

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}
_NAME_WIDTH = 12  # of the longest name of a check

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What one check found, and how long it took, s."""

    check: str
    finding: Finding
    took_s: float

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        f = self.finding
        return {
            "check": self.check,
            "verdict": f.verdict,
            "text": f.text,
            "remedy": list(f.remedy),
            "fix": [step.what for step in f.fix],
            "took_s": round(self.took_s, 2),
            "data": dict(f.data),
        }


def examine(
    config: Path | None,
    options: dict[str, dict[str, Any]],
    machine: Machine | None = None,
    begins: Callable[[str], None] = lambda check: None,
    ends: Callable[[Report], None] = lambda report: None,
) -> list[Report]:
    """Make every check.

    Parameters
    ----------
    config, options
        As `run` takes them.
    begins, ends
        Called before and after each check.
    """
    machine = machine or Machine()
    reports: list[Report] = []

    def make(name: str, check: Callable[[], Finding]) -> Finding:
        begins(name)
        began_s = time.perf_counter()
        try:
            finding = check()
        except Exception as error:  # the other checks are made all the same
            _log.debug("the check %s failed", name, exc_info=True)
            finding = problem(f"could not be checked: {type(error).__name__}: {error}", "livewarp -v doctor")
        reports.append(
            Report(name, replace(finding, text=" ".join(finding.text.split())), time.perf_counter() - began_s)
        )
        ends(reports[-1])
        return finding

    if make("Python", lambda: installation.python(machine)).verdict == "problem":
        return reports
    from livewarp.doctor.checks import for_machine

    case = _case(machine, config, options)
    for check in for_machine(case):
        make(check.name, lambda check=check: check.run(case))  # type: ignore[misc]
    return reports


def _case(machine: Machine, config: Path | None, options: dict[str, dict[str, Any]]) -> Any:
    """The settings that `run` would use; where it would refuse them, the defaults and the reason."""
    from livewarp.doctor.case import Case
    from livewarp.settings import find_config, load_settings

    path = find_config(config)
    try:
        return Case(machine, load_settings(path, options), path)
    except LivewarpError as error:
        try:
            return Case(machine, load_settings(None, options), path, str(error))
        except LivewarpError:  # it is an option that is wrong
            return Case(machine, config=path, config_error=str(error))


def machine_line(machine: Machine) -> str:
    """Which livewarp examined which machine."""
    system = machine.distribution.name or machine.platform
    kernel = f", kernel {machine.kernel}" if machine.kernel else ""
    return f"livewarp {__version__} on {system}{kernel}"


def report_lines(report: Report, columns: int = 100) -> str:
    """A check's finding, for people, on lines of so many columns; commands are never broken."""
    finding = report.finding
    mark = click.style(f"{finding.verdict:>9}", fg=_COLOURS[finding.verdict], bold=finding.verdict == "problem")
    margin = " " * (9 + 2 + _NAME_WIDTH + 2)
    text = textwrap.wrap(finding.text, max(40, columns - len(margin)), break_long_words=False, break_on_hyphens=False)
    first = f"{mark}  {click.style(f'{report.check:{_NAME_WIDTH}}', bold=True)}  {text[0]}"
    remedies = (click.style("→ " + step, fg="cyan") for step in finding.remedy)
    return "\n".join([first, *(margin + line for line in (*text[1:], *remedies))])


def conclusion(reports: list[Report]) -> str:
    """What it comes to, in one sentence."""
    problems = [report.check for report in reports if report.finding.verdict == "problem"]
    if not problems:
        return click.style("A call can be made now.", fg="green", bold=True)
    return click.style(f"No call yet: mend {', '.join(problems)}.", fg="red", bold=True)
