import os
import random
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import nltk
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer, PunktTrainer

from nwh.ingest.text import sentences
from nwh.ingest.text.documents import Document
from nwh.ingest.text.sentences import MAX_SENTENCES, id_base, normalize, punkt_splitter
from nwh.warehouse.errors import SourceError

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("NWH_TEST_DATA") or ROOT.parent / "shared" / "data")


def story(n_sentences):
    """Text whose words stand at the end of sentences and elsewhere, but for "Dr.": Punkt can learn that."""
    draw = random.Random(0)
    words = [a + b for a in ("ba", "de", "mo", "ti", "lu") for b in ("ran", "sel", "kor", "ni")]
    spoken = [" ".join(draw.choices(words, k=6)).capitalize() for _ in range(n_sentences)]
    ends = draw.choices([". ", ".\n", "? ", ".\n\n"], k=n_sentences)
    return "".join(f"{text}, said Dr. Reed{end}{text}. " for text, end in zip(spoken, ends, strict=True))


STORY = story(150)


@pytest.fixture
def no_punkt_tab(monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [])


@pytest.fixture
def punkt_tab(monkeypatch):
    if not (DATA / "nltk_data").exists():
        pytest.skip("no test data: set NWH_TEST_DATA")
    monkeypatch.setattr(nltk.data, "path", [str(DATA / "nltk_data")])


def shrink_slowly(text):
    """The rule, character by character: a symbol that stands after itself goes."""
    kept = ""
    for character in text:
        if not (character in "!@#$%^&*()+-=[]{};:?,." and kept.endswith(character)):
            kept += character
    return kept


@given(st.text(alphabet="!@#$%^&*()+-=[]{};:?,._~|/\\<>'\"aA1 \n\t\u00a0é"))
@example("+++ ?!?! ... ___ aaa [[[]]] - -")
def test_normalize_shrinks_runs_of_one_symbol_and_white_space(text):
    blanks = re.sub(r"\s+", " ", text).strip(" ")
    assert normalize(text) == shrink_slowly(blanks)


def test_examples_of_normalize():
    assert normalize("+++") == "+"
    assert normalize("Well... what?!?!\n\n Yes!!!") == "Well. what?!?! Yes!"
    assert normalize("a__b ~~ 1000 \\\\") == "a__b ~~ 1000 \\\\"


def test_without_data_a_model_is_trained_on_the_corpus(no_punkt_tab):
    documents = [Document("a", STORY.rstrip(". ")), Document("b", STORY)]
    splitter = punkt_splitter(iter(documents))
    sample = "\n\n".join(document.text for document in documents)
    parameters = PunktTrainer(sample).get_params()
    nltks = PunktSentenceTokenizer(parameters)
    assert splitter.settings["parameters_sha256"] == sentences._fingerprint(parameters)
    found = splitter.split(documents[1])
    assert found == [normalize(sentence) for sentence in nltks.tokenize(documents[1].text)]
    assert not any(sentence.endswith("Dr.") for sentence in found)
    assert len(found) == 300
    assert splitter.settings["splitter"] == "trained"
    assert splitter.settings["characters"] == len(sample) - 2
    assert f"{len(sample) - 2:,} characters" in splitter.note
    assert splitter.settings["nltk"] == nltk.__version__


def test_training_reads_a_bounded_part(no_punkt_tab, monkeypatch):
    monkeypatch.setattr(sentences, "_TRAINING_CHARACTERS", 1000)
    taken = []

    def corpus():
        for number in range(10):
            taken.append(number)
            yield Document("x", STORY[:400])

    splitter = punkt_splitter(corpus())
    assert splitter.settings["characters"] == 1000
    assert len(taken) == 3


def test_nothing_to_train_on(no_punkt_tab):
    with pytest.raises(SourceError, match="no text to train"):
        punkt_splitter([])


def test_empty_sentences_are_dropped(no_punkt_tab):
    splitter = punkt_splitter([Document("a", STORY)])
    assert splitter.split(Document("b", " \n ")) == []
    assert splitter.split(Document("b", "\n One  day.\r\n\r\n\tTwo\ndays. ")) == ["One day.", "Two days."]


def test_splitting_learns_nothing(no_punkt_tab):
    """NLTK's own table grows with every unknown word after a full stop: memory would follow the corpus."""
    splitter = punkt_splitter([Document("a", STORY)])
    contexts = splitter._tokenizer._params.ortho_context
    before = dict(contexts)
    splitter.split(Document("b", "".join(f"It was Dr. Name{chr(97 + i)} again. " for i in range(26))))
    assert contexts == before


def test_a_long_document_is_not_timed_out(no_punkt_tab, monkeypatch):
    """NLTK gives up after five seconds on one document; here after no time at all."""
    splitter = punkt_splitter([Document("a", STORY)])
    document = Document("b", "A full stop. " * 20_000)
    monkeypatch.setattr("nltk.redos.DEFAULT_TIMEOUT", 0.02)
    with pytest.raises(TimeoutError):
        PunktSentenceTokenizer().tokenize(document.text)
    assert len(splitter.split(document)) == 20_000


def test_data_are_used_where_they_are(punkt_tab):
    def never():
        raise AssertionError("the corpus was read")
        yield

    splitter = punkt_splitter(never())
    assert splitter.settings["splitter"] == "punkt_tab"
    assert str(DATA) not in f"{splitter.settings} {splitter.note}"
    text = "Mr. Smith (of the U.S. Navy) left.  He said: 'No!' Then ... he\nreturned at 5 p.m. on Monday."
    assert splitter.split(Document("x", text)) == [normalize(s) for s in PunktTokenizer("english").tokenize(text)]


def test_corpora_get_the_sentences_of_nltk(punkt_tab):
    splitter = punkt_splitter([])
    nltks = PunktTokenizer("english")
    for name in ("brown", "state_union", "tweets", "reuters"):
        texts = pq.read_table(DATA / "corpora" / f"{name}.parquet", columns=["text"])["text"].to_pylist()
        for text in texts[:: max(1, len(texts) // 20)]:
            expected = [shrink_slowly(" ".join(sentence.split())) for sentence in nltks.tokenize(text)]
            assert splitter.split(Document("x", text)) == [sentence for sentence in expected if sentence]


def test_sentence_ids():
    names = [f"corpus-{number}" for number in range(200)]
    for name in names:
        bits = bin(int(sha256(name.encode()).hexdigest(), 16))[-21:]
        assert id_base(name) == int(bits + "0" * 32, 2)
        assert id_base(name) + MAX_SENTENCES - 1 < 2**53
    assert len({id_base(name) for name in names}) == len(names)
    # `printf brown | sha256sum` ends in 15ad2dc: written out, so that ids never change by accident.
    assert id_base("brown") == 0x1AD2DC << 32


def test_nltk_is_imported_only_when_needed():
    code = "import sys, nwh.ingest.text.sentences; sys.exit('nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
