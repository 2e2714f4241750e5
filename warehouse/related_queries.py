"""What one neuron has to do with: other neurons that are like it, concepts that it contributes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwh.warehouse import at_hand
from nwh.warehouse.neuron_queries import Answer, ask
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from nwh.warehouse.at_hand import Sample
    from nwh.warehouse.neurons import Neuron


_COLUMNS = ["layer", "neuron", "cosine", "n_sentences"]
_MORE = 64
"""Neurons looked at again with full precision, beside those wanted."""


def similar(warehouse: Warehouse, neuron: Neuron, k: int) -> Answer:
    """Return the k neurons of the same checkpoint and site whose activations on sampled sentences are most alike.

    One row per neuron with layer, neuron, cosine, n_sentences, as `similar_neurons` has them; none where no sentences
    were sampled.
    """
    stored = (
        f"select {', '.join(_COLUMNS)} from similar_neurons($model, $checkpoint, $site, $layer, $neuron, $k) "
        "order by cosine desc, layer, neuron"
    )
    params = neuron.params | {"k": k}
    sample = at_hand.sample(warehouse, neuron.model, neuron.checkpoint, neuron.site)
    if sample is not None:
        return _most_alike(sample, neuron, k).given_by(stored, params)
    return ask(warehouse, stored, **params)


def _most_alike(sample: Sample, neuron: Neuron, k: int) -> Answer:
    import numpy as np

    own = sample.activations[neuron.layer][:, neuron.neuron]
    length = sample.lengths[neuron.layer][neuron.neuron]
    if length == 0:
        return Answer(_COLUMNS, [])
    # all in single precision, then the best again in double
    products = np.stack([(own / np.float32(length)) @ of for of in sample.activations]).astype(np.float64)
    lengths = np.stack(sample.lengths)
    cosines = np.divide(products, lengths, out=np.full_like(products, -np.inf), where=lengths > 0)
    cosines[neuron.layer, neuron.neuron] = -np.inf
    near = np.argsort(-cosines, axis=None, kind="stable")[: k + _MORE]
    found = []
    for layer, other in zip(*np.unravel_index(near, cosines.shape), strict=True):
        if np.isfinite(cosines[layer, other]):
            product = np.dot(own.astype(np.float64), sample.activations[layer][:, other].astype(np.float64))
            found.append((int(layer), int(other), float(product / (lengths[layer, other] * length)), len(own)))
    return Answer(_COLUMNS, sorted(found, key=lambda row: (-row[2], *row[:2]))[:k])


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
