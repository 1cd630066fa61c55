"""docs/benchmarks.md: made of results, and of nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from livewarp.bench import host

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
STARTUP = {"camera_s": 0.5, "first_frame_s": 1.25, "memory_mb": 300.0, "cpu_s": 1.5, "starts": [{}, {}]}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script, with folders of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("page", None)
    import page

    monkeypatch.setattr(page, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "ROOT", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(page, "PICTURES", tmp_path / "images")
    return page


def write(folder: Path, suite: str, **result: Any) -> None:
    """One result."""
    told = {"suite": suite, "host": host.host_facts(), "command": "python x", "table": ["a  b", "1  2"], **result}
    (folder / f"{suite}.json").write_text(json.dumps(told))


def target(what: str, verdict: str) -> dict[str, Any]:
    """As `common.Target.as_dict` tells it."""
    return {"what": what, "value": 3.0, "limit": 2.0, "aim": None, "unit": "s", "at_least": False, "verdict": verdict}


def test_the_page_says_whose_figures_it_shows_and_what_was_missed(page: Any, tmp_path: Path) -> None:
    """The machine, the figures, and the losses before all else."""
    write(
        tmp_path,
        "startup",
        startup={"warm": STARTUP},
        imports=[{"package": "all", "ms": 400.0}],
        targets=[target("first frame, warm", "met"), target("memory, warm", "MISSED")],
    )
    rows = {"livewarp": 1.0, "OpenCV, full size": 20.0, "a wonder": 0.5, "pass-through (I420)": 0.1}
    told = {name: {"cpu_ms": 2 * r, "frames_per_cpu_s": 500 / r, "ratio": r} for name, r in rows.items()}
    write(tmp_path, "pipeline", peers=told, targets=[])
    write(tmp_path, "tracking", jitter={"targets": []})
    page.main()
    text = (tmp_path / "benchmarks.md").read_text()
    assert host.processor() in text
    assert "| warm | 0.50 | 1.25 | 1.5 | 300 | 2 |" in text
    assert "| OpenCV, full size | 40.00 | 25 | 20.00× |" in text
    assert "1  2" in text
    shortfalls = text[text.index("## Where livewarp is slower") : text.index("## Against")]
    assert "memory, warm" in shortfalls
    assert "first frame" not in shortfalls
    assert "a wonder" in shortfalls
    assert "pass-through" not in shortfalls


def test_a_quick_run_makes_no_page(page: Any, tmp_path: Path) -> None:
    """Its figures say nothing; nor is there a page of no results."""
    with pytest.raises(SystemExit, match="no results"):
        page.main()
    write(tmp_path, "startup", quick=True)
    with pytest.raises(SystemExit, match="quick run: startup"):
        page.main()
    assert not (tmp_path / "benchmarks.md").exists()


def test_all_kinds_of_targets_are_read(page: Any, tmp_path: Path) -> None:
    """Suites tell them in three ways."""
    write(tmp_path, "warp", targets={"x / y": {"got": 21.0, "wanted": ">= 20"}, "y": {"got": 3.0, "wanted": "<= 2"}})
    write(tmp_path, "control", targets=[{"target": "p99", "found": "3 ms", "met": True}])
    missed = {"what": "z", "value": 1.0, "limit": 2.0, "unit": "", "at_least": True, "is_met": False}
    write(tmp_path, "tracking", jitter={"targets": [missed]}, skipped={})
    verdicts = {what: verdict for _, what, _, verdict in page.targets(page.results())}
    assert verdicts == {"x / y": "met", "y": "MISSED", "p99": "met", "z": "MISSED"}


def test_the_page_in_the_repository_is_made_of_its_results() -> None:
    """Nobody has changed one without the other."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        sys.modules.pop("page", None)
        import page

        if not page.PAGE.exists():
            pytest.skip("no docs/benchmarks.md: run `make bench` and benchmarks/page.py")
        assert page.PAGE.read_text() == page.text_of(page.results())
    finally:
        sys.path.remove(str(BENCHMARKS))
