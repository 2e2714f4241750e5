"""What comes out of `nwh sql` and `nwh export`: whole or an error, of any rows, and fitting the terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
import time
from datetime import UTC, datetime
from select import select

import pyarrow.parquet as pq
import pytest

from nwh.warehouse import Warehouse, output
from nwh.warehouse.errors import UsageError
from nwh.warehouse.output import Format
from tests import forked
from tests.warehouse.storage.test_places import fill

FAILS_LATE = (
    "select s::integer as i from (select case when range = 250000 then 'x' else '1' end as s from range(300000))"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    fill(Warehouse.create(folder / "w"))
    return folder


def nwh(place, *arguments, stdin=b""):
    return forked.nwh(arguments, place, {**os.environ, "NWH_WAREHOUSE": str(place / "w")}, stdin)


@pytest.mark.parametrize("format", ["json", "parquet", "csv", "table"])
def test_an_error_in_a_late_row_is_the_querys_fault_and_leaves_no_half_document(place, format):
    done = nwh(place, "sql", FAILS_LATE, "--format", format)
    assert done.returncode == 2
    assert b"Could not convert string 'x'" in done.stderr
    assert (done.stdout == b"") == (format != "csv")


def test_what_was_meant_and_where_it_stands_is_told(place):
    done = nwh(place, "sql", "select corpus,\n txet from sentences")
    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert any('"text"' in line for line in lines)
    assert any(line.startswith("LINE 2") for line in lines)
    assert lines[-1].strip().startswith("^")
    assert b'Did you mean "sentences"' in nwh(place, "sql", "from sentnces").stderr


def test_a_statement_may_begin_with_a_comment(place):
    done = nwh(place, "sql", "-- how many\nselect count(*) as n from sentences", "--format", "csv")
    assert (done.returncode, done.stdout) == (0, b"n\n4\n")
    done = nwh(place, "sql", "--formt", "csv")
    assert done.returncode == 2
    assert b"no such option or argument: --formt" in done.stderr


def test_a_plan_is_drawn(place):
    done = nwh(place, "sql", "explain select count(*) from sentences where corpus = 'a'")
    assert done.returncode == 0
    assert "│" in done.stdout.decode()
    assert "…" not in done.stdout.decode()


def test_a_file_is_written_whole_or_not_at_all(place, tmp_path):
    file = tmp_path / "rows.json"
    file.write_text("before")
    with pytest.raises(ZeroDivisionError), output.replaced(file) as stream:
        stream.write(b"half")
        _ = 1 / 0
    with pytest.raises(UsageError, match="cannot write"), output.replaced(tmp_path / "no" / "rows.json"):
        pass
    assert file.read_text() == "before"
    with output.replaced(file) as stream:
        stream.write(b"after")
    assert file.read_text() == "after"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


def test_parquet_takes_no_rows_and_columns_of_mixed_types(place):
    stream = io.BytesIO()
    assert output.write_rows(["a", "b"], [], Format.parquet, stream) == 0
    assert pq.read_table(stream).column_names == ["a", "b"]
    stream = io.BytesIO()
    output.write_rows(["a", "b"], [(1, "x"), ("one", None)], Format.parquet, stream)
    assert pq.read_table(stream).to_pydict() == {"a": ["1", "one"], "b": ["x", None]}
    done = nwh(place, "export", "neuron_topk", "none.parquet")
    assert (done.returncode, done.stderr) == (0, b"")
    assert pq.read_table(place / "none.parquet").num_rows == 0


@pytest.mark.parametrize("format", [Format.json, Format.parquet])
def test_columns_of_one_name_are_all_there(place, format):
    warehouse = Warehouse.open(place / "w")
    stream = io.BytesIO()
    output.write(warehouse.connection.execute("select 1 as a, 2 as a"), format, stream)
    if format is Format.json:
        assert stream.getvalue() == b'[\n{"a": 1, "a_1": 2}\n]\n'
    else:
        assert pq.read_table(stream).to_pydict() == {"a": [1], "a_1": [2]}


VALUES = """
select sum(range) as hugeint, 9223372036854775807 as big, 1.10::decimal(5, 2) as decimal, 'nan'::double as nan,
[1.5, 'inf'::double, null] as list, {'a': [2, null]} as struct, map {'k': 1} as map, 'é"\n' as text,
null as nothing, true as bool,
timestamptz '2020-01-02 03:04:05+00' as zoned, timestamp '2020-01-02 03:04:05.5' as plain, date '2020-01-02' as day,
'ab'::blob as bytes, interval 3 days as span, [date '2020-01-02'] as days from range(10)
"""


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_values_are_json_of_their_kind(place, format):
    """Numbers as numbers, as exact as they are; lists and structs as they stand; what JSON lacks as text or null."""
    done = nwh(place, "sql", VALUES, "--format", format)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    expected = {
        "hugeint": 45, "big": 2**63 - 1, "decimal": 1.1, "nan": None, "list": [1.5, None, None],
        "struct": {"a": [2, None]}, "map": {"k": 1}, "text": 'é"\n', "nothing": None, "bool": True,
        "plain": "2020-01-02T03:04:05.500000", "day": "2020-01-02", "bytes": "6162", "span": "3 days, 0:00:00",
        "days": ["2020-01-02"],
    }  # fmt: skip
    found = row[0] if format == "json" else row
    zoned = datetime.fromisoformat(found.pop("zoned"))
    assert zoned == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found == expected


def test_values_in_csv(place):
    done = nwh(place, "sql", VALUES.replace("timestamptz '2020-01-02 03:04:05+00'", "null"), "--format", "csv")
    names, values = csv.reader(io.StringIO(done.stdout.decode()))
    assert dict(zip(names, values, strict=True)) == {
        "hugeint": "45", "big": str(2**63 - 1), "decimal": "1.10", "nan": "nan", "list": "[1.5, null, null]",
        "struct": '{"a": [2, null]}', "map": '{"k": 1}', "text": 'é"\n', "nothing": "", "bool": "True", "zoned": "",
        "plain": "2020-01-02 03:04:05.500000", "day": "2020-01-02", "bytes": "6162", "span": "3 days, 0:00:00",
        "days": '["2020-01-02"]',
    }  # fmt: skip


def test_any_line_end_in_a_value_of_csv():
    stream, row = io.BytesIO(), ("a\rb", "c\nd", "e\r\nf", "\r\n")
    output.write_rows(["w", "x", "y", "z"], [row], Format.csv, stream)
    assert stream.getvalue().startswith(b"w,x,y,z\n")
    assert list(csv.reader(io.StringIO(stream.getvalue().decode(), newline=""))) == [["w", "x", "y", "z"], list(row)]


@pytest.mark.parametrize(("format", "empty"), [("json", b"[]\n"), ("jsonl", b""), ("csv", b"a\n")])
def test_no_rows(place, format, empty):
    assert nwh(place, "sql", "select 1 as a where false", "--format", format).stdout == empty


def on_terminal(place, arguments, columns=80, keys=()):
    """Run `nwh` on a terminal of so many columns; return what it shows. keys: (text to wait for, what to type)."""
    main, side = pty.openpty()
    environment = {**os.environ, "NWH_WAREHOUSE": str(place / "w"), "COLUMNS": str(columns), "TERM": "dumb"}
    begin = "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from nwh.cli import main; main()"
    command = [sys.executable, "-c", begin, *arguments]
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environment, start_new_session=True)
    os.close(side)
    shown, read, waiting, until = b"", 0, list(keys), time.monotonic() + 60
    while time.monotonic() < until:
        if not select([main], [], [], 0.2)[0]:
            continue
        try:
            shown += os.read(main, 65536)
        except OSError:  # the process has ended
            break
        if waiting and (found := shown.find(waiting[0][0], read)) >= 0:
            read = found + len(waiting[0][0])
            time.sleep(0.3)
            os.write(main, waiting.pop(0)[1])
    else:
        process.kill()
    process.wait(10)
    os.close(main)
    return shown.decode(), process.returncode


def test_a_table_fits_the_terminal(place):
    query = "select repeat('long text ', 50) as text, 'short' as name, 123456789 as number, repeat('z', 300) as other"
    shown, code = on_terminal(place, ["sql", query])
    assert code == 0
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    row = next(line for line in lines if "short" in line)
    assert "123456789" in row
    assert row.count("…") == 2
    assert all(len(line) <= 80 for line in lines)
    assert "--format" in shown
    whole = nwh(place, "sql", query).stdout.decode()
    assert "long text " * 50 + " " in whole
    assert "--format" not in on_terminal(place, ["sql", "select corpus from corpora"])[0]


def test_the_prompt_goes_on_after_errors_and_ctrl_c(place):
    keys = [
        (b"nwh> ", f"{FAILS_LATE};\n".encode()),
        (b"Could not convert", b"select 'half"),
        (b"select 'half", b"\x03"),
        (b"Ctrl-D ends", b"select 40 + 2 as answer;\n"),
        (b"42 ", b"\x04"),
    ]
    shown, code = on_terminal(place, ["sql"], keys=keys)
    assert code == 0
    assert " 42 " in shown
    slow = b"select count(*) from range(1000000) a, range(1000000) b where hash(a.range, b.range) = 1;\n"
    keys = [(b"nwh> ", slow), (b"= 1;\r\n", b"\x03"), (b"nwh> ", b"\x04")]
    _, code = on_terminal(place, ["sql"], keys=keys)
    assert code == 0
