"""A warehouse on a real S3 server: every job, the commands that read, pages, and what `nwh sql` may do there."""

from __future__ import annotations

import os

import duckdb
import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.storage.object_files import ObjectFiles
from tests import object_store
from tests.forked import nwh
from tests.warehouse.upkeep import make_warehouse


def command(folder, uri, *arguments):
    done = nwh(["--warehouse", uri, *arguments], folder, os.environ)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def both(s3_server, tmp_path_factory):
    """Yield a warehouse in a folder and one on the server, each filled by every job; no test changes them."""
    place = tmp_path_factory.mktemp("both")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment(s3_server).items():
            patch.setenv(name, value)
        local, stored = Warehouse.create(place / "w"), Warehouse.create(f"s3://{object_store.BUCKET}/{place.name}")
        for warehouse in (local, stored):
            folder = place / f"models-{warehouse.storage.local}"
            folder.mkdir()
            make_warehouse.fill(warehouse, folder)
        yield local, stored


@pytest.mark.slow
def test_every_job_and_command_does_there_what_it_does_in_a_folder(both, tmp_path):
    local, stored = both
    s3 = stored.storage.uri
    for relation in ("neuron_topk", "neuron_patterns", "neuron_words", "interventions", "neuron_matches"):
        rows = [each.sql(f"from {relation} order by all").pl() for each in (local, stored)]
        assert rows[0].height > 0
        assert rows[0].equals(rows[1]), relation
    name = f"{make_warehouse.MODEL}@{make_warehouse.CHECKPOINTS[-1]}/hidden/1/3"
    count = "select count(*) as n from neuron_sentences"
    n = local.sql(count).fetchall()[0][0]
    assert command(tmp_path, s3, "sql", count, "--format", "csv") == (0, f"n\n{n}\n", "")
    for arguments in (
        ["status"],
        ["verify", "--deep"],
        ["show", "neuron", name],
        ["export", "neuron_stats", str(tmp_path / "stats.parquet")],
        ["report", make_warehouse.MODEL, "--out", str(tmp_path / "report")],
        ["vacuum"],
    ):
        code, out, error = command(tmp_path, s3, *arguments)
        assert code == 0, (arguments, error)
        assert out or arguments == ["vacuum"] or arguments[0] == "export"
    code, _, error = command(tmp_path, s3, "sql", "select content from read_text('/etc/passwd')")
    assert code == 2
    assert "disabled by configuration" in error
    other = f"{s3.rpartition('/')[0]}/other/runs/x.parquet"
    code, _, error = command(tmp_path, s3, "sql", f"from '{other}'")
    assert code == 2
    assert "disabled by configuration" in error


def test_a_file_that_was_not_written_to_its_end_is_not_there(s3):
    cache = Warehouse.create(s3).storage.cache

    def fail(stream):
        stream.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.keep("tokens/text/x.arrow", fail)
    assert not cache.holds("tokens/text/x.arrow")
    cache.keep("tokens/text/x.arrow", lambda stream: stream.write(b"whole"))
    assert cache.open("tokens/text/x.arrow").read() == b"whole"


def test_duckdb_reads_a_file_whose_name_has_brackets(tmp_path):
    """As `pattern_of` writes such a path, DuckDB asks for it."""
    from pyarrow.fs import LocalFileSystem

    from nwh.warehouse.catalog.relation_views import pattern_of

    path = tmp_path / "x[1] *?.parquet"
    duckdb.sql("select 7 as n").write_parquet(str(path))
    with duckdb.connect() as connection:
        connection.register_filesystem(ObjectFiles("s3://", LocalFileSystem()))
        found = connection.execute("select n from read_parquet($1)", [pattern_of(f"s3://{path}")]).fetchall()
    assert found == [(7,)]
