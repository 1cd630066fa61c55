"""What `make vm` does: every scenario on an old and a new v4l2loopback, in user-mode Linux, and a table of it.

    make vm
    make vm ARGS='--loopback 0.15.0 --only "unplug and replug"'
    make vm ARGS='--qemu'       the same under QEMU, where a daemon takes a minute to start and no rate can be kept

The kernel that is a program is compiled once, in about five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import build
import machine
from scenarios import SCENARIOS, SIZE

ONLY_UML = {"25 fps at 640x480"}
SLOW_CPU = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "VM_WAIT_S": "180"}


def main() -> None:
    """See the module's docstring; exit status 1: some scenario failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loopback", action="append", choices=list(build.SUITE_OF))
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--qemu", action="store_true")
    parser.add_argument("--install", action="store_true", help="install what the build needs, with apt")
    arguments = parser.parse_args()
    versions = arguments.loopback or ["0.12.7", "0.15.0"]
    names = [n for n in arguments.only or SCENARIOS if not (arguments.qemu and n in ONLY_UML)]
    try:
        build.build(versions, uml=not arguments.qemu, install=arguments.install)
    except build.Unavailable as reason:
        sys.exit(f"no machine with cameras: {reason}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the `finally` that ends the machine
    rows = []
    for version in versions:
        rows += _run(version, names, arguments.qemu)
    print(f"\n{'v4l2loopback':13} {'scenario':20} {'':5} figures")
    for version, result in rows:
        print(f"{version:13} {result['name']:20} {'ok' if result['ok'] else 'FAIL':5} {result['figures']}")
    sys.exit(any(not result["ok"] for _, result in rows))


def _run(version: str, names: list[str], qemu: bool) -> list[tuple[str, dict[str, object]]]:
    """One boot; the results of the scenarios, also of those that it did not come to."""
    with tempfile.TemporaryDirectory(prefix="vm") as folder:
        exchange = Path(folder)
        environment = SLOW_CPU if qemu else {}
        size = ["--width", str(SIZE[0]), "--height", str(SIZE[1])]
        warm = ["-m", "livewarp", "run", "--source", "portrait", "--sink", "null", "--frames", "10", *size]
        warm += ["--control", "127.0.0.1:0", "--panel", "127.0.0.1:0"]
        own = {"NUMBA_CACHE_DIR": f"{folder}/numba"}
        own |= dict.fromkeys(("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"), folder)
        subprocess.run([sys.executable, *warm], cwd=folder, env={**os.environ, **environment, **own}, check=True)
        begin = time.monotonic()
        machine.run(
            [sys.executable, str(machine.HERE / "scenarios.py"), *names],
            exchange,
            uml=not qemu,
            loopback=version,
            environment={
                **environment,
                "NUMBA_CACHE_DIR": "/run/vm/numba",
                "PYTHONDONTWRITEBYTECODE": "1",
                "OPENCV_LOG_LEVEL": "ERROR",
            },
            timeout_s=600.0 * (len(names) if qemu else 2),
        )
        print(f"[vm] v4l2loopback {version}: {time.monotonic() - begin:.0f} s")
        lines = (exchange / "results.jsonl").read_text().splitlines() if (exchange / "results.jsonl").exists() else []
    results = {result["name"]: result for result in map(json.loads, lines)}
    missing = {"ok": False, "figures": "the machine ended before"}
    return [(version, results.get(name, {"name": name, **missing})) for name in names]


if __name__ == "__main__":
    main()
