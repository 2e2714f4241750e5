"""The version that a warehouse says: kept by runs, copies and a vacuum, refused by programs that know earlier ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nwh.cli import main
from nwh.ingest.upgrade import upgrade
from nwh.warehouse import Warehouse, limited_sql
from nwh.warehouse.errors import StorageError
from nwh.warehouse.schema import SCHEMA_VERSION
from nwh.warehouse.storage import tables

LATER = SCHEMA_VERSION + 1
REFUSED = f"version {LATER}, and this program knows versions up to {SCHEMA_VERSION}: `pip install --upgrade nwh`"


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse.create(tmp_path / "w")
    store(made, "a")
    return made


@pytest.fixture
def known(monkeypatch):
    """Return a function that makes this program one that knows versions up to another."""

    def to(version):
        monkeypatch.setattr(tables, "SCHEMA_VERSION", version)

    return to


@pytest.fixture
def of_later(warehouse, known):
    """Return the warehouse, of a version after the program's."""
    make_later(warehouse, known)
    return warehouse


def make_later(warehouse, known):
    known(LATER)
    with warehouse.run("upgrade", {"version": str(LATER)}, {}) as run:
        run.upgraded = True
    known(SCHEMA_VERSION)


def store(warehouse, corpus):
    row = {"source": ["s"], "n_documents": [1], "n_sentences": [1], "settings": ["{}"]}
    with warehouse.run("corpus", {"corpus": corpus}, {}) as run:
        run.write("corpora", {"corpus": corpus}, row)


def store_as_version_1_did(warehouse, corpus, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(tables, "_said", lambda version, runs: [])
        store(warehouse, corpus)


def version(warehouse):
    return Warehouse.open(warehouse.storage.uri).version


def corpora(warehouse):
    return [name for (name,) in Warehouse.open(warehouse.storage.uri).sql("select corpus from corpora").fetchall()]


def test_a_new_warehouse_is_of_the_present_version_and_so_is_a_copy(warehouse, tmp_path):
    assert Warehouse.create(tmp_path / "new").version == version(warehouse) == SCHEMA_VERSION
    copied = Warehouse.open(shutil.copytree(warehouse.storage.uri, tmp_path / "copy"))
    store(copied, "b")
    moved = Warehouse.open(shutil.move(copied.storage.uri, tmp_path / "moved"))
    assert moved.version == SCHEMA_VERSION


def test_a_vacuum_keeps_it(warehouse):
    Path(warehouse.storage.uri, "runs", "left-by-a-run-that-died.parquet").write_bytes(b"")
    n = warehouse.tables.version()
    assert warehouse.vacuum(0)
    assert warehouse.tables.version() > n  # a vacuum is in the log too, and is no run
    assert version(warehouse) == SCHEMA_VERSION


def test_what_this_program_stores_in_an_earlier_warehouse_leaves_it_of_its_version(warehouse, known):
    known(LATER)
    store(warehouse, "b")
    assert version(warehouse) == SCHEMA_VERSION
    known(SCHEMA_VERSION)
    assert corpora(warehouse) == ["a", "b"]  # so the earlier program still reads it


def test_after_a_program_that_knows_no_versions_has_stored_it_is_of_the_first(warehouse, monkeypatch):
    store_as_version_1_did(warehouse, "b", monkeypatch)
    assert version(warehouse) == 1
    store(warehouse, "c")
    assert version(warehouse) == 1
    assert upgrade(Warehouse.open(warehouse.storage.uri))
    assert version(warehouse) == SCHEMA_VERSION
    assert sorted(corpora(warehouse)) == ["a", "b", "c"]


def test_a_later_one_is_refused_whoever_opens_it(of_later, monkeypatch, capsys):
    uri = of_later.storage.uri
    for opened in (Warehouse.open, Warehouse.create, limited_sql.open_limited):
        with pytest.raises(StorageError, match=REFUSED):
            opened(uri)
    with pytest.raises(StorageError, match=REFUSED):
        of_later.refresh()
    for command in (["sql", "select 1"], ["verify"], ["status"], ["vacuum"], ["upgrade"], ["init"]):
        monkeypatch.setattr("sys.argv", ["nwh", "--warehouse", uri, *command])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == f"error: {uri} is a warehouse of {REFUSED}\n"


def test_a_page_says_so(of_later, monkeypatch):
    from streamlit.testing.v1 import AppTest

    from nwh import dashboards

    monkeypatch.setenv("NWH_WAREHOUSE", of_later.storage.uri)
    page = AppTest.from_file(str(Path(dashboards.__file__).parent / "app.py"), default_timeout=60).run()
    assert [REFUSED in error.value for error in page.error] == [True]


def test_a_run_under_way_stores_nothing_when_another_program_has_upgraded_meanwhile(warehouse, known):
    with pytest.raises(StorageError, match=REFUSED), warehouse.run("corpus", {"corpus": "b"}, {}) as run:
        row = {"source": ["s"], "n_documents": [1], "n_sentences": [1], "settings": ["{}"]}
        run.write("corpora", {"corpus": "b"}, row)
        make_later(Warehouse.open(warehouse.storage.uri), known)
    known(LATER)
    assert version(warehouse) == LATER
    assert corpora(warehouse) == ["a"]
    assert warehouse.tables.unused_files() == []


def test_a_page_names_the_command_for_an_earlier_one(warehouse, monkeypatch):
    from streamlit.testing.v1 import AppTest

    from nwh import dashboards

    store_as_version_1_did(warehouse, "b", monkeypatch)
    monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
    page = AppTest.from_file(str(Path(dashboards.__file__).parent / "app.py"), default_timeout=60).run()
    assert not page.exception
    assert ["is of version 1" in warning.value for warning in page.warning] == [True]
