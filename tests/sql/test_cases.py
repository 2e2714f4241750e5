"""Golden cases: rows in, a question in SQL, rows out, all of them statements of the files in `cases/`.

In a file, `insert` fills relations (columns that it leaves out are null); each other statement is a question, followed
by the `values` that it must give, in this order. Where a number is not plain, a comment says how it was worked out.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from nwh.warehouse.catalog.sql_files import reads, sql_files
from nwh.warehouse.schema import RELATIONS

CASES = sorted(Path(__file__).with_name("cases").glob("*.sql"))


def statements(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return what fills the relations, and (question, values) pairs."""
    filling, rest = [], []
    for statement in duckdb.extract_statements(path.read_text()):
        kind = filling if statement.type == duckdb.StatementType.INSERT else rest
        kind.append(statement.query.strip().rstrip(";"))
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    assert all("values" in answer and "values" not in question.split("(")[0] for question, answer in pairs), path
    return filling, pairs


@pytest.fixture(scope="module")
def connection():
    """Return a database of empty tables named as the relations, with all views and macros over them."""
    with duckdb.connect() as made:
        for relation in RELATIONS.values():
            columns = ", ".join(f"{column.name} {column.type}" for column in relation.columns)
            made.execute(f"create table {relation.name} ({columns})")
        for question in sql_files():
            made.execute(question.sql)
        yield made


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_case_gives_its_rows(connection, path):
    filling, pairs = statements(path)
    connection.execute("begin")
    try:
        for statement in filling:
            connection.execute(statement)
        for question, answer in pairs:
            found, wanted = (connection.execute(text).fetchall() for text in (question, answer))
            assert len(found) == len(wanted), (question, found)
            for row, right in zip(found, wanted, strict=True):
                assert [plain(value) for value in row] == [about(value) for value in right], question
    finally:
        connection.execute("rollback")


def plain(value):
    return value if value is None or isinstance(value, (str, list)) else float(value)


def about(value):
    return value if value is None or isinstance(value, (str, list)) else pytest.approx(float(value), rel=1e-6, abs=1e-9)


def test_every_view_and_macro_has_a_case():
    asked = {name for path in CASES for question, _ in statements(path)[1] for name in reads(question)}
    assert {question.name for question in sql_files()} - asked == set()


@pytest.mark.parametrize("asked", ["selected_attributions_at(0.04)", "consistency_at(0.04)"])
def test_a_threshold_below_what_is_stored_is_refused(connection, asked):
    connection.execute("begin")
    try:
        for statement in statements(Path(__file__).parent / "cases" / "knowledge.sql")[0]:
            connection.execute(statement)
        with pytest.raises(duckdb.Error, match=r"t must be at least 0\.05: lower attributions are not stored"):
            connection.execute(f"from {asked}").fetchall()
    finally:
        connection.execute("rollback")
