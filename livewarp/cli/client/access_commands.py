"""The client commands about who may use the daemon: the panel's link, and the token."""

from __future__ import annotations

from typing import Any

import click

from livewarp.cli.client.starting import ensure_running
from livewarp.cli.client.terminal import failures, over_control
from livewarp.control.client import Client
from livewarp.control.secret import new_token, read_token, token_path
from livewarp.errors import ControlError


@click.command("open")
@click.option("--url", "only_print", is_flag=True, help="Print a link that opens it once, for a browser elsewhere.")
@click.option("--start", is_flag=True, help="Start livewarp first, in the background, unless it runs.")
@over_control
def open_(client: Client, only_print: bool, start: bool) -> tuple[Any, str]:
    """Open the panel in your browser.

    The browser is let in from then on, until there is a new token.

    \b
    livewarp open
    livewarp open --url
    livewarp open --start
    """
    if start:
        ensure_running()
        client = Client()
    link = client.call("panel.link")
    if only_print:
        return link, link["url"]
    import webbrowser

    if not webbrowser.open(link["url"]):
        remedy = "`livewarp open --url` prints a link for one"
        raise ControlError("no browser can be started here", remedy=remedy)
    return link, "opened in your browser"


@click.command("token")
@click.option("--new", is_flag=True, help="Make another one; what knew the old one is shut out at once.")
def token(new: bool) -> None:
    """Print the token that the ports ask other programs for.

    Commands, Python's Client and the panel have it already.

    \b
    curl -H "Authorization: Bearer $(livewarp token)" http://127.0.0.1:8788/api/state
    livewarp token --new
    """
    with failures():
        text = new_token() if new else read_token()
        if text is None:
            raise ControlError(f"no token yet: there is none in {token_path()}", remedy="`livewarp run` makes it")
    click.echo(text)
