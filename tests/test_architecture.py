"""ARCHITECTURE.md says what is there, no imports run in a circle, and no two things share a name."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
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


def shared(names: list[str]) -> list[str]:
    """Those that are there more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def test_no_two_things_have_one_name() -> None:
    """One name for one thing: no two modules, and no two public classes or functions, are called alike."""
    assert shared(["a", "b", "a"]) == ["a"]
    modules = [path for path in (ROOT / "livewarp").rglob("*.py") if not path.stem.startswith("__")]
    assert shared([path.name for path in modules]) == []
    things = [
        node.name
        for path in modules + list((ROOT / "livewarp").rglob("__init__.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
    ]
    assert len(things) > 300
    assert shared(things) == []
