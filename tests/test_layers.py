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
