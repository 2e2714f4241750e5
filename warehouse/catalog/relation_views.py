"""DuckDB views of the stored relations over the files of a snapshot, below whatever folder these lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import duckdb

from nwh.warehouse.schema import RUNS, Column, Relation
from nwh.warehouse.statements import sql_literal
from nwh.warehouse.storage.files import Storage


def folder_macros(root: str) -> list[str]:
    r"""Return statements that make the macros by which views find their files.

    nwh_folder(): the folder that the opened `nwh.duckdb` lies in, so that one that was moved or copied reads its own
    files: DuckDB's temporary folder is named after the file. Where it is another (the file was attached, or this is
    a connection of ours), the folder it was made for, `root`.
    nwh_files(paths): the files of a text with one path below it per line; one text is read faster than a list.
    Characters that DuckDB would take for a pattern stand in brackets.
    """
    opened = "regexp_extract(current_setting('temp_directory'), '^(.*)/nwh\\.duckdb\\.tmp$', 1)"
    folder = sql_literal(root) if "://" in root else f"coalesce(nullif({opened}, ''), {sql_literal(root)})"
    moved = "this warehouse was moved below a folder named key=value: `nwh status` makes these views anew"
    return [
        f"create or replace macro nwh_folder() as regexp_replace({folder}, '([*?\\[])', '[\\1]', 'g')",
        "create or replace macro nwh_files(paths) as "
        "string_split(nwh_folder() || '/' || replace(paths, chr(10), chr(10) || nwh_folder() || '/'), chr(10))",
        # DuckDB takes every key=value of a path for a column
        "create or replace macro nwh_hive() as "
        f"case when contains(nwh_folder(), '=') then error({sql_literal(moved)}) else true end",
    ]


def pattern_of(path: str) -> str:
    """Return the pattern that a path alone fits: DuckDB takes each for one."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def relation_view(
    relation: Relation, uris: Sequence[str], root: str, lacking: Mapping[Column, int] | None = None
) -> str:
    """Return the statement that makes a stored relation's view over its files, which lie below the folder `root`.

    Partition columns are read as text from the path, whatever their values look like. lacking: how many files have
    no such column; `absent` says what stands in for it.
    """
    if not uris:
        return f"create or replace view {relation.name} as {relation.empty}"
    lacking = lacking or {}
    some = any(n < len(uris) for n in lacking.values())
    hive = "=" not in root

    def expression(column: Column) -> str:
        if column.name in relation.partition and not hive:
            place = len(relation.partition) - relation.partition.index(column.name) + 1  # from the path's end
            return f"substr(split_part(filename, '/', -{place}), {len(column.name) + 2})"
        if column not in lacking:
            return column.name
        return f"coalesce({column.name}, {column.absent})" if lacking[column] < len(uris) else column.absent

    columns = ", ".join(f"{expression(column)} as {column.name}" for column in relation.columns)
    paths = sql_literal("\n".join(uri.removeprefix(f"{root}/") for uri in uris))
    # by their keys DuckDB leaves files out several times faster than by parts of their names
    keys = "nwh_hive(), hive_types_autocast = false" if hive else "false, filename = true"
    options = f"hive_partitioning = {keys}" + ", union_by_name = true" * some
    rows = f"select {columns} from read_parquet(nwh_files({paths}), {options})"
    return f"create or replace view {relation.name} as {rows}"


def lacking_columns(
    connection: duckdb.DuckDBPyConnection, storage: Storage, relation: Relation, uris: Sequence[str]
) -> dict[Column, int]:
    """Return how many files are of versions that did not store a column yet, for each column that some lack."""
    columns = {column.name: column for column in relation.columns if column.absent}
    if not uris or not columns:
        return {}
    if relation is RUNS:  # which are read all the same, and are many
        having = dict(Counter(name for table in storage.read_runs(uris) for name in table.column_names))
    else:
        query = "select name, count(distinct file_name) from parquet_schema($1) where name in $2 group by name"
        having = dict(connection.execute(query, [[pattern_of(uri) for uri in uris], list(columns)]).fetchall())
    lacking = {column: len(uris) - having.get(name, 0) for name, column in columns.items()}
    return {column: n for column, n in lacking.items() if n}
