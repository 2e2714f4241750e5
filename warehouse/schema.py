"""The schema in one place: every relation's grain, key, partition, and typed, described columns.

Jobs are checked against it when they write, readers get their views from it, `nwh docs` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

MODEL = "short name of the model, without `/`"
CHECKPOINT = "label of the checkpoint: `main`, `step143000`, `step_20k`"
SITE = "`hidden` (output of a block) or `ffn` (feed-forward inner representation after the activation function)"
CORPUS = "name of the corpus"
SENTENCE = "`sentences.sentence_id`"
LAYER = "block, from 0"
NEURON = "dimension, from 0"


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, what it holds, whether it may be null."""

    name: str
    type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class Relation:
    """One fact: a Delta table with one row per `grain`.

    `partition` columns (always text) name the folder of a file and bound what a run replaces;
    `order` is how rows are sorted inside a file; `references` are foreign keys (column -> relation.column).
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    finite: tuple[str, ...] = ()

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def file_schema(self) -> pa.Schema:
        """Arrow schema of a data file: every column but those of the partition, whose values are in the path."""
        return _arrow([column for column in self.columns if column.name not in self.partition])

    @cached_property
    def table_schema(self) -> pa.Schema:
        """Arrow schema of the whole Delta table."""
        return _arrow(self.columns)


def _arrow(columns: list[Column] | tuple[Column, ...]) -> pa.Schema:
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "bigint": pa.int64(),
        "integer": pa.int32(),
        "smallint": pa.int16(),
        "float": pa.float32(),
        "double": pa.float64(),
        "timestamp": pa.timestamp("us"),
        "text[]": pa.list_(pa.string()),
        "float[]": pa.list_(pa.float32()),
        "double[]": pa.list_(pa.float64()),
        "bigint[]": pa.list_(pa.int64()),
    }
    return pa.schema([pa.field(column.name, types[column.type], column.nullable) for column in columns])


RUNS = Relation(
    "runs",
    "job run that completed",
    ("run_id",),
    (
        Column("run_id", "text", "identifier of the run: time of its start and a random suffix"),
        Column("job", "text", "`corpus`, `activations`, …"),
        Column("unit", "text", "what the run wrote: model, checkpoint, corpus … as `key=value` joined by `/`"),
        Column("status", "text", "`complete`: the row is written last, after everything the run stored"),
        Column("settings", "text", "JSON: every setting of the job, defaults included"),
        Column("started_at", "timestamp", "UTC"),
        Column("finished_at", "timestamp", "UTC"),
        Column("seconds", "double", "wall-clock seconds of all sessions that worked on the run"),
        Column("model_seconds", "double", "seconds inside the model loop, null where no model runs", True),
        Column("rows", "bigint", "rows stored, all relations together"),
        Column("notes", "text[]", "what the user was told: sentences truncated, left out, fallbacks taken"),
        Column("versions", "text", "JSON: nwh, python, torch, transformers, device, dtype, git revision …"),
    ),
    order=("started_at",),
)

CHECKPOINTS = Relation(
    "checkpoints",
    "model checkpoint",
    ("model", "checkpoint"),
    (
        Column("model", "text", MODEL),
        Column("checkpoint", "text", CHECKPOINT),
        Column("step", "bigint", "training step, orders checkpoints; null if unknown", True),
        Column("source", "text", "reference the model was loaded from"),
        Column("revision", "text", "hub commit or revision, null for local files", True),
        Column("family", "text", "architecture family: `bert`, `gpt-neox`, …"),
        Column("objective", "text", "`mlm`, `clm`, `seq2seq` or `encoder`"),
        Column("n_layers", "integer", "number of blocks"),
        Column("d_model", "integer", "width of site `hidden`"),
        Column("d_ffn", "integer", "width of site `ffn`"),
        Column("vocab_size", "integer", "rows of the input embedding"),
        Column("n_parameters", "bigint", "parameters of the model as loaded, without output head"),
        Column("weights_sha256", "text", "SHA-256 over the stored tensors: names, types, shapes, bytes"),
    ),
    ("model", "checkpoint"),
)

CORPORA = Relation(
    "corpora",
    "corpus",
    ("corpus",),
    (
        Column("corpus", "text", CORPUS),
        Column("source", "text", "file, folder or data set the text came from"),
        Column("n_documents", "bigint", "documents with text"),
        Column("n_sentences", "bigint", "sentences stored"),
        Column("settings", "text", "JSON: columns, sentence splitter, `text_sha256` of the sentences"),
    ),
    ("corpus",),
)

SENTENCES = Relation(
    "sentences",
    "sentence",
    ("sentence_id",),
    (
        Column("sentence_id", "bigint", "21 bits of the corpus name's hash, then 32 bits: place in the corpus"),
        Column("corpus", "text", CORPUS),
        Column("doc_id", "text", "document the sentence is from"),
        Column("position", "integer", "place in the document, from 0"),
        Column("text", "text", "the sentence, white space and runs of symbols normalised"),
        Column("n_words", "integer", "white-space separated words"),
    ),
    ("corpus",),
    ("sentence_id",),
    (("corpus", "corpora.corpus"),),
)

SENTENCE_METADATA = Relation(
    "sentence_metadata",
    "sentence x key x value",
    ("sentence_id", "key", "value"),
    (
        Column("sentence_id", "bigint", SENTENCE),
        Column("corpus", "text", CORPUS),
        Column("key", "text", "`domain`, `author`, `sentiment`, …"),
        Column("value", "text", "value of the key; a document with a list of values has a row for each"),
    ),
    ("corpus",),
    ("key", "sentence_id"),
    (("sentence_id", "sentences.sentence_id"),),
)

SENTENCE_TOKENS = Relation(
    "sentence_tokens",
    "sentence that counted for a model's checkpoint",
    ("model", "checkpoint", "corpus", "sentence_id"),
    (
        Column("model", "text", MODEL),
        Column("checkpoint", "text", CHECKPOINT),
        Column("corpus", "text", CORPUS),
        Column("sentence_id", "bigint", SENTENCE),
        Column("n_tokens", "integer", "tokens of the model's tokenizer, at least 3; special tokens not counted"),
    ),
    ("model", "checkpoint", "corpus"),
    ("sentence_id",),
    (("sentence_id", "sentences.sentence_id"),),
)

NEURON_TOPK = Relation(
    "neuron_topk",
    "neuron x pole x rank",
    ("model", "checkpoint", "site", "corpus", "layer", "neuron", "pole", "rank"),
    (
        Column("model", "text", MODEL),
        Column("checkpoint", "text", CHECKPOINT),
        Column("site", "text", SITE),
        Column("corpus", "text", CORPUS),
        Column("layer", "smallint", LAYER),
        Column("neuron", "integer", NEURON),
        Column("pole", "text", "`top` (highest activations) or `bottom` (lowest)"),
        Column("rank", "integer", "from 1 within the corpus; ties: lower sentence_id first"),
        Column("sentence_id", "bigint", SENTENCE),
        Column("activation", "float", "the sentence's activation: tokens aggregated as the run's settings say"),
        Column(
            "token_position",
            "integer",
            "token of the maximum, from 0; null unless the aggregate is max",
            True,
        ),
    ),
    ("model", "checkpoint", "site", "corpus"),
    ("layer", "neuron", "pole", "rank"),
    (("sentence_id", "sentences.sentence_id"), ("corpus", "corpora.corpus"), ("model", "checkpoints.model")),
    ("activation",),
)

NEURON_STATS = Relation(
    "neuron_stats",
    "neuron",
    ("model", "checkpoint", "site", "corpus", "layer", "neuron"),
    (
        Column("model", "text", MODEL),
        Column("checkpoint", "text", CHECKPOINT),
        Column("site", "text", SITE),
        Column("corpus", "text", CORPUS),
        Column("layer", "smallint", LAYER),
        Column("neuron", "integer", NEURON),
        Column("n", "bigint", "sentences counted: those of at least 3 tokens"),
        Column("mean", "double", "mean activation over sentences"),
        Column("std", "double", "standard deviation of the population"),
        Column("min", "float", "lowest activation (exact)"),
        Column("max", "float", "highest activation (exact)"),
        Column("skewness", "double", "third standardised moment, 0 for a constant neuron"),
        Column("kurtosis", "double", "excess kurtosis, 0 for a constant neuron"),
        Column("share_positive", "double", "share of sentences with an activation above 0"),
        Column("histogram_edges", "float[]", "65 edges of 64 equal bins from min to max"),
        Column("histogram_counts", "bigint[]", "sentences per bin; placed within `resolution` of the true value"),
        Column("quantile_levels", "float[]", "0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999"),
        Column("quantiles", "float[]", "activation at each level, off by at most `resolution`"),
        Column("resolution", "float", "bound on the error of quantiles and bins: at most (max - min) / 500"),
    ),
    ("model", "checkpoint", "site", "corpus"),
    ("layer", "neuron"),
    (("corpus", "corpora.corpus"), ("model", "checkpoints.model")),
    ("mean", "std", "min", "max"),
)

ACTIVATION_SAMPLE = Relation(
    "activation_sample",
    "sampled sentence x layer",
    ("model", "checkpoint", "site", "corpus", "sentence_id", "layer"),
    (
        Column("model", "text", MODEL),
        Column("checkpoint", "text", CHECKPOINT),
        Column("site", "text", SITE),
        Column("corpus", "text", CORPUS),
        Column("sentence_id", "bigint", SENTENCE),
        Column("layer", "smallint", LAYER),
        Column("activations", "float[]", "activation of every neuron of the layer, index = neuron + 1 in SQL"),
    ),
    ("model", "checkpoint", "site", "corpus"),
    ("layer", "sentence_id"),
    (("sentence_id", "sentences.sentence_id"),),
)

ANNOTATIONS = Relation(
    "annotations",
    "sentence x annotator",
    ("corpus", "annotator", "sentence_id"),
    (
        Column("sentence_id", "bigint", SENTENCE),
        Column("corpus", "text", CORPUS),
        Column("annotator", "text", "what made it: `spacy`, `nltk`, `nltk+link-grammar`, `corenlp`, `trees` …"),
        Column("words", "text[]", "words as they stand, punctuation included"),
        Column("tags", "text[]", "Penn part-of-speech tag of each word"),
        Column("tree", "text", "bracketed tree with the words as leaves, null if none was found", True),
        Column("tree_kind", "text", "`constituency` or `dependency` (labels are relations); null without tree", True),
    ),
    ("corpus", "annotator"),
    ("sentence_id",),
    (("sentence_id", "sentences.sentence_id"),),
)

NEURON_PATTERNS = Relation(
    "neuron_patterns",
    "neuron x kind x pole x pattern",
    ("model", "checkpoint", "site", "scope", "kind", "pole", "layer", "neuron", "pattern"),
    (
        Column("model", "text", MODEL),
        Column("checkpoint", "text", CHECKPOINT),
        Column("site", "text", SITE),
        Column("scope", "text", "corpora the patterns are from: their sorted names joined by `+`"),
        Column("layer", "smallint", LAYER),
        Column("neuron", "integer", NEURON),
        Column("kind", "text", "`word` or `tag` (sequences, gaps allowed) or `tree` (ordered labelled subtrees)"),
        Column("pole", "text", "`top` or `bottom`: which sentences of the neuron were mined"),
        Column("pattern", "text[]", "items in order; for trees one bracketed text: `(NP (DT) (NN))`"),
        Column("length", "smallint", "items of the pattern (trees: nodes)"),
        Column("support", "integer", "sentences of the pole with the pattern"),
        Column("k", "integer", "sentences of the pole, over all corpora of the scope"),
        Column("corpus_support", "bigint", "sentences of the scope with the pattern, among those that counted"),
        Column("n_sentences", "bigint", "sentences of the scope that counted for the model"),
        Column("lift", "double", "(support / k) / (corpus_support / n_sentences)"),
        Column("g2", "double", "log-likelihood ratio of the pole's sentences against the scope's others"),
        Column("p_value", "double", "of g2, two-sided, chi-square with one degree of freedom"),
        Column("q_value", "double", "Benjamini-Hochberg over the patterns of the neuron, kind and pole"),
        Column("mined_support", "integer", "support among the pole's sentences of the first half (hash of the id)"),
        Column(
            "heldout_auroc",
            "double",
            "on the second half: (1 + share of the pole's sentences with it - share of the others) / 2; null where "
            "the half has none of either",
            True,
        ),
        Column("annotator", "text", "`annotations.annotator` whose words, tags or trees were mined"),
    ),
    ("model", "checkpoint", "site", "scope", "kind", "pole"),
    ("layer", "neuron", "length"),
    (("model", "checkpoints.model"),),
    ("lift", "g2", "p_value", "q_value"),
)

RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        RUNS,
        CHECKPOINTS,
        CORPORA,
        SENTENCES,
        SENTENCE_METADATA,
        SENTENCE_TOKENS,
        NEURON_TOPK,
        NEURON_STATS,
        ACTIVATION_SAMPLE,
        ANNOTATIONS,
        NEURON_PATTERNS,
    )
}
