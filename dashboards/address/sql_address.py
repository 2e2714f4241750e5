"""What the user asks on the SQL page, as an address and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from nwh.dashboards.html.markup import code_span

MAX_ROWS, MAX_SECONDS = 10_000, 60
SHOWN_AS = ("table", "bar", "line", "scatter")


@dataclass(frozen=True)
class SqlAddress:
    """A statement, its limits, how its rows are shown, and what is looked up in the dictionary.

    shown: `table`, `bar`, `line` or `scatter`. x, y, colour: columns of a chart, empty for the first that fit.
    """

    query: str = ""
    rows: int = 1000
    seconds: int = 10
    shown: str = "table"
    x: str = ""
    y: str = ""
    colour: str = ""
    find: str = ""

    @property
    def address(self) -> dict[str, str]:
        """The query parameters that `read` makes this choice of."""
        changed = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in changed.items() if value != getattr(SqlAddress, name)}

    @property
    def link(self) -> str:
        """The same as a link, relative: it holds on every page and below whatever path a proxy serves them at."""
        return f"sql?{urlencode(self.address)}"


def read(address: Mapping[str, str]) -> tuple[SqlAddress, list[str]]:
    """Return the choice of an address, and what is wrong with the address, in Markdown."""
    problems: list[str] = []
    found: dict[str, Any] = {}
    highest = {"rows": MAX_ROWS, "seconds": MAX_SECONDS}
    for name in (field.name for field in fields(SqlAddress) if field.name in address):
        text = address[name]
        if name in highest and not (re.fullmatch("[0-9]{1,6}", text) and 1 <= int(text) <= highest[name]):
            problems.append(f"{name} {code_span(text)} is not here: it is a number from 1 to {highest[name]}")
        elif name == "shown" and text not in SHOWN_AS:
            problems.append(f"{name} {code_span(text)} is not here: there is {', '.join(map(code_span, SHOWN_AS))}")
        else:
            found[name] = int(text) if name in highest else text
    return SqlAddress(**found), problems
