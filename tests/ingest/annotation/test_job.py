"""The job: whole corpora, over processes, interrupted, repeated, side by side."""

from __future__ import annotations

import pytest

from nwh.ingest.annotation import job, nltk_tagger
from nwh.ingest.annotation.annotators import Annotator, choose
from nwh.ingest.annotation.job import ingest_annotations
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(job, "BLOCK", 50)


@pytest.fixture
def warehouse(tmp_path, add_corpus):
    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 120)
    return made


@pytest.fixture
def annotator():
    try:
        nltk_tagger.settings()
    except UsageError as error:
        pytest.skip(str(error))
    return choose("nltk")


def rows(warehouse):
    return warehouse.sql("from annotations order by all").fetchall()


def test_every_sentence_has_the_annotation_of_its_own_text(warehouse, annotator):
    ingest_annotations(warehouse, "one", annotator, processes=1)
    found = warehouse.sql(
        "select text, words, tags, tree, tree_kind from sentences left join annotations using (sentence_id)"
    ).fetchall()
    wanted = annotator.open()([text for text, *_ in found])
    assert [row[1:] for row in found] == [(want.words, want.tags, None, None) for want in wanted]
    assert len(found) > 200
    assert not [finding for finding in verify(warehouse) if finding.wrong]


@pytest.mark.slow
def test_processes_change_nothing(warehouse, annotator):
    ingest_annotations(warehouse, "one", annotator, processes=1)
    before = rows(warehouse)
    ingest_annotations(warehouse, "one", annotator, processes=2, again=True)
    assert rows(warehouse) == before


def test_an_interrupted_run_goes_on_from_its_blocks(warehouse, annotator, monkeypatch, tmp_path, add_corpus):
    whole = Warehouse.create(tmp_path / "whole")
    add_corpus(whole, "one", 120)
    ingest_annotations(whole, "one", annotator, processes=1)
    real, seen = job._rows, []

    def columns_until_interrupted(annotations):
        seen.append(len(annotations))
        if len(seen) in (3, 5):
            raise KeyboardInterrupt
        return real(annotations)

    monkeypatch.setattr(job, "_rows", columns_until_interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            ingest_annotations(warehouse, "one", annotator, processes=1)
        assert rows(warehouse) == []
    run = ingest_annotations(warehouse, "one", annotator, processes=1)
    n = len(rows(warehouse))
    assert sum(seen) == n + 2 * 50  # two blocks were begun twice, no other
    assert any(note.startswith("resumed run") for note in run.notes)
    assert rows(warehouse) == rows(whole)
    assert warehouse.storage.staged_places() == []


def test_blocks_of_an_earlier_text_are_not_used(warehouse, annotator, monkeypatch, add_corpus):
    real = job._rows
    with monkeypatch.context() as patch:
        seen = []

        def columns(annotations):
            seen.append(1)
            if len(seen) == 3:
                raise KeyboardInterrupt
            return real(annotations)

        patch.setattr(job, "_rows", columns)
        with pytest.raises(KeyboardInterrupt):
            ingest_annotations(warehouse, "one", annotator, processes=1)
    add_corpus(warehouse, "one", 120, seed=5)
    run = ingest_annotations(warehouse, "one", annotator, processes=1)
    assert any("other settings, was discarded" in note for note in run.notes)
    (text, words) = warehouse.sql(
        "select text, words from sentences inner join annotations using (sentence_id) order by sentence_id limit 1"
    ).fetchall()[0]
    assert annotator.open()([text])[0].words == words


def test_what_is_stored_is_left_alone_unless_again_and_annotators_stand_side_by_side(warehouse, annotator):
    ingest_annotations(warehouse, "one", annotator, processes=1)
    assert ingest_annotations(warehouse, "one", annotator, processes=1) is None
    other = Annotator("other", "nltk", None, None, "the same under another name", annotator.settings)
    ingest_annotations(warehouse, "one", other, processes=1)
    counts = warehouse.sql("select annotator, count(*) from annotations group by all order by 1").fetchall()
    assert [name for name, _ in counts] == ["nltk", "other"]
    assert counts[0][1] == counts[1][1]


def test_sentences_without_a_tree_are_counted(warehouse):
    try:
        annotator = choose(None, "link-grammar")
    except UsageError as error:
        pytest.skip(str(error))
    run = ingest_annotations(warehouse, "one", annotator, processes=1)
    trees, kinds, n = warehouse.sql("select count(tree), count(tree_kind), count(*) from annotations").fetchall()[0]
    assert 0 < trees == kinds < n
    assert any(f"found no tree for {n - trees:,} of {n:,} sentences of one" in note for note in run.notes)


def test_an_unknown_corpus_is_refused(warehouse, annotator):
    with pytest.raises(UsageError, match="no corpus 'two'.*there are one"):
        ingest_annotations(warehouse, "two", annotator)
