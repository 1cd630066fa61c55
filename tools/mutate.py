"""Breaks important lines, one at a time, and names those that no test notices.

    python tools/mutate.py               # all, ten minutes; exit status 1 if one survives
    python tools/mutate.py retract kits  # those whose name has one of these words

Each works on a copy of the repository in a temporary folder: the files here stay as they are.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 300


class Mutant(NamedTuple):
    """One line, what it becomes, and the tests (files, and words of their names) that must fail then."""

    name: str
    file: str
    line: str
    becomes: str
    tests: str
    words: str = ""


MUTANTS = (
    Mutant(
        "retract, blanked",
        "live/loop.py",
        "        self._outputs.retract()\n        picture",
        "        picture",
        "test_lost_sinks",
        "blanked",
    ),
    Mutant(
        "retract, hidden",
        "live/loop.py",
        "            self._outputs.retract()",
        "            pass",
        "test_lost_sinks",
        "hidden",
    ),
    Mutant(
        "lost sink",
        "live/outputs.py",
        "                self._lose(sink, error)",
        "                raise",
        "test_lost_sinks",
    ),
    Mutant(
        "lost sink is closed",
        "live/outputs.py",
        "        self._closing.append(_Closing(sink))",
        "        pass",
        "test_lost_sinks",
    ),
    Mutant(
        "close has a limit",
        "live/outputs.py",
        "        self._thread.join(max(until_s - time.monotonic(), 0.0))",
        "        self._thread.join(5.0)",
        "test_lost_sinks",
        "share",
    ),
    Mutant(
        "lost recording is an error",
        "live/engine.py",
        "                for lost in self._outputs.lost_recordings:",
        "                for lost in ():",
        "test_lost_sinks",
    ),
    Mutant(
        "dead preview",
        "live/outputs.py",
        "        if self._preview is not None and self._preview.failure is not None:",
        "        if False:",
        "test_lost_sinks",
        "preview",
    ),
    Mutant(
        "preview heals",
        "sinks/preview.py",
        "                self._notes.put(_Note.WATCHED)  # ask for another frame",
        "                return",
        "test_lost_sinks",
        "preview",
    ),
    Mutant(
        "recorder closes itself",
        "sinks/sender.py",
        "            self._sink.close()",
        "            pass",
        "test_lost_sinks test_sinks",
    ),
    Mutant(
        "lost frames count",
        "sinks/sender.py",
        "            self._lost_frames += 1",
        "            pass",
        "test_sinks",
        "problem",
    ),
    Mutant(
        "hung disk is said",
        "sinks/sender.py",
        "                    self._sending_since = self._clock()",
        "                    pass",
        "test_lost_sinks",
        "hangs",
    ),
    Mutant(
        "stalled subscriber",
        "control/protocol/events.py",
        "            self._spread(event)  # what is read here",
        "            self._last.setdefault(topic, _essence(event))  #",
        "test_control_events",
        "joins",
    ),
    Mutant(
        "switch fails",
        "live/switching.py",
        "            except Exception as error:  # memory, a damaged cache, a bug: the model stays what it is",
        "            except ZeroDivisionError as error:",
        "test_models",
        "anything",
    ),
    Mutant(
        "kits are kept",
        "tracking/tracker.py",
        "        self._kits[model] = kit",
        "        pass",
        "test_models",
        "loaded_once",
    ),
    Mutant(
        "kit of before rests",
        "tracking/tracker.py",
        "        before.finder.close()",
        "        pass",
        "test_models",
        "kit or search",
    ),
    Mutant(
        "loopback lock",
        "sinks/loopback.py",
        "            os.close(self._fd)",
        "            pass",
        "test_loopback",
        "lock",
    ),
    Mutant(
        "built in",
        "settings.py",
        "        if adjustment.name in KNOBS and not is_own(adjustment.name):",
        "        if adjustment.name in KNOBS:",
        "test_settings",
        "imports",
    ),
    Mutant(
        "buffer is made up for",
        "mailbox.py",
        "        self._free.append(np.zeros(self._shape, np.uint8))",
        "        pass",
        "test_mailbox",
    ),
    Mutant(
        "newest wins",
        "mailbox.py",
        "        while len(self._waiting) >= self._depth:",
        "        while False:",
        "test_mailbox",
    ),
    Mutant("dropped count", "mailbox.py", "            self.dropped += 1", "            pass", "test_mailbox"),
    Mutant(
        "reader makes up",
        "live/reader.py",
        "                self._mailbox.replace()",
        "                pass",
        "test_faults",
        "made_up",
    ),
    Mutant(
        "stale search",
        "tracking/tracker.py",
        "        self._kit.finder.forget()",
        "        pass",
        "test_identities",
        "cut",
    ),
    Mutant(
        "collision",
        "tracking/following.py",
        "            wrong.lost = True",
        "            pass",
        "test_identities",
        "tracks",
    ),
    Mutant(
        "right track",
        "tracking/following.py",
        "            right, wrong = (one, other) if is_one else (other, one)",
        "            right, wrong = (other, one)",
        "test_identities",
        "tracks",
    ),
    Mutant(
        "looks anywhere",
        "tracking/identity.py",
        "        if best is not None and best.gallery.distance(looks) < SAME:",
        "        if False:",
        "test_identities",
        "side",
    ),
    Mutant("someone else", "tracking/looks.py", "SAME = 1.25", "SAME = 9.0", "test_identities", "someone"),
    Mutant(
        "blank under way",
        "live/loop.py",
        "        if newest.switches.blank:  # since the frame was begun",
        "        if False:",
        "test_engine",
        "blank",
    ),
    Mutant(
        "blank discards", "live/standin.py", "        if switches.blank:", "        if False:", "test_engine", "blank"
    ),
    Mutant(
        "idle closes",
        "live/loop.py",
        "        self.capture.wanted = not idle and (self._loading.filter is not None or self.capture.live)",
        "        self.capture.wanted = True",
        "test_engine",
        "watches",
    ),
    Mutant(
        "steps in the daemon",
        "cli/client/commands.py",
        '    before, values = _change(client, {"set": fixed, "by": by})',
        '    before = client.call("get"); '
        'values = client.call("set", {**fixed, **{n: round(before[n] + s, 9) for n, s in by.items()}})',
        "test_client_commands",
        "presses",
    ),
    Mutant(
        "steps stop",
        "knobs.py",
        "        return moved",
        "        return moved[0], moved[0]",
        "test_client_commands",
        "relative",
    ),
)


def survives(mutant: Mutant, copy: Path) -> bool:
    """Whether its tests pass all the same."""
    path = copy / "livewarp" / mutant.file
    text = path.read_text()
    if text.count(mutant.line) < 1:
        raise SystemExit(f"{mutant.name}: {mutant.file} has no line {mutant.line.strip()!r}")
    try:
        path.write_text(text.replace(mutant.line, mutant.becomes, 1))
        tests = [f"tests/{name}.py" for name in mutant.tests.split()]
        words = ["-k", mutant.words] if mutant.words else []
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", *tests, *words]
        return subprocess.run(command, cwd=copy, capture_output=True, timeout=LIMIT_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False  # it never ends: that is noticed
    finally:
        path.write_text(text)


def main() -> None:
    """Try them, and name those that survive."""
    wanted = [m for m in MUTANTS if not sys.argv[1:] or any(word in m.name for word in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignore = shutil.ignore_patterns(".git", ".venv", "out", "dist", ".*_cache")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignore)
        (Path(folder) / "shared").symlink_to(ROOT.parent / "shared")
        survivors = []
        for mutant in wanted:
            alive = survives(mutant, copy)
            survivors += [mutant.name] if alive else []
            print(f"{'SURVIVES' if alive else 'killed':9} {mutant.name} ({mutant.file})", flush=True)
    print(
        f"{len(wanted) - len(survivors)} of {len(wanted)} killed"
        + (f"; left: {', '.join(survivors)}" if survivors else "")
    )
    raise SystemExit(1 if survivors else 0)


if __name__ == "__main__":
    main()
