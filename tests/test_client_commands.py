"""The client and the commands over it, against a real server."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import click
import pytest
from click.testing import CliRunner

from control_fixture import FakeDaemon, control
from livewarp.cli.client.commands import COMMANDS
from livewarp.cli.client.watch import Screen, sparkline
from livewarp.control.client import Client
from livewarp.control.secret import new_token
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
        allowed = KNOBS["thin"].kind.allowed
        data = {"name": "thin", "what": "parameter thin", "got": 3, "allowed": allowed, "remedy": ""}
        assert caught.value.data == data
        assert client.call("get", {"names": ["thin"]}) == {"thin": 0.2}


def test_camera_lists_sets_and_resets_the_webcam_s_controls(livewarp, daemon):
    """A line a control, with what it takes and what overrides it; a value is set, and reset."""
    listed = livewarp("camera").output
    assert "usb-Seven-video-index0" in listed
    assert re.search(r"exposure +auto +auto +auto \| manual", listed)
    assert re.search(r"exposure_time +166 +166 +3 … 2047 +automatic, by exposure", listed)
    assert "kept" in livewarp("camera", "exposure=manual").output
    assert daemon.exposure == "manual"
    assert livewarp("camera", "--reset", "exposure").exit_code == 0
    assert daemon.exposure == "auto"
    assert "no control zoom, allowed: exposure, exposure_time" in livewarp("camera", "zoom=3").stderr
    assert "allowed: NAME=VALUE" in livewarp("camera", "zoom").stderr


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
    new_token()
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
    new_token()
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
    assert [line.split()[0] for line in lines] == list(KNOBS)
    assert [line.split() for line in lines[:2]] == [["enabled", "on"], ["strength", "1"]]
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
        ("thin+=1.5", 1.5, "thin: 0.2 -> 1.5 (stopped at the bound)"),
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
        (["thin=2"], "parameter thin: got '2', allowed: a number from 0 to 1.5"),
        (["thin=-0.5"], "parameter thin: got '-0.5', allowed: a number from 0 to 1.5"),
        (["eyes=0.5", "thin=x"], "parameter thin: got 'x', allowed: a number from 0 to 1.5"),
        (["thin=nan"], "parameter thin: got 'nan', allowed: a number from 0 to 1.5"),
        (["thin="], "parameter thin: got '', allowed: a number from 0 to 1.5"),
        (["thin+=inf"], "parameter thin: got '+=inf', allowed: thin+=D with a finite number D"),
        (["enabled+=1"], "parameter enabled: got '+=1', allowed: enabled+=D"),
        (["enabled=maybe"], "parameter enabled: got 'maybe', allowed: true or false"),
        (["thinn=0.5"], "unknown parameter 'thinn', allowed: enabled, strength, "),
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


def test_a_negative_value_is_no_option(livewarp):
    """A value may begin with a sign, where the parameter allows negative ones."""
    assert livewarp("set", "jaw=-0.5").output == "jaw: 0 -> -0.5\n"


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


def test_describe(livewarp, daemon):
    """`describe` prints a table of every parameter; with --json the result itself."""
    lines = livewarp("describe").output.splitlines()
    assert lines[0].split() == ["NAME", "VALUE", "DEFAULT", "RANGE", "WHAT", "IT", "DOES"]
    assert [text.split()[0] for text in lines[1:]] == list(KNOBS)
    thin = next(text for text in lines if text.startswith("thin"))
    assert thin.split(maxsplit=6) == ["thin", "0.2", "0.35", "0", "to", "1.5", KNOBS["thin"].help]
    described = json.loads(livewarp("describe", "--json").output)
    assert {name: d["initial"] for name, d in described.items()} == dict(daemon.initial)
    assert {name: {**d, "initial": None} for name, d in described.items()} == {
        name: {**knob.describe(), "initial": None} for name, knob in KNOBS.items()
    }


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


def test_state(livewarp, daemon, monkeypatch):
    """`state` prints what the daemon does, from where to where, and what is wrong with its remedy."""
    lines = [line.split() for line in livewarp("state").output.splitlines()]
    assert lines[:4] == [["state", "running"], ["since_s", "12.2"], ["source", "portrait"], ["sinks", "null"]]
    assert ["blank", "off"] in lines
    assert json.loads(livewarp("state", "--json").output) == {
        **daemon.state(),
        "preset": {"name": None, "edited": False},
    }
    first, second = (
        {"state": state, "reason": reason, "since_s": since_s}
        for state, reason, since_s in (("blanked", "asked to", 1.5), ("stalled", "no frame", 12.25))
    )
    told = {**daemon.state(), **first, "conditions": [first, second]}
    with monkeypatch.context() as patch:
        patch.setattr(daemon, "state", lambda: told)
        assert "asked to; also stalled for 12 s (no frame)" in livewarp("state").output
    daemon.wrong = [{"what": "no camera", "remedy": "plug one in"}]
    assert livewarp("state").output.splitlines()[-1] == "! no camera; plug one in"


def test_stop(livewarp, closed_port):
    """`stop` ends the daemon; the next command finds none."""
    assert "is stopping" in livewarp("stop").output
    assert livewarp("stop").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["get"],
        ["set", "thin=0"],
        ["adjust", "thin=0.1"],
        ["describe"],
        ["preset", "slim"],
        ["blank"],
        ["source"],
        ["stats"],
        ["state"],
        ["watch"],
        ["reload"],
        ["stop"],
    ],
)
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
        "from livewarp.control import Client\n"
        "from livewarp.cli.client.commands import COMMANDS\n"
        "arguments = {'set': ['thin=0.4'], 'adjust': ['thin=0.1'], 'preset': ['list'], 'completion': ['bash']}\n"
        "arguments['open'] = ['--url']\n"
        "for command in COMMANDS:\n"
        "    if command.name == 'watch':\n"
        "        continue  # it ends with the daemon only; what it imports is imported\n"
        "    try:\n"
        "        command.main(arguments.get(command.name, []), standalone_mode=False)\n"
        "    except Exception as error:\n"
        "        sys.exit(f'{command.name}: {error}')\n"
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
        timeout=500,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "thin: 0.2 -> 0.4" in done.stdout


def test_colours_are_for_terminals(livewarp):
    """What is piped has no colours."""
    assert "\x1b" not in livewarp("describe").output


def test_adjust(livewarp, daemon):
    """`adjust` adds to several parameters at once, says from what to what, and where a bound stopped it."""
    result = livewarp("adjust", "thin=0.1", "jaw=-5")
    assert (result.exit_code, result.output) == (0, "thin: 0.2 -> 0.3\njaw: 0 -> -1 (stopped at the bound)\n")
    assert daemon.changes == [daemon.initial.replace(thin=0.3, jaw=-1.0)]
    assert json.loads(livewarp("adjust", "--json", "thin=0.05").output) == {"thin": 0.35}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["thin"], "adjust: got 'thin', allowed: NAME=D"),
        (["thin=x"], "adjust: got 'thin=x', allowed: NAME=D"),
        (["thin=nan"], "adjust: got 'thin=nan', allowed: NAME=D"),
        (["thn=0.1"], "unknown parameter 'thn', allowed: enabled"),
        (["enabled=1"], "parameter enabled: is not a number"),
        (["--strict", "eyes=0.1", "thin=1.5"], "parameter thin: got 1.7, allowed: a number from 0 to 1.5"),
    ],
)
def test_a_refused_step_is_one_line_and_status_2(livewarp, daemon, arguments, said):
    """A step that is refused changes nothing and ends with status 2."""
    result = livewarp("adjust", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"livewarp: {said}")
    assert daemon.changes == []


def test_preset(livewarp, daemon):
    """`preset` puts a look on, and keeps, lists, renames and deletes a person's own."""
    assert "thin" in livewarp("preset", "slim").output
    slim = daemon.parameters
    assert livewarp("preset", "save", "Monday look").output == "Monday look: saved\n"
    livewarp("reset")
    assert livewarp("preset", "rename", "Monday look", "tuesday").output == "tuesday: was Monday look\n"
    assert livewarp("preset", "tuesday").exit_code == 0
    assert daemon.parameters == slim
    listed = [line.split()[:2] for line in livewarp("preset", "list").output.splitlines()]
    assert listed[0] == ["natural", "shipped"]
    assert listed[-1] == ["tuesday", "yours"]
    assert livewarp("preset", "delete", "tuesday").output == "tuesday: deleted\n"
    assert [p["name"] for p in json.loads(livewarp("preset", "list", "--json").output)["presets"]][-1] == "grandparent"


def test_preset_saves_over_another_only_by_force(livewarp, daemon):
    """A preset of the same name is saved over with --force only."""
    livewarp("preset", "save", "mine")
    livewarp("set", "thin=0.9")
    refused = livewarp("preset", "save", "mine")
    assert (refused.exit_code, "already" in refused.stderr) == (2, True)
    assert livewarp("preset", "save", "--force", "mine").exit_code == 0
    livewarp("reset")
    livewarp("preset", "mine")
    assert daemon.parameters["thin"] == 0.9


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["save"],
        ["rename", "a"],
        ["list", "a"],
        ["natural", "slim"],
        ["no such"],
        ["delete", "slim"],
        ["save", "../x"],
        ["slim", "--force"],
    ],
)
def test_a_refused_preset_is_status_2(livewarp, daemon, arguments):
    """What names no preset, or too many, is bad usage and changes nothing."""
    result = livewarp("preset", *arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert daemon.changes == []


def test_switches(livewarp, daemon):
    """`freeze`, `blank`, `bypass` and `mirror` turn on, off, or without a word the other way round."""
    ways = [("blank",), ("blank", "toggle"), ("freeze", "on"), ("freeze", "on"), ("mirror",), ("bypass", "on")]
    said = [livewarp(*way).output for way in ways]
    assert said == ["blank: on\n", "blank: off\n", "freeze: on\n", "freeze: on\n", "mirror: on\n", "bypass: on\n"]
    assert (daemon.switches.blank, daemon.switches.freeze) == (False, True)
    assert daemon.parameters == daemon.initial.replace(mirror=True, enabled=False)
    assert json.loads(livewarp("bypass", "--json").output) == {"bypass": False}
    assert daemon.parameters["enabled"] is True


def test_source(livewarp, daemon, tmp_path):
    """`source` lists what there is and switches; a file goes over the port only where there is a socket."""
    assert livewarp("source").output.splitlines() == [
        "*  portrait            portrait",
        "   webcam:/dev/video7  webcam Seven",
    ]
    assert livewarp("source", "webcam:/dev/video7").exit_code == 0
    assert daemon.source == "webcam:/dev/video7"
    assert livewarp("source", "mantelpiece").exit_code == 2
    lost = livewarp("source", "lost.mp4")
    assert (lost.exit_code, "no file lost.mp4" in lost.stderr) == (1, True)
    film = tmp_path / "talk.mp4"
    film.touch()
    refused = livewarp("source", str(film))
    assert (refused.exit_code, "Unix socket" in refused.stderr) == (2, True)


def test_a_file_is_switched_to_over_the_socket(daemon, tmp_path, monkeypatch):
    """A file is named by its whole path, over the socket that is this user's alone, whatever --control says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.mp4").touch()
    daemon.switch_source = lambda wanted: opened.append(wanted) or 7
    opened: list[str] = []
    with control(daemon, path=tmp_path / "s") as server:
        group = click.Group("livewarp", commands=list(COMMANDS))
        for address in (str(server.address), f"unix:{tmp_path / 's'}"):
            result = CliRunner().invoke(group, ["source", "talk.mp4", "--control", address])
            assert result.exit_code == 0, result.output
    assert opened == [str(tmp_path / "talk.mp4")] * 2


def test_reload(livewarp, daemon):
    """`reload` prints what was applied and what needs a restart."""
    assert livewarp("reload").output == "thin  0.6\nafter a restart: video.width\n"


def test_reload_of_a_broken_file(livewarp, daemon):
    """A settings file that cannot be read is one line and status 1, and nothing has changed."""

    def fail() -> None:
        raise SettingsError("config.toml: not valid TOML")

    daemon.on_reload = fail
    result = livewarp("reload")
    assert (result.exit_code, result.stderr) == (1, "livewarp: config.toml: not valid TOML\n")
    assert daemon.parameters == daemon.initial


def test_watch_on_a_pipe(daemon, address):
    """Elsewhere than on a terminal `watch` prints each event as a line of JSON, until the daemon ends."""
    with _watching(address) as (process, _):
        seen = {}
        while seen.keys() < {"parameters", "switches", "state", "stats"}:
            event = json.loads(process.stdout.readline())
            seen[event["topic"]] = event["data"]
        assert seen["parameters"] == dict(daemon.parameters)
        with Client(address) as client:
            client.set(thin=0.75)
            while seen["parameters"]["thin"] != 0.75:
                event = json.loads(process.stdout.readline())
                seen[event["topic"]] = event["data"]
            client.call("stop")
        assert process.wait(500) == 0
        assert process.stderr.read() == "livewarp has ended\n"


def test_watch_on_a_terminal(daemon, address):
    """On a terminal `watch` draws over its last picture, shows a change, and Ctrl-C ends it with the cursor shown."""
    with _watching(address, terminal=True) as (process, terminal):
        text = _read_until(terminal, "thin", "30.0", "portrait")
        assert "\x1b[?25l" in text
        with Client(address) as client:
            client.set(thin=0.75)
        text = _read_until(terminal, "0.75")
        assert re.search(r"\x1b\[\d+A", text)  # up again over the last picture
        process.send_signal(signal.SIGINT)
        assert "\x1b[?25h" in _read_until(terminal, "\x1b[?25h")
        assert process.wait(500) == 0


@contextlib.contextmanager
def _watching(address, terminal=False):
    """`livewarp watch` in a process of its own, on a pipe or on a terminal."""
    ours, its = pty.openpty() if terminal else (None, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "livewarp", "watch", "--rate", "20", "--control", address],
        stdin=subprocess.DEVNULL,
        stdout=its if terminal else subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "100", "LINES": "40"},
        text=True,
        # A shell starts what runs in the background deaf to Ctrl-C, these tests perhaps, and so all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process, ours
    finally:
        process.kill()
        process.communicate()
        for end in (ours, its):
            if end is not None:
                os.close(end)


def _read_until(terminal, *wanted):
    """What a terminal shows until all of this was among it."""
    text, deadline_s = "", time.monotonic() + 500
    while not all(each in text for each in wanted):
        assert time.monotonic() < deadline_s, text
        if select.select([terminal], [], [], 1.0)[0]:
            text += os.read(terminal, 65_536).decode(errors="replace")
    return text


def test_the_screen_of_watch_fits():
    """What `watch` draws is never wider or higher than the terminal, and shows what is wrong."""
    screen = Screen("127.0.0.1:8787")
    assert screen.lines(80, 24)  # nothing is known yet
    daemon = FakeDaemon()
    daemon.wrong = [{"what": "no camera", "remedy": "plug one in"}]
    for topic, data in (("state", daemon.state()), ("stats", daemon.speed), ("parameters", dict(daemon.parameters))):
        screen.take(topic, data)
    screen.take("switches", {"blank": True, "freeze": False})
    for width, height in ((20, 5), (80, 24), (200, 60)):
        lines = [click.unstyle(line) for line in screen.lines(width, height)]
        assert len(lines) < height
        assert all(len(line) <= width for line in lines)
    assert "! no camera; plug one in" in lines
    assert "on: blank" in lines
    assert all(any(name in line for line in lines) for name in KNOBS)


def test_a_sparkline_rises():
    """The little plot goes from the lowest block at 0 to the highest at its largest value."""
    assert sparkline([]) == ""
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(livewarp, shell):
    """`completion` prints a script that asks livewarp itself."""
    result = livewarp("completion", shell)
    assert result.exit_code == 0
    assert "_LIVEWARP_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("line", "begun", "words"),
    [
        ("livewarp get", "chin", {"chin_width", "chin_length"}),
        ("livewarp set thin=1", "eye_t", {"eye_tilt="}),
        ("livewarp adjust", "upper", {"upper_lip="}),
        ("livewarp preset", "s", {"slim", "sculpted", "studio", "stage", "save"}),
        ("livewarp preset delete", "d", {"doll"}),
        ("livewarp source", "web", {"webcam:/dev/video7"}),
        ("livewarp blank", "o", {"on", "off"}),
        ("livewarp fre", "fre", {"freeze"}),
    ],
)
def test_completion_of_words(address, line, begun, words):
    """Parameters, presets, sources and switches complete, with what the running daemon knows."""
    assert _completed(address, line, begun) == words


def test_completion_without_a_daemon(closed_port):
    """Without a daemon the built-in parameters complete, and nothing is said."""
    assert _completed(closed_port, "livewarp set", "thi") == {"thin="}
    assert _completed(closed_port, "livewarp preset", "s") == {"save"}


def _completed(address, line, begun):
    """The words that a shell would offer."""
    group = click.Group("livewarp", commands=list(COMMANDS))
    words = line.split() if line.split()[-1] == begun else [*line.split(), begun]
    env = {
        "LIVEWARP_CONTROL": address,
        "_LIVEWARP_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    result = CliRunner().invoke(group, [], prog_name="livewarp", env=env)
    return {word.partition(",")[2] for word in result.output.splitlines()}


def test_client_over_the_socket(daemon, tmp_path):
    """A client reaches the Unix socket by unix:PATH, or by PATH where it begins with a slash."""
    with control(daemon, path=tmp_path / "s"):
        for address in (f"unix:{tmp_path / 's'}", str(tmp_path / "s")):
            with Client(address) as client:
                assert client.get("thin") == {"thin": 0.2}
    with Client(str(tmp_path / "s")) as client, pytest.raises(ControlError, match="no livewarp answers at /"):
        client.get()


def test_client_methods(address, daemon):
    """The client's own methods are those of the control plane, and tell the first frame that uses a change."""
    with Client(address) as client:
        assert client.frame is None
        assert client.set(thin=0.5, mirror=True) == {"thin": 0.5, "mirror": True}
        assert client.frame == daemon.begun == 101
        assert client.get("thin", "mirror") == {"thin": 0.5, "mirror": True}
        assert client.adjust(thin=1.25) == {"thin": 1.5}
        with pytest.raises(ControlError, match=r"thin: got 1\.6"):
            client.adjust(thin=0.1, strict=True)
        assert client.reset("thin") == {"thin": 0.2}
        assert client.load_preset("doll")["eyes"] > 0
        assert (client.switch("blank"), client.switch("blank"), client.switch("freeze", True)) == (True, False, True)
        assert client.frame == daemon.begun


def test_client_batch(address, daemon):
    """A batch returns each call's result or error in its place, and its changes come with one frame."""
    with Client(address) as client:
        assert client.batch([]) == []
        first, second, third = client.batch(
            [("set", {"thin": 0.5}), ("set", {"thin": 5}), ("adjust", {"by": {"eyes": 0.1}})]
        )
        assert (first, third) == ({"thin": 0.5}, {"eyes": 0.35})
        assert isinstance(second, ControlError)
        assert len(daemon.changes) == 1
        with pytest.raises(ControlError, match="allowed: 1 to 100"):
            client.batch([("get", {})] * 101)
        assert client.get("thin") == {"thin": 0.5}


def test_client_subscription(address, daemon):
    """A subscription iterates over events beside calls, waits no longer than told, and ends with the daemon."""
    with Client(address) as client, client.subscribe("parameters", rate_hz=60) as events:
        assert events.get(5).data["thin"] == 0.2
        with pytest.raises(TimeoutError):
            events.get(0.05)
        client.set(thin=0.5)
        assert next(events) == ("parameters", dict(daemon.parameters))
        client.call("stop")
        assert list(events) == []


def test_client_subscription_that_is_refused(address):
    """A topic that there is not is refused like any param."""
    with Client(address) as client, pytest.raises(ControlError, match="allowed: parameters, "):
        client.subscribe("weather")


@pytest.mark.parametrize("command", [("set", "thin+=0.1"), ("adjust", "thin=0.1"), ("set", "thin-=-0.1", "jaw=0.5")])
def test_two_presses_at_once_both_count(livewarp, address, daemon, monkeypatch, command):
    """A step that another client makes while a command is under way is not lost: the daemon adds, nobody else."""
    exchange = Client._exchange

    def pressed_amid(self, message):
        if any(name in json.dumps(message) for name in ('"set"', '"adjust"')):
            monkeypatch.setattr(Client, "_exchange", exchange)
            with Client(address) as other:
                other.adjust(thin=0.1)
        return exchange(self, message)

    monkeypatch.setattr(Client, "_exchange", pressed_amid)
    assert livewarp(*command).exit_code == 0
    assert daemon.parameters["thin"] == 0.4


def test_values_and_steps_are_taken_in_turn(livewarp, daemon):
    """A value that follows steps of the same name replaces them; one that comes first is what they are added to."""
    result = livewarp("set", "thin+=0.5", "thin=0.6", "thin+=0.1", "jaw=-0.5", "jaw-=0.75")
    assert (result.exit_code, result.output) == (0, "thin: 0.2 -> 0.7\njaw: 0 -> -1 (stopped at the bound)\n")
    assert len(daemon.changes) == 1
