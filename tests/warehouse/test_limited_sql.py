"""Statements on a server: rows and time have limits, errors are told whole, files are those of `nwh sql`."""

from __future__ import annotations

import io
import json
import threading
import time

import pyarrow.parquet as pq
import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.limited_sql import open_limited, run
from nwh.warehouse.output import Format


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    made = Warehouse.create(tmp_path_factory.mktemp("limited") / "warehouse")
    with made.run("test", {"corpus": "a"}, {}) as job:
        corpora = {"source": ["s"], "n_documents": [1], "n_sentences": [2], "settings": ["{}"]}
        job.write("corpora", {"corpus": "a"}, corpora)
    return open_limited(made.storage.uri)


def test_rows_are_cut_at_the_limit_and_those_beyond_are_not_computed(limited):
    all_of_them = run(limited, "select * from range(10)", 10, 30)
    assert (len(all_of_them.rows), all_of_them.cut) == (10, False)
    cut = run(limited, "select * from range(10)", 9, 30)
    assert (cut.values, cut.cut) == ({"range": list(range(9))}, True)
    endless = run(limited, "select range * 2 as twice from range(1_000_000_000_000)", 1000, 30)
    assert (endless.values["twice"][-1], endless.cut) == (1998, True)
    assert run(limited, "select 1 as a where false", 5, 30).values == {"a": []}


def test_a_statement_that_takes_too_long_is_stopped_and_others_go_on(limited):
    slow = "select count(*) from range(1_000_000) a, range(1_000_000) b where hash(a.range, b.range) = 1"
    began, said = time.monotonic(), []

    def wait() -> None:
        with pytest.raises(UsageError) as stopped:
            run(limited, slow, 10, 0.5)
        said.append(str(stopped.value))

    thread = threading.Thread(target=wait)
    thread.start()
    assert run(limited, "select corpus from corpora", 10, 30).values == {"corpus": ["a"]}
    thread.join(30)
    assert time.monotonic() - began < 15
    assert "stopped after 0.5 s" in said[0]
    assert run(limited, "select 1 as a", 10, 0.5).values == {"a": [1]}


@pytest.mark.parametrize(
    "query",
    [
        "drop view corpora",
        "select * from read_csv('/etc/passwd')",
        "copy (select 1) to '/tmp/x.csv'",
        "set threads = 1",
        "attach '/tmp/x.duckdb'",
        "create temp table t as select 1",
        "select 1; select 2",
        "",
    ],
)
def test_it_only_reads_and_only_this_warehouse(limited, query):
    with pytest.raises(UsageError):
        run(limited, query, 10, 30)


def test_what_duckdb_says_is_told_whole(limited):
    with pytest.raises(UsageError) as found:
        run(limited, "select corpsu from corpora", 10, 30)
    assert "corpsu" in str(found.value)
    assert '"corpus"' in str(found.value)  # the candidates are below the first line
    with pytest.raises(UsageError, match="Conversion"):  # raised while rows are fetched
        run(limited, "select (range || 'x')::integer from range(100_000)", 100_000, 30)


def test_columns_of_one_name_get_names_of_their_own(limited):
    found = run(limited, "select 1 as a, 2 as a, 3 as a_1, 4 as a", 10, 30)
    assert list(found.values) == ["a", "a_2", "a_1", "a_3"]
    assert [column[0] for column in found.values.values()] == [1, 2, 3, 4]


def test_the_files_hold_the_rows(limited):
    query = "select 'x,\"y' as text, [1, 2] as list, 1.5::double as number, null::integer as nothing, 3::hugeint as big"
    found = run(limited, query, 10, 30)
    row = {"text": 'x,"y', "list": [1, 2], "number": 1.5, "nothing": None, "big": 3}
    assert {name: column[0] for name, column in found.values.items()} == row
    assert json.loads(found.file(Format.json)) == [row]
    assert found.file(Format.csv).decode() == 'text,list,number,nothing,big\n"x,""y","[1, 2]",1.5,,3\n'
    assert pq.read_table(io.BytesIO(found.file(Format.parquet))).to_pylist() == [row]
    empty = run(limited, "select 1::bigint as a where false", 10, 30)
    assert pq.read_table(io.BytesIO(empty.file(Format.parquet))).num_rows == 0
    odd = run(limited, "select (10::hugeint * 10 ** 20::hugeint)::hugeint as a", 10, 30)
    assert pq.read_table(io.BytesIO(odd.file(Format.parquet))).num_rows == 1
