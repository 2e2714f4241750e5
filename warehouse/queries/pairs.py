"""What pages ask about pairs of checkpoints: distances between them, neurons that match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nwh.warehouse.queries.answers import Answer, ask
from nwh.warehouse.warehouse import Warehouse

MOVED_ROWS = 50
"""What pages ask of `moved_neurons`."""
_OF_PAIR = (
    "model_before = $model_before and checkpoint_before = $checkpoint_before "
    "and model_after = $model_after and checkpoint_after = $checkpoint_after"
)
_OF_PARTNERS = (
    "model = $model_before and checkpoint = $checkpoint_before "
    "and other_model = $model_after and other_checkpoint = $checkpoint_after"
)
_MATCHED = f"{_OF_PARTNERS} and site = $site and scope = $scope"


@dataclass(frozen=True)
class Pair:
    """Two checkpoints that were compared."""

    model_before: str
    checkpoint_before: str
    model_after: str
    checkpoint_after: str

    @property
    def before(self) -> str:
        """MODEL@CHECKPOINT of the first."""
        return f"{self.model_before}@{self.checkpoint_before}"

    @property
    def after(self) -> str:
        """MODEL@CHECKPOINT of the second."""
        return f"{self.model_after}@{self.checkpoint_after}"

    @property
    def params(self) -> dict[str, Any]:
        """The pair as named SQL parameters."""
        return dict(vars(self))


def pairs(warehouse: Warehouse) -> list[Pair]:
    """Return the pairs of checkpoints that distances or matches are stored of, those with both first."""
    found = ask(
        warehouse,
        "with stored as ("
        "select distinct model_before, checkpoint_before, model_after, checkpoint_after, 'distances' as part "
        "from checkpoint_distances "
        "union all select distinct model, checkpoint, other_model, other_checkpoint, 'matches' from neuron_matches) "
        "select model_before, checkpoint_before, model_after, checkpoint_after from stored "
        "group by all order by count(*) desc, model_before, checkpoint_before, model_after, checkpoint_after",
    )
    return [Pair(*row) for row in found.rows]


def distances(warehouse: Warehouse, pair: Pair) -> Answer:
    """Return the mean distances between the vectors of each set of sentences before and after, the largest first."""
    query = (
        "select corpus, split, n_sentences, manhattan, euclidean from checkpoint_distances "
        f"where {_OF_PAIR} order by manhattan desc, corpus, split"
    )
    return ask(warehouse, query, **pair.params)


def layer_distances(warehouse: Warehouse, pair: Pair) -> Answer:
    """Return the same distances of each layer alone; set_name is corpus/split."""
    query = (
        "select corpus || '/' || split as set_name, layer, manhattan, euclidean from layer_distances "
        f"where {_OF_PAIR} order by set_name, layer"
    )
    return ask(warehouse, query, **pair.params)


def layer_shares(warehouse: Warehouse, pair: Pair, corpora: Sequence[str]) -> Answer:
    """Return the Euclidean distance of each layer as a share of that of two sentences, for sets of some corpora.

    corpora: those whose activations before are means over tokens without special ones, as the vectors of distances
    are. The distance of two sentences is the root of its mean square, which their neurons' variances give.
    """
    query = (
        "with spread as (select corpus, layer, sqrt(2 * sum(std * std)) as between_sentences from neuron_stats "
        "where model = $model_before and checkpoint = $checkpoint_before and site = 'hidden' "
        "and list_contains($corpora, corpus) group by corpus, layer) "
        "select corpus || '/' || split as set_name, layer, euclidean / between_sentences as share, euclidean, "
        "between_sentences from layer_distances inner join spread using (corpus, layer) "
        f"where {_OF_PAIR} and between_sentences > 0 order by set_name, layer"
    )
    return ask(warehouse, query, **pair.params, corpora=list(corpora))


def moved_neurons(warehouse: Warehouse, pair: Pair, corpus: str, split: str, k: int) -> Answer:
    """Return the k hidden neurons that changed most over a set of sentences, with their patterns before and after."""
    query = (
        "select rank, layer, neuron, standardised_change, mean_change, std_before, patterns_before, patterns_after "
        "from moved_neurons($model_before, $checkpoint_before, $model_after, $checkpoint_after, $corpus, $k) "
        "where split = $split order by rank"
    )
    return ask(warehouse, query, **pair.params, corpus=corpus, split=split, k=k)


def match_sets(warehouse: Warehouse, pair: Pair) -> Answer:
    """Return the sites and scopes that neurons of a pair were matched at."""
    query = f"select distinct site, scope from neuron_matches where {_OF_PARTNERS} order by site desc, scope"
    return ask(warehouse, query, **pair.params)


def match_histogram(warehouse: Warehouse, pair: Pair, site: str, scope: str) -> Answer:
    """Return the share of neurons by correlation, in bins of 0.02: with the best partner, and with a rotated basis."""
    query = (
        f"with matched as (from neuron_matches where {_MATCHED}), "
        "correlations as (select 'best partner' as basis, correlation as value from matched "
        "union all select 'rotated basis', rotated_correlation from matched), "
        # a correlation of 1 belongs to the last bin
        "binned as (select basis, least(49, floor(value::double * 50))::integer as bin from correlations "
        "where value is not null) "
        "select basis, bin / 50 as low, (bin + 1) / 50 as high, count(*) as n_neurons, "
        "count(*) / sum(count(*)) over (partition by basis) as share "
        "from binned group by basis, bin order by basis, bin"
    )
    return ask(warehouse, query, **pair.params, site=site, scope=scope)


def matches_by_layer(warehouse: Warehouse, pair: Pair, site: str, scope: str) -> Answer:
    """Return how well the neurons of each layer are matched; share_above: of those with a partner, above baseline."""
    query = (
        "select layer, count(correlation) as n_neurons, count(*) - count(correlation) as n_constant, "
        "count(*) filter (where correlation > rotated_correlation) / nullif(count(correlation), 0) as share_above, "
        "count(*) filter (where other_layer = layer) / nullif(count(correlation), 0) as share_same_layer, "
        "median(correlation) as median_correlation, median(rotated_correlation) as median_rotated "
        f"from neuron_matches where {_MATCHED} group by layer order by layer"
    )
    return ask(warehouse, query, **pair.params, site=site, scope=scope)


def matches(warehouse: Warehouse, pair: Pair, site: str, scope: str, k: int) -> Answer:
    """Return the k neurons whose partner is worst, then the k best whose partner has another layer or number.

    kind: `lost` or `moved`; a neuron can be both. Constant neurons, which have no partner, are left out.
    """
    query = (
        f"with matched as (select * from neuron_matches where {_MATCHED} and correlation is not null), "
        "lost as (select 'lost' as kind, row_number() over (order by correlation, layer, neuron) as rank, * "
        "from matched qualify rank <= $k), "
        "moved as (select 'moved' as kind, row_number() over (order by correlation desc, layer, neuron) as rank, * "
        "from matched where (other_layer, other_neuron) <> (layer, neuron) qualify rank <= $k) "
        "select kind, rank, layer, neuron, other_layer, other_neuron, correlation, rotated_correlation "
        "from (from lost union all from moved) order by kind, rank"
    )
    return ask(warehouse, query, **pair.params, site=site, scope=scope, k=k)
