"""How knowledge forms over training, with error bars, one data set of prompts after the other."""

from __future__ import annotations

from nwh.dashboards.charts import interval_charts
from nwh.dashboards.charts.formation_figures import OVERLAP, figures
from nwh.dashboards.report.exhibits import Content, Exhibit, Missing, Subject, by_series
from nwh.warehouse import queries
from nwh.warehouse.queries.knowledge import Series

_FIGURES = ("probability", "specific effect")  # others have exhibits of their own
_INTERVALS = "mean over concepts, with its 95 % interval from 1,000 bootstrap resamples of concepts"


@by_series("Formation, with intervals")
def formation(subject: Subject, series: Series) -> Content:
    """Yield figures over training with intervals, and whether knowledge and its neurons' effect form together."""
    dataset = series.dataset
    found = queries.formation.curves(subject.warehouse, series.model, dataset)
    for figure, rows in figures(found):
        if figure.name not in _FIGURES:
            continue
        name = "-".join(figure.title.lower().replace("'", "").split())
        yield Exhibit(
            f"{name}-{dataset}",
            f"{figure.title}, {dataset}",
            f"{figure.title} in {figure.unit}: {_INTERVALS} (view training_curves).",
            rows,
            [interval_charts.curve(rows.records, series.checkpoints, figure.title, figure.unit)],
        )
    found = queries.formation.together(subject.warehouse, series.model, dataset)
    if found.rows:
        yield Exhibit(
            f"forming-together-{dataset}",
            f"Whether knowledge and the effect of its neurons form together, {dataset}",
            "Of the concepts whose median rank at the last checkpoint is at most 10: mean over concepts of the rank "
            "correlation, over checkpoints, of the probability of the answers and the specific effect of the neurons, "
            "and by how many steps the neurons matter before the concept is known (view formation_distribution).",
            found,
        )
    found = queries.formation.seeds(subject.warehouse, series.model, dataset)
    for figure, rows in figures(found):
        if figure.name not in _FIGURES:
            continue
        name = "-".join(figure.title.lower().replace("'", "").split())
        yield Exhibit(
            f"seeds-{name}-{dataset}",
            f"{figure.title} between seeds, {dataset}",
            f"{figure.title} in {figure.unit} of runs that differ by their seed: mean, and the lowest and highest run "
            "(view seed_spread).",
            rows,
            [interval_charts.seeds(rows.records, figure.title, figure.unit)],
        )


@by_series("Faithfulness of sets of neurons")
def faithfulness(subject: Subject, series: Series) -> Content:
    """Yield how much of the answers sets of neurons carry, by each rule of attribution and by random sets."""
    checkpoint = subject.checkpoint if subject.checkpoint in series.checkpoints else series.checkpoints[-1]
    found = queries.formation.faithfulness(subject.warehouse, series.model, series.dataset, checkpoint)
    if not found.rows:
        where = f"--model {series.model} --checkpoint {checkpoint} --dataset {series.dataset}"
        yield Missing(f"No sets of neurons were kept or removed at {checkpoint}.", [f"ingest faithfulness {where}"])
        return
    for kept, what in ((True, "kept"), (False, "removed")):
        title = f"Faithfulness with the best neurons {what} alone"
        rows = found.part("kept", kept)
        yield Exhibit(
            f"faithfulness-{what}-{series.dataset}",
            f"{title} at {checkpoint}, {series.dataset}",
            "Share of the answers' mean probability, from no neurons to all, that growing sets carry: the best by each "
            "rule, the concepts' contributing neurons (single marks), and as many random neurons of the same layers "
            "(band) (view faithfulness_curves).",
            rows,
            [interval_charts.faithfulness(rows.records, title)],
        )
    yield Exhibit(
        f"faithfulness-areas-{series.dataset}",
        f"Areas under faithfulness, {series.dataset}",
        "CPR and CMD (Mueller et al. 2025) of sets kept alone, over the share of neurons and over its logarithm (view "
        "faithfulness_areas).",
        queries.formation.faithfulness_areas(subject.warehouse, series.model, series.dataset),
    )


@by_series("Side effects on neutral text")
def side_effects(subject: Subject, series: Series) -> Content:
    """Yield what suppressing contributing neurons does to text that has nothing to do with the concepts."""
    found = queries.formation.side_effects(subject.warehouse, series.model, series.dataset)
    if not found.rows:
        command = (
            f"ingest side-effects --model {series.model} --checkpoint all --dataset {series.dataset} --neutral NAME"
        )
        yield Missing(f"The neurons of {series.dataset} were not suppressed on any neutral text.", [command])
        return
    yield Exhibit(
        f"side-effects-{series.dataset}",
        f"Side effects of suppressing contributing neurons, {series.dataset}",
        "Divergence of what is predicted, and change of loss, in nats, where each concept's contributing neurons, or "
        "as many random ones of the same layers, are zero on neutral sentences: means over concepts, with 95 % "
        "intervals (view side_effect_distribution).",
        found,
    )


@by_series("Consistency over prompts")
def consistency(subject: Subject, series: Series) -> Content:
    """Yield whether the prompts of a concept find the same neurons, and what the thresholds hide."""
    found = queries.formation.overlaps(subject.warehouse, series.model, series.dataset)
    if found.rows:
        yield Exhibit(
            f"overlap-of-prompts-{series.dataset}",
            f"{OVERLAP}, {series.dataset}",
            f"Jaccard index of the neurons that two prompts of one concept, and of different concepts, select: "
            f"{_INTERVALS} (view training_curves).",
            found,
            [interval_charts.curve(found.records, series.checkpoints, OVERLAP, "Jaccard index", "prompts")],
        )
    checkpoint = subject.checkpoint if subject.checkpoint in series.checkpoints else series.checkpoints[-1]
    found = queries.formation.consistency(subject.warehouse, series.model, series.dataset, checkpoint)
    hidden = sum(row["n_neurons"] == 0 and row["best_share"] > 0 for row in found.records)
    yield Exhibit(
        f"consistency-{series.dataset}",
        f"Consistency of concepts at {checkpoint}, {series.dataset}",
        "Mean Jaccard index of the neurons that two prompts select: of the concept, of one fact, of different facts of "
        "the concept, and of different concepts, which is chance; n_hidden neurons are those that half of the prompts "
        f"of a fact have in common and half of the concept's have not. {hidden:,} of {len(found.rows):,} concepts have "
        "no contributing neuron though their prompts select some (view consistency, view hidden_knowledge).",
        found,
    )
