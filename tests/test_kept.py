"""Kept values: what outlives the daemon, what goes over what, and what a bad disk does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from livewarp.control.client import Client
from livewarp.daemon.kept import Kept
from livewarp.parameters import Parameters


@pytest.fixture
def path(tmp_path):
    """A file in a folder that is made when it is needed."""
    return tmp_path / "state" / "kept.json"


def left(path, config, *changes, blank=False, options=None):
    """A daemon's life: it starts, its parameters are changed one after the other, and it ends."""
    kept = Kept(path)
    start, _ = kept.load(config, options)
    now = start
    for change in changes:
        now = now.replace(**change)
        kept.note(now, blank)
    kept.note(now, blank)
    kept.write()
    return start


CONFIG = Parameters(thin=0.3)


def test_what_was_left_is_found_again(path):
    """The next start has the parameters and the blank of the last."""
    left(path, CONFIG, {"thin": 0.5}, {"enabled": False, "jaw": -0.25}, blank=True)
    assert Kept(path).load(CONFIG) == (CONFIG.replace(thin=0.5, enabled=False, jaw=-0.25), True)


def test_the_overlay_is_never_kept(path):
    """Drawing is off at the next start unless the settings ask for it, even where a file says otherwise."""
    left(path, CONFIG, {"thin": 0.5, "overlay": True})
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(thin=0.5)
    document = json.loads(path.read_text())
    assert list(document["parameters"]) == ["thin"]
    document["parameters"]["overlay"] = {"value": True, "over": False}
    path.write_text(json.dumps(document))
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(thin=0.5)
    asked = CONFIG.replace(overlay=True)
    assert Kept(path).load(asked)[0]["overlay"] is True


def test_without_a_file_the_settings_hold(path):
    """Before anything was kept the values of the settings hold, nothing is blank, and no file is made."""
    assert left(path, CONFIG) == CONFIG
    assert Kept(path).load(CONFIG) == (CONFIG, False)
    assert not path.exists()


def test_a_value_is_dropped_when_its_setting_has_changed(path):
    """A kept value goes when its own key has changed in the settings since, and the others stay."""
    left(path, CONFIG, {"thin": 0.5, "eyes": 0.75})
    edited = CONFIG.replace(thin=0.4)
    assert Kept(path).load(edited)[0] == edited.replace(eyes=0.75)


def test_a_key_that_was_changed_and_changed_back(path):
    """A value that was dropped does not come back with the old setting."""
    left(path, CONFIG, {"thin": 0.5})
    left(path, CONFIG.replace(thin=0.4), {"eyes": 0.5})
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(eyes=0.5)


def test_options_go_over_kept_values_for_their_run(path):
    """An option goes over a kept value; unless somebody changes it, the kept value is back afterwards."""
    left(path, CONFIG, {"thin": 0.5})
    assert left(path, CONFIG, {"eyes": 0.75}, options={"thin": 0.9}) == CONFIG.replace(thin=0.9)
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(thin=0.5, eyes=0.75)
    left(path, CONFIG, {"thin": 0.6}, options={"thin": 0.9})
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(thin=0.6, eyes=0.75)


def test_what_is_reset_is_not_kept(path):
    """Back at what the settings and the options say, there is nothing to keep."""
    left(path, CONFIG, {"thin": 0.5}, {"thin": 0.3})
    assert Kept(path).load(CONFIG)[0] == CONFIG
    left(path, CONFIG, {"thin": 0.5}, {"thin": 0.9}, options={"thin": 0.9})
    assert Kept(path).load(CONFIG)[0] == CONFIG


def test_a_reload_drops_what_was_kept_over_another_value(path):
    """When the settings are read anew, values kept over a setting that has changed are dropped, the others stay."""
    kept = Kept(path)
    kept.load(CONFIG)
    kept.note(CONFIG.replace(thin=0.5, eyes=0.75), False)
    edited = CONFIG.replace(thin=0.4)
    kept.reload(edited, edited)
    kept.note(edited.replace(eyes=0.75), False)
    kept.write()
    assert Kept(path).load(edited)[0] == edited.replace(eyes=0.75)


GOOD = {"version": 1, "blank": True, "parameters": {"thin": {"value": 0.5, "over": 0.3}}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 60_000,
        b" " * 70_000,
        json.dumps({**GOOD, "version": 2}).encode(),
        json.dumps({"version": 1}).encode(),
        json.dumps({**GOOD, "parameters": [1]}).encode(),
        json.dumps({**GOOD, "parameters": {"thin": 0.5}}).encode(),
    ],
)
def test_a_damaged_file_is_told_and_ignored(path, caplog, text):
    """A file that is none of ours is named in a warning, the settings hold, and the next write mends it."""
    path.parent.mkdir()
    path.write_bytes(text)
    kept = Kept(path)
    assert kept.load(CONFIG) == (CONFIG, True)  # it may have been blanked
    assert [str(path) in problem.what for problem in kept.problems] == [True]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(path) in caplog.text
    left(path, CONFIG, {"thin": 0.5})
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(thin=0.5)


@pytest.mark.parametrize("entry", [("thin", 7.0), ("thin", "0.5"), ("thin", True), ("gone", 0.5), ("enabled", 1.0)])
def test_a_value_that_is_not_allowed_any_more_is_dropped(path, entry):
    """A value out of bounds, of another type, or of a parameter that there is no more is dropped, the rest holds."""
    name, value = entry
    path.parent.mkdir()
    over = CONFIG.get(name, 0.0)
    document = {"version": 1, "blank": True, "parameters": {"eyes": {"value": 0.5, "over": 0.25}}}
    document["parameters"][name] = {"value": value, "over": over}
    path.write_text(json.dumps(document))
    assert Kept(path).load(CONFIG) == (CONFIG.replace(eyes=0.5), True)


def test_a_full_disk_is_told_once_an_episode(path, caplog, monkeypatch):
    """What cannot be written is warned about once, costs nothing else, and is written when it can be again."""
    kept = Kept(path)
    kept.load(CONFIG)

    def full(handle):
        raise OSError(28, "No space left on device")

    with caplog.at_level("INFO", logger="livewarp"):
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            for thin in (0.5, 0.6, 0.7):
                kept.note(CONFIG.replace(thin=thin), False)
                kept.write()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert os.listdir(path.parent) == []
        kept.write()
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert Kept(path).load(CONFIG)[0] == CONFIG.replace(thin=0.7)


def test_a_folder_that_cannot_be_made(tmp_path, caplog):
    """Where the state folder cannot be made the daemon goes on without, with one warning."""
    (tmp_path / "state").touch()
    left(tmp_path / "state" / "kept.json", CONFIG, {"thin": 0.5})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_nothing_new_is_not_written(path):
    """A file is written only when there is something new to keep."""
    kept = Kept(path)
    kept.load(CONFIG)
    kept.note(CONFIG.replace(thin=0.5), False)
    kept.write()
    path.unlink()
    kept.note(CONFIG.replace(thin=0.5), False)
    kept.write()
    assert not path.exists()


class Running:
    """A daemon in a process of its own, on the built-in portrait."""

    def __init__(self, *arguments: str) -> None:
        ports = ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--width", "320", "--height", "180"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livewarp", "run", "--source", "portrait", "--sink", "null", *ports, *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.log = ""
        while not (found := re.search(r"control: (\S+)", self.log)):
            line = self.process.stderr.readline()
            assert line, self.log
            self.log += line
        self.client = Client(found[1], timeout_s=20)

    def __enter__(self) -> Client:
        return self.client.__enter__()

    def __exit__(self, *error: object) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=500)
        self.log += log


def test_a_daemon_keeps_its_parameters_and_blank(tmp_path, monkeypatch):
    """A daemon starts as the last one ended, blank before its first frame and never frozen; --fresh does not."""
    config = tmp_path / "config.toml"
    config.write_text("[parameters]\nthin = 0.3\n")
    with Running("--config", str(config)) as client:
        client.set(thin=0.5, eyes=0.75)
        client.switch("blank", True)
        client.switch("freeze", True)
    with Running("--config", str(config), "--set", "eyes=0.1") as client:
        assert client.get("thin", "eyes") == {"thin": 0.5, "eyes": 0.1}
        assert client.call("state")["switches"] == {"blank": True, "freeze": False}
        assert client.reset("thin", "eyes") == {"thin": 0.3, "eyes": 0.1}
    with Running("--config", str(config), "--fresh") as client:
        assert client.get("thin", "eyes") == {"thin": 0.3, "eyes": 0.25}
        assert client.call("state")["switches"]["blank"] is False
        client.set(thin=0.9)
    with Running("--config", str(config)) as client:
        assert client.get("thin", "eyes") == {"thin": 0.3, "eyes": 0.75}
        assert client.switch("blank", False) is False


def test_a_daemon_that_is_killed_has_kept_its_parameters(tmp_path):
    """What was changed is on the disk soon, not only at an orderly end."""
    running = Running()
    with running as client:
        client.set(thin=0.5)
        path = os.path.join(os.environ["XDG_STATE_HOME"], "livewarp", "kept.json")
        deadline_s = time.monotonic() + 500
        while not os.path.exists(path):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        running.process.kill()
    with Running() as client:
        assert client.get("thin") == {"thin": 0.5}


@pytest.mark.parametrize(
    ("blank", "hidden"),
    [(True, {}), (False, {}), (False, {"background": "blur"}), (False, {"background": "none", "hide_alone": True})],
)
@pytest.mark.parametrize("spoil", [lambda text: text.replace(b'"version": 1', b'"version": 2'), lambda text: text[:-3]])
def test_a_newer_or_damaged_file_never_loses_what_was_hidden(path, blank, hidden, spoil):
    """A newer livewarp's file, or one that is cut off, still says whether the picture or the background was hidden."""
    kept = Kept(path)
    kept.load(CONFIG)
    kept.note(CONFIG.replace(thin=0.5, **hidden), blank)
    kept.write()
    path.write_bytes(spoil(path.read_bytes()))
    assert Kept(path).load(CONFIG)[1] is (blank or bool(hidden))


@pytest.mark.parametrize("kind", ["pipe", "folder", "empty", "giant"])
def test_what_is_no_file_of_ours_starts_blanked(path, kind):
    """A pipe, a folder, nothing or a giant in the place of the file neither holds up the start nor shows the camera."""
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"" if kind == "empty" else b"x" * 100_000)
    kept = Kept(path)
    assert kept.load(CONFIG) == (CONFIG, True)
    assert len(kept.problems) == 1


def test_a_second_daemon_keeps_its_own(path):
    """Two daemons of one user do not overwrite each other's values: the second says so, and has a file of its own."""
    first, second = Kept(path), Kept(path)
    first.claim()
    second.claim()
    assert [str(path) in problem.what for problem in second.problems] == [True]
    for kept, thin in ((first, 0.1), (second, 0.9)):
        kept.load(CONFIG)
        kept.note(CONFIG.replace(thin=thin), False)
        kept.write()
    assert Kept(path).load(CONFIG)[0]["thin"] == 0.1
    assert Kept(second.path).load(CONFIG)[0]["thin"] == 0.9 != first.path


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_blank_outlives_every_end(ending, tmp_path):
    """Whatever ends it the moment after the reply, the next start is blanked; what can be caught leaves no socket."""
    running = Running()
    try:
        with running.client as client:
            client.switch("blank", True)
            client.switch("blank", False)
            client.switch("blank", True)
            socket = client.call("version")["socket"]
            running.process.send_signal(ending)
            if ending != signal.SIGKILL:
                running.process.send_signal(ending)  # as an impatient person does
        _, log = running.process.communicate(timeout=500)
    finally:
        running.process.kill()  # nothing where it has ended
    assert "Traceback" not in log
    assert Kept().load(CONFIG)[1] is True
    if ending != signal.SIGKILL:
        assert running.process.returncode == 0, log
        assert not os.path.exists(socket)
