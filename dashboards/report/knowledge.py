"""Knowledge neurons over training, one data set of prompts after the other: the figures of Ariyama 2024."""

from __future__ import annotations

from nwh.dashboards.charts import formation_charts, frequency_charts
from nwh.dashboards.report.exhibits import Content, Exhibit, Missing, Subject, by_series
from nwh.warehouse import queries
from nwh.warehouse.queries.knowledge import Series

_SHARED_NEURONS = 100
_T_P = "contributing at the study's thresholds t = 0.2, p = 0.5"


@by_series("Changing contributing neurons")
def changes(subject: Subject, series: Series) -> Content:
    """Yield what changing contributing neurons does to the answers, by operation, checkpoint, polarity and arm."""
    for operation in series.operations:
        place = (series.model, series.dataset, operation)
        found = queries.knowledge.relative_change(subject.warehouse, *place)
        of = {each: [row for row in found.records if row["polarity"] == each] for each in ("positive", "negative")}
        if not found.rows:
            continue
        yield Exhibit(
            f"change-{operation}-{series.dataset}",
            f"Relative change of answers under {operation}, {series.dataset}",
            "Change of the answers' probability when a concept's contributing neurons, or as many random ones of the "
            "same layers, are changed: median (tick), quartiles (bar), 5 to 95 % (line) over concepts (view "
            "relative_change_distribution; Ariyama 2024, figures 3 to 14).",
            found,
            [
                formation_charts.change_distribution(rows, series.checkpoints, polarity, operation)
                for polarity, rows in of.items()
                if rows
            ],
        )
    if not series.operations:
        command = f"ingest interventions --model {series.model} --checkpoint all --dataset {series.dataset}"
        yield Missing(f"There are no interventions on {series.dataset}.", [command])


@by_series("Contributing neurons: how many, and where")
def counts(subject: Subject, series: Series) -> Content:
    """Yield how many contributing neurons concepts have, in which layers, and how much these contribute."""
    place, dataset = (series.model, series.dataset), series.dataset
    found = queries.knowledge.neurons_per_concept(subject.warehouse, *place)
    yield Exhibit(
        f"neurons-per-concept-{dataset}",
        f"Contributing neurons per concept, {dataset}",
        f"Mean and quartiles over concepts of the number of neurons {_T_P} (view knowledge_neurons_per_concept; Dai et "
        "al. 2021; Ariyama 2024, figure 15).",
        found,
        [formation_charts.neurons_over_time(found.records, series.checkpoints)],
    )
    found = queries.knowledge.layers(subject.warehouse, *place)
    title, unit = "Contributing neurons by layer", "neurons per concept"
    if found.rows:
        yield Exhibit(
            f"layers-{dataset}",
            f"{title}, {dataset}",
            "How many contributing neurons a concept has in each layer, mean over concepts (view "
            "knowledge_neuron_layers; Ariyama 2024, figure 16).",
            found,
            [formation_charts.layers_over_time(found.records, series.checkpoints, "per_concept", title, unit)],
        )
    found = queries.knowledge.attributions(subject.warehouse, *place)
    title, unit = "Mean attribution of contributing neurons by layer", "attribution (probability)"
    if found.rows:
        yield Exhibit(
            f"attribution-{dataset}",
            f"{title}, {dataset}",
            "Mean knowledge attribution of the contributing neurons of each layer to their concepts (view "
            "attribution_by_layer; Ariyama 2024, figure 17).",
            found,
            [formation_charts.layers_over_time(found.records, series.checkpoints, "mean", title, unit)],
        )


@by_series("Concepts per neuron")
def sharing(subject: Subject, series: Series) -> Content:
    """Yield which neurons several concepts share."""
    checkpoint = subject.checkpoint if subject.checkpoint in series.checkpoints else series.checkpoints[-1]
    place, where = (series.model, series.dataset, checkpoint), f"at {checkpoint}, {series.dataset}"
    found = queries.knowledge.sharing(subject.warehouse, *place)
    if not found.rows:
        yield Missing(f"No neuron contributes to a concept {where}.")
        return
    yield Exhibit(
        f"concepts-per-neuron-{series.dataset}",
        f"Concepts per neuron {where}",
        f"How many neurons contribute to 1, 2, 3 … concepts, {_T_P} (view concepts_per_neuron; Ariyama 2024, figure "
        "18).",
        found,
        [formation_charts.sharing(found.records, checkpoint)],
    )
    found = queries.knowledge.shared_neurons(subject.warehouse, *place, _SHARED_NEURONS)
    if found.rows:
        yield Exhibit(
            f"shared-neurons-{series.dataset}",
            f"Neurons of several concepts {where}",
            f"The neurons that contribute to most concepts, at most {_SHARED_NEURONS}, with these concepts (view "
            "concepts_per_neuron; Ariyama 2024, table 3).",
            found,
        )


@by_series("Stability over training")
def stability(subject: Subject, series: Series) -> Content:
    """Yield since when the last checkpoint's contributing neurons are there."""
    dataset, checkpoints = series.dataset, series.checkpoints
    shown = queries.report.shown_concept(subject.warehouse, series.model, dataset)
    if not shown.rows:
        yield Missing(f"No concept of {dataset} has contributing neurons at the last checkpoint.")
        return
    concept = shown.rows[0][0]
    found = queries.knowledge.stability(subject.warehouse, series.model, dataset, concept)
    yield Exhibit(
        f"stability-{dataset}",
        f"Stability of contributing neurons, {dataset}",
        f"Share of the last checkpoint's contributing neurons that contribute at each checkpoint: mean over concepts, "
        f"and one concept with many of them, {concept} (view knowledge_neuron_stability; Ariyama 2024, figure 19).",
        found,
        [formation_charts.stability(found.records, checkpoints, concept)],
    )
    reference = found.records[0]["reference_checkpoint"]
    found = queries.knowledge.history(subject.warehouse, series.model, dataset, concept)
    if found.rows:
        yield Exhibit(
            f"history-{dataset}",
            f"The contributing neurons of {concept} over training, {dataset}",
            "At which checkpoints each of the last checkpoint's contributing neurons contributes to this concept, "
            f"those first that do so longest without a break, at most {formation_charts.MOST_PLACES} (view "
            "knowledge_neuron_persistence; Ariyama 2024, figure 19).",
            found,
            [formation_charts.history(found.records, checkpoints, concept, reference)],
        )
    found = queries.knowledge.overlap(subject.warehouse, series.model, dataset)
    if found.rows:
        yield Exhibit(
            f"overlap-{dataset}",
            f"Overlap of checkpoints, {dataset}",
            "Jaccard index of the contributing neurons of two checkpoints, mean over concepts (view "
            "checkpoint_overlap).",
            found,
            [formation_charts.overlap(found.records, checkpoints)],
        )


@by_series("Frequency and acquisition")
def frequency(subject: Subject, series: Series) -> Content:
    """Yield whether frequent concepts are acquired earlier, and change otherwise, than rare ones."""
    dataset = series.dataset
    if not series.sources:
        what = f"There are no frequencies of the concepts of {dataset} (package wordfreq knows those of English words)."
        yield Missing(what, [f"ingest counts --dataset {dataset} --count-in CORPUS"])
        return
    correlations = queries.frequency.correlations(subject.warehouse, series.model, dataset)
    if correlations.rows:
        yield Exhibit(
            f"frequency-{dataset}",
            f"Frequency against acquisition and rank change, {dataset}",
            "Spearman's correlation of a concept's frequency, by each source, with the step at which it is acquired, "
            "and with its rank change when its contributing neurons are set to zero; q is Benjamini-Hochberg over the "
            "checkpoints (view frequency_correlation).",
            correlations,
        )
    if over := [
        row for row in correlations.records if row["checkpoint"] is not None and row["correlation"] is not None
    ]:
        yield Exhibit(
            f"frequency-by-checkpoint-{dataset}",
            f"Correlation of frequency and rank change by checkpoint, {dataset}",
            "Spearman's correlation of a concept's frequency, by each source, with its rank change when its "
            "contributing neurons are set to zero; filled where q is at most 0.05 (view frequency_correlation).",
            correlations,
            [frequency_charts.correlations(over, series.checkpoints)],
        )
    for source in series.sources:
        yield from _by_frequency(subject, series, source)


def _by_frequency(subject: Subject, series: Series, source: str) -> Content:
    """Return when concepts are acquired, and what changing their neurons does, by one source of frequencies."""
    place, checkpoints = (series.model, series.dataset, source), series.checkpoints
    dataset = series.dataset if source == series.sources[0] else f"{series.dataset}-{source.replace(' ', '-')}"
    acquired = queries.frequency.acquisition_by_frequency(subject.warehouse, *place)
    if known := [row for row in acquired.records if row["checkpoint"] is not None]:
        yield Exhibit(
            f"acquisition-{dataset}",
            f"Acquisition by frequency ({source}), {series.dataset}",
            f"The first checkpoint at which the median rank of a concept's answers is in the top 10; "
            f"{len(acquired.rows) - len(known):,} of {len(acquired.rows):,} concepts of known frequency are not "
            "acquired at any (view acquisition).",
            acquired,
            [frequency_charts.acquisition(known, checkpoints, source)],
        )
    for operation in series.operations:
        found = queries.frequency.rank_change_of_extremes(subject.warehouse, *place, operation)
        if found.rows:
            yield Exhibit(
                f"rank-change-{operation}-{dataset}",
                f"Rank change under {operation} of frequent and rare concepts ({source}), {series.dataset}",
                "Change of the answers' rank in the vocabulary, mean over the ten most and the ten least frequent "
                "concepts with its 95 % interval over concepts (view rank_change; Ariyama 2024, figures 20 to 22).",
                found,
                [frequency_charts.rank_change_of_extremes(found.records, checkpoints, operation)],
            )
