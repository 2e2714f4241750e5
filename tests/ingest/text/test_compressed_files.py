"""Compressed files are read as the same files unpacked; cut or mislabelled ones are named."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import shutil
import subprocess

import pytest

from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.prompts.sources import read_prompt_file
from nwh.ingest.text.documents import read_documents
from nwh.ingest.text.sources import find_files
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError


def zstd(data):
    """Compress with the program, which is no code of ours or Arrow's; else with Arrow."""
    if shutil.which("zstd"):
        return subprocess.run(["zstd", "-c"], input=data, capture_output=True, check=True).stdout
    import pyarrow as pa

    return pa.compress(data, codec="zstd", asbytes=True)


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}
TEXTS = [f"This is the sentence of number {n}, über alles." for n in range(3000)]
FILES = {
    "a.txt": "\n".join(TEXTS),
    "a.csv": "text,topic\n" + "".join(f'"{text}",t\n' for text in TEXTS),
    "a.tsv": "text\ttopic\n" + "".join(f"{text}\tt\n" for text in TEXTS),
    "a.jsonl": "".join(json.dumps({"text": text, "topic": "t"}) + "\n" for text in TEXTS),
}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", FILES)
def test_documents_are_those_of_the_file_unpacked(tmp_path, name, ending):
    (tmp_path / name).write_text(FILES[name])
    (tmp_path / (name + ending)).write_bytes(PACKED[ending](FILES[name].encode()))
    plain, packed = (list(read_documents(str(tmp_path / each))) for each in (name, name + ending))
    assert [document.text for document in packed] == [document.text for document in plain]
    assert find_files(str(tmp_path / (name + ending)))[0] == find_files(str(tmp_path / name))[0]


def test_members_one_after_another_are_read_to_the_end(tmp_path):
    half = len(FILES["a.jsonl"]) // 2
    parts = FILES["a.jsonl"][:half].encode(), FILES["a.jsonl"][half:].encode()
    for ending, pack in PACKED.items():
        (tmp_path / f"a.jsonl{ending}").write_bytes(b"".join(map(pack, parts)))
        assert len(list(read_documents(str(tmp_path / f"a.jsonl{ending}")))) == len(TEXTS)


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_named_in_one_error(tmp_path, name, ending):
    packed = PACKED[ending](FILES[name].encode())
    path = tmp_path / (name + ending)
    for cut in (packed[: len(packed) // 2], packed[:-1], FILES[name].encode()):  # the last is not packed at all
        path.write_bytes(cut)
        with pytest.raises(SourceError, match=rf"cannot read .*/{name}\{ending} .cut short, or not \{ending}\?.*"):
            list(read_documents(str(path)))


@pytest.mark.parametrize("ending", PACKED)
def test_prompts(tmp_path, ending):
    files = {
        "kb.tsv": "gold\tGold is a metal.\t1.0\n",
        "f.json": json.dumps([[["The capital of [MASK] is Paris.", "France", "P36"]]]),
        "q.jsonl": json.dumps({"question": "who", "answer": ["he"]}) + "\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / (name + ending)).write_bytes(PACKED[ending](text.encode()))
        plain, packed = (read_prompt_file(str(tmp_path / each)) for each in (name, name + ending))
        assert (packed.prompts, packed.format) == (plain.prompts, plain.format)


@pytest.mark.parametrize("ending", PACKED)
def test_trees(tmp_path, ending):
    text = "(S (NP (DT The) (NN cat)) (VP (VBD sat)))\n"
    file = tmp_path / f"wsj.mrg{ending}"
    file.write_bytes(PACKED[ending](text.encode()))
    warehouse = Warehouse.create(tmp_path / "warehouse")
    ingest_trees(warehouse, "wsj", file)
    assert warehouse.sql(
        "select doc_id, text, tree from sentences inner join annotations using (sentence_id)"
    ).fetchall() == [("wsj", "The cat sat", text.strip())]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SourceError, match=rf"cannot read .*wsj.mrg\{ending} .cut short"):
        ingest_trees(warehouse, "other", file)


def test_parquet_packed_once_more(tmp_path):
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(SourceError, match="a.parquet.gz: a Parquet file is compressed inside; unpack this one first"):
        read_documents(str(tmp_path / "a.parquet.gz"))
