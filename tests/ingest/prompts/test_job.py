"""The job: prompts and concepts as stored, paraphrases beside their originals, frequencies."""

from __future__ import annotations

import json
import sys

import pytest

from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.upkeep.verify import verify


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "warehouse")


@pytest.fixture
def write(tmp_path):
    def to(name, *objects):
        path = tmp_path / name
        path.write_text("".join(json.dumps(each) + "\n" for each in objects))
        return str(path)

    return to


def question(text, answer):
    return {"question": text, "answer": [answer]}


def test_prompts_are_stored_as_they_stand(warehouse, write):
    path = write(
        "own.jsonl",
        {"text": "The [MASK] barks.", "answer": "dog", "fact_id": "f"},
        {"text": "A cat says", "answer": "meow", "concept": "cat"},
        {"text": "The [MASK] sleeps.", "answer": "dog", "fact_id": "f"},
    )
    run = ingest_prompts(warehouse, path, "own", PromptSettings(min_prompts=2))
    rows = warehouse.sql(
        "select prompt_id, objective, concept, text, answer, fact_id, paraphrase_of from prompts"
    ).fetchall()
    base = min(row[0] for row in rows)
    assert base % 2**32 == 0
    assert rows == [
        (base + 1, "clm", "cat", "A cat says", "meow", "1", None),
        (base, "mlm", "dog", "The [MASK] barks.", "dog", "f", None),
        (base + 2, "mlm", "dog", "The [MASK] sleeps.", "dog", "f", None),
    ]
    assert warehouse.sql("select concept, n_prompts from concepts").fetchall() == [("cat", 1), ("dog", 2)]
    assert any("own has 3 prompts for 2 concepts, 1 of them with at least 2 prompts" in note for note in run.notes)
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]


def test_ids_stay_when_the_file_is_read_again_or_gets_other_paraphrases(warehouse, write, tiny_wordnet):
    path = write(
        "nq.jsonl",
        question("who wrote the famous book on the film", "Ann"),
        question("where is the big city of the famous book", "Rome"),
    )

    def originals():
        return warehouse.sql("select prompt_id, text from prompts where paraphrase_of is null order by 1").fetchall()

    ingest_prompts(warehouse, path, "nq", PromptSettings(paraphrases=0))
    before = originals()
    assert len(before) == 2
    ingest_prompts(warehouse, path, "nq", PromptSettings(paraphrases=6))
    assert originals() == before
    assert warehouse.sql("select count(*), count(distinct prompt_id) from prompts").fetchall() == [(12, 12)]


def test_questions_are_paraphrased_up_to_the_minimum_and_marked(warehouse, write, tiny_wordnet):
    path = write(
        "nq.jsonl",
        question("who wrote the famous book", "Ann"),
        question("who sang the famous song", "Ann"),
        *[question(f"where is city {i}", "Rome") for i in range(5)],
        question("what is the famous song", "Tokyo"),
        question("what is that", "Oslo"),
    )
    run = ingest_prompts(warehouse, path, "nq")
    counts = warehouse.sql("select concept, n_prompts from concepts order by 1").fetchall()
    assert counts == [("Ann", 4), ("Oslo", 1), ("Rome", 5), ("Tokyo", 4)]
    made = warehouse.sql(
        "select made.concept, made.text, made.fact_id = original.fact_id, made.answer = original.answer, "
        "original.text, made.objective from prompts as made "
        "inner join prompts as original on made.paraphrase_of = original.prompt_id"
    ).fetchall()
    assert len(made) == 2 + 3
    assert {original for concept, *_, original, _ in made if concept == "Ann"} == {
        "who wrote the famous book",
        "who sang the famous song",
    }
    assert all(same_fact and same_answer and text != original for _, text, same_fact, same_answer, original, _ in made)
    assert any(note.startswith("5 paraphrases (wordnet) for 3 concepts of fewer than 4") for note in run.notes)
    first = warehouse.sql("from prompts").fetchall()
    ingest_prompts(warehouse, path, "nq")
    assert warehouse.sql("from prompts").fetchall() == first
    assert run.settings["paraphraser"] == "wordnet"


def test_without_wordnet_questions_stay_alone_or_are_refused(warehouse, write, no_wordnet):
    path = write("nq.jsonl", question("who wrote the famous book", "Ann"))
    run = ingest_prompts(warehouse, path, "nq")
    assert warehouse.sql("select count(*) from prompts").fetchall() == [(1,)]
    assert any("1 concepts stay below 4" in note and "nltk.downloader wordnet" in note for note in run.notes)
    with pytest.raises(UsageError, match="--paraphrases 3 needs synonyms: .*nltk.downloader wordnet"):
        ingest_prompts(warehouse, path, "nq", PromptSettings(paraphrases=3))
    assert warehouse.sql("select count(*) from prompts").fetchall() == [(1,)]


def test_masked_prompts_and_other_formats_get_no_paraphrases_unless_asked(warehouse, write, tiny_wordnet):
    path = write("own.jsonl", {"text": "who wrote the famous book", "answer": "Ann"})
    ingest_prompts(warehouse, path, "own")
    assert warehouse.sql("select count(*) from prompts").fetchall() == [(1,)]
    ingest_prompts(warehouse, path, "own", PromptSettings(paraphrases=3))
    assert warehouse.sql("select count(*) from prompts").fetchall() == [(3,)]
    masked = write("masked.jsonl", {"text": "a [MASK]", "answer": "b"})
    with pytest.raises(UsageError, match="--paraphrases is for questions"):
        ingest_prompts(warehouse, masked, "own", PromptSettings(paraphrases=3))


def test_frequencies_come_from_wordfreq(warehouse, write):
    wordfreq = pytest.importorskip("wordfreq")
    path = write("own.jsonl", {"text": "a [MASK]", "answer": "the"}, {"text": "a [MASK]", "answer": "zebra"})
    run = ingest_prompts(warehouse, path, "own")
    rows = warehouse.sql("select concept, frequency, frequency_source from concepts").fetchall()
    assert rows == [(word, wordfreq.zipf_frequency(word, "en"), "wordfreq") for word in ("the", "zebra")]
    assert rows[0][1] > 7 > rows[1][1]
    assert run.versions["wordfreq"]


def test_frequencies_that_are_given_stand_alone(warehouse, write):
    path = write(
        "own.jsonl", {"text": "a [MASK]", "answer": "the", "frequency": 12}, {"text": "a [MASK]", "answer": "zebra"}
    )
    ingest_prompts(warehouse, path, "own")
    rows = warehouse.sql("select concept, frequency, frequency_source from concepts").fetchall()
    assert rows == [("the", 12.0, "given"), ("zebra", None, None)]


def test_without_wordfreq_frequencies_are_null_with_a_note(warehouse, write, monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    run = ingest_prompts(warehouse, write("own.jsonl", {"text": "a [MASK]", "answer": "the"}), "own")
    assert warehouse.sql("select frequency, frequency_source from concepts").fetchall() == [(None, None)]
    assert any("wordfreq is not installed" in note for note in run.notes)


def test_what_is_left_out_is_counted_in_a_note(warehouse, write):
    run = ingest_prompts(warehouse, write("nq.jsonl", question("who", "Ann"), question("when", "May 1990")), "nq")
    assert any("1 questions have no answer of one word; left out" in note for note in run.notes)


def test_a_data_set_is_replaced_whole_or_not_at_all(warehouse, write):
    ingest_prompts(warehouse, write("one.jsonl", {"text": "a [MASK]", "answer": "b"}), "own")
    ingest_prompts(warehouse, write("other.jsonl", {"text": "a [MASK]", "answer": "b"}), "other")
    with pytest.raises(SourceError, match="line 1"):
        ingest_prompts(warehouse, write("bad.jsonl", {"text": "a [MASK]"}), "own")
    assert warehouse.sql("select dataset, answer from prompts order by 1").fetchall() == [("other", "b"), ("own", "b")]
    ingest_prompts(warehouse, write("two.jsonl", {"text": "a [MASK]", "answer": "c"}), "own")
    assert warehouse.sql("select dataset, answer from prompts order by 1").fetchall() == [("other", "b"), ("own", "c")]


def test_names_and_numbers_that_cannot_be(warehouse, write, monkeypatch):
    path = write("own.jsonl", {"text": "a [MASK]", "answer": "b"})
    with pytest.raises(UsageError, match="data set name '.own' is not allowed"):
        ingest_prompts(warehouse, path, ".own")
    with pytest.raises(UsageError, match="--min-prompts must be at least 1"):
        PromptSettings(min_prompts=0)
    ingest_prompts(warehouse, path, "own")
    monkeypatch.setattr("nwh.ingest.text.sentences.id_base", lambda name: 0)
    with pytest.raises(UsageError, match="'two' would share its prompt ids with 'own'"):
        ingest_prompts(warehouse, path, "two")
