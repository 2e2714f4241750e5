"""A warehouse has the same rows in whatever folder it lies, and `nwh.duckdb` reads the folder that it lies in."""

from __future__ import annotations

import shutil

import duckdb
import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError, UsageError
from nwh.warehouse.sandbox import restrict, select
from nwh.warehouse.storage.files import Storage

ODD = ["text=hello", "corpus=zz", "year=2026/layer=7", "x[1]", "[!a]", "s*r", "a=[b]*", "{a,b}", "sp ace", "it's"]
ODD += ['a"b', "#1", "a%b", "a+b", "é", "~", "a:b"]
QUERY = "select corpus, sentence_id, text from sentences order by all"


def fill(warehouse, texts=("one", "two")):
    for corpus in ("a", "b"):
        with warehouse.run("corpus", {"corpus": corpus}, {}) as run:
            n = len(texts)
            columns = {"sentence_id": [*range(n)], "doc_id": ["d"] * n, "position": [*range(n)], "n_words": [1] * n}
            run.write("sentences", {"corpus": corpus}, {**columns, "text": [f"{corpus} {text}" for text in texts]})
    return [(corpus, i, f"{corpus} {text}") for corpus in ("a", "b") for i, text in enumerate(texts)]


def rows_of(file, query=QUERY):
    with duckdb.connect(str(file), read_only=True) as plain:
        return plain.execute(query).fetchall()


@pytest.mark.parametrize("name", ODD)
def test_the_rows_are_those_of_any_other_folder(tmp_path, name):
    root = tmp_path / name / "w"
    rows = fill(Warehouse.create(root))
    decoy = tmp_path / "x1" / "w"  # which x[1] would match
    shutil.copytree(root, decoy)
    opened = Warehouse.open(root)
    assert opened.sql(QUERY).fetchall() == rows
    assert opened.sql("select text from sentences where corpus = 'b' and sentence_id = 1").fetchall() == [("b two",)]
    assert opened.scan("sentences").select("corpus", "sentence_id", "text").sort("text").collect().rows() == rows
    assert opened.sql("select count(distinct corpus), count(*) from sentences").fetchall() == [(2, 4)]
    assert rows_of(root / "nwh.duckdb") == rows
    assert opened.tables.unused_files() == []
    restrict(opened.connection, opened.snapshot)
    assert select(opened.connection, QUERY).fetchall() == rows
    shutil.rmtree(decoy)
    (root / "nwh.duckdb").write_bytes(b"damaged")
    with opened.storage.locks.hold("commit"):  # nobody makes it anew: views in memory
        assert Warehouse.open(root).sql(QUERY).fetchall() == rows
    rows = fill(Warehouse.open(root), ["three"])
    assert Warehouse.open(root).sql(QUERY).fetchall() == rows_of(root / "nwh.duckdb") == rows


@pytest.mark.parametrize("name", ["what?", "a%20b", "%41", "back\\slash", "two\nlines"])
def test_a_folder_that_cannot_be_read_right_is_refused_in_one_line(tmp_path, name):
    for use in (Warehouse.create, Warehouse.open):
        with pytest.raises(UsageError, match="cannot lie at") as refused:
            use(tmp_path / name / "w")
        assert len(str(refused.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_through_a_link_no_file_looks_unused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real").mkdir()
    rows = fill(Warehouse.create(tmp_path / "link" / "w"))
    for place in ("link", "real"):
        opened = Warehouse.open(tmp_path / place / "w")
        assert opened.tables.unused_files() == []
        assert opened.sql(QUERY).fetchall() == rows == rows_of(tmp_path / place / "w" / "nwh.duckdb")


@pytest.mark.parametrize("name", ["other", "x[1]", "sp ace"])
def test_a_file_that_was_moved_or_copied_reads_the_folder_it_lies_in(tmp_path, name, monkeypatch, caplog):
    first, second = tmp_path / "first" / "w", tmp_path / name / "w"
    rows = fill(Warehouse.create(first))
    shutil.copytree(first, second)
    shutil.rmtree(first)
    assert rows_of(second / "nwh.duckdb") == rows
    monkeypatch.chdir(second.parent)
    assert rows_of("w/nwh.duckdb") == rows
    assert Warehouse.open(second).sql(QUERY).fetchall() == rows
    assert "made anew" in caplog.text
    with duckdb.connect() as other:  # what is attached reads the folder it was last made in
        other.execute("attach $1 as nwh (read_only)", [str(second / "nwh.duckdb")])
        assert other.execute(QUERY.replace("sentences", "nwh.sentences")).fetchall() == rows
    caplog.clear()
    assert Warehouse.open(second).sql(QUERY).fetchall() == rows
    assert caplog.text == ""


def test_a_copy_does_not_read_the_original(tmp_path):
    rows = fill(Warehouse.create(tmp_path / "first"))
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    for file in (tmp_path / "first").glob("sentences/*/*.parquet"):
        file.write_bytes(b"damaged")
    assert rows_of(tmp_path / "second" / "nwh.duckdb") == rows


def test_a_file_moved_below_a_key_says_what_to_do(tmp_path):
    rows = fill(Warehouse.create(tmp_path / "first"))
    place = tmp_path / "text=hello" / "w"
    shutil.copytree(tmp_path / "first", place)
    with pytest.raises(duckdb.Error, match="nwh status"):
        rows_of(place / "nwh.duckdb")
    _ = Warehouse.open(place).connection
    assert rows_of(place / "nwh.duckdb") == rows


def test_what_an_object_store_says_is_one_line_with_a_way_out():
    storage = Storage("s3://lake/w")
    told = "s3://lake/w does not answer as it should: AWS Error SLOW_DOWN; .*run the same command again"
    with pytest.raises(StorageError, match=told) as error, storage.answering():
        raise OSError("AWS Error SLOW_DOWN\nand more")
    assert len(str(error.value).splitlines()) == 1
