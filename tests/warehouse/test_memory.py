"""Questions larger than memory spill to disk, and say so where they cannot."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from nwh.warehouse import Warehouse, memory
from nwh.warehouse.errors import MemoryLimitError, StorageError, UsageError
from nwh.warehouse.limited_sql import open_limited, run
from tests.warehouse.storage.test_places import fill

LARGE = "select count(distinct s) from (select repeat('x', 40) || range s from range(3000000))"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a warehouse whose connections may use 60 MB."""
    monkeypatch.setenv("NWH_MEMORY", "60MB")
    monkeypatch.setattr(memory, "_instances", 1)  # pages, where this process has imported them, have several
    made = Warehouse.create(tmp_path / "w")
    fill(made)
    return Warehouse.open(made.storage.uri)


def spilled(warehouse):
    return sorted(path.name for path in Path(warehouse.storage.uri, "staging", ".spill").iterdir())


def test_a_question_larger_than_memory_spills_into_the_warehouse(small):
    small.connection.execute("set threads = 1")
    with small.cursor() as cursor:
        assert cursor.execute(LARGE).fetchall() == [(3_000_000,)]
    assert len(spilled(small)) == 1
    small.refresh()
    assert spilled(small) == []
    assert small.storage.staged_places() == []


def test_what_a_server_runs_spills_too(small):
    warehouse = open_limited(small.storage.uri)
    assert run(warehouse, LARGE, 10, 300).rows == [(3_000_000,)]


def test_what_a_killed_process_spilled_is_removed_by_the_next(small):
    folder = Path(small.storage.uri, "staging", ".spill")
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host = socket.gethostname()
    gone, ours, far = f"{host}.{int(done.stdout)}.aa", f"{host}.{os.getpid()}.bb", "other.host.1.cc"
    for name in (gone, ours, far):
        (folder / name).mkdir(parents=True)
        (folder / name / "duckdb_temp_storage.tmp").write_bytes(b"x")
    _ = Warehouse.open(small.storage.uri).connection
    assert spilled(small) == sorted([ours, far])
    os.utime(folder / far, (0, 0))
    os.utime(folder / far / "duckdb_temp_storage.tmp", (0, 0))
    small.vacuum(0)
    assert spilled(small) == [ours]


def test_where_nothing_can_be_written_the_systems_folder_serves(small, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as for a reader of another account
    monkeypatch.setattr(memory.tempfile, "gettempdir", lambda: str(tmp_path))
    opened = Warehouse.open(small.storage.uri)
    assert opened.sql("select count(*) from sentences").fetchall() == [(4,)]
    place = opened.sql("select current_setting('temp_directory')").fetchall()[0][0]
    assert place.startswith(f"{tmp_path}/nwh-spill-")


def test_what_still_does_not_fit_says_how_to_give_it_more(small):
    small.connection.execute("set max_temp_directory_size = '1MB'; set threads = 1")
    with pytest.raises(MemoryLimitError, match="NWH_MEMORY=8GB"), small.cursor() as cursor:
        cursor.execute(LARGE).fetchall()


def test_only_an_error_that_names_a_file_of_the_snapshot_says_it_is_damaged(small):
    with pytest.raises(duckdb.IOException), small.cursor() as cursor:
        cursor.execute("from '/nowhere/x.parquet'")
    Path(small.snapshot["sentences"][0]).unlink()
    with pytest.raises(StorageError, match="nwh verify"), small.cursor() as cursor:
        cursor.execute("select text from sentences").fetchall()


@pytest.mark.parametrize(("given", "instances", "bytes_each"), [("3GB", 3, 10**9), ("1.5 gib", 1, 3 * 2**29)])
def test_the_memory_is_divided_among_a_process_instances(monkeypatch, given, instances, bytes_each):
    monkeypatch.setenv("NWH_MEMORY", given)
    monkeypatch.setattr(memory, "_instances", 1)
    memory.divide_among(instances)
    assert memory.limit() == f"{bytes_each}B"


def test_without_a_limit_it_is_half_of_the_machines(tmp_path, monkeypatch):
    monkeypatch.delenv("NWH_MEMORY", raising=False)
    monkeypatch.setattr(memory, "_instances", 1)
    sizes = "select memory_limit from pragma_database_size()"
    ours = Warehouse.create(tmp_path).sql(sizes).fetchall()[0][0]
    default = duckdb.connect().sql(sizes).fetchall()[0][0]
    assert float(ours.split()[0]) == pytest.approx(float(default.split()[0]) * 50 / 80, rel=0.02)


@pytest.mark.parametrize("given", ["lots", "4", "0GB", "-1GB", "80%"])
def test_no_amount_is_refused_in_one_line(tmp_path, monkeypatch, given):
    made = Warehouse.create(tmp_path)
    monkeypatch.setenv("NWH_MEMORY", given)
    with pytest.raises(UsageError, match=r"NWH_MEMORY is .*4GB"):
        _ = Warehouse.open(made.storage.uri).connection
