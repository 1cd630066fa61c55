"""The command line: what its help tells, and what a person reads who got it wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from livewarp.cli.main import SECTIONS, cli

WIDTH = 80  # columns of a terminal that nobody has widened


def commands(group: click.Group, path: str = "livewarp") -> Iterator[tuple[str, click.Command]]:
    """Every command there is, with all that a person types to call it."""
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def livewarp(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "livewarp", *arguments], cwd=folder, capture_output=True, text=True, timeout=500
    )


def test_the_help_lists_every_command_once_in_whole_sentences() -> None:
    """Each command stands in one section of `livewarp --help`, with a sentence that fits its line."""
    with click.Context(cli, info_name="livewarp", terminal_width=WIDTH) as context:
        lines = cli.get_help(context).split("\n")
    for title in SECTIONS:
        assert f"{title}:" in lines
    for name in cli.commands:
        [line] = [line for line in lines if re.match(rf"  {name}  ", line)]
        assert line.endswith((".", ")"))
        assert not line.endswith("...")


@pytest.mark.parametrize(("path", "command"), list(commands(cli)))
def test_every_help_shows_an_example(path: str, command: click.Command) -> None:
    """A command's help has a line that can be typed as it stands."""
    with click.Context(command, info_name=path, terminal_width=WIDTH) as context:
        text = command.get_help(context)
    assert re.search(rf"^ +(eval \"\$\()?{path}\b", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["frobnicate"], "No such command 'frobnicate'; `livewarp --help`"),
        (["service", "frobnicate"], "No such command 'frobnicate'; `livewarp service --help`"),
        (["service", "install", "--dry-run", "--", "--width", "x"], "'x' is not a valid integer range; `livewarp run"),
        (["run", "--width", "99999999"], "99999999 is not in the range 16<=x<=7680; `livewarp run --help`"),
        (
            ["run", "--source", "webcam:x", "--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"],
            "source: got 'webcam:x'",
        ),
        (["run", "--config", "strokes.toml"], "[adjustments.x] strokes: got 3, allowed: an array"),
        (["model", "nose"], "'nose' is not one of 'dlib', 'mesh'; `livewarp model --help`"),
        (
            ["stats", "--control", "here"],
            "got 'here', allowed: HOST:PORT such as 127.0.0.1:8787, or unix:PATH",
        ),
    ],
)
def test_bad_usage_is_one_line_that_names_the_way_out(tmp_path: Path, arguments: list[str], told: str) -> None:
    """Whatever is wrong with the words of a command is one line, and exit status 2."""
    (tmp_path / "strokes.toml").write_text("[adjustments.x]\nstrokes = 3\n")
    done = livewarp(*arguments, folder=tmp_path)
    lines = [line for line in done.stderr.splitlines() if "listens at" not in line]  # a daemon of the person who tests
    assert (done.returncode, len(lines)) == (2, 1)
    assert lines[0].startswith("livewarp: ")
    assert told in lines[0]


@pytest.mark.parametrize("told_more", [False, True])
def test_a_file_that_is_no_video_is_one_line(tmp_path: Path, told_more: bool) -> None:
    """What OpenCV and FFmpeg print of such a file is kept for `-v`."""
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    done = livewarp(*(["-v"] if told_more else []), "apply", "noise.mp4", "out.mp4", folder=tmp_path)
    assert done.returncode == 1
    assert (done.stderr.count("\n") > 1) == told_more
    assert "noise.mp4: FFmpeg cannot read it" in done.stderr


def test_what_people_type_instead_leads_somewhere(tmp_path: Path) -> None:
    """`start` is run, `help` shows the help of the command that it is asked for, and guesses a misspelt one."""
    assert "Start the daemon" in livewarp("start", "--help", folder=tmp_path).stdout
    shown = livewarp("help", "service", "install", folder=tmp_path).stdout
    assert "livewarp service install --dry-run" in shown
    wrong = livewarp("help", "serv", folder=tmp_path)
    assert (wrong.returncode, wrong.stderr.rstrip().rpartition("; ")[2]) == (2, "did you mean service?")


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere only opening a webcam tells whether it is there"
)
@pytest.mark.parametrize("wanted", ["97", "/dev/video97", "webcam:97"])
def test_a_webcam_that_is_not_there_ends_run(tmp_path: Path, wanted: str) -> None:
    """An index or a node alone is a webcam; without --wait one that is not there ends the run with status 1."""
    arguments = ("run", "--fresh", "--sink", "null", "--source", wanted, "--duration", "0.1")
    ended = livewarp(*arguments, folder=tmp_path)
    assert ended.returncode == 1
    assert "webcam /dev/video97: no such device" in ended.stderr
    assert "--wait" in ended.stderr
    ports = ("--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--model", "mesh")
    waited = livewarp(*arguments, *ports, "--wait", folder=tmp_path)
    assert (waited.returncode, waited.stderr.count("no such device")) in ((0, 0), (0, 1))


def test_open_starts_a_daemon_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`open --start` starts one in the background, waits for it and prints a link; a second one finds it running."""
    config = tmp_path / "livewarp"
    config.mkdir()
    lines = ["[video]", 'source = "portrait"', 'sinks = ["null"]', "[tracking]", 'model = "mesh"']
    lines += ["[control]", 'address = "127.0.0.1:0"', 'panel = "127.0.0.1:0"']
    (config / "config.toml").write_text("\n".join(lines))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")  # no systemctl
    try:
        links = [livewarp("open", "--start", "--url", folder=tmp_path) for _ in range(2)]
    finally:  # until it is told: on a busy machine one that starts may not answer at once
        while (stopped := livewarp("stop", folder=tmp_path)).returncode == 1 and "did not answer" in stopped.stderr:
            pass
    assert [link.returncode for link in links] == [0, 0], links[0].stderr
    assert all(link.stdout.startswith("http://127.0.0.1:") for link in links)
    assert links[0].stdout.split("?")[0] == links[1].stdout.split("?")[0]
    assert "is stopping" in stopped.stdout
