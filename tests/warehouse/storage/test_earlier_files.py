"""Warehouses of versions that did not store a column yet: they open, answer alike, and are rewritten by the job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from nwh.warehouse import Warehouse
from nwh.warehouse.schema import RELATIONS
from tests.warehouse.queries.test_search import PATTERNS, pattern_rows

UNIT = {"model": "m", "checkpoint": "main", "site": "ffn", "scope": "a", "kind": "word", "pole": "top"}


def write(warehouse, **unit):
    import numpy as np

    unit = {**UNIT, **unit}
    with warehouse.run("test", unit, {}) as run:
        run.write("neuron_patterns", unit, pattern_rows(np.random.default_rng(1), PATTERNS[unit["kind"]]))


def make_earlier(warehouse, *poles):
    """Take the column out of the files of some poles, and the views out of the folder: another version made them."""
    for uri in warehouse.snapshot["neuron_patterns"]:
        if any(f"pole={pole}/" in uri for pole in poles):
            pq.write_table(pq.ParquetFile(uri).read().drop_columns("pattern_text"), uri)
    Path(warehouse.storage.uri, "nwh.duckdb").unlink()
    return Warehouse.open(warehouse.storage.uri)


@pytest.mark.parametrize("poles", [["top"], ["bottom"], ["top", "bottom"]])
def test_a_column_that_some_files_lack_is_made_of_others(tmp_path, poles):
    warehouse = Warehouse.create(tmp_path)
    write(warehouse)
    write(warehouse, pole="bottom", kind="tree")
    query = "select * from neuron_patterns order by all"
    asked = "select * from pattern_neurons('word', 'the king') union all from pattern_neurons('tree', '(NP (DT) (NN))')"
    before, found = warehouse.sql(query).fetchall(), warehouse.sql(f"{asked} order by all").fetchall()
    assert len(found) > 20
    earlier = make_earlier(warehouse, *poles)
    assert earlier.sql(query).fetchall() == before
    assert earlier.sql(f"{asked} order by all").fetchall() == found
    # another run makes the views for other clients anew
    write(earlier, site="hidden")
    with duckdb.connect(f"{tmp_path}/nwh.duckdb", read_only=True) as connection:
        of_site = query.replace("order by", "where site = 'ffn' order by")
        assert connection.execute(of_site).fetchall() == before
    scanned = earlier.scan("neuron_patterns").filter(site="ffn").collect()
    assert scanned.height == len(before)
    assert scanned["pattern_text"].null_count() == sum(15 * (2 if pole == "top" else 1) for pole in poles)


def test_a_file_that_lacks_another_column_is_named(tmp_path):
    from nwh.warehouse.errors import StorageError

    warehouse = Warehouse.create(tmp_path)
    write(warehouse)
    (uri,) = warehouse.snapshot["neuron_patterns"]
    pq.write_table(pq.ParquetFile(uri).read().drop_columns("support"), uri)
    Path(tmp_path, "nwh.duckdb").unlink()
    with pytest.raises(StorageError, match="neuron_patterns is damaged.*support"):
        _ = Warehouse.open(tmp_path).connection


def test_patterns_chosen_on_all_sentences_are_no_mined_patterns(tmp_path):
    """Their figures of the first half come with `nwh upgrade`."""
    warehouse = Warehouse.create(tmp_path)
    write(warehouse)
    write(warehouse, pole="bottom")
    new = warehouse.sql("from mined_patterns where pole = 'bottom' order by all").fetchall()
    assert warehouse.sql("select count(*) from mined_patterns where pole = 'top'").fetchall() > [(0,)]
    n = warehouse.sql("select count(*) from neuron_patterns").fetchall()
    for uri in warehouse.snapshot["neuron_patterns"]:
        if "pole=top/" in uri:
            rows = pq.ParquetFile(uri).read()
            lacking = [name for name in rows.column_names if name.startswith("mined_") and name != "mined_support"]
            pq.write_table(rows.drop_columns(lacking), uri)
    Path(warehouse.storage.uri, "nwh.duckdb").unlink()
    earlier = Warehouse.open(tmp_path)
    assert earlier.sql("from mined_patterns order by all").fetchall() == new
    assert earlier.sql("select count(*) from neuron_patterns").fetchall() == n


def test_a_table_of_an_earlier_version_takes_rows_with_new_columns(tmp_path, monkeypatch):
    """Other readers of Delta tables see the columns, and that one may now be null."""
    now = RELATIONS["neuron_patterns"]
    kept = [column for column in now.columns if column.absent != "null::float"]
    then = tuple(replace(column, nullable=False) if column.name == "q_value" else column for column in kept)
    warehouse = Warehouse.create(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setitem(RELATIONS, "neuron_patterns", replace(now, columns=then))
        warehouse.tables._create("neuron_patterns")
    write(warehouse)
    write(warehouse, pole="bottom")
    table = DeltaTable(f"{tmp_path}/neuron_patterns")
    fields = {field.name: field.nullable for field in table.schema().fields}
    assert list(fields) == list(now.column_names)
    assert fields["q_value"]
    assert pl.scan_delta(table).collect().sort("mined_g2")["mined_g2"].null_count() == 0
