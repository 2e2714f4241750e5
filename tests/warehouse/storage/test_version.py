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


@pytest.fixture
def of_version_1(tmp_path, known):
    """Return a warehouse that says it is of version 1."""
    known(1)
    earlier = Warehouse.create(tmp_path / "earlier")
    store(earlier, "a")
    known(SCHEMA_VERSION)
    return earlier


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
    assert warehouse.vacuum(0)
    assert version(warehouse) == SCHEMA_VERSION


def test_what_this_program_stores_in_an_earlier_warehouse_leaves_it_of_its_version(warehouse, known):
    known(LATER)
    store(warehouse, "b")
    assert version(warehouse) == SCHEMA_VERSION
    known(SCHEMA_VERSION)
    assert corpora(warehouse) == ["a", "b"]  # so the earlier program still reads it


def test_an_earlier_one_stays_so_until_it_is_upgraded(of_version_1):
    store(of_version_1, "c")
    assert version(of_version_1) == 1
    assert upgrade(Warehouse.open(of_version_1.storage.uri))
    assert version(of_version_1) == SCHEMA_VERSION
    assert sorted(corpora(of_version_1)) == ["a", "c"]
    assert not upgrade(Warehouse.open(of_version_1.storage.uri))


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
    page = AppTest.from_file(str(Path(dashboards.__file__).parent / "pages" / "app.py"), default_timeout=60).run()
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


def test_a_page_names_the_command_for_an_earlier_one(of_version_1, monkeypatch):
    from streamlit.testing.v1 import AppTest

    from nwh import dashboards

    monkeypatch.setenv("NWH_WAREHOUSE", of_version_1.storage.uri)
    page = AppTest.from_file(str(Path(dashboards.__file__).parent / "pages" / "app.py"), default_timeout=60).run()
    assert not page.exception
    assert ["is of version 1" in warning.value for warning in page.warning] == [True]
