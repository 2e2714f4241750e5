"""Checkpoints, what their neurons did on sentences, and what their weights alone say of them."""

from nwh.warehouse.schema.glossary import INDEPENDENT
from nwh.warehouse.schema.relation import (
    CHECKPOINT,
    CORPUS,
    DETECTS,
    LAYER,
    MODEL,
    NEURON,
    OF_CORPUS,
    OF_SCOPE,
    POLE,
    SENTENCE_ID,
    Column,
    Relation,
    shared,
)

# what a name says: as `ingest.models.seeds.series_and_seed` reads it
_SEED = r"model, '(^|[-_.]+)seed[-_.]?(\d+)($|[-_.])', 2, 'i'"
_HOOKS = (
    "with `{layer}` where the layer's number stands: in TransformerLens, then in nnsight (below the base model); null "
    "where version 2 or earlier ran the model"
)
_WITHOUT_SEED = r"regexp_replace(model, '(^|[-_.]+)seed[-_.]?(\d+)($|[-_.])', '\3', 'i')"

CHECKPOINTS = Relation(
    "checkpoints",
    "model checkpoint",
    ("model", "checkpoint"),
    (
        MODEL,
        CHECKPOINT,
        shared("series", "text", absent=f"coalesce(nullif(ltrim({_WITHOUT_SEED}, '-_.'), ''), model)"),
        Column("seed", "bigint", "of the run, null if unknown", True, f"try_cast(regexp_extract({_SEED}) as bigint)"),
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
        *(
            Column(f"{site}_hooks", "text[]", f"what site `{site}` is called elsewhere, {_HOOKS}", True, "null::text[]")
            for site in ("hidden", "ffn")
        ),
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
    (("sentence_id", "sentences.sentence_id"),),
)

NEURON_TOPK = Relation(
    "neuron_topk",
    "neuron x pole x rank",
    ("model", "checkpoint", "site", "corpus", "layer", "neuron", "pole", "rank"),
    (
        *OF_CORPUS,
        LAYER,
        NEURON,
        POLE,
        shared("rank", "integer"),
        SENTENCE_ID,
        shared("activation", "float"),
        shared("token_position", "integer", True),
    ),
    ("model", "checkpoint", "site", "corpus"),
    (("sentence_id", "sentences.sentence_id"), ("corpus", "corpora.corpus"), ("model", "checkpoints.model")),
    ("activation",),
)

NEURON_STATS = Relation(
    "neuron_stats",
    "neuron, of the layers that its run was asked for: all, where `--layer` chose none",
    ("model", "checkpoint", "site", "corpus", "layer", "neuron"),
    (
        *OF_CORPUS,
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
            "highest activation at any single token that counts; null where version 1 ran the model, which only "
            "another run of it can mend: `nwh ingest activations … --again`",
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
    (("corpus", "corpora.corpus"), ("model", "checkpoints.model")),
    ("mean", "std", "min", "max"),
)

ACTIVATION_SAMPLE = Relation(
    "activation_sample",
    "sampled sentence x layer",
    ("model", "checkpoint", "site", "corpus", "sentence_id", "layer"),
    (
        *OF_CORPUS,
        SENTENCE_ID,
        LAYER,
        Column("activations", "float[]", "activation of every neuron of the layer, index = neuron + 1 in SQL"),
    ),
    ("model", "checkpoint", "site", "corpus"),
    (("sentence_id", "sentences.sentence_id"),),
)

NEURON_PATTERNS = Relation(
    "neuron_patterns",
    "neuron x kind x pole x pattern that is frequent in the pole or in its first half; none where all sentences tie",
    ("model", "checkpoint", "site", "scope", "kind", "pole", "layer", "neuron", "pattern"),
    (
        *OF_SCOPE,
        LAYER,
        NEURON,
        shared("kind", "text"),
        POLE,
        shared("pattern", "text[]"),
        shared("pattern_text", "text", absent="array_to_string(pattern, ' ')"),
        shared("length", "smallint"),
        shared("support", "integer"),
        shared("k", "integer"),
        shared("corpus_support", "bigint"),
        shared("n_sentences", "bigint"),
        shared("lift", "double"),
        shared("g2", "double"),
        shared("p_value", "double"),
        Column(
            "q_value",
            "double",
            "Benjamini-Hochberg over the frequent patterns of the neuron, kind and pole; null where the pattern is "
            f"frequent in the first half alone; {INDEPENDENT}",
            True,
        ),
        shared("mined_support", "integer"),
        Column(
            "mined_k",
            "integer",
            "sentences of the pole in the first half; null where version 1 mined, until `nwh upgrade`",
            True,
            "null::integer",
        ),
        shared("mined_lift", "float", True, "null::float"),
        shared("mined_g2", "float", True, "null::float"),
        shared("mined_q_value", "float", True, "null::float"),
        shared("heldout_auroc", "double", True),
        *DETECTS,
        Column("annotator", "text", "`annotations.annotator` whose words, tags or trees were mined"),
    ),
    ("model", "checkpoint", "site", "scope", "kind", "pole"),
    # by text within blocks of neurons: one neuron's patterns are in few row groups, and so are one pattern's neurons
    (("model", "checkpoints.model"),),
    ("lift", "g2", "p_value", "q_value", "mined_lift", "mined_g2", "mined_q_value"),
    rows_per_group=32_768,
)

NEURON_WEIGHTS = Relation(
    "neuron_weights",
    "neuron of site `ffn`",
    ("model", "checkpoint", "layer", "neuron"),
    (
        MODEL,
        CHECKPOINT,
        LAYER,
        Column("neuron", "integer", "neuron of site `ffn`, from 0"),
        Column("read_norm", "float", "size (L2) of its input weights; of gated layers, those that the gate multiplies"),
        Column("gate_norm", "float", "size of its gate's weights; null where layers are not gated", True),
        Column("write_norm", "float", "size of its output weights, its column of the down projection"),
        Column("read_cosine", "float", "cosine of input and output weights; null where one has no size", True),
        Column("gate_cosine", "float", "cosine of gate and output weights; null where layers are not gated", True),
        Column(
            "logit_variance",
            "float",
            "variance over tokens of the cosine of its output weights and the token's unembedding, as the final norm "
            "scales and centres it; null where the output weights have no size",
            True,
        ),
        Column(
            "null_share",
            "float",
            "share of its output weights' size (not squared) in the 5 % of directions that the unembedding reads "
            "least: 0.22 by chance; null where they have no size",
            True,
        ),
        Column(
            "frequency_correlation",
            "float",
            "Pearson's correlation, over the tokens that occur in the run's corpus, of the change of a token's logit "
            "and its log frequency there; null where no corpus was given",
            True,
        ),
        Column("top_tokens", "text[]", "the 10 tokens that its activation raises most, if nothing later answers it"),
        Column("bottom_tokens", "text[]", "the 10 tokens that it lowers most"),
    ),
    ("model", "checkpoint"),
    (("model", "checkpoints.model"),),
    ("read_norm", "write_norm"),
)

_ON_TEXT = (SENTENCE_TOKENS, NEURON_TOPK, NEURON_STATS, ACTIVATION_SAMPLE, NEURON_PATTERNS)
RELATIONS = (CHECKPOINTS, *_ON_TEXT, NEURON_WEIGHTS)
