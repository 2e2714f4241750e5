"""`nwh sql` reads this warehouse and nothing else; DuckDB's own settings hold the door."""

from __future__ import annotations

from pathlib import Path

import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.sandbox import restrict, select
from tests.conftest import copied


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus):
    """Return the folder of a warehouse, to be copied."""
    made = Warehouse.create(tmp_path_factory.mktemp("stored") / "w")
    add_corpus(made, "one", 20)
    return made.storage.uri


@pytest.fixture
def sandbox(stored, tmp_path):
    warehouse = copied(stored, tmp_path / "w")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    restrict(warehouse.connection, warehouse.snapshot)
    return warehouse, tmp_path


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from sentences",
        "from corpora",
        "with a as (select 1 as x) select x from a",
        "describe sentences",
        "describe select corpus from sentences",
        "summarize corpora",
        "show tables",
        "show sentences",
        "-- a comment\n/* and another */ select 1 -- and one; more",
        "pivot sentences on position using count(*) group by corpus",
        "pivot sentences on position using count(*); -- all of them",
        "with p as (pivot sentences on position using count(*)) from p where true",
        "unpivot (select 1 as a, 2 as b) on a, b",
        "explain from sentences",
        "explain analyze select 'é', count(*) from sentences",
        "explain (format json) select 1",
        "explain (analyze, format json) select 1",
        "explain (select 1)",
        "values (1), (2)",
        "select * from top_sentences(['one'], 3)",
    ],
)
def test_what_reads_is_allowed(sandbox, query):
    warehouse, _ = sandbox
    select(warehouse.connection, query).fetchall()


@pytest.mark.parametrize(
    "query",
    [
        "select * from '{outside}'",
        "select * from read_csv('{outside}')",
        "select * from read_text('{outside}')",
        "select * from read_blob('/etc/passwd')",
        "select * from glob('{folder}/*')",
        "select * from sniff_csv('{outside}')",
        "copy sentences to '{folder}/stolen.csv'",
        "copy (select 1) to '{inside}'",
        "explain analyze copy (select 1) to '{inside}'",
        "explain (analyze) copy (select 1) to '{inside}'",
        "explain /* select */ analyze copy (select 1) to '{inside}'",
        "explain copy (select 1) to '{inside}'",
        "explain analyze checkpoint",
        "explain analyze create table t as select 1",
        "copy (pivot sentences on position using count(*)) to '{inside}'",
        "copy (pivot sentences on position using count(*)) to '{inside}' --)",
        "explain analyze copy (pivot sentences on position using count(*)) to '{inside}'",
        "create table t as pivot sentences on position using count(*)",
        "insert into corpora (pivot sentences on position using count(*))",
        "pivot sentences on position using count(*); copy (select 1) to '{inside}'",
        "pivot '{outside}' on a using count(*)",
        "export database '{folder}/x'",
        "attach '{folder}/other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "reset lock_configuration",
        "pragma enable_profiling",
        "create table t as select 1",
        "create temp table t as select 1",
        "create view v as select 1",
        "create or replace view sentences as select 1",
        "create macro f(x) as x",
        "drop view sentences",
        "insert into corpora values (1)",
        "update corpora set source = 'x'",
        "delete from corpora",
        "with gone as (delete from corpora returning *) select * from gone",
        "checkpoint",
        "call pragma_version()",
        "begin",
        "prepare p as select 1",
        "select 1; drop view sentences",
        "",
        "select from where",
    ],
)
def test_everything_else_is_refused(sandbox, query):
    warehouse, folder = sandbox
    inside = warehouse.snapshot["sentences"][0]
    before = Path(inside).read_bytes()
    query = query.format(outside=folder / "secret.csv", folder=folder, inside=inside)
    with pytest.raises(UsageError):
        select(warehouse.connection, query).fetchall()
    assert Path(inside).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["secret.csv", "w"]
    assert warehouse.connection.execute("select count(*) from sentences").fetchall() > [(0,)]


def test_the_settings_hold_even_where_a_statement_slips_through(sandbox):
    """The parser's word on a statement's kind is the second lock: here the first one, DuckDB's settings, alone."""
    import duckdb

    warehouse, folder = sandbox
    for query in (f"copy (select 1) to '{folder}/x.csv'", f"attach '{folder}/x.db'", "set threads = 1"):
        with pytest.raises(duckdb.Error):
            warehouse.connection.execute(query)
    assert not (folder / "x.csv").exists()
