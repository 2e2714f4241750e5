"""How a neuron's activations on sentences that have something lie beside those on all others, over the sample."""

from __future__ import annotations

from collections.abc import Sequence

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.queries.samples import OWN
from nwh.warehouse.warehouse import Warehouse

_BINS = 24
_HAVING = {
    "metadata": "select sentence_id from sentence_metadata where key = $key and value = $value",
    "word": "select sentence_id from annotations where list_contains(words, $value) "
    "and ($key = '' or [1 for each in list_zip(words, tags) if each[1] = $value and tag_class(each[2]) = $key] <> [])",
}


def separation(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], kind: str, key: str, value: str) -> Answer:
    """Return two histograms of a neuron's activations over the sampled sentences: of those with something, and without.

    kind: `metadata` (a key and its value) or `word` (its class, empty for any, and the word, of any annotator). One row
    per bin, whose bounds are `low` and `high`, and side (`has`, true or false), with `n` sentences and their share of
    the side.
    """
    query = (
        f"with {OWN}, with_it as ({_HAVING[kind]} and list_contains($corpora, corpus)), "
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
