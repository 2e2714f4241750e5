"""Neurons by any of several words or sequences of words: one detector of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nwh.warehouse.queries.answers import PLACE, Answer, ask
from nwh.warehouse.queries.search import Filters, over_neurons
from nwh.warehouse.warehouse import Warehouse

_ROW = f"{PLACE}, pole, scope"


def alternatives(pattern: str) -> list[str]:
    """Return what stands between the bars of `not | no | never`, blanks at the ends left out."""
    return [part for part in (" ".join(each.split()) for each in pattern.split("|")) if part]


def by_any(warehouse: Warehouse, patterns: Sequence[str], filters: Filters, limit: int) -> Answer:
    """Return the neurons among whose sentences of the first half some of the words are frequent, best detectors first.

    patterns: words, or sequences of words with gaps allowed. support: sentences of the neuron that have any of them;
    share, recall and corpus_share likewise, the corpus's among its annotated sentences that counted. AUROC: of
    sampled sentences with any of them against those with none. At most `limit` neurons, those of highest sum of
    mined_g2, have all this counted. The filter `max_q` is of each word's q-value over the neurons searched and
    the words.
    """
    where, params = filters.where("scope")
    corrected, limits = over_neurons(filters, len(patterns))
    names = [f"pattern_{i}" for i in range(len(patterns))]
    items: dict[str, Any] = dict(zip(names, patterns, strict=True))
    tests = []
    for name, pattern in zip(names, patterns, strict=True):
        words = pattern.split(" ")
        items |= {f"{name}_{i}": word for i, word in enumerate(words)}
        tests.append(_in_order([f"${name}_{i}" for i in range(len(words))]))
    bound = "auroc_bound(auroc, n_with, n_sampled - n_with, {})"
    query = (
        # the relation itself: `pattern_neurons` once for each of them takes longer to plan than all of this to answer
        "with searched as (select * from neuron_patterns where kind = $kind and mined_q_value is not null "
        f"and pattern_text in ({', '.join(f'${name}' for name in names)}) "
        f"and length = len(string_split(pattern_text, ' ')){where}), {corrected}, "
        # numbered, since the number is what the rest is grouped, ordered and joined by: a row is named by seven columns
        f"summed as (select {_ROW}, any_value(k) as k, sum(mined_g2) as g2, list(distinct pattern_text "
        f"order by pattern_text) as words from corrected group by {_ROW}), "
        f"chosen as (select *, row_number() over (order by g2 desc, {_ROW}) as i from summed qualify i <= $limit), "
        # which sentences have any of them
        "spread as (select *, unnest(string_split(scope, '+')) as corpus from chosen), "
        "having_any as materialized (select distinct corpus, sentence_id from annotations "
        f"semi join spread using (corpus) where {' or '.join(tests)}), "
        f"kept as (select i, corpus, sentence_id from spread inner join neuron_topk using ({PLACE}, pole, corpus) "
        "where rank <= k qualify row_number() over (partition by i "
        "order by if(pole = 'top', -activation, activation), sentence_id) <= k), "
        "tops as (select i, count(*) as support from kept semi join having_any using (corpus, sentence_id) "
        "group by i), "
        "wholes as (select model, checkpoint, corpus, count(*) as n, count(having_any.sentence_id) as n_with "
        "from sentence_tokens left join having_any using (corpus, sentence_id) "
        "semi join spread using (model, checkpoint, corpus) group by all), "
        "sizes as (select i, sum(n) as n_sentences, sum(n_with) as corpus_support "
        "from spread inner join wholes using (model, checkpoint, corpus) group by i), "
        # how their activations lie among those of all sampled sentences
        "sampled as (select model, checkpoint, site, layer, corpus, "
        "list(having_any.sentence_id is not null order by sentence_id) as flags "
        "from activation_sample semi join spread using (model, checkpoint, site, layer, corpus) "
        "left join having_any using (corpus, sentence_id) group by all), "
        "listed as (select i, unnest(activations) as activation, unnest(flags) as has "
        f"from spread inner join neuron_samples using ({PLACE}, corpus) "
        "inner join sampled using (model, checkpoint, site, layer, corpus)), "
        # of equals the mean of their ranks
        "ranked as (select i, has, (rank() over by_activation + count(*) over by_activation) / 2 as place from listed "
        "window by_activation as (partition by i order by activation)), "
        "areas as (select i, count(*) filter (has) as n_with, count(*) as n_sampled, "
        "(sum(place) filter (has) - n_with * (n_with + 1) / 2) / (n_with * (n_sampled - n_with)) as above "
        "from ranked group by i), "
        "told as (select *, case when least(n_with, n_sampled - n_with) >= 5 then "
        "round(if(pole = 'top', above, 1 - above), 3) end as auroc from chosen left join areas using (i)) "
        f"select {_ROW}, words, auroc, {bound.format(-1.96)} as auroc_low, {bound.format(1.96)} as auroc_high, "
        "support / k as share, support, k, support / corpus_support as recall, "
        "corpus_support / n_sentences as corpus_share, support / k / (corpus_support / n_sentences) as lift "
        "from told inner join tops using (i) inner join sizes using (i) "
        f"order by auroc desc nulls last, g2 desc, {_ROW}"
    )
    return ask(warehouse, query, kind="word", limit=limit, **items, **limits, **params)


def _in_order(names: Sequence[str]) -> str:
    """Return the condition that a sentence's words hold those of some parameters in their order."""
    rest, conditions = "words", []
    for name in names:
        conditions.append(f"list_contains({rest}, {name})")
        rest = f"{rest}[list_position({rest}, {name}) + 1:]"
    return f"({' and '.join(conditions)})"
