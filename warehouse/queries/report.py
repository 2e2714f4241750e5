"""What a report asks beside what pages ask: what was run on a model, and which neurons and concepts to show."""

from __future__ import annotations

from nwh.warehouse.queries.answers import OF_SITE, Answer, ask
from nwh.warehouse.warehouse import Warehouse

_SELECTIVE = f"{OF_SITE} and pole = 'top' and lift > 1 and q_value <= 0.05"


# -- what was run ------------------------------------------------------------------------------------------


def checkpoints(warehouse: Warehouse, model: str) -> Answer:
    """Return a model's checkpoints in order of steps: where they are from, their shape, their weights."""
    query = (
        "select checkpoint, step, family, objective, n_layers, d_model, d_ffn, vocab_size, n_parameters, source, "
        "revision, weights_sha256 from checkpoints where model = $model order by step nulls last, checkpoint"
    )
    return ask(warehouse, query, model=model)


def corpora(warehouse: Warehouse, model: str, checkpoint: str) -> Answer:
    """Return the corpora that a checkpoint was run over; n_counted: their sentences of at least 3 tokens."""
    query = (
        "select corpora.corpus, n_documents, corpora.n_sentences, corpus_sizes.n_sentences as n_counted, source "
        "from corpora inner join corpus_sizes using (corpus) where model = $model and checkpoint = $checkpoint "
        "order by corpora.corpus"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint)


def datasets(warehouse: Warehouse, model: str) -> Answer:
    """Return the data sets of prompts that a model was scored on, with the number of its checkpoints that were."""
    query = (
        "with sizes as (select dataset, count(*) as n_prompts, count(distinct concept) as n_concepts from prompts "
        "group by dataset) "
        "select dataset, n_prompts, n_concepts, count(distinct checkpoint) as n_checkpoints "
        "from sizes inner join prompt_scores using (dataset) where model = $model group by all order by dataset"
    )
    return ask(warehouse, query, model=model)


def runs(warehouse: Warehouse, model: str) -> Answer:
    """Return the runs on a model, and those that made corpora and prompts: settings and versions, the earliest first.

    Of runs of one job on one unit and the same sites, the last.
    """
    query = (
        "select job, unit, settings ->> 'k' as k, settings ->> 'aggregate' as aggregate, rows, seconds, "
        "versions ->> 'dtype' as dtype, versions ->> 'device' as device, versions ->> 'nwh' as nwh, "
        "versions ->> 'torch' as torch, versions ->> 'transformers' as transformers, started_at, settings, versions "
        "from runs where not regexp_matches(unit, '(^|/)model') or list_has_any(string_split(unit, '/'), "
        "['model=' || $model, 'model_before=' || $model, 'model_after=' || $model]) "
        "qualify row_number() over (partition by job, unit, settings ->> 'sites' order by started_at desc) = 1 "
        "order by started_at, job, unit"
    )
    return ask(warehouse, query, model=model)


# -- which neurons -----------------------------------------------------------------------------------------


def selective_neurons(warehouse: Warehouse, model: str, checkpoint: str, site: str, limit: int) -> Answer:
    """Return neurons whose top sentences a metadata value sets apart, best detectors (lower bound of AUROC) first."""
    query = (
        "select layer, neuron, corpus, key, value, auroc, auroc_low, auroc_high, share, recall, corpus_share, lift, "
        f"g2, q_value from class_neurons where {_SELECTIVE} "
        "order by auroc_low desc nulls last, g2 desc, layer, neuron, corpus, key limit $limit"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, limit=limit)


def selective_by_layer(warehouse: Warehouse, model: str, checkpoint: str, site: str) -> Answer:
    """Return the most class-selective neuron of each layer (highest G2), those without one left out."""
    query = (
        f"select layer, neuron from class_neurons where {_SELECTIVE} "
        "qualify row_number() over (partition by layer order by g2 desc, neuron, corpus, key) = 1 order by layer"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site)


def lopsided_by_layer(warehouse: Warehouse, model: str, checkpoint: str, site: str) -> Answer:
    """Return the neuron of each layer whose activations are most lopsided (highest skewness, either way)."""
    query = (
        f"select layer, neuron from neuron_stats where {OF_SITE} "
        "qualify row_number() over (partition by layer order by abs(skewness) desc, neuron, corpus) = 1 order by layer"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site)


def cluster_profiles(warehouse: Warehouse, model: str, checkpoint: str, site: str, scope: str, limit: int) -> Answer:
    """Return what tells each cluster's neurons most from their layer's others, `limit` rows of each cluster."""
    query = (
        "select layer, cluster, rank, kind, pattern, n_with, n_neurons, share, others_share, g2 from cluster_profile "
        f"where {OF_SITE} and scope = $scope and rank <= $limit order by layer, cluster, rank"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, scope=scope, limit=limit)


def neuron_map(warehouse: Warehouse, model: str, checkpoint: str, site: str, scope: str) -> Answer:
    """Return each neuron's place in its layer's picture and its cluster, all layers."""
    query = (
        f"select layer, neuron, cluster, x, y from neuron_clusters where {OF_SITE} and scope = $scope "
        "order by layer, neuron"
    )
    return ask(warehouse, query, model=model, checkpoint=checkpoint, site=site, scope=scope)


# -- which concepts ----------------------------------------------------------------------------------------


def shown_concept(warehouse: Warehouse, model: str, dataset: str) -> Answer:
    """Return the concept with most contributing neurons at the last checkpoint, up to 30, else with fewest above."""
    query = (
        "select concept from knowledge_neurons_per_concept inner join last_checkpoints "
        "using (model, dataset, checkpoint) where model = $model and dataset = $dataset and n_neurons > 0 "
        "order by n_neurons > 30, abs(n_neurons - 30), concept limit 1"
    )
    return ask(warehouse, query, model=model, dataset=dataset)
