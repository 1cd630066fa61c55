"""Standard streams that are closed, and a terminal that goes away."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes the streams")

LIVEWARP = f"{shlex.quote(sys.executable)} -m livewarp"


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path: Path, closed: str) -> None:
    """Some launchers start programs without them; what is written goes nowhere, and into no file of ours."""
    out = tmp_path / "out.mkv"
    options = f"run --source portrait --sink file:{out} --frames 5 --fresh --control 127.0.0.1:0 --panel 127.0.0.1:0"
    done = subprocess.run(["sh", "-c", f"{LIVEWARP} {options} --model mesh {closed}"], cwd=tmp_path, timeout=500)
    assert done.returncode == 0
    with av.open(str(out)) as video:
        assert len(list(video.decode(video=0))) >= 1


def test_a_closed_terminal_ends_a_recording_in_order(tmp_path: Path) -> None:
    """HUP ends the daemon as TERM does: status 0, and the file plays."""
    out = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "livewarp", "run", "--source", "portrait", "--sink", f"file:{out}", "--fresh"]
    command += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--model", "mesh"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "running:" in line:
            break
    running.send_signal(signal.SIGHUP)
    assert running.wait(500) == 0, running.stderr.read()
    running.stderr.close()
    with av.open(str(out)) as video:
        assert len(list(video.decode(video=0))) >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
