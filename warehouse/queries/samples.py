"""What the sampled sentences say of one neuron: sentences of every strength, like neurons, what it tells apart."""

from __future__ import annotations

from collections.abc import Sequence

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import OF_SITE, Answer, ask
from nwh.warehouse.warehouse import Warehouse

INTERVALS = ((0.99, 1.0), (0.9, 0.99), (0.5, 0.9), (0.1, 0.5), (0.0, 0.1))
"""Quantiles of the neuron's activation over the sampled sentences, lower bound included, upper one not."""
RANDOM = (0.0, 1.0)
"""All of the sample: sentences drawn from it are random ones."""
_SAMPLED = f"{OF_SITE} and layer = $layer and list_contains($corpora, corpus)"
_OWN = (
    "sampled as (select corpus, sentence_id, row_number() over (partition by corpus order by sentence_id) as place "
    f"from activation_sample where {_SAMPLED}), "
    "values_of as (select corpus, unnest(activations) as activation, generate_subscripts(activations, 1) as place "
    f"from neuron_samples where {_SAMPLED} and neuron = $neuron), "
    "own as (select corpus, sentence_id, activation from sampled inner join values_of using (corpus, place))"
)
"""The sampled sentences with a neuron's activation there: activation_sample has those of a layer's neurons together."""
_DRAWN = (
    "placed as (select *, (row_number() over (order by activation, sentence_id) - 1) / count(*) over () as place "
    "from own), "
    "intervals as (select unnest($lows::double[]) as low, unnest($highs::double[]) as high), "
    "drawn as (select *, count(*) over (partition by low, high) as n, "
    "min(activation) over (partition by low, high) as lowest, "
    "max(activation) over (partition by low, high) as highest "
    "from placed inner join intervals on place >= low and place < high "
    "qualify row_number() over (partition by low, high order by hash(sentence_id, low, high), sentence_id) <= $k) "
    "select low, high, n, lowest, highest, "
    "row_number() over (partition by low, high order by activation desc, sentence_id) as rank, "
    "activation, corpus, doc_id, sentence_id, text from drawn inner join sentences using (corpus, sentence_id) "
    "order by low desc, high, rank"
)

_BINS = 24
_HAVING = {
    "metadata": "select sentence_id from sentence_metadata where key = $key and value = $value",
    "word": "select sentence_id from annotations where list_contains(words, $value) "
    "and ($key = '' or [1 for each in list_zip(words, tags) if each[1] = $value and tag_class(each[2]) = $key] <> [])",
}


def by_quantile(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], k: int) -> Answer:
    """Return k sentences drawn from each of INTERVALS and from RANDOM, the same at every call.

    Quantiles are those of the sampled sentences of all corpora together (as many of each corpus were sampled).
    Columns: low and high (quantiles), n (sampled sentences between them), lowest and highest (their activations),
    rank (among the k drawn, by activation), activation, corpus, doc_id, sentence_id, text. No row where nothing was
    sampled.
    """
    bounds = [*INTERVALS, RANDOM]
    params = {
        "corpora": list(corpora),
        "k": k,
        "lows": [low for low, _ in bounds],
        "highs": [high for _, high in bounds],
    }
    return ask(warehouse, f"with {_OWN}, {_DRAWN}", **params, **neuron.params)


def similar(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], k: int, site: str) -> Answer:
    """Return the k neurons of a site of the same checkpoint whose activations go most with this one's (Pearson).

    Over the sampled sentences of the corpora. One row per neuron with layer, neuron, correlation, n_sentences, as
    `similar_neurons` has them; none where no sentences were sampled or the neuron does not vary.
    """
    other = {} if site == neuron.site else {"other_site": site}
    query = (
        "select layer, neuron, correlation, n_sentences from similar_neurons("
        "$model, $checkpoint, $site, $layer, $neuron, $k, corpora := $corpora"
        f"{', other_site := $other_site' if other else ''}) order by correlation desc, layer, neuron"
    )
    return ask(warehouse, query, **neuron.params, **other, k=k, corpora=list(corpora))


def partners(warehouse: Warehouse, neuron: Neuron, limit: int) -> Answer:
    """Return the best partner of a neuron in each other checkpoint it was matched with, and whose partner it is there.

    Columns: is_partner (whether the row's neuron is this one's partner; else this one is its), model, checkpoint,
    layer, neuron, correlation, rotated_correlation, scope, n_sentences; partners first, then by correlation, at most
    `limit`.
    """
    rest = "correlation, rotated_correlation, scope, n_sentences from neuron_matches where site = $site"
    query = (
        "select true as is_partner, other_model as model, other_checkpoint as checkpoint, other_layer as layer, "
        f"other_neuron as neuron, {rest} and model = $model and checkpoint = $checkpoint and layer = $layer "
        "and neuron = $neuron and other_neuron is not null "
        f"union all select false, model, checkpoint, layer, neuron, {rest} and other_model = $model "
        "and other_checkpoint = $checkpoint and other_layer = $layer and other_neuron = $neuron "
        "order by is_partner desc, correlation desc, model, checkpoint, layer, neuron, scope limit $limit"
    )
    return ask(warehouse, query, **neuron.params, limit=limit)


def separation(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], kind: str, key: str, value: str) -> Answer:
    """Return two histograms of a neuron's activations over the sampled sentences: of those with something, and without.

    kind: `metadata` (a key and its value) or `word` (its class, empty for any, and the word, of any annotator). One row
    per bin, whose bounds are `low` and `high`, and side (`has`, true or false), with `n` sentences and their share of
    the side.
    """
    query = (
        f"with {_OWN}, with_it as ({_HAVING[kind]} and list_contains($corpora, corpus)), "
        "marked as (select activation, sentence_id in (select sentence_id from with_it) as has, "
        "min(activation) over () as lowest, max(activation) over () as highest from own), "
        f"placed as (select has, lowest, highest, least({_BINS - 1}, floor((activation - lowest) / "
        f"nullif(highest - lowest, 0) * {_BINS})) as bin from marked), "
        "counted as (select has, bin, count(*) as n, any_value(lowest) as lowest, any_value(highest) as highest "
        "from placed where bin is not null group by has, bin) "
        f"select has, lowest + bin * (highest - lowest) / {_BINS} as low, "
        f"lowest + (bin + 1) * (highest - lowest) / {_BINS} as high, n, n / sum(n) over (partition by has) as share "
        "from counted order by has, low"
    )
    return ask(warehouse, query, neuron, corpora, key=key, value=value)
