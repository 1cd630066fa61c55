"""The commands about the machine rather than the picture: `livewarp doctor`, `devices` and `service`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from livewarp.cli.options import config_option, sink_option, source_option, with_size
from livewarp.errors import EXIT_RUNTIME

if TYPE_CHECKING:
    from livewarp.doctor.finding import Finding


@click.group()
def service() -> None:
    """Start livewarp with every login (Linux, systemd).

    And again when it fails. docs/service.md says more.

    \b
    livewarp service install -- --source webcam --sink virtualcam
    livewarp service status
    livewarp service uninstall
    """


@service.command("install")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF run]...")
@click.option("--dry-run", is_flag=True, help="Show the unit; change nothing.")
@click.option("--sandbox/--no-sandbox", default=True, help="Its own view of the file system [where that works].")
def service_install(options: tuple[str, ...], dry_run: bool, sandbox: bool) -> None:
    """Write the unit and start it; once more, to change it.

    OPTIONS are those of `livewarp run`, behind two dashes.

    \b
    livewarp service install
    livewarp service install -- --source webcam --sink virtualcam
    livewarp service install --dry-run
    """
    from livewarp.sinks import written_file
    from livewarp.system.machine import Machine
    from livewarp.system.service import install, unit

    # What `run` would refuse is refused now, not by the service.
    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)
    run = group.commands["run"].make_context("run", list(options))
    files = [file for sink in run.params["sinks"] if (file := written_file(sink)) is not None]
    machine = Machine()
    wanted = unit(machine, options, files, sandbox=sandbox, try_out=not dry_run)
    done = [wanted.text.rstrip()] if dry_run else install(machine, wanted)
    for line in done:
        click.echo(line)
    for note in wanted.notes:
        click.echo(f"note: {note}", err=True)


@service.command("uninstall")
def service_uninstall() -> None:
    """Stop the service and remove its unit; settings stay.

    \b
    livewarp service uninstall
    """
    from livewarp.system.machine import Machine
    from livewarp.system.service import uninstall

    for line in uninstall(Machine()):
        click.echo(line)


@service.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def service_status(as_json: bool) -> int:
    """Tell whether it runs, with its last log lines.

    Exit status 0 while it runs.

    \b
    livewarp service status
    """
    from livewarp.system.machine import Machine
    from livewarp.system.service import unit_status, unit_status_as_text

    found = unit_status(Machine())
    click.echo(json.dumps(found, indent=2) if as_json else unit_status_as_text(found))
    return 0 if found["active"] in ("active", "activating") else EXIT_RUNTIME


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def devices(as_json: bool) -> None:
    """List webcams and virtual cameras, and what to call them.

    Their formats, who uses them, and the text for --source and --sink.

    \b
    livewarp devices
    livewarp devices --json
    """
    from livewarp.doctor.devices import devices_as_json, devices_as_text
    from livewarp.system.machine import Machine

    click.echo(json.dumps(devices_as_json(Machine()), indent=2) if as_json else devices_as_text(Machine()))


@click.command()
@config_option
@source_option
@sink_option
@with_size
@click.option("--control", metavar="HOST:PORT", help="Control port [127.0.0.1:8787].")
@click.option("--panel", metavar="HOST:PORT", help="Preview page [127.0.0.1:8788].")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--fix", is_flag=True, help="Show what would mend it, and do it once you agree.")
@click.option("--undo", is_flag=True, help="Take back all that --fix has done.")
@click.option("--yes", is_flag=True, help="Agree beforehand.")
def doctor(
    config: Path | None,
    source: str | None,
    sinks: tuple[str, ...],
    width: int | None,
    height: int | None,
    fps: float | None,
    loop: bool | None,
    control: str | None,
    panel: str | None,
    as_json: bool,
    fix: bool,
    undo: bool,
    yes: bool,
) -> int:
    """Check what a call needs, and print the command that mends it.

    With the options that you would give to `livewarp run`. A free webcam is switched on for two
    seconds to measure it. Exit status 0: a call can be made now; 1: not yet.

    \b
    livewarp doctor
    livewarp doctor --source webcam:1 --sink pipewire
    livewarp doctor --fix
    """
    from livewarp.doctor import conclusion, examine, machine_line, report_lines
    from livewarp.system.machine import Machine

    if undo:
        return _undo(yes)

    video = {"source": source, "sinks": sinks or None, "width": width, "height": height, "fps": fps, "loop": loop}
    options: dict[str, dict[str, Any]] = {"video": video, "control": {"address": control, "panel": panel}}
    live, machine = sys.stdout.isatty() and not as_json, Machine()
    over = "\r\x1b[K" if live else ""
    columns = min(shutil.get_terminal_size((100, 24)).columns, 120)
    if not as_json:
        click.echo(f"{machine_line(machine)}\n")
    reports = examine(
        config,
        options,
        machine,
        begins=lambda check: click.echo(f"{'':11}{check} ...", nl=False) if live else None,
        ends=lambda report: None if as_json else click.echo(over + report_lines(report, columns)),
    )
    able = all(report.finding.verdict != "problem" for report in reports)
    if as_json:
        result = {"able": able, "machine": machine_line(machine), "checks": [report.as_dict() for report in reports]}
        click.echo(json.dumps(result, indent=2, default=str))
    else:
        click.echo(f"\n{conclusion(reports)}")
    if fix:
        return _fix([report.finding for report in reports], yes)
    return 0 if able else EXIT_RUNTIME


def _fix(findings: list[Finding], yes: bool) -> int:
    """Show the steps, ask, do them."""
    from livewarp.doctor import fixing
    from livewarp.system.machine import Machine

    machine = Machine()
    steps = fixing.steps_of(findings)
    if not steps:
        click.echo("There is nothing that --fix could do.", err=True)
        return 0 if all(finding.verdict != "problem" for finding in findings) else EXIT_RUNTIME
    click.echo("\nThis will be done; `livewarp doctor --undo` takes it back:\n", err=True)
    for line in fixing.described(steps, machine.environ.get("HOME", "")):
        click.echo(f"  {line}", err=True)
    if not yes and not click.confirm("\nDo it?", err=True):
        return EXIT_RUNTIME
    fixing.fix(machine, steps)
    click.echo("Done; `livewarp doctor` says what is left.", err=True)
    return 0


def _undo(yes: bool) -> int:
    """Show what was done, ask, take it back."""
    from livewarp.doctor import fixing
    from livewarp.system.machine import Machine

    done = fixing.remembered()
    if not done:
        click.echo("There is nothing to take back.", err=True)
        return 0
    click.echo("This will be taken back:\n" + "\n".join(f"  {step.what}" for step in done), err=True)
    if not yes and not click.confirm("\nDo it?", err=True):
        return EXIT_RUNTIME
    fixing.undo(Machine())
    return 0


COMMANDS = (doctor, devices, service)
