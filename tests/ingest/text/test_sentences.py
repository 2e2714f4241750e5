import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import nltk
import punkt
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nltk.tokenize.punkt import PunktSentenceTokenizer

from nwh.ingest.text.documents import Document
from nwh.ingest.text.sentences import MAX_SENTENCES, id_base, normalize, punkt_splitter

ROOT = Path(__file__).parents[3]


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


def test_english_abbreviations_end_no_sentence():
    text = (
        "Mr. Smith (of the U.S. Navy) left.  He said: 'No!' Then ... he\nreturned at 5 p.m. on Monday. "
        "Prof. Jones and Dr. Reed stayed in Calif. with Gen. Lee! Why?\n\n\tOne  day.\r\n Two\ndays. "
    )
    assert punkt_splitter().split(Document("x", text)) == [
        "Mr. Smith (of the U.S. Navy) left.",
        "He said: 'No!'",
        "Then . he returned at 5 p.m. on Monday.",
        "Prof. Jones and Dr. Reed stayed in Calif. with Gen. Lee!",
        "Why?",
        "One day.",
        "Two days.",
    ]
    assert punkt_splitter().split(Document("x", " \n ")) == []


def test_sentences_are_those_of_another_punkt(data):
    """The distribution that carries the model has a Punkt of its own, written anew."""
    for name in ("brown", "reuters"):
        texts = pq.read_table(data / "corpora" / f"{name}.parquet", columns=["text"])["text"].to_pylist()
        for text in texts[:: max(1, len(texts) // 20)]:
            expected = [shrink_slowly(" ".join(sentence.split())) for sentence in punkt.sent_tokenize(text)]
            assert punkt_splitter().split(Document("x", text)) == [sentence for sentence in expected if sentence]


def test_settings_tell_the_model():
    """The hash is written out: another model would make another text of a corpus that is read again."""
    settings = punkt_splitter().settings
    assert settings.pop("parameters_sha256") == "1382107bd665caa2be62ed66f1fd1c89e10d565ee3b4a8b3b4db159b42c6bc5e"
    assert settings == {"nltk": nltk.__version__, "splitter": "punkt_tab", "language": "english"}


def test_splitting_learns_nothing():
    """NLTK's own table grows with every unknown word after a full stop: memory would follow the corpus."""
    splitter = punkt_splitter()
    contexts = splitter._tokenizer._params.ortho_context
    before = dict(contexts)
    splitter.split(Document("b", "".join(f"It was Dr. Name{chr(97 + i)} again. " for i in range(26))))
    assert contexts == before


def test_a_long_document_is_not_timed_out(monkeypatch):
    """NLTK gives up after five seconds on one document; here after no time at all."""
    splitter = punkt_splitter()
    document = Document("b", "A full stop. " * 20_000)
    monkeypatch.setattr("nltk.redos.DEFAULT_TIMEOUT", 0.02)
    with pytest.raises(TimeoutError):
        PunktSentenceTokenizer().tokenize(document.text)
    assert len(splitter.split(document)) == 20_000


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
