"""Milliseconds of every question that pages ask, on a warehouse as large as you have.

    python -m tests.benchmarks.bench_pages --warehouse DIR [--repeats 5] [--only search] [--seed 0]

Asks each question `--repeats` times in one process, each time of another neuron, pattern, value or cluster, drawn with
a seed: `first` is the first call, `warm` the median and `max` the longest of the others, so a warm call is one of
something new after another was asked about; `processor` is the median time that all threads together spent in it.
Questions without an argument to vary are repeated as they are. The order is that of pages: home, neuron, search,
layers, map, comparison, knowledge. What a warehouse lacks is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from nwh.ingest.patterns.scope import KINDS
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import ask
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.queries.search import Filters

LIMIT, ROWS, SENTENCES = 51, 50, 80  # as pages ask
CLASSES = ("dead", "token detector", "n-gram detector", "positional", "class-selective")
Calls = tuple[str, Callable[..., Any], list[tuple[Any, ...]]]
"""A question's name, its function, and the arguments of each call after the warehouse."""


class Drawn:
    """Neurons, patterns and values of a warehouse, drawn with a seed."""

    def __init__(self, warehouse: Warehouse, repeats: int, seed: int) -> None:
        """Look at what is stored."""
        self.warehouse, self.repeats, self.random = warehouse, repeats, Random(seed)
        extents = queries.neurons.extents(warehouse)
        # the sites with most neurons and corpora, where pages have most to read
        self.extents = sorted(extents, key=lambda of: -of.n_neurons * len(of.corpora))

    def neurons(self, extent: Extent) -> list[Neuron]:
        """Return as many neurons of an extent as there are repeats, none twice."""
        places = self.random.sample(range(extent.n_layers * extent.n_neurons), self.repeats)
        found = (divmod(place, extent.n_neurons) for place in places)
        return [Neuron(extent.model, extent.checkpoint, extent.site, *place) for place in found]

    def some(self, query: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Return as many rows of a query as there are repeats, drawn from its first 2,000."""
        rows = ask(self.warehouse, f"{query} limit 2000", **params).rows
        return [self.random.choice(rows) for _ in range(self.repeats)] if rows else []


def of_home(drawn: Drawn) -> Iterator[Calls]:
    """Yield what the page of a warehouse asks, and what every page asks."""
    for question in (queries.home.models, queries.home.corpora, queries.home.datasets):
        yield f"home: {question.__name__}", question, [()] * drawn.repeats
    yield "extents", queries.neurons.extents, [()] * drawn.repeats
    yield "all_series", queries.knowledge.all_series, [()] * drawn.repeats


def of_neurons(drawn: Drawn, extent: Extent) -> Iterator[Calls]:
    """Yield what the neuron page asks, of neurons of one extent."""
    neurons, corpora = drawn.neurons(extent), extent.corpora
    site = extent.site

    def each(question: Callable[..., Any], *rest: Any) -> Calls:
        return f"{site} neuron: {question.__name__}", question, [(neuron, corpora, *rest) for neuron in neurons]

    yield each(queries.neurons.sentences, "top", SENTENCES)
    shown = [queries.neurons.sentences(drawn.warehouse, neuron, corpora, "bottom", 20).records for neuron in neurons]
    ids = [tuple(row["sentence_id"] for row in rows) for rows in shown]
    yield f"{site} neuron: context", queries.neurons.context, [(corpora, some) for some in ids]
    yield each(queries.neurons.histogram)
    yield each(queries.neurons.statistics)
    yield each(queries.neurons.metadata, 100)
    yield each(queries.samples.by_quantile, 5)
    yield each(queries.neurons.percentile_of, 0.1)
    yield f"{site} neuron: concepts", queries.knowledge.concepts_of, [(neuron,) for neuron in neurons]
    annotators = {queries.shared_patterns.annotator_of(drawn.warehouse, corpora)} - {None}
    for annotator in sorted(annotators, key=str):
        yield each(queries.shared_patterns.typical_words, annotator, ROWS)
    yield each(queries.shared_patterns.mined_over)
    scopes = {
        neuron: [of[0] for of in queries.shared_patterns.mined_over(drawn.warehouse, neuron, corpora)]
        for neuron in neurons
    }
    for scope in next((found for found in scopes.values() if found), [])[:1]:
        for kind in KINDS:
            calls = [(neuron, scope, kind, ROWS) for neuron in neurons]
            yield f"{site} neuron: patterns ({kind})", queries.shared_patterns.patterns, calls
    for annotator in sorted(annotators, key=str):
        yield each(queries.shared_patterns.tag_distribution, annotator)
    yield each(queries.shared_patterns.mean_length)
    yield f"{site} neuron: similar", queries.samples.similar, [(of, corpora, 10, site) for of in neurons]
    yield each(queries.neurons.all_sentences)


def of_search(drawn: Drawn, extent: Extent) -> Iterator[Calls]:
    """Yield what the search page asks: of everything stored, and narrowed to one extent."""
    narrow = Filters(model=extent.model, checkpoint=extent.checkpoint, site=extent.site, pole="top")
    stored = queries.search.patterns_stored(drawn.warehouse)
    for kind in KINDS:
        units = [row for row in stored if row["kind"] == kind]
        if not units:
            continue
        # the pattern of most neurons of a layer first, then patterns as they come
        place = "kind = $kind and scope = $scope and site = $site and model = $model and layer = 0 and neuron < 4"
        unit = {name: units[-1][name] for name in ("kind", "scope", "site", "model")}
        query = f"select array_to_string(pattern, ' ') from neuron_patterns where {place} order by"
        common, some = drawn.some(f"{query} support desc", unit)[:1], drawn.some(f"{query} hash(pattern, neuron)", unit)
        frequent = ask(drawn.warehouse, f"{query} support desc limit {drawn.repeats}", **unit).rows
        for name, patterns in (("frequent", frequent), ("any", [*common, *some][: drawn.repeats])):
            for words, filters in (("all models", Filters()), ("one site", narrow)):
                calls = [(kind, pattern, filters, LIMIT) for (pattern,) in patterns]
                yield f"search: {kind}, {name}, {words}", queries.search.by_pattern, calls
    yield "search: metadata values", queries.search.metadata_values, [(1000,)] * drawn.repeats
    values = drawn.some("select key, value from corpus_metadata order by corpus_support desc, key, value", {})
    if values:
        calls = [(key, value, narrow, LIMIT) for key, value in values]
        yield "search: metadata, one site", queries.search.by_metadata, calls
        calls = [(key, value, Filters(), LIMIT) for key, value in values]
        yield "search: metadata, all models", queries.search.by_metadata, calls
    for name in CLASSES:
        for words, filters in (("one site", narrow), ("all models", Filters())):
            without_pole = Filters(filters.model, filters.checkpoint, filters.site)
            calls = [(name, without_pole, LIMIT)] * drawn.repeats
            yield f"search: {name}, {words}", queries.search.by_class, calls
    rng = np.random.default_rng(drawn.random.randrange(2**31))
    shape = (extent.n_layers, extent.n_neurons)
    live = [rng.normal(size=shape).astype(np.float32) for _ in range(drawn.repeats)]
    calls = [(values, extent.corpora, narrow, LIMIT) for values in live]
    yield "search: text", queries.search.by_activation, calls
    yield "search: how texts were aggregated", queries.search.aggregation, [(extent,)] * drawn.repeats


def of_layers(drawn: Drawn, extent: Extent) -> Iterator[Calls]:
    """Yield what the layers page asks of one extent, a figure at a time."""
    place = (extent.model, extent.checkpoint, extent.site)
    corpora = [drawn.random.choice(extent.corpora) for _ in range(drawn.repeats)]
    yield (
        f"{extent.site} layers: figures",
        queries.layers.figures,
        [(extent.model, extent.checkpoint, corpus) for corpus in corpora],
    )
    figures = [
        (corpus, [name for (name,) in queries.layers.figures(drawn.warehouse, *place[:2], corpus).rows])
        for corpus in corpora
    ]
    share = [(corpus, next((name for name in names if name.startswith("share:")), "")) for corpus, names in figures]
    words = [
        (corpus, drawn.random.choice(queries.layers.WORD_FIGURES)) for corpus, names in figures if "verbs" in names
    ]
    kinds = {
        "mean": [(corpus, "mean") for corpus in corpora],
        "mean_tokens": [(corpus, "mean_tokens") for corpus in corpora],
        "a share": [each for each in share if each[1]],
        "words of a class": words,
    }
    for kind, chosen in kinds.items():
        for question in (queries.layers.figure_values, queries.layers.consistency):
            calls = [(*place, corpus, figure) for corpus, figure in chosen]
            yield f"{extent.site} layers: {question.__name__}, {kind}", question, calls
    yield f"{extent.site} layers: sse_curves", queries.layers.sse_curves, [place] * drawn.repeats


def of_maps(drawn: Drawn) -> Iterator[Calls]:
    """Yield what the neuron map asks."""
    yield "map: maps", queries.layers.maps, [()] * drawn.repeats
    for of in queries.layers.maps(drawn.warehouse)[:1]:
        layers = [drawn.random.choice(of.layers) for _ in range(drawn.repeats)]
        places = [(of.model, of.checkpoint, of.site, of.scope, layer) for layer in layers]
        yield "map: clusters", queries.layers.clusters, places
        yield "map: neuron_map", queries.layers.neuron_map, places
        corpora = of.scope.split("+")
        for figure in ("mean_tokens", "verbs"):
            calls = [(*place, drawn.random.choice(corpora), figure) for place in places]
            yield f"map: neuron_map_by, {figure}", queries.layers.neuron_map_by, calls
        calls = []
        for place in places:
            found = queries.layers.clusters(drawn.warehouse, *place).rows
            calls.append((*place, drawn.random.choice(found)[0], 40))
        yield "map: cluster_profile", queries.layers.cluster_profile, calls


def of_pairs(drawn: Drawn) -> Iterator[Calls]:
    """Yield what the comparison of two checkpoints asks."""
    yield "comparison: pairs", queries.pairs.pairs, [()] * drawn.repeats
    for pair in queries.pairs.pairs(drawn.warehouse)[:1]:
        for question in (queries.pairs.distances, queries.pairs.layer_distances, queries.pairs.match_sets):
            yield f"comparison: {question.__name__}", question, [(pair,)] * drawn.repeats
        sets = [row[:2] for row in queries.pairs.distances(drawn.warehouse, pair).rows]
        if sets:
            calls = [(pair, *drawn.random.choice(sets), 50) for _ in range(drawn.repeats)]
            yield "comparison: moved_neurons", queries.pairs.moved_neurons, calls
        for site, scope in queries.pairs.match_sets(drawn.warehouse, pair).rows[:1]:
            for question in (queries.pairs.match_histogram, queries.pairs.matches_by_layer):
                yield f"comparison: {question.__name__}", question, [(pair, site, scope)] * drawn.repeats


def of_knowledge(drawn: Drawn) -> Iterator[Calls]:
    """Yield what the pages of knowledge neurons ask of the first series."""
    for of in queries.knowledge.all_series(drawn.warehouse)[:1]:
        place, knowledge = (of.model, of.dataset), queries.knowledge
        concepts = [drawn.random.choice(of.concepts) for _ in range(drawn.repeats)]
        last = of.checkpoints[-1]
        of_concepts: dict[Callable[..., Any], tuple[Any, ...]] = {
            knowledge.prompt_scores: (),
            knowledge.neurons: (last, 0.2, 0.5),
            knowledge.interventions: (last,),
            knowledge.stability: (),
            knowledge.history: (),
        }
        for question, rest in of_concepts.items():
            calls = [(*place, concept, *rest) for concept in concepts]
            yield f"knowledge: {question.__name__}", question, calls
        of_series: dict[Callable[..., Any], tuple[Any, ...]] = {
            knowledge.neurons_per_concept: (),
            knowledge.layers: (),
            knowledge.attributions: (),
            knowledge.sharing: (last,),
            knowledge.shared_neurons: (last, 20),
            knowledge.overlap: (),
            queries.frequency.correlations: (),
        }
        for operation in of.operations[:1]:
            of_series |= {
                knowledge.relative_change: (operation,),
            }
        for source in of.sources[:1]:
            of_series[queries.frequency.acquisition_by_frequency] = (source,)
            for operation in of.operations[:1]:
                of_series[queries.frequency.rank_change_by_frequency] = (source, operation, last)
                of_series[queries.frequency.rank_change_of_extremes] = (source, operation)
        for question, rest in of_series.items():
            yield f"knowledge: {question.__name__}", question, [(*place, *rest)] * drawn.repeats
        calls = [(of.dataset, concept, Filters(), LIMIT) for concept in concepts]
        yield "search: concept", queries.search.by_concept, calls


def questions(drawn: Drawn) -> Iterator[Calls]:
    """Yield all questions in the order of pages."""
    yield from of_home(drawn)
    largest = drawn.extents[:1]
    # the same model's other site, whose neurons have other sentences
    others = [of for of in drawn.extents[1:] if of.corpora == largest[0].corpora][:1] if largest else []
    for extent in (*largest, *others):
        yield from of_neurons(drawn, extent)
    for extent in largest:
        yield from of_search(drawn, extent)
    for extent in (*largest, *others):
        yield from of_layers(drawn, extent)
    yield from of_maps(drawn)
    yield from of_pairs(drawn)
    yield from of_knowledge(drawn)


def timed(warehouse: Warehouse, calls: Iterable[Calls]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Yield the milliseconds of each call of each question, and those of processor time in all threads."""
    for name, question, arguments in calls:
        taken = []
        for each in arguments:
            began, processor = perf_counter(), process_time()
            question(warehouse, *each)
            taken.append((1000 * (perf_counter() - began), 1000 * (process_time() - processor)))
        if taken:
            yield name, taken


def main() -> None:
    """Ask everything, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="questions whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = perf_counter()
    warehouse = Warehouse.open(options.warehouse)
    _ = warehouse.connection
    print(f"opened in {1000 * (perf_counter() - began):,.0f} ms\n")
    print("| question | first, ms | warm, ms | max, ms | processor, ms |\n|---|---:|---:|---:|---:|")
    drawn = Drawn(warehouse, options.repeats, options.seed)
    for name, (first, *warm) in timed(warehouse, (each for each in questions(drawn) if options.only in each[0])):
        rest = " | | "
        if warm:
            waited, used = zip(*warm, strict=True)
            rest = f"{median(waited):,.0f} | {max(waited):,.0f} | {median(used):,.0f}"
        print(f"| {name} | {first[0]:,.0f} | {rest} |", flush=True)


if __name__ == "__main__":
    main()
