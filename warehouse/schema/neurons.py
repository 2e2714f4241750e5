"""Checkpoints, and what their neurons did on sentences."""

from nwh.warehouse.schema.relation import CHECKPOINT, CORPUS, LAYER, MODEL, NEURON, SENTENCE_ID, SITE, Column, Relation

CHECKPOINTS = Relation(
    "checkpoints",
    "model checkpoint",
    ("model", "checkpoint"),
    (
        MODEL,
        CHECKPOINT,
        Column("step", "bigint", "training step, orders checkpoints; null if unknown", True),
        Column("source", "text", "reference the model was loaded from"),
        Column("revision", "text", "hub commit or revision, null for local files", True),
        Column("family", "text", "architecture family: `bert`, `gpt-neox`, …"),
        Column(
            "family_description",
            "text",
            "JSON: the family as --family described it; null for those nwh knows",
            True,
            absent="null",
        ),
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

SENTENCE_TOKENS = Relation(
    "sentence_tokens",
    "sentence that counted for a model's checkpoint",
    ("model", "checkpoint", "corpus", "sentence_id"),
    (
        MODEL,
        CHECKPOINT,
        CORPUS,
        SENTENCE_ID,
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
        MODEL,
        CHECKPOINT,
        SITE,
        CORPUS,
        LAYER,
        NEURON,
        Column("pole", "text", "`top` (highest activations) or `bottom` (lowest)"),
        Column("rank", "integer", "from 1 within the corpus; ties: lower sentence_id first"),
        SENTENCE_ID,
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
    "neuron, of the layers that its run was asked for: all, where `--layer` chose none",
    ("model", "checkpoint", "site", "corpus", "layer", "neuron"),
    (
        MODEL,
        CHECKPOINT,
        SITE,
        CORPUS,
        LAYER,
        NEURON,
        Column("n", "bigint", "sentences counted: those of at least 3 tokens"),
        Column("mean", "double", "mean activation over sentences"),
        Column("std", "double", "standard deviation of the population"),
        Column("min", "float", "lowest activation (exact)"),
        Column("max", "float", "highest activation (exact)"),
        Column(
            "max_token",
            "float",
            "highest activation at any single token that counts; null where an earlier version ran the model",
            True,
            "null::float",
        ),
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
        MODEL,
        CHECKPOINT,
        SITE,
        CORPUS,
        SENTENCE_ID,
        LAYER,
        Column("activations", "float[]", "activation of every neuron of the layer, index = neuron + 1 in SQL"),
    ),
    ("model", "checkpoint", "site", "corpus"),
    ("layer", "sentence_id"),
    (("sentence_id", "sentences.sentence_id"),),
)

_MINED = "counted and tested on the first half alone; null where the pattern is not frequent there"

NEURON_PATTERNS = Relation(
    "neuron_patterns",
    "neuron x kind x pole x pattern that is frequent in the pole or in its first half; none where all sentences tie",
    ("model", "checkpoint", "site", "scope", "kind", "pole", "layer", "neuron", "pattern"),
    (
        MODEL,
        CHECKPOINT,
        SITE,
        Column("scope", "text", "corpora the patterns are from: their sorted names joined by `+`"),
        LAYER,
        NEURON,
        Column("kind", "text", "`word` or `tag` (sequences, gaps allowed) or `tree` (ordered labelled subtrees)"),
        Column("pole", "text", "`top` or `bottom`: which sentences of the neuron were mined"),
        Column("pattern", "text[]", "items in order; for trees one bracketed text: `(NP (DT) (NN))`"),
        Column("pattern_text", "text", "its items joined by blanks", absent="array_to_string(pattern, ' ')"),
        Column("length", "smallint", "items of the pattern (trees: nodes)"),
        Column("support", "integer", "sentences of the pole with the pattern"),
        Column("k", "integer", "sentences of the pole, over all corpora of the scope"),
        Column("corpus_support", "bigint", "sentences of the scope with the pattern, among those that counted"),
        Column("n_sentences", "bigint", "sentences of the scope that counted for the model"),
        Column("lift", "double", "(support / k) / (corpus_support / n_sentences)"),
        Column("g2", "double", "log-likelihood ratio of the pole's sentences against the scope's others"),
        Column(
            "p_value",
            "double",
            "of g2, two-sided: chi-square with one degree of freedom, Fisher's exact where a cell's expected count is "
            "below 1",
        ),
        Column(
            "q_value",
            "double",
            "Benjamini-Hochberg over the frequent patterns of the neuron, kind and pole; null where the pattern is "
            "frequent in the first half alone",
            True,
        ),
        Column("mined_support", "integer", "support among the pole's sentences of the first half (hash of the id)"),
        Column(
            "mined_k",
            "integer",
            "sentences of the pole in the first half; null where an earlier version mined",
            True,
            "null::integer",
        ),
        Column("mined_lift", "float", f"lift, {_MINED}", True, "null::float"),
        Column("mined_g2", "float", f"g2, {_MINED}", True, "null::float"),
        Column("mined_q_value", "float", f"q_value, {_MINED}", True, "null::float"),
        Column(
            "heldout_auroc",
            "double",
            "on the second half: (1 + share of the pole's sentences with it - share of the others) / 2; null where "
            "the pattern is not frequent in the first half, or the second has no sentence of either",
            True,
        ),
        Column("annotator", "text", "`annotations.annotator` whose words, tags or trees were mined"),
    ),
    ("model", "checkpoint", "site", "scope", "kind", "pole"),
    # by text within blocks of neurons: one neuron's patterns are in few row groups, and so are one pattern's neurons
    ("layer", "block of neurons", "pattern_text", "neuron"),
    (("model", "checkpoints.model"),),
    ("lift", "g2", "p_value", "q_value", "mined_lift", "mined_g2", "mined_q_value"),
    rows_per_group=32_768,
)
