"""What pages ask about layers and maps of neurons."""

from __future__ import annotations

from dataclasses import dataclass

from nwh.warehouse.queries.answers import OF_SITE, Answer, ask
from nwh.warehouse.warehouse import Warehouse

FIGURES = ("mean", "std", "skewness", "kurtosis", "share_positive", "mean_tokens", "mean_words")
"""Figures that every neuron has: of its activations, and the length of its top sentences."""
WORD_FIGURES = (
    "nouns",
    "verbs",
    "adjectives",
    "adverbs",
    "pronouns",
    "determiners",
    "prepositions",
    "conjunctions",
    "numbers",
    "modals",
    "others",
)
"""Words of a class per top sentence, over corpora with annotations."""
PROFILE_ROWS = 40
"""What pages ask of `cluster_profile`."""
_MOST_SHARES = 50
_OF_MAP = f"{OF_SITE} and scope = $scope"
_FIGURES = f"figures as (from neuron_figures_of($figure) where {OF_SITE} and corpus = $corpus)"
_LIMITS = "select quantile_cont(value, 0.01) as low, quantile_cont(value, 0.99) as high"


@dataclass(frozen=True)
class NeuronMap:
    """The layers of one site of a checkpoint that there are pictures of, made over the corpora of a scope."""

    model: str
    checkpoint: str
    site: str
    scope: str
    layers: tuple[int, ...]


# -- layers ------------------------------------------------------------------------------------------------


def figures(warehouse: Warehouse, model: str, checkpoint: str, corpus: str) -> Answer:
    """Return the names of figures that neurons have over a corpus, shares for its commonest metadata values only."""
    words = ask(warehouse, "select corpus from annotations where corpus = $corpus limit 1", corpus=corpus).rows
    query = (
        "select 'share:' || key || '=' || value from corpus_metadata "
        "where model = $model and checkpoint = $checkpoint and corpus = $corpus "
        f"order by corpus_support desc, key, value limit {_MOST_SHARES}"
    )
    shares = ask(warehouse, query, model=model, checkpoint=checkpoint, corpus=corpus)
    names = (*FIGURES, *(WORD_FIGURES if words else ()))
    return Answer(["figure"], [*((name,) for name in names), *shares.rows])


def figure_values(warehouse: Warehouse, model: str, checkpoint: str, site: str, corpus: str, figure: str) -> Answer:
    """Return a figure of each neuron; low and high are its 1st and 99th percentile over all of them."""
    query = (
        f"with {_FIGURES}, "
        "named as (select layer, neuron, value from figures where isfinite(value)), "
        f"limits as ({_LIMITS} from named) "
        "select layer, neuron, value, low, high from named cross join limits order by layer, neuron"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, corpus=corpus, figure=figure)


def consistency(warehouse: Warehouse, model: str, checkpoint: str, site: str, corpus: str, figure: str) -> Answer:
    """Return the correlation of a figure over dimensions for each pair of layers, with its permuted baseline."""
    query = (
        "select layer_a, layer_b, n_neurons, correlation, baseline, baseline_std, p_value "
        f"from dimension_consistency_of($figure) where {OF_SITE} and corpus = $corpus order by layer_a, layer_b"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, corpus=corpus, figure=figure)


def sse_curves(warehouse: Warehouse, model: str, checkpoint: str, site: str) -> Answer:
    """Return the within-cluster sum of squares of the sentences that activate each layer's neurons most, by k."""
    query = f"select scope, layer, k, sse, n_vectors from layer_clusters where {OF_SITE} order by scope, layer, k"
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site)


# -- map of neurons ----------------------------------------------------------------------------------------


def maps(warehouse: Warehouse) -> list[NeuronMap]:
    """Return what maps there are, by model, checkpoint (by step, those without one last), site and scope."""
    found = ask(
        warehouse,
        "with mapped as (select distinct model, checkpoint, site, scope, layer from neuron_clusters) "
        "select model, checkpoint, site, scope, list(layer order by layer) "
        "from mapped left join checkpoints using (model, checkpoint) group by model, checkpoint, step, site, scope "
        "order by model, step nulls last, checkpoint, site desc, scope",
    )
    return [
        NeuronMap(model, checkpoint, site, scope, tuple(layers))
        for model, checkpoint, site, scope, layers in found.rows
    ]


def clusters(warehouse: Warehouse, model: str, checkpoint: str, site: str, scope: str, layer: int) -> Answer:
    """Return how many neurons each cluster of a layer has."""
    query = (
        f"select cluster, count(*) as n_neurons from neuron_clusters where {_OF_MAP} and layer = $layer "
        "group by cluster order by cluster"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, scope=scope, layer=layer)


def neuron_map(warehouse: Warehouse, model: str, checkpoint: str, site: str, scope: str, layer: int) -> Answer:
    """Return each neuron's place in a layer's picture and its cluster."""
    query = (
        f"select layer, neuron, cluster, x, y from neuron_clusters where {_OF_MAP} and layer = $layer order by neuron"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, scope=scope, layer=layer)


def neuron_map_by(
    warehouse: Warehouse, model: str, checkpoint: str, site: str, scope: str, layer: int, corpus: str, figure: str
) -> Answer:
    """Return the same with a figure of each neuron over a corpus (null without one), and its percentiles 1 and 99."""
    place = {"model": model, "checkpoint": checkpoint, "site": site, "scope": scope, "layer": layer}
    query = (
        f"with {_FIGURES}, "
        "named as (select neuron, value from figures where layer = $layer and isfinite(value)), "
        f"limits as ({_LIMITS} from named) "
        "select layer, neuron, cluster, x, y, value, low, high from neuron_clusters left join named using (neuron) "
        f"cross join limits where {_OF_MAP} and layer = $layer order by neuron"
    )
    return ask(warehouse, query, **place, corpus=corpus, figure=figure)


def cluster_profile(
    warehouse: Warehouse, model: str, checkpoint: str, site: str, scope: str, layer: int, cluster: int, limit: int
) -> Answer:
    """Return the patterns and metadata values that tell a cluster's neurons most from the layer's others."""
    return ask(
        warehouse,
        f"select rank, kind, pattern, n_with, share, others_share, g2 from cluster_profile where {_OF_MAP} "
        "and layer = $layer and cluster = $cluster order by rank limit $limit",
        model=model,
        checkpoint=checkpoint,
        site=site,
        scope=scope,
        layer=layer,
        cluster=cluster,
        limit=limit,
    )
