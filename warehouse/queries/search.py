"""What the search page asks: the neurons that have a pattern, a class or a concept, or that fire on a text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nwh.warehouse import output
from nwh.warehouse.errors import UsageError
from nwh.warehouse.queries.answers import PLACE, Answer, ask
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Filters:
    """Which neurons a search is narrowed to; empty or null: all.

    scope: a corpus, or corpora joined by `+`. layers: the first and the last. pole: `top` or `bottom`.
    min_lift: of what is searched for (patterns: in the first half). max_q: of its q-value over the neurons searched
    (of a class: within the neuron).
    """

    model: str = ""
    checkpoint: str = ""
    site: str = ""
    scope: str = ""
    layers: tuple[int, int] | None = None
    pole: str = ""
    min_lift: float = 0
    max_q: float = 1

    def where(self, scope: str = "", lift: str = "", q_value: str = "") -> tuple[str, dict[str, Any]]:
        """Return SQL conditions, each after `and`, and their parameters.

        Only what narrows is named: DuckDB then leaves files and row groups unread. scope: the column that holds it,
        empty where there is none; lift, q_value: likewise.
        """
        equal = {"model": self.model, "checkpoint": self.checkpoint, "site": self.site, "pole": self.pole}
        conditions = [f"{name} = ${name}" for name, value in equal.items() if value]
        params: dict[str, Any] = {name: value for name, value in equal.items() if value}
        if scope and self.scope:
            conditions.append(f"{scope} = $scope")
            params["scope"] = self.scope
        if self.layers:
            conditions.append("layer between $first_layer and $last_layer")
            params |= dict(zip(("first_layer", "last_layer"), self.layers, strict=True))
        if lift and self.min_lift > 0:
            conditions.append(f"{lift} >= $min_lift")
            params["min_lift"] = self.min_lift
        if q_value and self.max_q < 1:
            conditions.append(f"{q_value} <= $max_q")
            params["max_q"] = self.max_q
        return "".join(f" and {condition}" for condition in conditions), params


# -- what can be searched for ------------------------------------------------------------------------------


def patterns_stored(warehouse: Warehouse) -> list[dict[str, str]]:
    """Return of which kinds, poles, models, checkpoints, sites and scopes patterns are stored."""
    return warehouse.partitions("neuron_patterns", {})


def subtree(warehouse: Warehouse) -> str:
    """Return one of the stored subtrees of two or three nodes: trees are of constituents or of dependencies."""
    query = "select pattern_text from neuron_patterns where kind = 'tree' and length between 2 and 3 limit 1"
    found = ask(warehouse, query).rows
    return str(found[0][0]) if found else "(NP (DT) (NN))"


def sentences_with(warehouse: Warehouse, kind: str, pattern: str) -> Answer:
    """Return how many annotated sentences hold all items of a sequence of words or tags, in any order.

    One row per corpus and annotator; none where no sentence does.
    """
    column = {"word": "words", "tag": "tags"}[kind]
    query = (
        f"select corpus, annotator, count(*) as n from annotations where list_has_all({column}, $items) "
        "group by all order by all"
    )
    return ask(warehouse, query, items=pattern.split())


def metadata_values(warehouse: Warehouse, limit: int) -> Answer:
    """Return each metadata key with its corpora and its `limit` commonest values, the commonest first.

    Keys of few values come first: they are of classes more than of names; those of one alone come last.
    """
    query = (
        "with counted as (select key, value, count(*) as n from sentence_metadata group by key, value), "
        "corpora as (select key, list(distinct corpus order by corpus) as corpora from sentence_metadata group by key) "
        "select key, any_value(corpora) as corpora, list(value order by n desc, value)[:$limit] as common "
        "from counted inner join corpora using (key) group by key "
        "order by count(*) = 1, count(*), key"
    )
    return ask(warehouse, query, limit=limit)


# -- searches: neurons with what they were found by, those that it tells most of first ---------------------


def by_pattern(warehouse: Warehouse, kind: str, pattern: str, filters: Filters, limit: int) -> Answer:
    """Return the neurons among whose sentences of the first half a pattern is frequent, best detectors (AUROC) first.

    Then by mined_g2: alone where too few sampled sentences have the pattern. q_value: see `over_neurons`.

    kind: `word`, `tag` (pattern: items with blanks between) or `tree` (pattern: a bracketed text).
    """
    where, params = filters.where("scope")
    corrected, limits = over_neurons(filters)
    chosen = re.sub(r"[ \t\r\n]+", " ", pattern).strip(" ")  # U+00A0 may be part of a word
    query = (
        f"with searched as (select * from pattern_neurons($kind, $pattern) where true{where}), {corrected} "
        f"select {PLACE}, pole, scope, auroc, auroc_low, auroc_high, support / k as share, support, k, recall, lift, "
        "q_value, heldout_share, heldout_others_share from corrected "
        f"order by auroc desc nulls last, mined_g2 desc, {PLACE}, pole, scope limit $limit"
    )
    return ask(warehouse, query, kind=kind, pattern=chosen, limit=limit, **params, **limits)


def over_neurons(filters: Filters, patterns: int = 1) -> tuple[str, dict[str, Any]]:
    """Return SQL that corrects patterns found for how many neurons they were looked for in, and its parameters.

    It reads `searched` (rows of `mined_patterns`, one per neuron, pole, scope and pattern) and makes `corrected`, its
    rows within the bounds of `filters`, with q_value: Benjamini-Hochberg of the first half's log-likelihood ratio test
    over all neurons, poles and scopes that the filters leave, times `patterns`; neurons in which a pattern is not
    frequent count with p = 1. Of that half alone, so that what the other half says stays held out. Takes `$kind`.
    """
    of_profiles, _ = replace(filters, scope="").where()
    of_patterns, _ = filters.where("scope")
    bounds, limits = Filters(min_lift=filters.min_lift, max_q=filters.max_q).where("", "mined_lift", "q_value")
    return (
        "mined as (select distinct model, checkpoint, site, scope, pole from neuron_patterns "
        f"where kind = $kind{of_patterns}), "
        "units as (select *, unnest(string_split(scope, '+')) as corpus from mined), "
        f"compared as (select count(*) * {patterns} as n from (select distinct {PLACE}, scope, pole "
        "from neuron_profiles inner join units using (model, checkpoint, site, pole, corpus) "
        f"where differ = 1{of_profiles})), "
        "tested as (select *, g2_p(mined_g2) as p, count(*) over () as n_found from searched), "
        "ordered as (select *, row_number() over (order by p, mined_g2 desc) as by_p from tested), "
        "corrected as (select * from (select * replace (least(1, min(p * greatest(n, n_found) / by_p) over ("
        "order by by_p desc rows between unbounded preceding and current row)) as q_value) from ordered, compared) "
        f"where true{bounds})",
        limits,
    )


def by_metadata(warehouse: Warehouse, key: str, value: str, filters: Filters, limit: int) -> Answer:
    """Return the neurons whose sentences have a metadata value more often than others, best detectors (AUROC) first.

    Then by G2: alone where too few sampled sentences have the value. q_value: Benjamini-Hochberg over all neurons and
    poles that the filters leave, each of which is compared with the value; the filter `max_q` is of this one.
    """
    where, params = filters.where("corpus")
    bounds, limits = Filters(min_lift=filters.min_lift, max_q=filters.max_q).where("", "lift", "q_value")
    query = (
        f"with searched as (select * from neuron_metadata where key = $key and value = $value{where}), "
        "compared as (select count(*) as n from neuron_profiles where differ = 1 "
        f"and corpus in (select corpus from searched){where}), "
        "ranked as (select *, row_number() over (order by p_value, g2 desc) as by_p from searched), "
        "corrected as (select * replace (least(1, min(p_value * n / by_p) over ("
        "order by by_p desc rows between unbounded preceding and current row)) as q_value) from ranked, compared) "
        f"select {PLACE}, pole, corpus as scope, auroc, auroc_low, auroc_high, share, "
        f"support / corpus_support as recall, corpus_share, lift, q_value from corrected where support > 0{bounds} "
        f"order by auroc desc nulls last, g2 desc, {PLACE}, pole, corpus limit $limit"
    )
    return ask(warehouse, query, key=key, value=value, limit=limit, **params, **limits)


def by_concept(warehouse: Warehouse, dataset: str, concept: str, filters: Filters, limit: int) -> Answer:
    """Return the neurons that contribute to a concept, highest attribution first."""
    where, params = filters.where()
    query = (
        "select model, checkpoint, 'ffn' as site, layer, neuron, attribution, share, n_selected, n_prompts "
        f"from knowledge_neurons where dataset = $dataset and concept = $concept{where} "
        f"order by attribution desc, {PLACE} limit $limit"
    )
    return ask(warehouse, query, dataset=dataset, concept=concept, limit=limit, **params)


def by_class(warehouse: Warehouse, name: str, filters: Filters, limit: int) -> Answer:
    """Return the neurons of a class (`dead`, `token detector` …), those that show it most clearly first."""
    where, params = filters.where("scope")
    query = (
        f"select {PLACE}, scope, evidence, share, lift, q_value from neuron_classes where class = $class{where} "
        f"order by share desc, lift desc nulls last, {PLACE}, scope limit $limit"
    )
    return ask(warehouse, query, limit=limit, **{"class": name, **params})


def by_explanation(warehouse: Warehouse, text: str, filters: Filters, limit: int) -> Answer:
    """Return the neurons with an explanation that has all words of a text, those it tells best (highest AUROC) first.

    Explanations that were not judged come last.
    """
    where, params = filters.where()
    query = (
        f"select {PLACE}, explanation, source, auroc, control_auroc, balanced_accuracy "
        f"from explained_neurons($text) where true{where} "
        f"order by auroc desc nulls last, {PLACE}, source, place limit $limit"
    )
    return ask(warehouse, query, text=text.strip(), limit=limit, **params)


@dataclass(frozen=True)
class Aggregation:
    """How the activations of sentences were made of those of tokens, and over which corpora in this way."""

    aggregate: str
    special_tokens: bool
    corpora: tuple[str, ...]


def aggregation(warehouse: Warehouse, extent: Extent) -> Aggregation:
    """Return the settings of the last run over an extent, with the corpora that were run with the same ones.

    UsageError where no run is stored that made the extent.
    """
    runs = ask(warehouse, "select settings from runs where job = 'activations' order by started_at desc").rows
    by_corpus: dict[str, tuple[str, bool]] = {}
    for (text,) in runs:
        settings = json.loads(text)
        here = (settings["model"], settings["checkpoint"]) == (extent.model, extent.checkpoint)
        if here and extent.site in settings["sites"] and settings["corpus"] in extent.corpora:
            by_corpus.setdefault(settings["corpus"], (settings["aggregate"], settings["special_tokens"]))
    if not by_corpus:
        raise UsageError(
            f"no run in {warehouse.storage} says how the {extent.site} activations of {extent.model}@"
            f"{extent.checkpoint} were aggregated: `nwh ingest activations` stores one"
        )
    latest = next(iter(by_corpus.values()))
    return Aggregation(*latest, tuple(sorted(corpus for corpus, how in by_corpus.items() if how == latest)))


def by_activation(
    warehouse: Warehouse, activations: NDArray[np.float32], corpora: tuple[str, ...], filters: Filters, limit: int
) -> Answer:
    """Return the neurons whose activation is farthest above (pole `bottom`: below) their mean over corpora.

    activations: [layers, neurons] of the filters' model, checkpoint and site. z: distance from the mean in standard
    deviations, both over all sentences of the corpora together. Neurons that never vary are left out.
    """
    import numpy as np
    import pyarrow as pa

    layers, neurons = np.indices(activations.shape)
    live = pa.table({"layer": layers.ravel(), "neuron": neurons.ravel(), "activation": activations.ravel()})
    where, params = Filters(filters.model, filters.checkpoint, filters.site, layers=filters.layers).where()
    sign = "-" if filters.pole == "bottom" else ""
    query = (
        "with pooled as ("
        "select model, checkpoint, site, layer, neuron, sum(n * mean) / sum(n) as centre, "
        "sum(n * (std * std + mean * mean)) / sum(n) as square, min(min) as lowest, max(max) as highest "
        f"from neuron_stats where list_contains($corpora, corpus){where} group by {PLACE}), "
        "scaled as (select *, sqrt(greatest(0, square - centre * centre)) as spread from pooled) "
        f"select {PLACE}, (activation - centre) / spread as z, activation, centre as mean, spread as std, "
        "lowest as min, highest as max from live inner join scaled using (layer, neuron) "
        f"where highest > lowest and spread > 0 order by {sign}z desc, layer, neuron limit $limit"
    )
    with warehouse.cursor() as cursor:
        cursor.register("live", live)
        result = cursor.execute(query, {"corpora": list(corpora), "limit": limit, **params})
        return Answer(output.columns(result), result.fetchall())
