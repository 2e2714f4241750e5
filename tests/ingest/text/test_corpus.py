"""The corpus job: what a source becomes, twice the same, and what is refused."""

from __future__ import annotations

import json

import pytest

from nwh.ingest.text import corpus as job
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document, read_documents
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError

DOCUMENTS = [
    Document("d1", "One cat sat. Two dogs ran!!! Three...", (("author", "ann"), ("tag", "x"), ("tag", "y"))),
    Document("d2", "A single sentence here.", (("author", "bob"),)),
    Document("d3", "   "),
]


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "w")


def rows(warehouse, relation):
    return warehouse.sql(f"from {relation} order by all").fetchall()


def test_documents_become_sentences_with_metadata(warehouse):
    ingest_corpus(warehouse, "made", "here", lambda: iter(DOCUMENTS))
    base = id_base("made")
    texts = ["One cat sat.", "Two dogs ran!", "Three.", "A single sentence here."]
    assert rows(warehouse, "sentences") == [
        (base + i, "made", "d2" if i == 3 else "d1", 0 if i == 3 else i, text, len(text.split()))
        for i, text in enumerate(texts)
    ]
    metadata = [(base + i, "made", *pair) for i in range(3) for pair in DOCUMENTS[0].metadata]
    assert rows(warehouse, "sentence_metadata") == [*metadata, (base + 3, "made", "author", "bob")]
    ((name, source, n_documents, n_sentences, settings),) = rows(warehouse, "corpora")
    assert (name, source, n_documents, n_sentences) == ("made", "here", 2, 4)
    assert {"splitter", "text_sha256"} <= set(json.loads(settings))


def test_ids_are_stable_under_re_ingest_and_the_text_is_fingerprinted(warehouse):
    ingest_corpus(warehouse, "made", "here", lambda: iter(DOCUMENTS))
    before = {name: rows(warehouse, name) for name in ("sentences", "sentence_metadata", "corpora")}
    ingest_corpus(warehouse, "made", "here", lambda: iter(DOCUMENTS))
    assert before == {name: rows(warehouse, name) for name in before}
    ingest_corpus(warehouse, "made", "here", lambda: iter([*DOCUMENTS, Document("d4", "More text comes after.")]))
    assert rows(warehouse, "sentences")[:4] == before["sentences"]
    assert rows(warehouse, "corpora") != before["corpora"]


def test_many_documents_are_written_in_parts(warehouse, monkeypatch):
    monkeypatch.setattr(job, "_ROWS", 7)
    documents = [Document(f"d{i}", f"Is this document {i}? It has two.", (("n", str(i)),)) for i in range(50)]
    ingest_corpus(warehouse, "made", "here", lambda: iter(documents))
    assert warehouse.sql("select count(*), count(distinct sentence_id) from sentences").fetchall() == [(100, 100)]
    assert warehouse.sql("select count(*), count(distinct value) from sentence_metadata").fetchall() == [(100, 50)]


def test_an_error_in_the_middle_of_a_source_leaves_the_corpus_as_it_was(warehouse, tmp_path):
    ingest_corpus(warehouse, "made", "here", lambda: iter(DOCUMENTS))
    before = rows(warehouse, "sentences")
    path = tmp_path / "broken.jsonl"
    path.write_text('{"text": "Good line."}\n' * 100 + "{broken\n")
    with pytest.raises(SourceError, match="101"):
        ingest_corpus(warehouse, "made", str(path), lambda: read_documents(str(path)))
    assert rows(Warehouse.open(warehouse.storage.uri), "sentences") == before


def test_what_is_refused(warehouse, monkeypatch):
    with pytest.raises(UsageError, match="corpus name 'a/b'"):
        ingest_corpus(warehouse, "a/b", "here", lambda: iter(DOCUMENTS))
    with pytest.raises(SourceError, match="no sentence|no text"):
        ingest_corpus(warehouse, "empty", "here", lambda: iter([Document("d", " ")]))
    ingest_corpus(warehouse, "made", "here", lambda: iter(DOCUMENTS))
    monkeypatch.setattr("nwh.ingest.text.sentences.id_base", lambda name: 7)
    with pytest.raises(UsageError, match="share its sentence ids with 'made'"):
        ingest_corpus(warehouse, "other", "here", lambda: iter(DOCUMENTS))


def test_brown_in_sentences(warehouse, data):
    source = str(data / "corpora" / "brown.parquet")
    metadata = [("topic", "topic")]
    ingest_corpus(warehouse, "brown", source, lambda: read_documents(source, metadata=metadata))
    assert warehouse.sql("select n_documents, n_sentences > 50000 from corpora").fetchall() == [(500, True)]
    assert warehouse.sql("select count(distinct value) from sentence_metadata").fetchall() == [(15,)]
    assert warehouse.sql("select text from sentences where text like '%--%'").fetchall() == []


def test_a_note_names_the_columns_that_are_not_kept(warehouse, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("text,topic,year\nA sentence here.,news,1945\n")
    run = ingest_corpus(warehouse, "table", str(path), lambda: read_documents(str(path), metadata=[("year", "year")]))
    assert f"columns of {path} that are not kept: topic (--metadata topic keeps them)" in run.notes
    run = ingest_corpus(warehouse, "made", "here", lambda: iter(DOCUMENTS))
    assert not [note for note in run.notes if "not kept" in note]
