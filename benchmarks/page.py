"""Makes docs/benchmarks.md, and its pictures, of the results of `make bench`.

Every figure of the page is from JSON in benchmarks/results/: nothing is written by hand but what a table shows.
Pictures need matplotlib; without it the old ones stay.

Run: python benchmarks/page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livewarp.bench import host

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "images"
OURS, THEIRS, FLOOR = "#2a9d6f", "#9aa0a6", "#3b6fb6"
FLOORS = ("pass-through (I420)", "memory copy of what moves")

Result = dict[str, Any]


def results() -> dict[str, Result]:
    """By suite."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Markdown: the first column to the left, figures to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def targets(found: dict[str, Result]) -> Iterator[tuple[str, str, str, str]]:
    """The targets of all suites: suite, what, value against wanted, verdict."""
    for suite, result in found.items():
        stated = result.get("targets", [])
        if suite == "tracking":  # by section
            stated = [t for section in result.values() if isinstance(section, dict) for t in section.get("targets", [])]
        if isinstance(stated, dict):  # of warp.py
            for what, t in stated.items():
                relation, wanted = t["wanted"].split()
                met = t["got"] >= float(wanted) if relation == ">=" else t["got"] <= float(wanted)
                yield suite, what, f"{t['got']:.2f} ({relation} {wanted})", "met" if met else "MISSED"
            continue
        for t in stated:
            if "found" in t:  # of control.py
                yield suite, t["target"], t["found"], "met" if t["met"] else "MISSED"
                continue
            sign = "≥" if t["at_least"] else "≤"
            aim = f", aim {t['aim']:g}" if t.get("aim") is not None else ""
            verdict = t.get("verdict") or ("met" if t["is_met"] else "MISSED")
            yield suite, t["what"], f"{t['value']:.2f} ({sign} {t['limit']:g}{aim}) {t['unit']}".rstrip(), verdict


def head(found: dict[str, Result]) -> list[str]:
    """Title, machine, how to do it again."""
    # A result that was written while others still ran does not make it another machine.
    hosts = {host.host_line(result["host"]).replace("+)", ")"): result["host"] for result in found.values()}
    taken = sorted(result["host"]["taken"] for result in found.values())
    lines = [
        "# Benchmarks",
        "",
        "<!-- Made by `python benchmarks/page.py` from benchmarks/results/*.json: change those, not this. -->",
        "",
        "`make bench` measures it all anew in under ten minutes; `python benchmarks/page.py` makes this page of it.",
        "What is compared ran alternately in one run; ratios carry over to other machines, milliseconds hardly do.",
        "How each suite works and verifies what it times: [benchmarks/README.md](../benchmarks/README.md).",
        "For your own machine: `livewarp bench`, `livewarp bench --live`, `livewarp bench --matrix`.",
        "",
        f"Taken {taken[0][:10]}." if taken[0][:10] == taken[-1][:10] else f"Taken {taken[0][:10]} to {taken[-1][:10]}.",
    ]
    for line, machine in hosts.items():
        threads = machine["threads"]
        lines.append(f"Machine: {line}; threads: OpenCV {threads['opencv']}, numba {threads['numba']}.")
    loads = [result["host"]["load_before"] for result in found.values() if result["host"]["load_before"] is not None]
    if loads:
        lines.append(f"Load before the suites: {min(loads):.1f} to {max(loads):.1f}; the machine was shared.")
    return [*lines, ""]


def shortfalls(found: dict[str, Result]) -> list[str]:
    """The targets that are not met, then what is faster than livewarp."""
    rows = [t for t in targets(found) if t[3] != "met"]
    lines = ["## Where livewarp is slower or misses its target", ""]
    if rows:
        lines += table(("suite", "what", "got (wanted)", ""), rows)
    faster = [
        (suite, name, f"{row['ratio']:.2f}×")
        for suite in ("pipeline", "warp", "sampling")
        for name, row in rows_of(found.get(suite, {})).items()
        if row.get("ratio") is not None
        and row["ratio"] < 0.95
        and not name.startswith(("livewarp", "  ", "sampling"))
        and name not in FLOORS
        and not name.startswith("copy")
    ]
    if faster:
        lines += ["Faster than livewarp at the same work:", "", *table(("suite", "what", "its time"), faster)]
    if not rows and not faster:
        lines += ["Every target is met, and nothing measured here is faster.", ""]
    return lines


def rows_of(result: Result) -> dict[str, Any]:
    """The rows of a comparison, wherever its suite keeps them."""
    rows = result.get("peers") or result.get("main", {}).get("rows") or {}
    return rows if isinstance(rows, dict) else {}


def matrix(result: Result) -> list[str]:
    """Sizes and faces."""
    rows = []
    shown = [name for name in result["matrix"][0]["stages"] if name not in ("read", "send")]  # not the filter's
    for run in result["matrix"]:
        stages, latency = run["stages"], run["latency"]
        rows.append(
            (
                run["name"],
                *(f"{stages[name]['p50_ms']:.2f}" for name in shown),
                f"{latency['p50_ms']:.2f}",
                f"{latency['p95_ms']:.2f}",
                f"{latency['p99_ms']:.1f}",
                f"{run['cpu_ms']:.2f}",
                f"{100 * run['core_share']:.0f} %",
            )
        )
    columns = ("frames at 30 fps", *shown, "p50", "p95", "p99", "CPU ms", "of a core")
    return [
        "## What a frame takes",
        "",
        "As fast as it goes, in one thread; ms. p99 is of frames that search for newcomers; live, a thread does.",
        "",
        *table(columns, rows),
    ]


def pipeline(result: Result) -> list[str]:
    """Peers, and live."""
    lines = [
        "## Against what else one could use",
        "",
        "Find the face, thin it, enlarge the eyes, convert to I420; 720p, one face. CPU time of all threads, medians.",
        "",
    ]
    rows = [
        (
            name,
            f"{row['cpu_ms']:.2f}" if row["cpu_ms"] >= 0.1 else f"{row['cpu_ms']:.3f}",
            f"{row['frames_per_cpu_s']:.0f}" if row["frames_per_cpu_s"] >= 10 else f"{row['frames_per_cpu_s']:.1f}",
            f"{row['ratio']:.2f}×",
        )
        for name, row in result.get("peers", {}).items()
    ]
    lines += table(("", "CPU ms a frame", "frames per CPU-second", "CPU against livewarp"), rows)
    lines += ["![CPU time a frame of each](images/bench-peers.png)", ""]
    live = result.get("live", {})
    rows = [
        (
            name,
            f"{run['cpu_ms']:.2f}",
            f"{100 * run['core_share']:.1f} %",
            f"{run['latency']['p50_ms']:.2f} / {run['latency']['p99_ms']:.2f}",
            f"{run['pass_through']['latency']['p50_ms']:.2f} / {run['pass_through']['latency']['p99_ms']:.2f}",
            f"{run['late']} + {run['dropped']} of {run['frames']}",
            f"{run['fps']:.2f}",
        )
        for name, run in live.items()
    ]
    if rows:
        columns = ("live", "CPU ms more", "of a core", "latency p50 / p99", "without filter", "late + dropped", "fps")
        lines += ["## What it adds to a pass-through, live", "", *table(columns, rows)]
    return lines


def latency(result: Result) -> list[str]:
    """Glass to glass."""
    rows = [
        (
            name,
            found["n"],
            *(f"{found[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms", "worst_ms")),
            found["late"],
            found["lost"],
        )
        for name, found in result.get("latency", {}).items()
    ]
    lines = [
        "## From glass to glass",
        "",
        "The time drawn into the webcam's pixels, read at the output, through the daemon with control traffic; ms.",
        "",
        *table(("output", "frames", "p50", "p95", "p99", "worst", "late", "lost"), rows),
        "![How old frames are at the output](images/bench-latency.png)",
        "",
    ]
    lines += [f"{name} was left out: {why}" for name, why in result.get("skipped", {}).items()]
    return lines


def hold(result: Result) -> list[str]:
    """The long run."""
    held = result["hold"]
    rows = [
        (name, f["n"], f["p50_ms"], f["p99_ms"], f["worst_ms"], f["late"], f["lost"])
        for name, f in held.items()
        if name != "minutes"
    ]
    return [
        f"## {held['minutes']:g} minutes of 720p30",
        "",
        "The filter and, in the same period, a pass-through, each through a daemon and a camera of its own; ms.",
        "",
        *table(("", "frames", "p50", "p99", "worst", "late", "lost"), rows),
    ]


def startup(result: Result) -> list[str]:
    """The time to the first frame."""
    rows = [
        (
            kind,
            f"{s['camera_s']:.2f}",
            f"{s['first_frame_s']:.2f}",
            f"{s['cpu_s']:.1f}",
            f"{s['memory_mb']:.0f}",
            len(s["starts"]),
        )
        for kind, s in result["startup"].items()
    ]
    spent = ", ".join(f"{row['package']} {row['ms']:.0f}" for row in result["imports"][:8])
    return [
        "## Start-up",
        "",
        *table(("", "camera there, s", "first frame, s", "CPU, s", "memory, MB", "starts"), rows),
        f"Imports, ms: {spent}.",
        "",
    ]


def text(title: str, result: Result) -> list[str]:
    """A suite whose table is shown as it was printed."""
    return [
        f"## {title}",
        "",
        f"`{result['command']}`",
        "",
        "```",
        *"\n".join(result["table"]).strip("\n").splitlines(),
        "```",
        "",
    ]


SECTIONS = {
    "matrix": matrix,
    "pipeline": pipeline,
    "decoding": lambda r: text("From the webcam's bytes", r),
    "latency": latency,
    "hold": hold,
    "startup": startup,
    "control": lambda r: text("Control", r),
    "warp": lambda r: text("The warp alone", r),
    "sampling": lambda r: text("Sampling alone", r),
    "landmarks": lambda r: text("Landmarks alone", r),
    "tracking": lambda r: text("Tracking", r),
}


# -------------------------------------------------------------------------------------------------------- pictures


def draw(found: dict[str, Result]) -> str:
    """The pictures; a line that says which were drawn, or why none."""
    try:
        import matplotlib as mpl
    except ImportError:
        return "pictures stay as they are: matplotlib is missing (pip install matplotlib)"
    mpl.use("agg")
    from matplotlib.figure import Figure

    PICTURES.mkdir(parents=True, exist_ok=True)
    drawn = []
    if rows := found.get("pipeline", {}).get("peers"):
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        axes = figure.subplots()
        names = sorted(rows, key=lambda name: rows[name]["cpu_ms"])
        colours = [OURS if n == "livewarp" else FLOOR if n in FLOORS else THEIRS for n in names]
        bars = axes.barh(names, [rows[n]["cpu_ms"] for n in names], color=colours)
        axes.bar_label(
            bars, [f" {r:.0f}×" if (r := rows[n]["ratio"]) >= 10 else f" {r:.2g}×" for n in names], fontsize=8
        )
        axes.invert_yaxis()
        axes.set(xscale="log", xlabel="CPU ms a frame; 720p, one face")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.margins(x=0.15)
        drawn.append(PICTURES / "bench-peers.png")
        figure.savefig(drawn[-1], dpi=100)
    if rows := found.get("latency", {}).get("latency"):
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.subplots()
        kinds = list(dict.fromkeys(name.removesuffix(", no filter") for name in rows))
        for name, row in rows.items():
            style, colour = "--" if "no filter" in name else "-", f"C{kinds.index(name.removesuffix(', no filter'))}"
            axes.plot(row["curve"], np.linspace(0, 100, len(row["curve"])), style, color=colour, label=name)
        axes.set(xscale="log", xlabel="age of a frame at the output, ms", ylabel="frames, %", ylim=(0, 100.5))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.25, which="both")
        axes.legend(fontsize=8)
        drawn.append(PICTURES / "bench-latency.png")
        figure.savefig(drawn[-1], dpi=100)
    return f"drawn: {', '.join(path.name for path in drawn)}"


def text_of(found: dict[str, Result]) -> str:
    """The page."""
    lines = head(found) + shortfalls(found)
    for name, section in SECTIONS.items():
        if name in found:
            lines += section(found[name])
    lines += ["## All targets", "", *table(("suite", "what", "got (wanted)", ""), list(targets(found)))]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    found = results()
    if not found:
        raise SystemExit("no results: run `make bench` first")
    quick = [name for name, result in found.items() if result.get("quick")]
    if quick:
        raise SystemExit(f"results of a quick run: {', '.join(quick)}; run `make bench`")
    PAGE.write_text(text_of(found))
    every = list(targets(found))
    missed = sum(verdict != "met" for *_, verdict in every)
    print(f"{PAGE.relative_to(ROOT)}: {len(found)} suites, {missed} of {len(every)} targets not met")
    print(draw(found))


if __name__ == "__main__":
    main()
