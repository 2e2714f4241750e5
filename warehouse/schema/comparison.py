"""What groups of neurons do together, and how two checkpoints differ."""

from nwh.warehouse.schema.relation import (
    CHECKPOINT,
    CORPUS,
    LAYER,
    MODEL,
    NEURON,
    OF_SCOPE,
    SCOPE,
    SITE,
    Column,
    Relation,
    shared,
)

_PAIR = (
    shared("model_before", "text"),
    shared("checkpoint_before", "text"),
    shared("model_after", "text"),
    shared("checkpoint_after", "text"),
)
_SET = (CORPUS, shared("split", "text"))
_PAIR_AND_CORPUS = tuple(column.name for column in (*_PAIR, CORPUS))

LAYER_CLUSTERS = Relation(
    "layer_clusters",
    "layer x number of clusters",
    ("model", "checkpoint", "site", "scope", "layer", "k"),
    (
        *OF_SCOPE,
        LAYER,
        Column("k", "integer", "clusters of k-means"),
        Column("sse", "double", "sum of squared distances of sentence vectors to their cluster's centre"),
        Column("n_vectors", "integer", "vectors clustered: strongest sentences x neurons, shared ones counted each"),
    ),
    ("model", "checkpoint", "site", "scope"),
    (("model", "checkpoints.model"),),
    ("sse",),
)

NEURON_CLUSTERS = Relation(
    "neuron_clusters",
    "neuron",
    ("model", "checkpoint", "site", "scope", "layer", "neuron"),
    (
        *OF_SCOPE,
        LAYER,
        NEURON,
        Column("k", "integer", "clusters that the layer's neurons were put into"),
        Column("cluster", "integer", "the neuron's, from 0, the largest first"),
        Column("x", "float", "first coordinate of the layer's t-SNE picture"),
        Column("y", "float", "second coordinate"),
    ),
    ("model", "checkpoint", "site", "scope"),
    (("model", "checkpoints.model"),),
    ("x", "y"),
)

NEURON_MATCHES = Relation(
    "neuron_matches",
    "neuron x other checkpoint",
    ("model", "checkpoint", "other_model", "other_checkpoint", "site", "scope", "layer", "neuron"),
    (
        MODEL,
        CHECKPOINT,
        Column("other_model", "text", "model among whose neurons the partner was sought"),
        Column("other_checkpoint", "text", "its checkpoint"),
        SITE,
        SCOPE,
        LAYER,
        NEURON,
        Column("other_layer", "smallint", "block of the best partner", True),
        Column("other_neuron", "integer", "the partner; null where the neuron is constant", True),
        Column("correlation", "float", "Pearson correlation with the partner over the sampled sentences", True),
        Column(
            "rotated_correlation",
            "float",
            "highest correlation with the other's layers in a random orthogonal basis: what no partner in "
            "particular gives (Gurnee et al. 2024)",
            True,
        ),
        Column("n_sentences", "integer", "sentences that both have sampled"),
    ),
    ("model", "checkpoint", "other_model", "other_checkpoint", "site", "scope"),
    (("model", "checkpoints.model"),),
)

CHECKPOINT_DISTANCES = Relation(
    "checkpoint_distances",
    "pair of checkpoints x set of sentences",
    (*_PAIR_AND_CORPUS, "split"),
    (
        *_PAIR,
        *_SET,
        Column("n_sentences", "bigint", "sentences compared"),
        Column("manhattan", "double", "mean over sentences of the Manhattan distance of all hidden activations"),
        Column("euclidean", "double", "mean over sentences of their Euclidean distance"),
    ),
    _PAIR_AND_CORPUS,
    (("corpus", "corpora.corpus"),),
    ("manhattan", "euclidean"),
)

LAYER_DISTANCES = Relation(
    "layer_distances",
    "pair of checkpoints x set of sentences x layer",
    (*_PAIR_AND_CORPUS, "split", "layer"),
    (
        *_PAIR,
        *_SET,
        LAYER,
        Column("manhattan", "double", "mean over sentences of the Manhattan distance of its hidden activations"),
        Column("euclidean", "double", "mean over sentences of their Euclidean distance"),
    ),
    _PAIR_AND_CORPUS,
    (("corpus", "corpora.corpus"),),
    ("manhattan", "euclidean"),
)

NEURON_DISTANCES = Relation(
    "neuron_distances",
    "pair of checkpoints x set of sentences x hidden neuron",
    (*_PAIR_AND_CORPUS, "split", "layer", "neuron"),
    (
        *_PAIR,
        *_SET,
        LAYER,
        NEURON,
        shared("mean_change", "double"),
        shared("mean_absolute_change", "double"),
        shared("std_before", "double"),
    ),
    _PAIR_AND_CORPUS,
    (("corpus", "corpora.corpus"),),
    ("mean_change", "mean_absolute_change", "std_before"),
)

RELATIONS = (LAYER_CLUSTERS, NEURON_CLUSTERS, NEURON_MATCHES, CHECKPOINT_DISTANCES, LAYER_DISTANCES, NEURON_DISTANCES)
