"""docs/control.md: its examples are run, and it tells of everything there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from control_fixture import FakeDaemon, Line, control
from livewarp.control.protocol.jsonrpc import MAX_BATCH, MAX_MESSAGE_BYTES
from livewarp.control.protocol.methods import METHODS
from livewarp.control.protocol.refusals import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_DONE,
    PARSE_ERROR,
)
from livewarp.control.protocol.schema import EVENTS
from livewarp.control.secret import UNAUTHORIZED, socket_file

TEXT = (Path(__file__).parents[1] / "docs" / "control.md").read_text(encoding="utf-8")
ANY = "…"


def fits(shown: object, got: object) -> bool:
    """Whether a reply is the one that is shown: "…" is any value, and as a member any others."""
    if shown == ANY:
        return True
    if isinstance(shown, dict):
        known = shown.keys() - {ANY}
        if not isinstance(got, dict) or (got.keys() != known if ANY not in shown else known - got.keys()):
            return False
        return all(fits(shown[name], got[name]) for name in known)
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(fits, shown, got))
    return type(shown) is type(got) and shown == got


def test_the_examples_are_what_happens():
    """Every message shown, sent in its order to a real server, gets the reply that is shown."""
    daemon = FakeDaemon()
    sent = 0
    with control(daemon) as server, Line(server.address) as line:
        for arrow, message in re.findall(r"^(-->|<--) (.*)$", TEXT, re.MULTILINE):
            if arrow == "-->":
                line.send(message.encode() + b"\n")
                sent += 1
            else:
                reply = line.reply()
                assert fits(json.loads(message), reply), f"shown: {message}\ngot:   {json.dumps(reply)}"
    assert sent > 30


def test_every_method_has_its_chapter_and_example():
    """There is a chapter for every method, in which it is called, and none for what there is not."""
    chapters = dict(re.findall(r"^### ([a-z.]+)\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL))
    assert set(chapters) == set(METHODS)
    for name, chapter in chapters.items():
        assert f'"method": "{name}"' in chapter


def test_every_topic_code_and_limit_is_told():
    """The topics, the error codes and the limits are those of the code."""
    for topic in EVENTS:
        assert f"| `{topic}` |" in TEXT
    for code in (
        PARSE_ERROR,
        INVALID_REQUEST,
        METHOD_NOT_FOUND,
        INVALID_PARAMS,
        INTERNAL_ERROR,
        NOT_DONE,
        UNAUTHORIZED,
    ):
        assert f"| {code} |" in TEXT
    for limit in (f"{MAX_MESSAGE_BYTES:,} bytes", f"| {MAX_BATCH} calls |", "| 300;", "| 5,000 ("):
        assert limit in TEXT


@pytest.mark.parametrize("block", re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
def test_the_python_examples_run(block, capsys):
    """Every Python example runs as it stands."""
    with control(FakeDaemon(), path=socket_file()):
        exec(compile(block, "docs/control.md", "exec"), {})


def test_the_commands_shown_exist():
    """Every `livewarp` command in the shell's chapter is one."""
    from livewarp.cli.main import cli

    commands = set(re.findall(r"livewarp ([a-z]+)", TEXT[TEXT.index("## Shell") :]))
    assert len(commands) > 10
    assert commands <= set(cli.commands)
