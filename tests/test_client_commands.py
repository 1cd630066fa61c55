"""The client and the commands over it, against a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading

import click
import pytest
from click.testing import CliRunner

from control_fixture import FakeDaemon, control
from livewarp.control.client import Client
from livewarp.control.commands import COMMANDS
from livewarp.errors import ControlError, SettingsError
from livewarp.parameters import KNOBS


@pytest.fixture
def daemon():
    """A daemon whose start values are not the defaults."""
    return FakeDaemon()


@pytest.fixture
def address(daemon):
    """HOST:PORT at which it answers."""
    with control(daemon) as server:
        yield str(server.address)


@pytest.fixture
def livewarp(address):
    """Runs one command against the daemon."""
    group = click.Group("livewarp", commands=list(COMMANDS))

    def run(*arguments: str, control: str | None = address):
        return CliRunner().invoke(group, arguments, env={"LIVEWARP_CONTROL": control})

    return run


@pytest.fixture
def closed_port():
    """An address at which nothing answers, for as long as the test runs."""
    with socket.socket() as bound:  # bound, but it does not listen
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_client_calls(address, daemon):
    """A client calls methods by name, over one connection."""
    with Client(address) as client:
        assert client.call("get", {"names": ["thin"]}) == {"thin": 0.2}
        assert client.call("set", {"thin": 0.5}) == {"thin": 0.5}
        assert client.call("get") == dict(daemon.parameters)


def test_client_raises_what_the_daemon_refused(address):
    """An error reply becomes a `ControlError` with its code and data, and the connection goes on."""
    with Client(address) as client:
        with pytest.raises(ControlError) as caught:
            client.call("set", {"thin": 3})
        assert caught.value.code == -32602
        assert caught.value.data == {"name": "thin", "got": 3, "allowed": KNOBS["thin"].allowed}
        assert client.call("get", {"names": ["thin"]}) == {"thin": 0.2}


def test_client_without_a_daemon(closed_port):
    """Where nothing answers, the error names the address and the command that starts a daemon."""
    with Client(closed_port) as client, pytest.raises(ControlError, match=f"{closed_port}.*`livewarp run`"):
        client.call("get")


def test_client_stays_on_this_machine():
    """A client accepts loopback addresses only, as the server does."""
    with pytest.raises(SettingsError, match="ssh -L"):
        Client("192.0.2.1:8787")


def test_client_after_the_daemon_has_gone(daemon):
    """When the daemon ends between two calls, the second says that none answers."""
    with control(daemon) as server:
        client = Client(str(server.address))
        client.call("stop")
    with client, pytest.raises(ControlError, match="no livewarp answers"):
        client.call("get")


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"{}\n", b"7\n", b'{"id": 99, "result": 1}\n', b"x" * 2_000_000],
)
def test_client_at_another_program(reply):
    """What answers, but not as livewarp does, is said to be none."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                try:
                    connection.sendall(reply)
                except ConnectionError:
                    return  # the client has seen enough

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with Client(address) as client, pytest.raises(ControlError, match="is no livewarp"):
            client.call("get")
        thread.join(10)


def test_client_at_a_silent_program():
    """Where a connection is accepted and nothing comes back, the call ends at its deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            Client(address, timeout_s=0.1) as client,
            pytest.raises(ControlError, match="did not answer within"),
        ):
            client.call("get")


def test_get(livewarp, daemon):
    """`get` prints aligned values, all or those named; with --json the result itself."""
    lines = livewarp("get").output.splitlines()
    assert [line.split() for line in lines[:3]] == [["enabled", "on"], ["strength", "1"], ["thin", "0.2"]]
    assert len({line.rindex(" ") for line in lines if len(line.split()[-1]) == 1}) == 1  # one column
    assert livewarp("get", "thin").output == "thin  0.2\n"
    assert json.loads(livewarp("get", "--json").output) == dict(daemon.parameters)


def test_set(livewarp, daemon):
    """`set` changes several parameters at once, and says from what to what."""
    result = livewarp("set", "thin=0.5", "enabled=off")
    assert (result.exit_code, result.output) == (0, "thin: 0.2 -> 0.5\nenabled: on -> off\n")
    assert daemon.changes == [daemon.initial.replace(thin=0.5, enabled=False)]
    assert json.loads(livewarp("set", "--json", "thin=1").output) == {"thin": 1.0}


@pytest.mark.parametrize(
    ("assignment", "value", "said"),
    [
        ("thin+=0.1", 0.3, "thin: 0.2 -> 0.3"),
        ("thin-=0.15", 0.05, "thin: 0.2 -> 0.05"),
        ("thin+=-0.1", 0.1, "thin: 0.2 -> 0.1"),
        ("thin+=0.8", 1.0, "thin: 0.2 -> 1"),
        ("thin+=0.9", 1.0, "thin: 0.2 -> 1 (stopped at the bound)"),
        ("thin-=1e300", 0.0, "thin: 0.2 -> 0 (stopped at the bound)"),
    ],
)
def test_set_relative(livewarp, daemon, assignment, value, said):
    """`+=` and `-=` move a parameter, stop at its bound and say so."""
    result = livewarp("set", assignment)
    assert (result.exit_code, result.output) == (0, said + "\n")
    assert daemon.parameters["thin"] == value


def test_small_steps_add_up(livewarp, daemon):
    """Steps of 0.1 add up to whole tenths, and several in one command are taken in turn."""
    livewarp("set", "thin=0", *["thin+=0.1"] * 3)
    assert daemon.parameters["thin"] == 0.3
    assert len(daemon.changes) == 1


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["thin=2"], "parameter thin: got '2', allowed: a number from 0 to 1"),
        (["thin=-0.5"], "parameter thin: got '-0.5', allowed: a number from 0 to 1"),
        (["eyes=0.5", "thin=x"], "parameter thin: got 'x', allowed: a number from 0 to 1"),
        (["thin=nan"], "parameter thin: got 'nan', allowed: a number from 0 to 1"),
        (["thin="], "parameter thin: got '', allowed: a number from 0 to 1"),
        (["thin+=inf"], "parameter thin: got '+=inf', allowed: thin+=D with a finite number D"),
        (["enabled+=1"], "parameter enabled: got '+=1', allowed: enabled+=D"),
        (["enabled=maybe"], "parameter enabled: got 'maybe', allowed: true or false"),
        (["thinn=0.5"], "unknown parameter 'thinn', allowed: enabled, strength, thin"),
        (["thin"], "set: got 'thin', allowed: NAME=VALUE, NAME+=D or NAME-=D"),
        (["thin*=2"], "set: got 'thin*=2', allowed: NAME=VALUE, NAME+=D or NAME-=D"),
    ],
)
def test_a_refused_value_is_one_line_and_status_2(livewarp, daemon, assignments, said):
    """A refused assignment changes nothing, says what is allowed in one line and ends with status 2."""
    result = livewarp("set", *assignments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"livewarp: {said}")
    assert result.stderr.count("\n") == 1
    assert daemon.changes == []


@pytest.mark.parametrize("words", [("on", "off"), ("true", "false"), ("TRUE", "no"), ("1", "0")])
def test_switches_take_words(livewarp, daemon, words):
    """A switch is set by on and off, true and false, yes and no, 1 and 0."""
    for word, value in zip(words, (True, False), strict=True):
        assert livewarp("set", f"enabled={word}").exit_code == 0
        assert daemon.parameters["enabled"] is value


def test_a_negative_value_is_no_option(livewarp, daemon, monkeypatch):
    """A value may begin with a sign, also where the parameter allows negative ones."""
    described = {name: knob.describe() for name, knob in KNOBS.items()}
    described["thin"]["min"] = -1.0
    monkeypatch.setattr(Client, "call", _answers(describe=described, get={"thin": 0.0}, set={"thin": -0.5}))
    assert livewarp("set", "thin=-0.5").output == "thin: 0 -> -0.5\n"


def _answers(**results):
    return lambda self, method, params=None: results[method]


def test_reset(livewarp, daemon):
    """`reset` goes back to the values at start and prints them."""
    livewarp("set", "thin=1", "eyes=1")
    assert livewarp("reset", "thin").output == "thin  0.2\n"
    assert daemon.parameters == daemon.initial.replace(eyes=1.0)
    assert json.loads(livewarp("reset", "--json").output) == dict(daemon.initial)


def test_unknown_names_are_refused(livewarp):
    """An unknown name is refused by `get` and `reset` with those there are."""
    for command in ("get", "reset"):
        result = livewarp(command, "thin", "nose")
        assert result.exit_code == 2
        assert result.stderr.startswith("livewarp: unknown parameter 'nose', allowed: enabled, ")


def test_describe(livewarp):
    """`describe` prints a table of every parameter; with --json the result itself."""
    lines = livewarp("describe").output.splitlines()
    assert lines[0].split() == ["NAME", "VALUE", "DEFAULT", "RANGE", "WHAT", "IT", "DOES"]
    assert [text.split()[0] for text in lines[1:]] == list(KNOBS)
    thin = next(text for text in lines if text.startswith("thin"))
    assert thin.split(maxsplit=6) == ["thin", "0.2", "0.35", "0", "to", "1", KNOBS["thin"].help]
    described = json.loads(livewarp("describe", "--json").output)
    assert described == {name: knob.describe() for name, knob in KNOBS.items()}


def test_stats(livewarp, daemon):
    """`stats` prints the figures and a row a stage; with --json the result itself."""
    lines = [line.split() for line in livewarp("stats").output.splitlines()]
    assert ["fps", "30.0"] in lines
    assert ["frames", "1234"] in lines
    assert ["cpu_percent", "41.5", "%"] in lines
    assert ["latency", "9.12", "12.50", "14.00"] in lines
    assert ["warp", "1.25", "2.50", "3.75"] in lines
    assert json.loads(livewarp("stats", "--json").output) == daemon.speed


def test_stats_of_a_daemon_that_has_none_yet(livewarp, daemon):
    """Figures that there are not yet are a dash and no error."""
    daemon.stats = lambda: {"fps": None, "latency": None}
    assert ["fps", "-"] in [line.split() for line in livewarp("stats").output.splitlines()]


def test_state(livewarp, daemon):
    """`state` prints what the daemon does, from where to where."""
    lines = [line.split() for line in livewarp("state").output.splitlines()]
    assert lines == [["state", "running"], ["since_s", "12.2"], ["source", "portrait"], ["sinks", "null"]]
    assert json.loads(livewarp("state", "--json").output) == daemon.state()


def test_stop(livewarp, closed_port):
    """`stop` ends the daemon; the next command finds none."""
    assert "is stopping" in livewarp("stop").output
    assert livewarp("stop").exit_code == 1


@pytest.mark.parametrize("arguments", [["get"], ["set", "thin=0"], ["describe"], ["stats"], ["state"], ["stop"]])
def test_no_daemon_is_one_line_and_status_1(livewarp, closed_port, arguments):
    """Without a daemon every command says so in one line and ends with status 1."""
    result = livewarp(*arguments, control=closed_port)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"livewarp: no livewarp answers at {closed_port}; `livewarp run` starts one\n"


def test_the_option_goes_before_the_environment(livewarp, address, closed_port):
    """--control wins over LIVEWARP_CONTROL."""
    assert livewarp("get", "--control", address, control=closed_port).exit_code == 0


def test_an_address_elsewhere_is_status_2(livewarp):
    """An address that is not loopback is refused as bad usage."""
    result = livewarp("get", "--control", "192.0.2.1:8787")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "ssh -L" in result.stderr


def test_commands_import_nothing_slow(address):
    """The commands answer at once because they import none of the slow packages."""
    program = (
        "import sys\n"
        "from livewarp.control.commands import COMMANDS\n"
        "for command in COMMANDS:\n"
        "    try:\n"
        "        command.main(['thin=0.4'] if command.name == 'set' else [], standalone_mode=False)\n"
        "    except Exception as error:\n"
        "        sys.exit(str(error))\n"
        "slow = {'numba', 'cv2', 'dlib', 'numpy', 'gevent', 'pydantic', 'rich', 'werkzeug', 'asyncio'}\n"
        "sys.exit(', '.join(slow & set(sys.modules)) or None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "LIVEWARP_CONTROL": address,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "thin: 0.2 -> 0.4" in done.stdout


def test_colours_are_for_terminals(livewarp):
    """What is piped has no colours."""
    assert "\x1b" not in livewarp("describe").output
