"""What a neuron's top and bottom sentences are like: made by job `profiles` of other relations, without a model."""

from dataclasses import replace

from nwh.warehouse.schema.glossary import INDEPENDENT
from nwh.warehouse.schema.relation import DETECTS, LAYER, NEURON, OF_CORPUS, POLE, Column, Relation, shared

_K = shared("k", "integer")
_UNIT = ("model", "checkpoint", "site", "corpus")
_ANNOTATOR = shared("annotator", "text")
_SUPPORT = shared("support", "integer")
_DOCUMENTS = shared("documents", "integer", True, "null::integer", dictionary=True)
_CORPUS_SUPPORT = shared("corpus_support", "integer")
_N_SENTENCES = shared("n_sentences", "integer")
_BOUNDS = tuple(shared(f"auroc_{side}", "float", True, "null::float", dictionary=True) for side in ("low", "high"))
_TESTED = tuple(shared(name, "double", dictionary=True) for name in ("lift", "g2", "p_value"))
# There are many words: their figures have 7 digits, and what is below 1e-45 is 0.
_OF_WORDS = tuple(replace(column, type="float") for column in _TESTED)
_REFERENCES = (("corpus", "corpora.corpus"), ("model", "checkpoints.model"))
STORED_SHARE = 0.01
"""Words and metadata values are stored from this share of the pole's sentences on, and from two sentences."""
COMMON_VALUES = 50
"""Of each metadata key: the values that most sentences have, which are stored of every neuron."""

NEURON_PROFILES = Relation(
    "neuron_profiles",
    "neuron x pole",
    (*_UNIT, "layer", "neuron", "pole"),
    (
        *OF_CORPUS,
        LAYER,
        NEURON,
        POLE,
        _K,
        Column("differ", "smallint", "0 where all sentences of the pole tie (dead there), else 1"),
        shared("mean_tokens", "double"),
        shared("mean_words", "double"),
        shared("corpus_mean_tokens", "double"),
        shared("corpus_mean_words", "double"),
        Column(
            "length_r2",
            "double",
            "squared correlation of the neuron's activation and number of tokens over sampled sentences; null where "
            "one of both does not vary",
            True,
        ),
    ),
    _UNIT,
    references=_REFERENCES,
)

NEURON_SAMPLES = Relation(
    "neuron_samples",
    "neuron: activation_sample turned round, for questions about few neurons and all sentences",
    (*_UNIT, "layer", "neuron"),
    (
        *OF_CORPUS,
        LAYER,
        NEURON,
        shared("n_sampled", "integer"),
        Column("mean", "double", "mean of the activations"),
        Column("std", "double", "their standard deviation (of the population), 0 where all are equal"),
        Column(
            "activations", "float[]", "activation for every sampled sentence, in the order of sentence_id", plain=True
        ),
    ),
    _UNIT,
    references=_REFERENCES,
    rows_per_group=512,
)

NEURON_METADATA = Relation(
    "neuron_metadata",
    f"neuron x pole x key x value that at least {STORED_SHARE:.0%} of the pole's sentences have, and two; the "
    f"{COMMON_VALUES} commonest values of each key however few have them; none for a pole whose sentences all tie",
    (*_UNIT, "layer", "neuron", "pole", "key", "value"),
    (
        *OF_CORPUS,
        LAYER,
        NEURON,
        POLE,
        shared("key", "text"),
        Column("value", "text", "its value"),
        _SUPPORT,
        _DOCUMENTS,
        _K,
        Column("place", "integer", "of the value among those of its key, from 1, by support; ties: in their order"),
        Column("share", "double", "support / k", dictionary=True),
        _CORPUS_SUPPORT,
        _N_SENTENCES,
        Column("corpus_share", "double", "corpus_support / n_sentences", dictionary=True),
        *_TESTED,
        Column(
            "q_value",
            "double",
            f"Benjamini-Hochberg over all values of all keys of the corpus, per neuron and pole; {INDEPENDENT}",
        ),
        Column("n_tested", "integer", "how many values these are"),
        *DETECTS,
        *_BOUNDS,
    ),
    _UNIT,
    references=_REFERENCES,
    rows_per_group=32_768,
)

NEURON_WORDS = Relation(
    "neuron_words",
    f"neuron x pole x class x word that at least {STORED_SHARE:.0%} of the pole's sentences have, and two; none for a "
    "pole whose sentences all tie",
    (*_UNIT, "annotator", "layer", "neuron", "pole", "class", "word"),
    (
        *OF_CORPUS,
        _ANNOTATOR,
        LAYER,
        NEURON,
        POLE,
        shared("class", "text"),
        shared("word", "text"),
        _SUPPORT,
        _DOCUMENTS,
        _K,
        _CORPUS_SUPPORT,
        _N_SENTENCES,
        *_OF_WORDS,
        Column(
            "q_value",
            "float",
            f"Benjamini-Hochberg over all words of the class in the corpus, per neuron and pole; {INDEPENDENT}",
        ),
        Column("n_tested", "integer", "how many words these are"),
        *DETECTS,
    ),
    (*_UNIT, "annotator"),
    references=_REFERENCES,
    rows_per_group=32_768,
)

NEURON_TAG_DISTRIBUTION = Relation(
    "neuron_tag_distribution",
    "neuron x pole x tag of the corpus; none for a pole whose sentences all tie",
    (*_UNIT, "annotator", "layer", "neuron", "pole", "tag"),
    (
        *OF_CORPUS,
        _ANNOTATOR,
        LAYER,
        NEURON,
        POLE,
        shared("tag", "text"),
        shared("class", "text"),
        _K,
        Column("words", "integer", "words of the pole's sentences with the tag"),
        Column("share", "float", "words / all words of the pole's sentences"),
        Column(
            "corpus_words", "bigint", "words of the corpus with the tag, in sentences that counted", dictionary=True
        ),
        Column("corpus_share", "double", "corpus_words / all words of these", dictionary=True),
        Column("lift", "float", "share / corpus_share"),
    ),
    (*_UNIT, "annotator"),
    references=_REFERENCES,
    rows_per_group=32_768,
)

CORPUS_VOCABULARY = Relation(
    "corpus_vocabulary",
    "class x word of the corpus, the same for every site; view corpus_words has them once",
    (*_UNIT, "annotator", "class", "word"),
    (
        *OF_CORPUS,
        _ANNOTATOR,
        shared("class", "text"),
        shared("word", "text"),
        shared("corpus_support", "bigint"),
        shared("n_sentences", "bigint"),
        Column("n_tested", "bigint", "words of the class in the corpus"),
    ),
    (*_UNIT, "annotator"),
    references=_REFERENCES,
)

RELATIONS = (NEURON_PROFILES, NEURON_SAMPLES, NEURON_METADATA, NEURON_WORDS, NEURON_TAG_DISTRIBUTION, CORPUS_VOCABULARY)
