"""What pages and `nwh show neuron` ask about one neuron; each query is filtered to it, none reads a relation whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import OF_CORPORA, OF_NEURON, Answer, ask
from nwh.warehouse.warehouse import Warehouse

_ALL_STORED = 2**31 - 1
MOST_VALUES = 100
"""Metadata values of a neuron that pages ask for."""
_MEASURED = "support, k, share, corpus_share, recall, lift, auroc, auroc_low, auroc_high"


@dataclass(frozen=True)
class Extent:
    """The neurons of one site of a checkpoint: layers 0 to n_layers - 1, neurons 0 to n_neurons - 1 of each.

    corpora: those that the checkpoint was run over at this site.
    """

    model: str
    checkpoint: str
    site: str
    n_layers: int
    n_neurons: int
    corpora: tuple[str, ...]

    def check(self, neuron: Neuron, corpora: Sequence[str] = ()) -> None:
        """Raise UsageError, saying what there is, for a layer, neuron or corpus outside this extent."""
        if neuron.layer >= self.n_layers or neuron.neuron >= self.n_neurons:
            raise UsageError(
                f"no neuron {neuron}: {self.model}@{self.checkpoint} has layers 0 to {self.n_layers - 1} "
                f"with neurons 0 to {self.n_neurons - 1} at {self.site}"
            )
        if unknown := [corpus for corpus in corpora if corpus not in self.corpora]:
            raise UsageError(
                f"{self.model}@{self.checkpoint} has no {self.site} activations over corpus {unknown[0]!r}; "
                f"it was run over {', '.join(self.corpora)}"
            )


def extents(warehouse: Warehouse) -> list[Extent]:
    """Return what neurons there are, by model, checkpoint (by step, those without one last) and site."""
    found = ask(
        warehouse,
        "with stored as (select distinct model, checkpoint, site, corpus from neuron_stats) "
        "select model, checkpoint, site, n_layers, if(site = 'ffn', d_ffn, d_model), list(corpus order by corpus) "
        "from stored inner join checkpoints using (model, checkpoint) "
        "group by model, checkpoint, step, site, n_layers, d_ffn, d_model "
        "order by model, step nulls last, checkpoint, site desc",
    )
    return [
        Extent(model, checkpoint, site, n_layers, n_neurons, tuple(corpora))
        for model, checkpoint, site, n_layers, n_neurons, corpora in found.rows
    ]


def extent_of(warehouse: Warehouse, neuron: Neuron) -> Extent:
    """Return the extent that a neuron is in; UsageError where there is none for its checkpoint and site."""
    known = extents(warehouse)
    for extent in known:
        if (extent.model, extent.checkpoint, extent.site) == (neuron.model, neuron.checkpoint, neuron.site):
            return extent
    names = ", ".join(f"{extent.model}@{extent.checkpoint}/{extent.site}" for extent in known)
    raise UsageError(f"no neuron {neuron} in {warehouse.storage}; there are activations of {names or 'no model'}")


def statistics(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return a neuron's statistics, one row per corpus."""
    query = (
        "select corpus, n, mean, std, min, quantiles[4] as median, max, skewness, kurtosis, share_positive "
        f"from neuron_stats where {OF_CORPORA} order by corpus"
    )
    return ask(warehouse, query, neuron, corpora)


def histogram(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return a neuron's histogram: one row per corpus and bin, with the bin's bounds and its sentences."""
    query = (
        "select corpus, unnest(histogram_edges[:-2]) as low, unnest(histogram_edges[2:]) as high, "
        f"unnest(histogram_counts) as sentences from neuron_stats where {OF_CORPORA} order by corpus, low"
    )
    return ask(warehouse, query, neuron, corpora)


def quantiles(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return quantiles of a neuron's activation: one row per corpus and level, off by at most `resolution`."""
    query = (
        "select corpus, unnest(quantile_levels) as level, unnest(quantiles) as activation, resolution "
        f"from neuron_stats where {OF_CORPORA} order by corpus, level"
    )
    return ask(warehouse, query, neuron, corpora)


def sentences(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], pole: str, k: int) -> Answer:
    """Return the k sentences of a pole (`top`, `bottom`) over the union of corpora."""
    query = (
        "select rank, activation, corpus, doc_id, sentence_id, text from top_sentences($corpora, $k) "
        f"where {OF_CORPORA} and pole = $pole order by rank"
    )
    return ask(warehouse, query, neuron, corpora, pole=pole, k=k)


def all_sentences(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return every stored sentence of both poles over the union of corpora whose rank is known, the top ones first."""
    query = (
        "select model, checkpoint, site, layer, neuron, pole, rank, activation, corpus, sentence_id, text "
        f"from top_sentences($corpora, $k) where {OF_CORPORA} order by pole desc, rank"
    )
    return ask(warehouse, query, neuron, corpora, k=_ALL_STORED)


def context(warehouse: Warehouse, corpora: Sequence[str], sentences: Sequence[int]) -> Answer:
    """Return the sentences before and after each of some sentences (ids) in their documents, as far as there are.

    One row per sentence_id and side (`before`, `after`), with the text on that side.
    """
    query = (
        "with shown as (select corpus, doc_id, position, sentence_id from sentences "
        "where list_contains($corpora, corpus) and sentence_id in (select unnest($sentences::bigint[]))) "
        "select shown.sentence_id, if(near.position < shown.position, 'before', 'after') as side, near.text "
        "from shown inner join sentences as near on near.corpus = shown.corpus and near.doc_id = shown.doc_id "
        "and near.position between shown.position - 1 and shown.position + 1 and near.position <> shown.position "
        "where list_contains($corpora, near.corpus) order by all"
    )
    return ask(warehouse, query, corpora=list(corpora), sentences=list(sentences))


def percentile_of(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], activation: float) -> Answer:
    """Return where an activation stands among those of each corpus's sentences.

    z: its distance from the mean in standard deviations, null where the neuron is constant. share_below: share of
    sentences with a lower activation, from the histogram (activations within a bin taken as evenly spread).
    """
    query = (
        "with bins as (select corpus, n, mean, std, unnest(histogram_edges[:-2]) as low, "
        "unnest(histogram_edges[2:]) as high, unnest(histogram_counts) as sentences from neuron_stats "
        f"where {OF_CORPORA}) "
        "select corpus, any_value(n) as n, any_value(mean) as mean, any_value(std) as std, "
        "($activation - any_value(mean)) / nullif(any_value(std), 0) as z, "
        "sum(sentences * if(high > low, greatest(0, least(1, ($activation - low) / (high - low))), "
        "($activation > low)::integer)) / sum(sentences) as share_below from bins group by corpus order by corpus"
    )
    return ask(warehouse, query, neuron, corpora, activation=activation)


def metadata(
    warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], limit: int, min_lift: float = 0, max_q: float = 1
) -> Answer:
    """Return metadata values of a neuron's top sentences, those that tell most (highest G2) first.

    One row per corpus, key and value with a lift above `min_lift` and a q-value of at most `max_q`, with how well the
    neuron detects it (view metadata_detectors).
    """
    query = (
        "select corpus, key, value, support, documents, share, share_low, share_high, corpus_share, recall, "
        "recall_low, recall_high, lift, g2, q_value, auroc, auroc_low, auroc_high "
        f"from metadata_detectors where {OF_CORPORA} and pole = 'top' "
        "and lift > $min_lift and q_value <= $max_q "
        "order by g2 desc, corpus, key, value limit $limit"
    )
    return ask(warehouse, query, neuron, corpora, limit=limit, min_lift=min_lift, max_q=max_q)


def explanations(warehouse: Warehouse, neuron: Neuron) -> Answer:
    """Return what is said of a neuron in words, the sources it tells best (highest AUROC) first.

    One row per source and place; scores as view `neuron_explanations` has them, null where nothing was judged.
    """
    query = (
        "select source, explanation, auroc, control_auroc, balanced_accuracy, control_balanced_accuracy, judge, n_top, "
        "n_others, explainer, method, scope, published_score, published_score_kind from neuron_explanations "
        f"where {OF_NEURON} order by auroc desc nulls last, source, place"
    )
    return ask(warehouse, query, **neuron.params)


def weights(warehouse: Warehouse, neuron: Neuron) -> Answer:
    """Return what the weights alone say of a neuron of site `ffn`; no row for `hidden`, or where it is not stored."""
    query = (
        "select * exclude (model, checkpoint, layer, neuron) from neuron_weights where $site = 'ffn' "
        "and model = $model and checkpoint = $checkpoint and layer = $layer and neuron = $neuron"
    )
    return ask(warehouse, query, **neuron.params)


def searched(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], kind: str, value: str) -> Answer:
    """Return how a neuron's top sentences have something: one row per corpus or scope of these corpora, none without.

    kind: `metadata` (value: KEY=VALUE), or `word`, `tag`, `tree` (value: the pattern's text). A word by itself that no
    pattern has is counted as noun, verb, adjective …, the class that most of its sentences have.
    """
    if kind == "metadata":
        key, _, of_key = value.partition("=")
        query = (
            f"select corpus as scope, {_MEASURED} from metadata_detectors where {OF_CORPORA} and pole = 'top' "
            "and key = $key and value = $value order by scope"
        )
        return ask(warehouse, query, neuron, corpora, key=key, value=of_key)
    query = (
        f"select scope, support, k, support / k as share, corpus_support / n_sentences as corpus_share, recall, lift, "
        "auroc, auroc_low, auroc_high, heldout_share, heldout_others_share from pattern_neurons($kind, $value) "
        f"where {OF_NEURON} and pole = 'top' and list_has_all($corpora, string_split(scope, '+')) order by scope"
    )
    found = ask(warehouse, query, neuron, corpora, kind=kind, value=value)
    if found.rows or kind != "word" or " " in value:
        return found
    query = (
        "select corpus as scope, support, k, support / k as share, corpus_support / n_sentences as corpus_share, "
        "support / corpus_support as recall, lift, auroc, "
        "auroc_bound(auroc, sample_support, n_sampled - sample_support, -1.96) as auroc_low, "
        "auroc_bound(auroc, sample_support, n_sampled - sample_support, 1.96) as auroc_high "
        f"from neuron_words where {OF_CORPORA} and pole = 'top' and word = $value "
        "qualify row_number() over (partition by corpus order by support desc, annotator, class) = 1 order by scope"
    )
    return ask(warehouse, query, neuron, corpora, value=value)
