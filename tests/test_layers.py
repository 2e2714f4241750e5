"""Imports point one way: command line -> dashboards -> ingest -> warehouse; quick commands load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "streamlit", "nltk", "numba", "scipy"}
ABOVE = {  # what a part must not know
    "warehouse": {"nwh.ingest", "nwh.dashboards", "nwh.cli"},
    "ingest": {"nwh.dashboards", "nwh.cli"},
    "dashboards": {"nwh.cli", "torch", "transformers", "duckdb"},
    "nwh/cli": set(),
}


def imports(path: Path, *, lazy: bool) -> set[str]:
    """Return `nwh.PART` and the top-level packages a file imports; without `lazy`, those at import time only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only or (not lazy and id(node) in inside):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"nwh.{a.name}" for a in node.names} if node.module == "nwh" else {node.module}
    return {".".join(name.split(".")[: 2 if name.startswith("nwh.") else 1]) for name in found}


FILES = [(part, path) for part in ABOVE for path in sorted((ROOT / part).rglob("*.py"))]


@pytest.mark.parametrize(("part", "path"), FILES, ids=[str(path.relative_to(ROOT)) for _, path in FILES])
def test_a_part_knows_those_below_it_only_and_by_their_one_name(part, path):
    known = imports(path, lazy=True)
    assert not known & {"nwh", *ABOVE[part], "warehouse", "ingest", "dashboards", "sql"}
    if part in ("warehouse", "nwh/cli"):
        assert not imports(path, lazy=False) & HEAVY


def module_imports() -> dict[str, set[str]]:
    """Return every module of the four parts with those that it imports, inside functions too."""
    modules = {}
    for _, path in FILES:
        *folders, name = ("nwh", *path.relative_to(ROOT).with_suffix("").parts)
        folders = folders[1:] if folders[1] == "nwh" else folders
        modules[".".join([*folders, *([name] if name != "__init__" else [])])] = path
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nwh."):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found[module] |= {name if name in modules else node.module for name in names} - {module}
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return what lies on circles of a graph."""
    left = dict(graph)
    while free := {name for name, to in left.items() if not to & left.keys()}:
        left = {name: to for name, to in left.items() if name not in free}
    while unused := left.keys() - set().union(*left.values()):
        left = {name: to for name, to in left.items() if name not in unused}
    return sorted(left)


def test_no_modules_import_each_other():
    graph = module_imports()
    assert len(graph) > 200
    assert "nwh.warehouse.neuron" in graph["nwh.warehouse.queries.neurons"]
    assert circle(graph) == []


def test_no_folders_import_each_other():
    def folder(module: str) -> str:  # of a part; a module beside the folders stands for itself
        return ".".join(module.split(".")[:3])

    graph: dict[str, set[str]] = {}
    for module, to in module_imports().items():
        graph.setdefault(folder(module), set()).update({folder(other) for other in to} - {folder(module)})
    assert len(graph) > 50
    assert circle(graph) == []


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]


def test_pages_load_no_model_library_by_themselves():
    code = "import sys, nwh.dashboards.pages.neuron, nwh.dashboards.pages.sql_page; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("arguments", [["--help"], ["sql", "select 1"], ["status"]])
def test_quick_commands_do_not_import_what_is_heavy(tmp_path, arguments):
    from nwh.warehouse import Warehouse

    Warehouse.create(tmp_path)
    code = (
        "import sys, atexit\n"
        f"heavy = {sorted(HEAVY)!r}\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['nwh', '--warehouse', {str(tmp_path)!r}, *{arguments!r}]\n"
        "from nwh.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
