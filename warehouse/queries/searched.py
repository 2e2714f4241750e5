"""What one neuron has of what was searched for: the row that led to it, whatever its tables show."""

from __future__ import annotations

from collections.abc import Sequence

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.warehouse import Warehouse

_PLACE = "model = $model and checkpoint = $checkpoint and site = $site and layer = $layer and neuron = $neuron"
_MEASURED = "support, k, share, corpus_share, recall, lift, auroc, auroc_low, auroc_high"


def searched(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], kind: str, value: str) -> Answer:
    """Return how a neuron's top sentences have something: one row per corpus or scope of these corpora, none without.

    kind: `metadata` (value: KEY=VALUE), or `word`, `tag`, `tree` (value: the pattern's text). A word by itself that no
    pattern has is counted as noun, verb, adjective …, the class that most of its sentences have.
    """
    if kind == "metadata":
        key, _, of_key = value.partition("=")
        query = (
            f"select corpus as scope, {_MEASURED} from metadata_detectors where {_PLACE} and pole = 'top' "
            "and list_contains($corpora, corpus) and key = $key and value = $value order by scope"
        )
        return ask(warehouse, query, neuron, corpora, key=key, value=of_key)
    query = (
        f"select scope, support, k, support / k as share, corpus_support / n_sentences as corpus_share, recall, lift, "
        "auroc, auroc_low, auroc_high, heldout_share, heldout_others_share from pattern_neurons($kind, $value) "
        f"where {_PLACE} and pole = 'top' and list_has_all($corpora, string_split(scope, '+')) order by scope"
    )
    found = ask(warehouse, query, neuron, corpora, kind=kind, value=value)
    if found.rows or kind != "word" or " " in value:
        return found
    query = (
        "select corpus as scope, support, k, support / k as share, corpus_support / n_sentences as corpus_share, "
        "support / corpus_support as recall, lift, auroc, "
        "auroc_bound(auroc, sample_support, n_sampled - sample_support, -1.96) as auroc_low, "
        "auroc_bound(auroc, sample_support, n_sampled - sample_support, 1.96) as auroc_high "
        f"from neuron_words where {_PLACE} and pole = 'top' and list_contains($corpora, corpus) and word = $value "
        "qualify row_number() over (partition by corpus order by support desc, annotator, class) = 1 order by scope"
    )
    return ask(warehouse, query, neuron, corpora, value=value)
