"""ARCHITECTURE.md says what is there, and no imports run in a circle."""

from __future__ import annotations

import re
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()


def test_every_module_is_in_the_table() -> None:
    """Each module and package of livewarp itself is named in the table of modules, and nothing else is."""
    there = {path.name for path in (ROOT / "livewarp").glob("*.py")} - {"__init__.py", "__main__.py"}
    there |= {f"{path.parent.name}/" for path in (ROOT / "livewarp").glob("*/__init__.py")}
    rows = [line.split("|")[1] for line in TEXT.splitlines() if re.match(r"\| `\w+(\.py|/)`", line)]
    assert {name for row in rows for name in re.findall(r"`(\w+(?:\.py|/))`", row)} == there


def test_the_floors_are_those_that_are_checked() -> None:
    """The floors of the page are import-linter's, in their order."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["id"] == "floors"]
    [told] = re.findall(r"^__main__ > .*?(?=^```)", TEXT, re.MULTILINE | re.DOTALL)
    assert " ".join(told.split()) == " > ".join(layers)


def order(imports: dict[str, set[str]]) -> list[str]:
    """The modules, each after those that it imports; `CycleError` where there is a circle."""
    return list(TopologicalSorter(imports).static_order())


def test_no_imports_run_in_a_circle() -> None:
    """No module imports itself by way of others, not even for a type."""
    graph = grimp.build_graph("livewarp", exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(order(imports)) > 100
    with pytest.raises(CycleError):
        order({**imports, "livewarp.errors": {"livewarp.cli.main"}})
