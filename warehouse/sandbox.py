"""What statements of `nwh sql` and of the SQL page may do: read the files of one snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from nwh.warehouse.catalog.relation_views import pattern_of
from nwh.warehouse.errors import MemoryLimitError, UsageError, first_line
from nwh.warehouse.statements import sql_literal
from nwh.warehouse.storage.provenance import Snapshot
from nwh.warehouse.storage.refusals import through_duckdb

_EXPLAIN = re.compile(r"explain\s+", re.IGNORECASE)
_EXPLAIN_OPTIONS = re.compile(r"analyze\b|\([\w\s,]*\)", re.IGNORECASE)


def restrict(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Let a connection read the files of a snapshot and do nothing else with files, for good.

    DuckDB's own settings: no external access but for these paths, no extension loading, configuration locked.
    """
    paths = [path for uris in snapshot.values() for uri in uris for path in dict.fromkeys((uri, pattern_of(uri)))]
    connection.execute(f"set allowed_paths = {sql_literal(paths)}")
    for setting in ("enable_external_access", "autoload_known_extensions", "autoinstall_known_extensions"):
        connection.execute(f"set {setting} = false")
    connection.execute("set lock_configuration = true")


def select(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyConnection:
    """Run one statement that reads, or raise UsageError. What kind a statement is, DuckDB's own parser says."""
    with explained():
        statements = connection.extract_statements(query)
        if len(statements) != 1 or not _reads(connection, statements[0]):
            found = ", ".join(statement.type.name for statement in statements) or "nothing"
            raise UsageError(
                "`nwh sql` takes one statement that reads (SELECT, FROM, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN), "
                f"not {found}; --unsafe lifts this"
            )
        return connection.execute(statements[0])


def execute(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyConnection:
    """Run whatever a query says, or raise UsageError with what DuckDB says of it."""
    with explained():
        return connection.execute(query)


def _reads(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    if statement.type == duckdb.StatementType.EXPLAIN:
        explained_one = _EXPLAIN.sub("", statement.query, count=1)
        bare = _EXPLAIN_OPTIONS.sub("", explained_one, count=1)
        return any(_kinds(connection, text) == [duckdb.StatementType.SELECT] for text in (explained_one, bare))
    if statement.type == duckdb.StatementType.MULTI:
        # PIVOT, which looks up first what becomes a column, or COPY and others of one: only what reads can be a table
        return _kinds(connection, f"from ({_without_end(statement.query)}\n)") == [duckdb.StatementType.MULTI]
    return bool(statement.type == duckdb.StatementType.SELECT)


def _kinds(connection: duckdb.DuckDBPyConnection, query: str) -> list[duckdb.StatementType]:
    try:
        return [statement.type for statement in connection.extract_statements(query)]
    except duckdb.ParserException:
        return []


def _without_end(query: str) -> str:
    """Return a statement without the `;` and the comments behind it."""
    text = query.encode()  # tokens are counted in bytes
    for start, kind in reversed(duckdb.tokenize(query)):
        if kind != duckdb.token_type.comment and text[start:].strip() != b";":
            break
        text = text[:start]
    return text.decode()


@contextmanager
def explained() -> Iterator[None]:
    """Raise what goes wrong in DuckDB as errors of ours, with all that it says: what was meant, and where it stands.

    Rows are computed while they are fetched, so what fetches them belongs inside. UsageError, or MemoryLimitError;
    StorageError where an object store refuses a file.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise out_of_memory(error) from error
    except duckdb.Error as error:
        raise through_duckdb(error) or UsageError(f"DuckDB: {str(error).strip()}") from error


def out_of_memory(error: duckdb.Error) -> MemoryLimitError:
    """Return the error that says what a user can do where DuckDB may not use more memory."""
    return MemoryLimitError(
        f"the question needs more memory than it may use ({first_line(error)}): $NWH_MEMORY sets what DuckDB may use, "
        "as NWH_MEMORY=8GB; or ask for less at once (one model, one layer, a limit)"
    )
