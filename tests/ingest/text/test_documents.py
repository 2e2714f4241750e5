import csv
import json
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nwh.ingest.text.documents
from nwh.ingest.text.documents import Document, parse_metadata_option, read_documents
from nwh.ingest.text.formats import lines, tables
from nwh.warehouse.errors import SourceError, UsageError

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("NWH_TEST_DATA") or ROOT.parent / "shared" / "data")

ROWS = [
    {"id": "a", "text": "First, with a comma.", "year": "1945", "topic": "news"},
    {"id": "b", "text": 'Quotes "here"\nand a second line.', "year": "1946", "topic": ""},
    {"id": "c", "text": "", "year": "1947", "topic": "news"},
    {"id": "d", "text": "Grüße, 日本 😀", "year": "", "topic": "fiction"},
]
PAIRS = [("year", "year"), ("topic", "domain")]
EXPECTED = [
    Document("a", ROWS[0]["text"], (("year", "1945"), ("domain", "news"))),
    Document("b", ROWS[1]["text"], (("year", "1946"),)),
    Document("d", ROWS[3]["text"], (("domain", "fiction"),)),
]


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in rows), "utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, rows[0], dialect="excel-tab" if path.suffix == ".tsv" else "excel")
            writer.writeheader()
            writer.writerows(rows)
    return str(path)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv", "jsonl"])
def test_tables_give_their_rows(tmp_path, suffix):
    documents = read_documents(write(tmp_path / f"corpus.{suffix}", ROWS), metadata=PAIRS)
    assert list(documents) == EXPECTED
    assert (documents.n_documents, documents.n_skipped) == (3, 1)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("pattern", ["", "*", "part-?.*"])
def test_a_folder_or_glob_of_tables_is_one_source(tmp_path, suffix, pattern):
    write(tmp_path / f"part-1.{suffix}", ROWS[2:])
    write(tmp_path / f"part-0.{suffix}", ROWS[:2])
    (tmp_path / ".hidden").write_bytes(b"\xff")
    documents = read_documents(str(tmp_path / pattern), metadata=PAIRS)
    assert list(documents) == EXPECTED


def test_ids_come_from_doc_id_then_id_then_the_row_number(tmp_path):
    def ids(rows, **options):
        return [document.doc_id for document in read_documents(write(tmp_path / "x.jsonl", rows), **options)]

    assert ids([{"text": "a", "id": 7, "doc_id": "x"}]) == ["x"]
    assert ids([{"text": "a", "id": 7}]) == ["7"]
    assert ids([{"text": "a", "id": 7, "n": "q"}], doc_id="n") == ["q"]
    assert ids([{"text": "a"}, {"text": None}, {"text": "c"}]) == ["0", "2"]


def test_metadata_of_any_scalar_type_becomes_text(tmp_path):
    table = pa.table(
        {
            "body": pa.array(["one", "two"], pa.large_string()).dictionary_encode(),
            "year": pa.array([1945, None], pa.int32()),
            "score": [0.1, math.nan],
            "big": [2**53 + 1, -1],
            "day": [date(2001, 2, 3), None],
            "good": [True, False],
            "topics": [["x", None, "y", "x"], []],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    columns = [name for name in table.column_names if name != "body"]
    found = read_documents(str(tmp_path / "t.parquet"), text="body", metadata=[(c, c) for c in columns])
    assert [document.metadata for document in found] == [
        (
            ("year", "1945"), ("score", "0.1"), ("big", "9007199254740993"), ("day", "2001-02-03"),
            ("good", "true"), ("topics", "x"), ("topics", "y"),
        ),
        (("big", "-1"), ("good", "false")),
    ]  # fmt: skip


def test_text_files(tmp_path):
    for name, text in {"b/pos/1.txt": "Good.\n", "b/neg/1": "Bad.", "top.txt": "Top.", "b/.x": "no"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(read_documents(str(tmp_path))) == [
        Document("b/neg/1", "Bad.", (("folder", "b/neg"),)),
        Document("b/pos/1.txt", "Good.\n", (("folder", "b/pos"),)),
        Document("top.txt", "Top."),
    ]
    named = list(read_documents(str(tmp_path / "b"), metadata=[("folder", "sentiment")]))
    assert [document.metadata for document in named] == [(("sentiment", "neg"),), (("sentiment", "pos"),)]
    assert list(read_documents(str(tmp_path / "top.txt"))) == [Document("top.txt", "Top.")]
    globbed = [document.doc_id for document in read_documents(str(tmp_path / "**" / "*.txt"))]
    assert globbed == ["b/pos/1.txt", "top.txt"]


def test_lines_are_documents(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfone\r\n\n  \ntwo\x0bstill two")
    documents = read_documents(str(tmp_path / "x.txt"), format="lines")
    assert list(documents) == [Document("0", "one"), Document("3", "two\x0bstill two")]
    assert documents.n_skipped == 2


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt"])
def test_a_byte_order_mark_is_no_text(tmp_path, suffix):
    path = Path(write(tmp_path / "x.jsonl" if suffix == "jsonl" else tmp_path / "x.csv", [{"text": "hello"}]))
    marked = tmp_path / f"marked.{suffix}"
    marked.write_bytes(b"\xef\xbb\xbf" + (b"hello" if suffix == "txt" else path.read_bytes()))
    assert [document.text for document in read_documents(str(marked))] == ["hello"]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(rows=st.lists(st.tuples(texts, st.none() | st.text(st.characters(exclude_categories=["Cs"]))), min_size=1))
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_round_trip(tmp_path_factory, suffix, rows):
    folder = tmp_path_factory.mktemp("round", numbered=True)
    source = write(folder / f"x.{suffix}", [{"text": text, "key": key} for text, key in rows])
    documents = list(read_documents(source, metadata=[("key", "k")]))
    assert [(document.text, dict(document.metadata).get("k")) for document in documents] == [
        (text, key or None) for text, key in rows
    ]
    assert [document.doc_id for document in documents] == [str(row) for row in range(len(rows))]


def test_columns_that_are_not_kept_are_named(tmp_path):
    source = write(tmp_path / "corpus.csv", ROWS)
    assert read_documents(source).left_out == ("year", "topic")
    assert read_documents(source, metadata=[("topic", "domain")]).left_out == ("year",)
    assert read_documents(source, doc_id="year", metadata=PAIRS[1:]).left_out == ("id",)
    (tmp_path / "a.txt").write_text("A text.")
    assert read_documents(str(tmp_path / "a.txt")).left_out == ()


def test_metadata_option():
    assert parse_metadata_option(["domain, topic=category", "domain,x=a=b"]) == (
        ("domain", "domain"), ("category", "topic"), ("a=b", "x"),
    )  # fmt: skip
    assert parse_metadata_option([]) == ()
    for wrong in ("=a", "a=", "="):
        with pytest.raises(UsageError, match="key=column"):
            parse_metadata_option([wrong])


# --- bad input: a clear error, before the first document where that is possible ----------------------------


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(
    "options", [{"text": "body"}, {"doc_id": "key"}, {"metadata": [("when", "year"), ("topic", "topic")]}]
)
def test_missing_column_names_those_that_exist(tmp_path, suffix, options):
    source = write(tmp_path / f"x.{suffix}", ROWS)
    with pytest.raises(UsageError, match=r"no column '(body|key|when)': its columns are id, text, year, topic"):
        read_documents(source, **options)


@pytest.mark.parametrize(
    ("source", "format", "message"),
    [
        ("nowhere.csv", None, "does not exist"),
        ("org/data", None, "--format hf"),
        ("*.csv", None, "no files"),
        ("book.pdf", None, "cannot tell the format of .* give --format parquet"),
        ("book.pdf", "pdf", "unknown format 'pdf': use one of parquet, csv"),
        ("empty", "parquet", "no files of format parquet"),
    ],
)
def test_wrong_use(tmp_path, monkeypatch, source, format, message):
    monkeypatch.chdir(tmp_path)
    Path("book.pdf").write_text("x")
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=message):
        read_documents(source, format=format)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "is empty"),
        ("x.csv", b"text,text\na,b\n", "repeats column 'text'"),
        ("x.parquet", b"PAR1 nothing", "cut short"),
        ("x.jsonl", b'{"text": "a"}\nnot json\n', "line 2: not JSON"),
        ("x.jsonl", b'\n["text"]\n', "line 2: a JSON array, not an object"),
        ("x.csv", b"t\xe9xt,n\nfine,1\n", "line 1, byte offset 1: byte 0xe9 is not UTF-8"),
    ],
)
def test_bad_head_is_refused_at_once(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_documents(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "good", "message"),
    [
        ("x.csv", b"text,n\nfine,1\nbad,2,3\n", 1, "line 3: 3 fields where the header has 2"),
        ("x.csv", b"text,n\nfine,1\ncaf\xe9,2\n", 1, "line 3, byte offset 17: byte 0xe9 is not UTF-8"),
        ("x.csv", b'text\n"a\nb"\n"open\n', 1, "line 4: .*starts on line 4"),
        ("x.jsonl", b'{"text": "a"}\n{"text": 3}\n', 1, "line 2: column 'text' holds int, not text"),
        ("x.jsonl", b'{"text": "a"}\n{"text": "\\ud800"}\n', 1, "line 2: half a surrogate pair"),
        ("x.jsonl", b'{"text": "a", "id": 1}\n{"text": "b"}\n', 1, "line 2: column 'id' is empty"),
        ("x.txt", b"caf\xe9", 0, "byte offset 3: byte 0xe9 is not UTF-8"),
        ("x.txt", b"\xef\xbb\xbfcaf\xe9", 0, "byte offset 6: byte 0xe9"),
        ("x.txt", b" \n ", 0, r"no document with text \(1 rows without\)"),
        ("x.csv", b"text\n", 0, "no document with text"),
        ("x.jsonl", b"", 0, "no document with text"),
    ],
)
def test_bad_content_is_found_on_the_way(tmp_path, name, content, good, message):
    (tmp_path / name).write_bytes(content)
    documents = read_documents(str(tmp_path / name))
    for _ in range(good):
        next(documents)
    with pytest.raises(SourceError, match=message):
        next(documents)


def test_metadata_that_is_no_scalar(tmp_path):
    source = write(tmp_path / "x.jsonl", [{"text": "a", "m": {"deep": 1}}])
    with pytest.raises(SourceError, match="line 1: column 'm' holds dict"):
        list(read_documents(source, metadata=[("m", "m")]))


def test_parquet_that_is_not_text_or_cut_or_not_utf8(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": [1, 2]}), path)
    with pytest.raises(SourceError, match="'text' is int64, not text"):
        read_documents(str(path))
    text = pa.array([b"good", b"caf\xe9"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": text}), path)
    with pytest.raises(SourceError, match=r"cannot read .*x.parquet"):
        list(read_documents(str(path)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="cut short"):
        read_documents(str(path))
    duplicate = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(duplicate, path)
    with pytest.raises(SourceError, match="repeats column 'text'"):
        read_documents(str(path))


@pytest.mark.parametrize("newest", [1, 3, 2**16])
def test_a_repeated_id_is_found(tmp_path, monkeypatch, newest):
    monkeypatch.setattr(nwh.ingest.text.documents._SeenIds, "_NEWEST", newest)
    rows = [{"id": f"n{number}", "text": "t"} for number in range(10)]
    assert len(list(read_documents(write(tmp_path / "x.jsonl", rows)))) == 10
    with pytest.raises(SourceError, match="'n4' occurs twice"):
        list(read_documents(write(tmp_path / "x.jsonl", [*rows, rows[4]])))


def test_too_long_for_memory(tmp_path, monkeypatch):
    for module in (lines, tables):
        monkeypatch.setattr(module, "LONGEST", 100)
    (tmp_path / "x.txt").write_text("word " * 30)
    with pytest.raises(SourceError, match=r"too long for one document.* use --format lines"):
        read_documents(str(tmp_path / "x.txt"))
    with pytest.raises(SourceError, match="line 1: longer than"):
        read_documents(str(tmp_path / "x.txt"), format="lines")
    (tmp_path / "x.csv").write_text('text\nfine\n"quote left open\n' + "many words on a line\n" * 10)
    documents = read_documents(str(tmp_path / "x.csv"))
    next(documents)
    with pytest.raises(SourceError, match=r"line \d+: field larger .* the record starts on line 3"):
        next(documents)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens but cannot be read")
@pytest.mark.parametrize("format", ["txt", "lines", "csv", "parquet"])
def test_unreadable_file(format):
    with pytest.raises(SourceError, match="cannot read /proc/self/mem"):
        list(read_documents("/proc/self/mem", format=format))


def test_hugging_face_data_set(tmp_path):
    datasets = pytest.importorskip("datasets", reason="Hugging Face data sets need the optional `datasets`")
    label = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label, "n": datasets.Value("int64")})
    rows = {"text": ["bad", "", "good"], "label": [0, 1, 1], "n": [1, 2, 3]}
    (tmp_path / "data").mkdir()
    table = pa.table(rows, schema=features.arrow_schema)
    pq.write_table(table, tmp_path / "data" / "test-00000.parquet")
    found = read_documents(f"{tmp_path}:test", format="hf", metadata=[("label", "sentiment")])
    assert list(found) == [
        Document("0", "bad", (("sentiment", "neg"),)), Document("2", "good", (("sentiment", "pos"),)),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="its columns are text, label, n"):
        read_documents(f"{tmp_path}:test", format="hf", text="body")
    with pytest.raises(SourceError, match="cannot read the data set"):
        read_documents(f"{tmp_path}:nosuchsplit", format="hf")
    with pytest.raises(UsageError, match="NAME:CONFIG:SPLIT"):
        read_documents("a:b:c:d", format="hf")


# --- memory, real data -------------------------------------------------------------------------------------

PEAK = """
import re, sys
from pathlib import Path
from nwh.ingest.text.documents import read_documents
def peak():  # not ru_maxrss, which a child inherits from its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
count = sum(1 for _ in read_documents(sys.argv[1], format=sys.argv[2]))
print(count, (peak() - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl", "lines"])
def test_memory_does_not_grow_with_the_file(tmp_path, format):
    text = "".join(chr(97 + (number * number) % 26) for number in range(1000))
    n_rows = 150_000  # 150 MB of text in one file, in parquet one row group
    path = tmp_path / "corpus"
    if format == "parquet":
        rows = pa.array([f"{number} {text}" for number in range(n_rows)])
        pq.write_table(pa.table({"text": rows}), path, row_group_size=n_rows, compression="none")
    else:
        form = {"csv": '"{} {}"\n', "jsonl": '{{"text": "{} {}"}}\n', "lines": "{} {}\n"}[format]
        with path.open("w") as stream:
            stream.write("text\n" if format == "csv" else "")
            stream.writelines(form.format(number, text) for number in range(n_rows))
    arguments = [sys.executable, "-c", PEAK, str(path), format]
    count, peak_mib = subprocess.check_output(arguments, cwd=ROOT, text=True).split()
    assert int(count) == n_rows
    assert int(peak_mib) < 50


@pytest.mark.parametrize("name", ["brown", "reuters", "state_union"])
def test_real_corpora(name):
    path = DATA / "corpora" / f"{name}.parquet"
    if not path.exists():
        pytest.skip("no test data: set NWH_TEST_DATA")
    table = pq.read_table(path)
    columns = [column for column in table.column_names if column not in ("doc_id", "text")]
    documents = list(read_documents(str(path), metadata=[(column, column) for column in columns]))
    assert [document.doc_id for document in documents] == table["doc_id"].to_pylist()
    assert [document.text for document in documents] == table["text"].to_pylist()
    pairs = sum(len(document.metadata) for document in documents)
    lists = [column for column in columns if pa.types.is_list(table.schema.field(column).type)]
    singles = sum(len(table) - table[column].null_count for column in columns if column not in lists)
    assert pairs == singles + sum(len(set(items)) for column in lists for items in table[column].to_pylist())
