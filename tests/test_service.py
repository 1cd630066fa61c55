"""`livewarp service`, with a systemctl of our own on the PATH, and systemd's own checker where it is installed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from livewarp.cli.logs import LineFormatter
from livewarp.cli.main import cli
from livewarp.errors import LivewarpError
from livewarp.system.machine import Machine
from livewarp.system.service import command_line, unit, unit_path
from machine_fixture import FakeMachine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="systemd is Linux's own")

# Records its arguments, one call a line; says what the files beside it hold.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/calls"
case "$*" in
*is-system-running*) cat "$here/running"; [ "$(cat "$here/running")" = running ] ;;
*is-active*) cat "$here/active" ;;
*show*) cat "$here/show" ;;
*start*) [ ! -e "$here/broken" ] || { echo "Failed to start: no"; exit 1; } ;;
*"--output cat"*) cat "$here/journal" ;;
esac
"""


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A folder that is the whole PATH, with our systemctl, systemd-run and journalctl."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("systemctl", "systemd-run", "journalctl"):
        (folder / name).write_text(SYSTEMCTL)
        (folder / name).chmod(0o755)
    (folder / "running").write_text("running\n")
    (folder / "active").write_text("inactive\n")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


def service(*arguments: str):
    """Runs `livewarp service ...`."""
    return CliRunner().invoke(cli, ["service", *arguments], standalone_mode=False, prog_name="livewarp")


def calls(system: Path) -> list[str]:
    """What was called since the last time."""
    log = system / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line for line in lines if "is-" not in line]


def entries(text: str) -> dict[str, list[str]]:
    """The keys of a unit with their values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def test_install(system):
    """Installing writes the unit with the options of `run`, enables and starts it."""
    result = service("install", "--no-sandbox", "--", "--source", "webcam", "--sink", "virtualcam")
    assert result.exception is None, result.exception
    text = unit_path().read_text()
    assert entries(text)["ExecStart"] == [f"{sys.executable} -m livewarp run --source webcam --sink virtualcam"]
    assert calls(system) == [
        "systemctl --user daemon-reload",
        "systemctl --user enable livewarp.service",
        "systemctl --user --no-block start livewarp.service",
    ]


def test_install_twice(system):
    """A second install with the same options changes nothing and restarts nothing; with others it restarts."""
    service("install", "--no-sandbox", "--", "--fps", "30")
    (system / "active").write_text("active\n")
    calls(system)
    again = service("install", "--no-sandbox", "--", "--fps", "30")
    assert "nothing to do" in again.output
    assert not any("start" in call for call in calls(system))
    changed = service("install", "--no-sandbox", "--", "--fps", "25")
    assert "changed" in changed.output
    assert "systemctl --user --no-block restart livewarp.service" in calls(system)


def test_install_that_systemd_refuses(system):
    """What systemctl says is passed on, with the command that failed."""
    (system / "broken").touch()
    result = service("install", "--no-sandbox")
    assert isinstance(result.exception, LivewarpError)
    assert "systemctl --user --no-block start livewarp.service failed: Failed to start: no" in str(result.exception)


def test_bad_options_are_refused(system):
    """An option that `run` would refuse is refused before anything is written."""
    result = service("install", "--", "--fps", "banana")
    assert "banana" in str(result.exception)
    assert not unit_path().exists()
    assert calls(system) == []


def test_dry_run(system):
    """--dry-run shows the unit, writes nothing and asks systemd nothing."""
    result = service("install", "--dry-run", "--", "--source", "portrait")
    assert "ExecStart=" in result.output
    assert "--source portrait" in result.output
    assert not unit_path().exists()
    assert calls(system) == []


def test_uninstall(system):
    """Uninstalling stops, disables and removes it; doing it again says that there is nothing."""
    service("install", "--no-sandbox")
    calls(system)
    assert "removed" in service("uninstall").output
    assert not unit_path().exists()
    assert calls(system)[0] == "systemctl --user disable --now livewarp.service"
    assert "not installed" in service("uninstall").output


def test_status(system):
    """Status tells installed, enabled, active, what the daemon said of itself and its last lines."""
    service("install", "--no-sandbox")
    (system / "show").write_text(
        "UnitFileState=enabled\nActiveState=active\nSubState=running\nMainPID=77\nNRestarts=2\n"
        "Result=success\nStatusText=running 30.0 fps\n"
    )
    (system / "journal").write_text("source: webcam\nsink: virtual camera\n")
    result = service("status")
    assert result.return_value == 0
    assert "enabled, active (running, pid 77, restarted 2×)" in result.output
    assert "running 30.0 fps" in result.output
    assert "sink: virtual camera" in result.output
    found = json.loads(service("status", "--json").output)
    assert (found["installed"], found["enabled"], found["active"], found["pid"]) == (True, True, "active", 77)


def test_status_of_a_failed_service(system):
    """A service that is not running gives exit status 1 and says why."""
    service("install", "--no-sandbox")
    (system / "show").write_text("UnitFileState=enabled\nActiveState=failed\nSubState=failed\nResult=watchdog\n")
    (system / "journal").write_text("")
    result = service("status")
    assert result.return_value == 1
    assert "failed (failed, watchdog)" in result.output


def test_status_without_the_unit(system):
    """Where it is not installed, status says how to install it."""
    (system / "show").write_text("UnitFileState=\nActiveState=inactive\n")
    (system / "journal").write_text("-- No entries --\n")
    result = service("status")
    assert result.return_value == 1
    assert "livewarp service install" in result.output


@pytest.mark.parametrize("command", ["install", "status"])
def test_without_systemctl(tmp_path, monkeypatch, command):
    """Without systemd the error says so and names the page with recipes for other systems."""
    monkeypatch.setenv("PATH", str(tmp_path))
    result = service(command)
    assert isinstance(result.exception, LivewarpError)
    assert "no systemctl here" in str(result.exception)
    assert "docs/service.md" in str(result.exception)


def test_without_a_user_manager(system):
    """Where no user manager answers, as under sudo, the error says what to do."""
    (system / "running").write_text("offline\n")
    result = service("install")
    assert "loginctl enable-linger" in str(result.exception)
    assert not unit_path().exists()


def test_unit_is_hardened(tmp_path):
    """The unit gives no new rights, limits calls and addresses, is watched, and lets numba compile."""
    found = entries(unit(FakeMachine(tmp_path).machine, (), try_out=False).text)
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["NoNewPrivileges"] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["SystemCallFilter"] == ["@system-service"]
    assert int(found["WatchdogSec"][0]) > 0
    assert not {"MemoryDenyWriteExecute", "PrivateDevices", "PrivateNetwork"} & set(found)


def test_sandbox_lets_files_be_written(tmp_path, monkeypatch):
    """The folder of a file sink is let through the sandbox; everything else but livewarp's own folders is not."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/f")
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    options = ("--sink", "file:/films/my films/a.mp4", "--sink=file:/films/b.mp4", "--source", "/in/c.mp4")
    result = CliRunner().invoke(cli, ["service", "install", "--dry-run", "--", *options], standalone_mode=False)
    found = entries(result.output)
    assert found["ReadWritePaths"] == ['/c/livewarp /f/livewarp /d/livewarp /s/livewarp "/films/my films" /films']
    assert "NUMBA_CACHE_DIR=/c/livewarp/numba" in found["Environment"]


def test_sandbox_is_left_out_for_old_v4l2loopback(tmp_path):
    """With v4l2loopback before 0.13 there is no sandbox, in which nobody could be seen watching; that is said."""
    fake = FakeMachine(tmp_path)
    fake.load_v4l2loopback(version="")
    wanted = unit(fake.machine, (), try_out=False)
    assert "ProtectSystem" not in entries(wanted.text)
    assert "NoNewPrivileges" in entries(wanted.text)
    assert "0.13" in wanted.notes[0]


def test_sandbox_is_tried_out(system):
    """Where systemd cannot make the sandbox, the unit is installed without it, and that is said."""
    (system / "systemd-run").write_text("#!/bin/sh\necho 'Failed to set up user namespacing'\nexit 1\n")
    result = CliRunner().invoke(cli, ["service", "install"], standalone_mode=False)
    assert "ProtectSystem" not in unit_path().read_text()
    assert "Failed to set up user namespacing" in result.stderr


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("webcam:/dev/video0", "webcam:/dev/video0"),
        ("a b", '"a b"'),
        ("50%", "50%%"),
        ("$HOME", '"$$HOME"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        (";", '";"'),
        ("", '""'),
    ],
)
def test_words_arrive_as_they_were_typed(word, written):
    """Nothing that systemd replaces or splits in a command changes an option."""
    assert command_line([word]) == written


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("sandbox", [True, False])
def test_systemd_accepts_the_unit(tmp_path, monkeypatch, sandbox):
    """Systemd's own checker finds nothing to say about the unit."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = tmp_path / "livewarp.service"
    options = ("--source", "a b%c$d", "--set", "thin=0.5")
    file.write_text(unit(FakeMachine(tmp_path / "machine").machine, options, sandbox=sandbox, try_out=False).text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "livewarp" in line]) == (0, [])


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (logging.ERROR, "<3>first\n<3>second"),
        (logging.WARNING, "<4>first\n<4>second"),
        (logging.INFO, "<6>first\n<6>second"),
        (logging.DEBUG, "<7>first\n<7>second"),
    ],
)
def test_journal_lines(monkeypatch, tmp_path, level, said):
    """To the journal every line goes with its priority, and without name or time, which the journal has itself."""
    record = logging.LogRecord("livewarp", level, "", 0, "first\nsecond", None, None)
    with (tmp_path / "journal").open("w") as journal:
        stat = os.fstat(journal.fileno())
        monkeypatch.setattr(sys, "stderr", journal)
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        assert LineFormatter().format(record) == said
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")  # inherited: this output goes elsewhere
        assert "<" not in LineFormatter().format(record)


def test_machine_runs_real_programs():
    """A program that is missing is an exit status of 127, as in a shell."""
    machine = Machine()
    assert machine.run(["sh", "-c", "echo out; echo err >&2; exit 3"]).status == 3
    assert machine.run(["no-such-program-here"]).status == 127
