"""Which documents a classifier learns from and is tested on, against the documents as they were written."""

from __future__ import annotations

import pytest

from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.training.document_classes import read_classes
from nwh.warehouse.errors import UsageError
from tests.ingest.labelled_documents import TOPICS, documents, make


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    made = make(tmp_path_factory.mktemp("labelled") / "warehouse", several=True)
    untested = [document for document in documents() if ("split", "Test") not in document.metadata]
    ingest_corpus(made, "untested", "written here", lambda: untested)
    return made


def wanted(parts):
    """Return doc_id -> topics by index of the first 60 documents whose split is among `parts`."""
    found = {}
    for document in documents(several=True)[:60]:
        if any(("split", part) in document.metadata for part in parts):
            values = sorted(value for key, value in document.metadata if key == "topic")
            found[document.doc_id] = [sorted(TOPICS).index(value) for value in values]
    return found


def test_documents_their_classes_and_what_is_left_out(warehouse):
    found = read_classes(warehouse, "one", "topic", "split", 5, 0)
    assert found.names == sorted(TOPICS)
    assert list(found.train.items()) == list(wanted(["train", "TRAINING"]).items())
    assert list(found.test.items()) == list(wanted(["Test"]).items())
    assert found.several
    assert found.notes == [
        "1 values of topic have fewer than 5 documents and are no classes",
        "2 documents have none of the classes and were left out",
        "1 documents are neither train nor test by split and were left out",
    ]


def test_a_random_fifth_is_tested_on_where_no_key_says(warehouse):
    first, again, other = (read_classes(warehouse, "one", "topic", None, 5, seed) for seed in (0, 0, 1))
    everything = {document.doc_id for document in documents()} - {"unlabelled", "rare"}
    assert (len(first.train), len(first.test)) == (49, 12)
    assert set(first.train) | set(first.test) == everything
    assert not set(first.train) & set(first.test)
    assert first == again
    assert first.test != other.test


@pytest.mark.parametrize(
    ("label", "split", "least", "message"),
    [
        ("genre", "split", 5, "no metadata key 'genre': --label can be one of split, topic"),
        ("topic", "fold", 5, "no metadata key 'fold': --split can be one of split, topic"),
        ("topic", "topic", 5, "no documents to train on: topic is animals, people, places"),
        ("topic", "split", 1000, "0 values of topic in untested have at least 1,000"),
        ("topic", "split", 5, "untested has no documents to test on: split is neither, train, training"),
    ],
)
def test_nothing_to_learn_from(warehouse, label, split, least, message):
    with pytest.raises(UsageError, match=message):
        read_classes(warehouse, "untested", label, split, least, 0)
