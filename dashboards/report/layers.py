"""Across neurons, layers and models: the figures 2 to 4 and table 3 of Oba et al. 2021."""

from __future__ import annotations

from itertools import groupby

from nwh.dashboards.charts import diversity_charts, layer_charts
from nwh.dashboards.report.exhibits import Content, Exhibit, Missing, Subject, section
from nwh.warehouse import queries

_LENGTH = "mean_tokens"
_PROFILE_ROWS = 3


def _no_clusters(subject: Subject) -> Missing:
    what = f"There are no clusters of {subject.label}."
    return Missing(what, [f"ingest clusters --model {subject.model} --checkpoint {subject.checkpoint}"])


@section("Layers and dimensions: sentence length")
def lengths(subject: Subject) -> Content:
    """Yield the mean length of every neuron's top sentences, and whether dimensions keep it over layers."""
    for extent in subject.extents:
        for corpus in extent.corpora:
            place = (*subject.place(extent.site), corpus, _LENGTH)
            where = f"at {extent.site}, over {corpus}"
            values = queries.layers.figure_values(subject.warehouse, *place)
            if not values.rows:
                yield Missing(f"No neuron {where} has a mean length: they are all dead.")
                continue
            shown, step = layer_charts.merged(values.records, extent.n_layers, extent.n_neurons)
            chart = layer_charts.heat_map(shown, _LENGTH, extent.n_layers, extent.n_neurons, step)
            neighbours = f"; each mark shows that one of {step} neighbours which is farthest from the median"
            yield Exhibit(
                f"length-{extent.site}-{corpus}",
                f"Mean length of top sentences {where}",
                "Mean number of tokens of each neuron's top sentences, by layer and dimension; colours end at the "
                f"1st and 99th percentile{neighbours * (step > 1)} (view neuron_figures; Oba et al. 2021, "
                "figure 2).",
                values,
                [chart],
            )
            pairs = queries.layers.consistency(subject.warehouse, *place)
            if all(row["correlation"] is None for row in pairs.records):
                continue
            yield Exhibit(
                f"consistency-{extent.site}-{corpus}",
                f"Whether the same dimension likes the same length in two layers, {where}",
                "Pearson correlation over dimensions of the mean length in two layers; the file has the baseline "
                "of permuted dimensions and p (macro dimension_consistency_of).",
                pairs,
                [layer_charts.consistency(pairs.records)],
            )


@section("Diversity of layers", _no_clusters)
def diversity(subject: Subject) -> Content:
    """Yield the curves of within-cluster sums of squares of each site."""
    for site in ("hidden", "ffn"):
        curves = queries.layers.sse_curves(subject.warehouse, *subject.place(site))
        scopes = dict.fromkeys(row["scope"] for row in curves.records)
        if not scopes:
            continue
        yield Exhibit(
            f"diversity-{site}",
            f"Diversity of layers at {site}, over {' and over '.join(scopes)}",
            "Sum of squared distances to the nearest of k centres, of the vectors of the sentences that activate "
            "each neuron of a layer most: the higher, the more diverse (relation layer_clusters; Oba et al. 2021, "
            "figure 3).",
            curves,
            [diversity_charts.sse_curves(curves.part("scope", each).records) for each in scopes],
        )


@section("Groups of neurons", _no_clusters)
def neuron_maps(subject: Subject) -> Content:
    """Yield the maps of neurons with what tells their clusters apart."""
    for each in queries.layers.maps(subject.warehouse):
        if (each.model, each.checkpoint) != (subject.model, subject.checkpoint):
            continue
        place = (*subject.place(each.site), each.scope)
        found = queries.report.neuron_map(subject.warehouse, *place)
        charts = []
        for layer, rows in groupby(found.records, key=lambda row: row["layer"]):
            of_layer = list(rows)
            title = f"Layer {layer}: {len(of_layer):,} neurons in {len({row['cluster'] for row in of_layer})} clusters"
            charts.append(layer_charts.neuron_map(of_layer, title, -1))  # no cluster is larger than others
        where = f"at {each.site}, over {each.scope}"
        yield Exhibit(
            f"map-{each.site}-{each.scope}",
            f"Map of neurons {where}",
            "Each neuron is the vector of its activations over the same sampled sentences, placed by t-SNE and "
            "coloured by its k-means cluster; near neighbours respond alike, long distances mean nothing (relation "
            "neuron_clusters; Oba et al. 2021, figure 4).",
            found,
            charts,
        )
        profiles = queries.report.cluster_profiles(subject.warehouse, *place, _PROFILE_ROWS)
        if profiles.rows:
            yield Exhibit(
                f"clusters-{each.site}-{each.scope}",
                f"What sets clusters of neurons apart {where}",
                "Patterns and metadata values that more of a cluster's neurons have than of the layer's others, "
                f"the {_PROFILE_ROWS} of highest G2 (view cluster_profile).",
                profiles,
            )


def _no_distances(subject: Subject) -> Missing:
    return Missing(
        f"There are no distances between checkpoints of {subject.model} and others.",
        [
            f"ingest fine-tune --model {subject.model} --corpus NAME --label KEY --as NEW",
            f"ingest distances --before {subject.model} --after NEW --corpus NAME",
        ],
    )


@section("Before and after", _no_distances)
def distances(subject: Subject) -> Content:
    """Yield how far sentences moved between the checkpoints of each pair that the model is in."""
    for pair in queries.pairs.pairs(subject.warehouse):
        found = queries.pairs.distances(subject.warehouse, pair)
        if subject.model not in (pair.model_before, pair.model_after) or not found.rows:
            continue
        name, between = f"{pair.before}-{pair.after}", f"{pair.before} and {pair.after}"
        yield Exhibit(
            f"distances-{name}",
            f"Distances of sentences between {between}",
            "Mean Manhattan and Euclidean distance of the vectors of all hidden activations of a sentence, by set "
            "of sentences (relation checkpoint_distances; Oba et al. 2021, table 3).",
            found,
        )
        by_layer = queries.pairs.layer_distances(subject.warehouse, pair)
        if by_layer.rows:
            yield Exhibit(
                f"layer-distances-{name}",
                f"Distances by layer between {between}",
                "The same distances of each layer alone: where the change sits (relation layer_distances).",
                by_layer,
                [layer_charts.layer_distances(by_layer.records, each) for each in ("manhattan", "euclidean")],
            )
