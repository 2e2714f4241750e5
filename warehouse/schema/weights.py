"""What a checkpoint's weights alone say of its feed-forward neurons."""

from nwh.warehouse.schema.relation import CHECKPOINT, LAYER, MODEL, Column, Relation

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
