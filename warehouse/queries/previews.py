"""A look at many neurons at once, for lists of them: the sentence that moves each most, its most telling words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries import samples
from nwh.warehouse.queries.answers import PLACE, Answer, ask
from nwh.warehouse.warehouse import Warehouse

_WANTED = f"with wanted as (select {', '.join(f'unnest(${name}s) as {name}' for name in PLACE.split(', '))})"


def first_sentences(warehouse: Warehouse, neurons: Sequence[Neuron], pole: str) -> Answer:
    """Return the first sentence of a pole of each of some neurons, over all corpora that its model was run over.

    One row per neuron: model, checkpoint, site, layer, neuron, text. Of neurons without activations none.
    """
    near, params = _wanted(neurons)
    query = (
        f"{_WANTED}, "
        f"first_of as (select {PLACE}, corpus, sentence_id, activation from neuron_topk semi join wanted "
        f"using ({PLACE}) where {near} and pole = $pole and rank = 1 "
        f"qualify row_number() over (partition by {PLACE} "
        "order by if(pole = 'top', -activation, activation), sentence_id) = 1) "
        f"select {PLACE}, text from first_of inner join sentences using (corpus, sentence_id) order by all"
    )
    return ask(warehouse, query, **params, pole=pole)


def words(warehouse: Warehouse, neurons: Sequence[Neuron], corpora: Sequence[str], n: int) -> Answer:
    """Return the n nouns, verbs or adjectives that each of some neurons detects best, as `summary` takes them.

    One row per neuron that has any: model, checkpoint, site, layer, neuron, words. Those that `typical_words` takes.
    """
    near, params = _wanted(neurons)
    query = (
        f"{_WANTED}, "
        f"typical as (select {PLACE}, lower(word) as word, max(g2) as g2, "
        "max(auroc_bound(auroc, sample_support, n_sampled - sample_support, -1.96)) as low "
        "from neuron_words semi join wanted "
        f"using ({PLACE}) where {near} and pole = 'top' and list_contains($corpora, corpus) "
        "and class in ('noun', 'verb', 'adjective') and support >= greatest(3, 0.03 * k) and lift > 1 "
        "and q_value <= 0.05 group by all) "
        f"select {PLACE}, list(word order by low desc nulls last, g2 desc, word)[:$n] as words from typical "
        "group by all order by all"
    )
    return ask(warehouse, query, **params, corpora=list(corpora), n=n)


def similar(
    warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], k: int, site: str, n: int
) -> tuple[Answer, Answer]:
    """Return what `samples.similar` returns, and the words of these neurons, n of each."""
    found = samples.similar(warehouse, neuron, corpora, k, site)
    near = [replace(neuron, site=site, layer=row["layer"], neuron=row["neuron"]) for row in found.records]
    return found, words(warehouse, near, corpora, n) if near else found


def _wanted(neurons: Sequence[Neuron]) -> tuple[str, dict[str, object]]:
    """Return a condition that lets DuckDB leave unread what a join would read, and all parameters."""
    params: dict[str, object] = {}
    near = []
    for name in PLACE.split(", "):
        values = [getattr(neuron, name) for neuron in neurons]
        of_name = {f"{name}_{i}": value for i, value in enumerate(dict.fromkeys(values))}
        near.append(f"{name} in ({', '.join(f'${each}' for each in of_name)})")
        params |= {f"{name}s": values, **of_name}
    return " and ".join(near), params
