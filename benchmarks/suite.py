"""All benchmarks, one after the other: `make bench`, under ten minutes on two cores; `make bench-quick`, about one.

Each suite runs in a process of its own; its table is shown, its JSON goes to `benchmarks/results/`, with the machine,
the versions, the thread counts and the commit. `python benchmarks/page.py` makes docs/benchmarks.md of them.

Run: python benchmarks/suite.py [--quick] [--only SUITE]... [--results DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from livewarp.bench import host
from livewarp.bench.record import to_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LIMIT_S = 600.0  # of one suite: it hangs


@dataclass(frozen=True)
class Suite:
    """One script, with its arguments for a full and for a quick run; None: not in that one."""

    name: str
    script: str
    full: tuple[str, ...] | None = ()
    quick: tuple[str, ...] | None = ("--quick",)
    has_json: bool = True


SUITES = (
    Suite("startup", "startup.py"),
    Suite("matrix", "matrix.py"),
    Suite("pipeline", "pipeline.py"),
    Suite("decoding", "decoding.py"),
    Suite("latency", "latency.py"),
    Suite("control", "control.py", ("--rounds", "1"), None),
    Suite("warp", "warp.py", ("--main",), None),
    Suite("appearance", "appearance.py", (), None),
    Suite("makeup", "makeup.py", (), None),
    Suite("sampling", "sampling.py", (), ("--samples", "20")),
    Suite("landmarks", "landmarks.py", (), ("--samples", "20"), has_json=False),
    Suite("tracking", "tracking.py", tuple(f"--only={s}" for s in ("jitter", "lag", "blink", "calm")), None),
)


def run(suite: Suite, arguments: tuple[str, ...], results: Path) -> str | None:
    """Run one and keep its result; what went wrong, or None."""
    began_s = time.monotonic()
    machine = host.host_facts()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "result.json")
        command = [sys.executable, str(HERE / suite.script), *arguments]
        command += ["--json", str(written)] * suite.has_json
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = []
            for line in child.stdout:
                lines.append(line.rstrip("\n"))
                print(f"  {line}", end="", flush=True)
            status = child.wait(LIMIT_S)
        seconds = time.monotonic() - began_s
        if status != 0:
            return f"{suite.name}: exit status {status} after {seconds:.0f} s"
        found = json.loads(written.read_text()) if written.exists() else {}
    result = {
        "suite": suite.name,
        "command": " ".join(["python", f"benchmarks/{suite.script}", *arguments]),
        "seconds": round(seconds, 1),
        "host": machine,
        **{key: value for key, value in found.items() if key not in ("suite", "host")},
        "table": lines,
    }
    (results / f"{suite.name}.json").write_text(to_json(result) + "\n")
    return None


def main() -> None:
    """Run them; exit status 1 if one failed. A missed target is printed and is no failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that all run; results go nowhere")
    parser.add_argument("--only", action="append", choices=[s.name for s in SUITES], metavar="SUITE", help="repeatable")
    parser.add_argument("--results", type=Path, help=f"where JSON goes [benchmarks/{RESULTS.name}]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as nowhere:
        results = args.results or (Path(nowhere) if args.quick else RESULTS)
        results.mkdir(parents=True, exist_ok=True)
        began_s = time.monotonic()
        problems = []
        for suite in SUITES:
            arguments = suite.quick if args.quick else suite.full
            if arguments is None or (args.only and suite.name not in args.only):
                continue
            print(f"\n== {suite.name}", flush=True)
            if (problem := run(suite, arguments, results)) is not None:
                problems.append(problem)
                print(f"  {problem}")
        print(f"\nall in {time.monotonic() - began_s:.0f} s" + (f"; results in {results}" if not args.quick else ""))
        if not args.quick:
            print("docs/benchmarks.md from them: python benchmarks/page.py")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
