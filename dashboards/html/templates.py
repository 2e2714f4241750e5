"""The templates of this folder: whatever is put into one is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader


def number(value: Any) -> str:
    """Return a number for reading: whole ones in full, others to 4 digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}", 1)


_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
_TEMPLATES.filters["number"] = number


def macros(template: str) -> Any:
    """Return the macros of a template: functions that return HTML, which other templates take as it is."""
    return _TEMPLATES.get_template(template).module
