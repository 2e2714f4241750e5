"""Imports point one way: dashboards -> warehouse <- ingest; quick commands load nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "streamlit", "nltk", "numba", "scipy")
PACKAGES = ("warehouse", "ingest", "dashboards", "sql")


def imports(path: Path, *, lazy: bool) -> set[str]:
    """Return the top-level packages a file imports; without `lazy`, those it imports when it is imported."""
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
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", files("warehouse"), ids=lambda path: str(path.relative_to(ROOT)))
def test_warehouse_imports_no_other_room_and_nothing_heavy(path):
    assert not imports(path, lazy=False) & {"ingest", "dashboards", *HEAVY}
    if "cli" not in path.parts:
        assert not imports(path, lazy=True) & {"ingest", "dashboards"}


@pytest.mark.parametrize("path", files("ingest"), ids=lambda path: str(path.relative_to(ROOT)))
def test_ingest_imports_no_pages_and_no_command_line(path):
    assert "dashboards" not in imports(path, lazy=True)
    assert "warehouse.cli" not in path.read_text()


@pytest.mark.parametrize("path", files("dashboards"), ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_import_the_warehouse_only(path):
    assert not imports(path, lazy=True) & {"ingest", "torch", "transformers", "duckdb"}


@pytest.mark.parametrize("arguments", [["--help"], ["sql", "select 1"], ["status"]])
def test_quick_commands_do_not_import_what_is_heavy(tmp_path, arguments):
    from warehouse import Warehouse

    Warehouse.create(tmp_path)
    code = (
        "import sys, atexit\n"
        f"heavy = {HEAVY!r}\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['nwh', '--warehouse', {str(tmp_path)!r}, *{arguments!r}]\n"
        "from warehouse.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
