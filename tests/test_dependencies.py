"""What the code imports is declared in pyproject.toml, and what is declared is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNIMPORTED = {"vl-convert-python", "pytz"}  # altair draws SVG with the one, DuckDB dates times with the other


def name(requirement):
    """Return the normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement)[0]).lower()


def imported():
    """Return the top-level names that modules of the four folders and of nwh/ import."""
    found = {}
    for folder in ("warehouse", "ingest", "dashboards", "sql", "nwh/cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                else:
                    names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
                for each in names:
                    found.setdefault(each.split(".")[0], path.relative_to(ROOT))
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name != "nwh"}


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {extra: of for extra, of in project["optional-dependencies"].items() if extra != "dev"}
    return {name(each) for each in project["dependencies"]}, {name(each) for of in extras.values() for each in of}


def test_what_is_imported_is_declared():
    always, extra = declared()
    distributions = packages_distributions()
    missing = {
        module: str(path)
        for module, path in imported().items()
        if not {name(each) for each in distributions.get(module, [module])} & (always | extra)
    }
    assert missing == {}


def test_what_is_declared_is_imported():
    always, extra = declared()
    distributions = packages_distributions()
    used = {name(each) for module in imported() for each in distributions.get(module, [module])}
    assert (always | extra) - used == UNIMPORTED
