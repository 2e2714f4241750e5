"""What one neuron has to do with: other neurons that are like it, concepts that it contributes to."""

from __future__ import annotations

from collections.abc import Sequence

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.warehouse import Warehouse

_COLUMNS = ["layer", "neuron", "correlation", "n_sentences"]


def similar(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], k: int) -> Answer:
    """Return the k neurons of the same checkpoint and site whose activations go most with this one's (Pearson).

    Over the sampled sentences of the corpora. One row per neuron with layer, neuron, correlation, n_sentences, as
    `similar_neurons` has them; none where no sentences were sampled or the neuron does not vary.
    """
    return ask(
        warehouse,
        f"select {', '.join(_COLUMNS)} from similar_neurons("
        "$model, $checkpoint, $site, $layer, $neuron, $k, corpora := $corpora) "
        "order by correlation desc, layer, neuron",
        **neuron.params,
        k=k,
        corpora=list(corpora),
    )


def concepts(warehouse: Warehouse, neuron: Neuron) -> Answer:
    """Return the concepts that a neuron of site `ffn` contributes to, at every checkpoint of its model.

    One row per data set, concept and checkpoint, checkpoints by step (those without one last). No row for `hidden`.
    """
    columns = ["dataset", "concept", "checkpoint", "attribution", "share", "n_selected", "n_prompts"]
    if neuron.site != "ffn":
        return Answer(columns, [])
    place = {"model": neuron.model, "layer": neuron.layer, "neuron": neuron.neuron}
    # Named one by one, concepts reach the files: the selection then reads the prompts of these alone.
    near = ask(
        warehouse,
        "select distinct concept from attributions "
        "where model = $model and layer = $layer and neuron = $neuron and attribution > 0",
        **place,
    ).rows
    if not near:
        return Answer(columns, [])
    return ask(
        warehouse,
        f"select {', '.join(columns)} from knowledge_neurons left join checkpoints using (model, checkpoint) "
        "where model = $model and list_contains($concepts, concept) and layer = $layer and neuron = $neuron "
        "order by step nulls last, checkpoint, attribution desc, dataset, concept",
        **place,
        concepts=[concept for (concept,) in near],
    )
