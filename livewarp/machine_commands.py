"""The commands about the machine rather than the picture: `livewarp devices` and `livewarp service`."""

from __future__ import annotations

import json

import click

from livewarp.errors import EXIT_RUNTIME
from livewarp.machine import Machine


@click.group()
def service() -> None:
    """Have systemd start livewarp with every login, and again when it fails (Linux).

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
    """Write the unit and start it, with these options of `livewarp run`; doing it again changes them."""
    from livewarp.service import install, unit

    # What `run` would refuse is refused now, not by the service.
    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)
    group.commands["run"].make_context("run", list(options))
    machine = Machine()
    wanted = unit(machine, options, sandbox, try_out=not dry_run)
    done = [wanted.text.rstrip()] if dry_run else install(machine, wanted)
    for line in done:
        click.echo(line)
    for note in wanted.notes:
        click.echo(f"note: {note}", err=True)


@service.command("uninstall")
def service_uninstall() -> None:
    """Stop the service and remove its unit; settings stay."""
    from livewarp.service import uninstall

    for line in uninstall(Machine()):
        click.echo(line)


@service.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def service_status(as_json: bool) -> int:
    """Whether it is installed, enabled and active, and its last log lines; exit status 0 while it runs."""
    from livewarp.service import as_text, status

    found = status(Machine())
    click.echo(json.dumps(found, indent=2) if as_json else as_text(found))
    return 0 if found["active"] in ("active", "activating") else EXIT_RUNTIME


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def devices(as_json: bool) -> None:
    """List webcams and virtual cameras: names, formats, who uses them, and the text for --source and --sink."""
    from livewarp.devices import as_json as devices_as_json
    from livewarp.devices import as_text

    click.echo(json.dumps(devices_as_json(Machine()), indent=2) if as_json else as_text(Machine()))


COMMANDS = (devices, service)
