"""What cannot be mined is refused before any work, with the command that helps."""

from __future__ import annotations

import pytest

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.annotation import nltk_tagger
from nwh.ingest.annotation.annotators import Annotator
from nwh.ingest.annotation.job import ingest_annotations
from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.models import load
from nwh.ingest.patterns.job import ingest_patterns
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.patterns.scope import read_scopes, read_sentences
from nwh.ingest.scope import read_sets
from nwh.ingest.stored import stored_checkpoints, stored_model
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from tests.conftest import copied
from tests.ingest.patterns.trees import made_up_tree, write_trees

MODEL = ("tiny-bert", "main")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_bert):
    """Return a warehouse with top sentences of `a` and `b` (annotated by trees) and `bare` (by nobody)."""
    from random import Random

    folder = tmp_path_factory.mktemp("scope")
    warehouse = Warehouse.create(folder / "warehouse")
    long = "(S " + " ".join("(NN cat) (. .)" for _ in range(250)) + ")\n"
    random = Random(3)
    (folder / "a.mrg").write_text(long + "".join(made_up_tree(random) + "\n" for _ in range(30)))
    ingest_trees(warehouse, "a", folder / "a.mrg")
    for seed, corpus in enumerate(("b", "bare", "unread")):
        ingest_trees(warehouse, corpus, write_trees(folder / f"{corpus}.mrg", 25, seed))
    with (
        warehouse.run("annotations", {"corpus": "bare", "annotator": "trees"}, {}) as run,
        run.writer("annotations", {"corpus": "bare", "annotator": "trees"}),
    ):
        pass  # nothing: the corpus keeps its sentences and loses its annotations
    model = load(str(tiny_bert), device="cpu")
    ingest_activations(warehouse, model, ["a"], Settings(("hidden",), k=10, sample=5))
    ingest_activations(warehouse, model, ["b", "bare"], Settings(("hidden",), k=8, sample=5))
    return folder / "warehouse"


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


@pytest.fixture
def tag_again(warehouse):
    """Return a function that annotates a corpus by NLTK too."""
    try:
        settings = nltk_tagger.settings()
    except UsageError as error:
        pytest.skip(str(error))

    def annotate(corpus):
        annotator = Annotator("nltk", "nltk", None, None, "", settings)
        ingest_annotations(warehouse, corpus, annotator, processes=1)

    return annotate


def test_the_scope_is_every_corpus_that_has_what_is_read(warehouse):
    (scope,) = read_scopes(warehouse, *MODEL)
    assert (scope.name, scope.annotator, scope.kinds) == ("a+b", "trees", ("word", "tag", "tree"))
    assert scope.k == 8  # the smaller: the top 10 of the union may need more of b
    assert (scope.layers, scope.n_neurons) == ((0, 1, 2), 16)


def test_corpora_ranked_whole_do_not_limit_k(warehouse, tiny_bert):
    model = load(str(tiny_bert), device="cpu")
    ingest_activations(warehouse, model, ["a"], Settings(("hidden",), k=30, sample=5))
    ingest_activations(warehouse, model, ["b"], Settings(("hidden",), k=1000, sample=5))
    assert [read_scopes(warehouse, *MODEL, corpora=names)[0].k for names in (["a"], ["b"], ["a", "b"])] == [30, 25, 30]
    ingest_activations(warehouse, model, ["a"], Settings(("hidden",), k=1000, sample=5))
    assert read_scopes(warehouse, *MODEL, corpora=["a", "b"])[0].k == 31 + 25


def test_a_sentence_of_500_tokens_is_mined_like_any(warehouse):
    (run,) = ingest_patterns(warehouse, *MODEL, Rules(min_support=0.9), corpora=["a"], kinds=["tag"])
    assert run.settings["scope"] == "a"
    (scope,) = read_scopes(warehouse, *MODEL, corpora=["a"])
    ids, texts = read_sentences(warehouse, scope, ["words"])
    assert max(len(words) for words in texts["words"].to_pylist()) == 500
    assert len(ids) == 31


def test_sets_are_those_of_top_sentences(warehouse):
    import numpy as np

    (scope,) = read_scopes(warehouse, *MODEL)
    ids, _ = read_sentences(warehouse, scope, [])
    neurons = np.array([2, 3, 9])
    for neuron, members in zip(neurons, read_sets(warehouse, scope, 1, neurons, ids), strict=True):
        rows = warehouse.sql(
            "select sentence_id from top_sentences(['a', 'b'], 8) where layer = 1 and neuron = $1 and pole = 'top'",
            [int(neuron)],
        ).fetchall()
        assert set(ids[members].tolist()) == {sentence_id for (sentence_id,) in rows}
        assert len(members) == 8


def test_a_dead_neuron_has_no_patterns(warehouse, tiny_bert):
    model = load(str(tiny_bert), device="cpu")
    dense = model.base.encoder.layer[1].intermediate.dense
    dense.weight[3], dense.bias[3] = 0, 0  # GELU(0) = 0 for every sentence: its top is the corpus's beginning
    ingest_activations(warehouse, model, ["a"], Settings(("ffn",), k=8, sample=5))
    place = {"corpora": ["a"], "sites": ["ffn"], "layers": [1]}
    assert ingest_patterns(warehouse, *MODEL, Rules(0.2), **place, neurons=[3])[0].notes == []  # alone too
    assert warehouse.sql("select count(*) from neuron_patterns where site = 'ffn'").fetchall() == [(0,)]
    ingest_patterns(warehouse, *MODEL, Rules(0.2), **place)
    found = warehouse.sql("select distinct kind, neuron from neuron_patterns where site = 'ffn'").fetchall()
    assert {kind for kind, _ in found} == {"word", "tag", "tree"}
    assert 3 not in {neuron for _, neuron in found}
    assert {2, 4} <= {neuron for _, neuron in found}


@pytest.mark.parametrize(
    ("rules", "choice", "message"),
    [
        ({"min_support": 0}, {}, "minimum support 0"),
        ({"min_support": 1.1}, {}, r"minimum support 1\.1"),
        ({"min_support": float("nan")}, {}, "minimum support nan"),
        ({"max_length": 0}, {}, "--max-length must be at least 1"),
        ({"max_gap": -1}, {}, "--max-gap must be at least 0"),
        ({"max_gap": 1}, {"kinds": ["tree"]}, "--kind word,tag"),
        ({}, {"kinds": ["phrase"]}, "kind 'phrase' is not known: use word, tag, tree"),
        ({}, {"pole": "left"}, "pole 'left' is not known"),
        ({}, {"layers": [3]}, "no layer 3 in tiny-bert@main/hidden: it has layers 0 to 2"),
        ({}, {"neurons": [5, 16]}, "no neuron 16 .* 0 to 15"),
        ({}, {"sites": ["ffn"]}, "no ffn activations of tiny-bert@main; there are hidden .*--site ffn"),
        ({}, {"corpora": ["a", "unread"]}, "'unread' has no top sentences .* a, b, bare: `nwh ingest activations"),
        ({}, {"corpora": ["a", "bare"]}, "'bare' has no annotations .*`nwh ingest annotations --corpus bare`"),
        ({}, {"annotator": "spacy"}, "'a' has no annotations by spacy .*trees: a, b"),
    ],
)
def test_wrong_use_is_refused_before_any_work(warehouse, rules, choice, message):
    with pytest.raises(UsageError, match=message):
        ingest_patterns(warehouse, *MODEL, Rules(**rules), **choice)
    assert warehouse.sql("select count(*) from runs where job = 'patterns'").fetchall() == [(0,)]


def test_mixed_annotators_must_be_told_apart(warehouse, tag_again):
    tag_again("bare")
    with pytest.raises(UsageError, match=r"no annotator has annotated all of a, bare \(nltk: bare; trees: a\)"):
        ingest_patterns(warehouse, *MODEL, Rules(), corpora=["a", "bare"])
    tag_again("a")
    with pytest.raises(UsageError, match=r"several annotators .*nltk: a, bare; trees: a, b.*--annotator"):
        ingest_patterns(warehouse, *MODEL, Rules())
    (scope,) = read_scopes(warehouse, *MODEL, corpora=["a", "bare"])
    assert (scope.annotator, scope.kinds) == ("nltk", ("word", "tag"))
    (scope,) = read_scopes(warehouse, *MODEL, annotator="trees")
    assert scope.name == "a+b"
    with pytest.raises(UsageError, match="annotator nltk made no trees of a, bare.*--parser"):
        ingest_patterns(warehouse, *MODEL, Rules(), corpora=["a", "bare"], kinds=["tree"])


def test_activations_and_annotations_of_an_earlier_text_are_gone(warehouse, add_corpus, tiny_bert, tag_again):
    tag_again("b")
    add_corpus(warehouse, "b", 20, again=True)
    with pytest.raises(UsageError, match=r"corpus 'b' has no top sentences .*nwh ingest activations"):
        ingest_patterns(warehouse, *MODEL, Rules(), corpora=["b"], annotator="nltk")
    ingest_activations(warehouse, load(str(tiny_bert), device="cpu"), ["b"], Settings(("hidden",), k=5, sample=5))
    with pytest.raises(UsageError, match=r"corpus 'b' has no annotations by nltk .*nwh ingest annotations"):
        ingest_patterns(warehouse, *MODEL, Rules(), corpora=["b"], annotator="nltk")


def test_names_of_models_and_checkpoints(warehouse, tiny_bert):
    assert stored_model(warehouse, str(tiny_bert)) == stored_model(warehouse, "tiny-bert") == "tiny-bert"
    with pytest.raises(UsageError, match="no activations of model 'gpt2'.*there are tiny-bert"):
        stored_model(warehouse, "gpt2")
    assert (
        stored_checkpoints(warehouse, "tiny-bert", ["all"])
        == ["main"]
        == stored_checkpoints(warehouse, "tiny-bert", [])
    )
    with pytest.raises(UsageError, match="no checkpoint tiny-bert@step5.*there are main"):
        stored_checkpoints(warehouse, "tiny-bert", ["step5"])
