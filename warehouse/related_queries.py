"""What one neuron has to do with: other neurons that are like it, concepts that it contributes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nwh.warehouse import at_hand
from nwh.warehouse.neuron_queries import Answer, ask
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nwh.warehouse.at_hand import Sample
    from nwh.warehouse.neurons import Neuron


_COLUMNS = ["layer", "neuron", "correlation", "n_sentences"]
_MORE = 64
"""Neurons looked at again with full precision, beside those wanted."""


def similar(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], k: int) -> Answer:
    """Return the k neurons of the same checkpoint and site whose activations go most with this one's (Pearson).

    Over the sampled sentences of the corpora. One row per neuron with layer, neuron, correlation, n_sentences, as
    `similar_neurons` has them; none where no sentences were sampled or the neuron does not vary.
    """
    stored = (
        f"select {', '.join(_COLUMNS)} from similar_neurons("
        "$model, $checkpoint, $site, $layer, $neuron, $k, corpora := $corpora) "
        "order by correlation desc, layer, neuron"
    )
    params = neuron.params | {"k": k, "corpora": list(corpora)}
    sample = at_hand.sample(warehouse, neuron.model, neuron.checkpoint, neuron.site)
    if sample is not None:
        return _most_alike(sample, neuron, corpora, k).given_by(stored, params)
    return ask(warehouse, stored, **params)


def _most_alike(sample: Sample, neuron: Neuron, corpora: Sequence[str], k: int) -> Answer:
    import numpy as np

    chosen, spread = sample.chosen(corpora)
    if not len(chosen) or not spread[neuron.layer, neuron.neuron]:
        return Answer(_COLUMNS, [])
    own = _centred(sample.activations[neuron.layer][chosen, neuron.neuron])
    # all in single precision, then the best again in double; a sentence of another corpus weighs nothing
    weights = np.zeros(len(sample.activations[0]), np.float32)
    weights[chosen] = own / np.linalg.norm(own)
    products = np.stack([weights @ of for of in sample.activations]).astype(np.float64)
    correlations = np.divide(products, spread, out=np.full_like(products, -np.inf), where=spread > 0)
    correlations[neuron.layer, neuron.neuron] = -np.inf
    near = np.argsort(-correlations, axis=None, kind="stable")[: k + _MORE]
    found = []
    for layer, other in zip(*np.unravel_index(near, correlations.shape), strict=True):
        if np.isfinite(correlations[layer, other]):
            values = _centred(sample.activations[layer][chosen, other])
            correlation = own @ values / (np.linalg.norm(own) * np.linalg.norm(values))
            found.append((int(layer), int(other), float(correlation), len(own)))
    return Answer(_COLUMNS, sorted(found, key=lambda row: (-row[2], *row[:2]))[:k])


def _centred(values: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = values.astype("float64")
    centred: NDArray[np.float64] = exact - exact.mean()
    return centred


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
