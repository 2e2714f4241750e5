"""Names that a store, a file system or an option has a use for: they work, or are refused before any work."""

from __future__ import annotations

import duckdb
import pytest

from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import check_name, short_name

WORKING = ["null", "_delta_log", "main", "all", "a.", "007", "x" * 128]
REFUSED = [".", "..", ".hidden", "-x", "--name", "-", "__HIVE_DEFAULT_PARTITION__", "a/b", "a=b", "a+b", "", "x" * 129]


def add(warehouse, name):
    return ingest_corpus(warehouse, name, "x", lambda: [Document("a", f"This is {name[:3]}")])


def test_names_that_sound_special_are_names(tmp_path):
    warehouse = Warehouse.create(tmp_path / "w")
    for name in WORKING:
        add(warehouse, name)
    expected = sorted((name, f"This is {name[:3]}") for name in WORKING)
    query = "select corpus, text from sentences order by all"
    assert warehouse.sql(query).fetchall() == expected
    with duckdb.connect(tmp_path / "w/nwh.duckdb", read_only=True) as client:
        assert client.sql(query).fetchall() == expected
    assert sorted(warehouse.scan("sentences").select("corpus", "text").collect().rows()) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_would_be_taken_for_something_else_are_refused(tmp_path, name):
    warehouse = Warehouse.create(tmp_path / "w")
    with pytest.raises(UsageError, match=r"corpus name .* is not allowed: "):
        add(warehouse, name)
    assert warehouse.sql("from corpora").fetchall() == []


def test_all_is_every_checkpoint_and_no_name_of_one():
    with pytest.raises(UsageError, match="checkpoint name 'all' is not allowed: it means every checkpoint"):
        check_name("checkpoint", "all")
    assert check_name("model", "all") == "all"


def test_short_names_of_models_are_allowed_names():
    references = {"-x": "x", "./.hidden": "hidden", "a/--b.": "b.", "Org/Big Model": "big-model"}
    assert [short_name(each) for each in references] == list(references.values())
