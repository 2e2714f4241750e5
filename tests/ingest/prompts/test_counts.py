"""How often a corpus holds concepts and facts, against a scan in plain Python; resumed, current, stale."""

from __future__ import annotations

import json
import re
from random import Random

import pytest

from nwh.ingest.prompts import counts
from nwh.ingest.prompts.counts import ingest_counts
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.jobs import command
from nwh.warehouse.storage.staged_blocks import StagedBlocks
from nwh.warehouse.upkeep.status import status
from nwh.warehouse.upkeep.verify import verify

FACTS = [  # fact_id, subject, answer, concept
    ("uk", "United Kingdom", "London", "London"),
    ("it", "Italy", "Rome", "Rome"),
    ("ny", "New York City", "New York", "New York"),  # one inside the other
    ("york", "York", "New York", "New York"),
    ("ci", "Côte d'Ivoire", "Yamoussoukro", "Yamoussoukro"),
    ("dogs", "wolf", "Dogs", "dog"),
    (None, None, "sky", "sky"),
    (None, None, "&", "&"),
]
PIECES = [
    "United Kingdom", "united  KINGDOM's", "Italy", "Italians", "Rome", "New York City", "New-York", "York", "London",
    "Londoners", "Côte d'Ivoire", "CO\N{COMBINING CIRCUMFLEX ACCENT}TE D'IVOIRE", "Yamoussoukro", "a dog", "dogs",
    "the wolf", "sky", "SKY-blue", "&", "and", "in", "of a", "walked",
]  # fmt: skip


@pytest.fixture
def warehouse(tmp_path):
    made, random = Warehouse.create(tmp_path / "warehouse"), Random(0)
    texts = [" ".join(random.choices(PIECES, k=random.randint(3, 7))) + "." for _ in range(300)]
    documents = [Document(f"d{i}", text) for i, text in enumerate(texts)]
    ingest_corpus(made, "text", "made up", lambda: documents)
    prompts(made, tmp_path)
    return made


def prompts(warehouse, folder, subjects=True, again=False):
    rows = [
        {"text": f"{template} [MASK]", "answer": answer, "concept": concept}
        | ({"fact_id": fact} if fact else {})
        | ({"subject": f" {subject} "} if subject and subjects else {})
        for fact, subject, answer, concept in FACTS
        for template in (f"{fact} is", f"{fact} has")
    ]
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ingest_prompts(warehouse, str(path), "own", PromptSettings(paraphrases=0), again=again)


def words(text):
    return re.findall(r"[^\W_]+", text.replace("o\N{COMBINING CIRCUMFLEX ACCENT}", "ô").lower().replace("o\u0302", "ô"))


def places(text, term):
    """Return where a term stands: its first word and the one after its last."""
    of, n = words(term), len(words(term))
    return [(i, i + n) for i in range(len(text) - n + 1) if text[i : i + n] == of]


def stated(text, shorter, longer):
    """Return whether a text has both, the shorter somewhere outside the longer."""
    around = places(text, longer)
    outside = [(a, b) for a, b in places(text, shorter) if not any(c <= a and b <= d for c, d in around)]
    return bool(around and outside)


def counted(warehouse):
    concepts = dict(warehouse.sql("select concept, n_sentences from concept_counts where corpus = 'text'").fetchall())
    facts = dict(warehouse.sql("select fact_id, n_sentences from fact_counts where corpus = 'text'").fetchall())
    return concepts, facts


def scanned(warehouse):
    texts = [words(text) for (text,) in warehouse.sql("select text from sentences").fetchall()]
    concepts = {concept: sum(bool(places(t, concept)) for t in texts) if words(concept) else 0 for *_, concept in FACTS}
    facts = {
        fact: sum(stated(text, *sorted((subject, answer), key=len)) for text in texts)
        for fact, subject, answer, _ in FACTS
        if fact
    }
    return concepts, facts


def test_counts_equal_a_scan_of_the_sentences(warehouse):
    ingest_corpus(warehouse, "elsewhere", "made up", lambda: [Document("d", "Nothing of this is asked for.")])
    run, _ = ingest_counts(warehouse, "own", ["text", "elsewhere"])
    assert warehouse.sql("select max(n_sentences) from fact_counts where corpus = 'elsewhere'").fetchall() == [(0,)]
    found, expected = counted(warehouse), scanned(warehouse)
    assert found == expected
    assert found[0]["&"] == 0
    assert 0 < found[1]["ny"] < found[0]["New York"]
    assert all(n > 0 for n in found[1].values())
    assert not run.notes
    assert not [finding.text for finding in verify(warehouse, deep=True) if finding.wrong]
    of_text = "concept = 'New York' and frequency_source like '%text'"
    sources = f"select frequency_source, frequency from frequencies where {of_text} order by all"
    assert warehouse.sql(sources).fetchall() == [
        ("concepts in text", expected[0]["New York"]),
        ("facts in text", (expected[1]["ny"] + expected[1]["york"]) / 2),
    ]


def test_an_interrupted_run_goes_on_and_a_repeated_one_does_nothing(warehouse, monkeypatch):
    monkeypatch.setattr(counts, "BLOCK", 128)
    save, saved = StagedBlocks.save, []

    def save_and_die(self, name, *arguments):
        save(self, name, *arguments)
        saved.append(name)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(StagedBlocks, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        ingest_counts(warehouse, "own", ["text"])
    (run,) = ingest_counts(warehouse, "own", ["text"])
    assert saved == ["0", "128", "256"]
    assert any("at 256 of 300" in note for note in run.notes)
    assert counted(warehouse) == scanned(warehouse)
    assert ingest_counts(warehouse, "own", ["text"]) == []


def test_other_text_other_prompts_and_other_subjects_make_counts_stale(warehouse, tmp_path):
    (run,) = ingest_counts(warehouse, "own", ["text"])
    prompts(warehouse, tmp_path)
    assert counted(warehouse)[1] != {}
    with pytest.raises(UsageError, match="counts of dataset=own/corpus=text would be of other subjects of data"):
        prompts(warehouse, tmp_path, subjects=False)
    prompts(warehouse, tmp_path, subjects=False, again=True)
    assert counted(warehouse) == ({}, {})
    assert ("removed", "counts") in {row[:2] for row in status(warehouse)[1]}
    assert command("counts", run.settings, None) == "nwh ingest counts --count-in text --dataset own"
    (run,) = ingest_counts(warehouse, "own", ["text"])
    assert run.notes == ["no prompt of own says its subject: concepts are counted, and no facts"]
    assert counted(warehouse) == (scanned(warehouse)[0], {})
    with pytest.raises(UsageError, match="counts of dataset=own/corpus=text would be of an earlier text"):
        ingest_corpus(warehouse, "text", "new", lambda: [Document("d", "London is here today.")])


def test_names_and_subjects_that_cannot_be(warehouse, tmp_path):
    with pytest.raises(UsageError, match="no data set 'none'"):
        ingest_counts(warehouse, "none", ["text"])
    with pytest.raises(UsageError, match="no corpus 'none'"):
        ingest_counts(warehouse, "own", ["text", "none"])
    assert counted(warehouse) == ({}, {})
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"text": "a [MASK]", "answer": "b", "subject": 3}))
    with pytest.raises(SourceError, match='"subject" is not text'):
        ingest_prompts(warehouse, str(path), "bad")
