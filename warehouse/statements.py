"""Statements as users can run them again: `nwh sql` and the SQL page take text without parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")


def written_out(query: str, params: Mapping[str, Any]) -> str:
    """Return a query with the values of its named parameters in their places.

    >>> written_out("select $k from t where name = $name", {"k": 3, "name": "it's"})
    "select 3 from t where name = 'it''s'"
    """
    return _PARAMETER.sub(lambda found: sql_literal(params[found[1]]), query)


def sql_literal(value: Any) -> str:
    """Return text, a number, a truth value, null or a list of these as DuckDB writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case list() | tuple():
            return f"[{', '.join(map(sql_literal, value))}]"
        case float():
            text = repr(float(value))  # NumPy's own repr names its type
            return text if math.isfinite(value) else f"'{text}'::double"
    return str(value)
