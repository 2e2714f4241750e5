"""What the page of a warehouse asks: what it holds, as short tables."""

from __future__ import annotations

from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.warehouse import Warehouse


def models(warehouse: Warehouse) -> Answer:
    """Return the models: one row each with its checkpoints in order of steps, its size, sites and corpora."""
    return ask(
        warehouse,
        "with ran as (select model, list(distinct site order by site desc) as sites, "
        "list(distinct corpus order by corpus) as corpora from neuron_stats group by model) "
        "select model, any_value(family) as family, any_value(objective) as objective, "
        "count(*) as n_checkpoints, list(checkpoint order by step nulls last, checkpoint) as checkpoints, "
        "max(n_layers) as n_layers, max(d_model) as d_model, max(d_ffn) as d_ffn, max(n_parameters) as n_parameters, "
        "coalesce(any_value(sites), []) as sites, coalesce(any_value(corpora), []) as corpora "
        "from checkpoints left join ran using (model) group by model order by model",
    )


def corpora(warehouse: Warehouse) -> Answer:
    """Return the corpora: one row each with its size, metadata keys and annotators."""
    return ask(
        warehouse,
        "with keys as (select corpus, list(distinct key order by key) as keys from sentence_metadata group by corpus), "
        "annotated as (select corpus, list(distinct annotator order by annotator) as annotators "
        "from annotations group by corpus) "
        "select corpus, n_documents, n_sentences, coalesce(keys, []) as metadata, "
        "coalesce(annotators, []) as annotators, source "
        "from corpora left join keys using (corpus) left join annotated using (corpus) order by corpus",
    )


def datasets(warehouse: Warehouse) -> Answer:
    """Return the data sets of prompts: one row each with its size and the models whose neurons were attributed."""
    return ask(
        warehouse,
        "with scored as (select dataset, list(distinct model order by model) as models from prompt_scores "
        "group by dataset) "
        "select dataset, count(*) as n_prompts, count(distinct concept) as n_concepts, "
        "coalesce(any_value(models), []) as models "
        "from prompts left join scored using (dataset) group by dataset order by dataset",
    )
