"""Warehouses of versions that did not store a column yet: they open, answer alike, and are rewritten by the job."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from nwh.warehouse import Warehouse
from tests.warehouse.test_search_queries import PATTERNS, pattern_rows

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
    assert len(found) == 2 * 15
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
