"""How knowledge forms over training, with error bars: parts of the formation page and of a concept's."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import interval_charts
from nwh.dashboards.charts.formation_figures import OVERLAP, figures
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.parts import exhibits
from nwh.dashboards.parts.knowledge import KnowledgeAddress
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.knowledge import Series

INTERVALS = "Bands are 95 % intervals: 1,000 bootstrap resamples, always the same; none for fewer than 4 values."
_EFFECT = (
    "The specific effect is the relative change on a concept's own prompts less that on others', each less what as "
    "many random neurons of the same layers do: below 0 where suppression takes what the concept alone needs."
)


def rules(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    """Say so where checkpoints have neurons by different rules, which figures over training then mix."""
    found = session.ask(warehouse, queries.formation.rules, chosen.model, chosen.dataset).records
    if len(found) > 1:
        each = (f"{row['rule']} at {', '.join(map(code_span, row['checkpoints']))}" for row in found)
        command = f"nwh ingest attributions --model MODEL --checkpoint all --dataset {chosen.dataset}"
        st.warning(
            f"Neurons are by different rules: {'; '.join(each)}. What differs between these checkpoints may come "
            f"from the rule, not from training. {code_span(command)} takes one rule at all of them; in SQL, name a "
            "rule: `training_curves_of('gradient')`."
        )


def over_training(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    """Show every figure over training with its interval, and whether knowledge and effect form together."""
    st.markdown("## Formation, with 95 % intervals")
    st.caption(f"{INTERVALS} Values are means over concepts, which are resampled with their prompts. {_EFFECT}")
    found = session.ask(warehouse, queries.formation.curves, chosen.model, chosen.dataset)
    columns = st.columns(2, gap="large")
    for i, (figure, rows) in enumerate(figures(found)):
        with columns[i % 2]:
            picture = interval_charts.curve(rows.records, series.checkpoints, figure.title, figure.unit)
            exhibits.chart(picture, rows, f"{figure.title}, with intervals")
    if chosen.operation:
        _together(warehouse, chosen)
    _seeds(warehouse, chosen)


def _together(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    st.markdown("## Do knowledge and the effect of its neurons form together?")
    st.caption(
        "A concept is known, and its neurons matter to it, from the first step at which its probability, or the "
        "specific effect, is half of what it is at the last checkpoint. A lead above 0: the neurons matter first. "
        "Concepts count as learned whose median rank at the last checkpoint is at most 10."
    )
    columns = st.column_config
    summary = session.ask(warehouse, queries.formation.together, chosen.model, chosen.dataset)
    exhibits.table(
        summary,
        "Whether they form together",
        {
            "n_concepts": columns.NumberColumn("learned"),
            "n_matter": columns.NumberColumn("whose neurons matter"),
            "n_correlations": columns.NumberColumn("with a correlation"),
            "correlation": columns.NumberColumn("mean rank correlation", format="%.2f"),
            "low": columns.NumberColumn(format="%.2f"),
            "high": columns.NumberColumn(format="%.2f"),
            "median_lead": columns.NumberColumn("median lead, steps", format="%.0f"),
            "share_before": columns.NumberColumn("neurons first", format="percent"),
            "share_together": columns.NumberColumn("together", format="percent"),
            "share_after": columns.NumberColumn("knowledge first", format="percent"),
        },
    )
    found = session.ask(warehouse, queries.formation.forming, chosen.model, chosen.dataset, chosen.operation)
    both = [row for row in found.records if row["lead"] is not None and row["last_rank"] <= 10]
    if both:
        title = f"When concepts are known and their neurons matter, under {chosen.operation}"
        exhibits.chart(interval_charts.known_and_mattering(both, title), found, title)
    exhibits.grid(
        found,
        "Formation of each concept",
        {
            "last_probability": columns.NumberColumn("probability at last", format="%.3g"),
            "last_rank": columns.NumberColumn("median rank"),
            "last_effect": columns.NumberColumn("effect, points", format="%.1f"),
            "known_step": columns.NumberColumn("known from"),
            "matters_step": columns.NumberColumn("neurons matter from"),
            "correlation": columns.NumberColumn(format="%.2f"),
            "p_value": columns.NumberColumn("p", format="%.2g"),
            "n_effects": columns.NumberColumn("checkpoints"),
        },
        found.records,
    )


def _seeds(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    """Show the spread between runs of several seeds, where the model is one of them."""
    found = session.ask(warehouse, queries.formation.seeds, chosen.model, chosen.dataset)
    if not found.rows:
        return
    st.markdown("## Between seeds")
    st.caption("Runs that differ by their seed alone: mean over seeds, and the band from the lowest to the highest.")
    columns = st.columns(2, gap="large")
    for i, (figure, rows) in enumerate(figures(found)):
        with columns[i % 2]:
            picture = interval_charts.seeds(rows.records, figure.title, figure.unit)
            exhibits.chart(picture, rows, f"{figure.title}, between seeds")


def consistency(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    """Show whether the prompts of each concept find the same neurons, and what the thresholds hide."""
    st.markdown("## Do a concept's prompts find the same neurons?")
    found = session.ask(warehouse, queries.formation.overlaps, chosen.model, chosen.dataset)
    if found.rows:
        picture = interval_charts.curve(found.records, series.checkpoints, OVERLAP, "Jaccard index", "prompts")
        exhibits.chart(picture, found, f"{OVERLAP}, with intervals")
    found = session.ask(warehouse, queries.formation.consistency, chosen.model, chosen.dataset, chosen.checkpoint)
    hidden = sum(row["n_neurons"] == 0 and row["best_share"] > 0 for row in found.records)
    st.caption(
        f"At {code_span(chosen.checkpoint)}: overlap is the Jaccard index of the sets that two prompts select "
        "(t = 0.2): of the concept, of one fact, of different facts, and of different concepts, which is chance. "
        "Hidden are neurons that half of a fact's prompts share and half of the concept's do not. The threshold of "
        f"50 % leaves {hidden:,} of {len(found.rows):,} concepts without contributing neurons whose prompts do select "
        "some: these come first."
    )
    columns = st.column_config
    index = columns.NumberColumn(format="%.3f")
    exhibits.grid(
        found,
        "Consistency of concepts",
        {
            "n_prompts": columns.NumberColumn("prompts"),
            "n_facts": columns.NumberColumn("facts"),
            "n_neurons": columns.NumberColumn("contributing"),
            "best_share": columns.NumberColumn("best neuron's prompts", format="percent"),
            "n_hidden": columns.NumberColumn("hidden"),
            **dict.fromkeys(("overlap", "same_fact", "other_facts", "chance"), index),
        },
        found.records,
    )


def faithfulness(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    """Show how much of the answers sets of neurons carry, by each rule, beside random sets."""
    found = session.ask(warehouse, queries.formation.faithfulness, chosen.model, chosen.dataset, chosen.checkpoint)
    if not found.rows:
        return
    st.markdown(f"## How faithful are sets of neurons at {code_span(chosen.checkpoint)}?")
    st.caption(
        "1: the answers are as probable as with all neurons; 0: as with none. The band is what as many random neurons "
        "of the same layers do; single marks are the concepts' contributing neurons."
    )
    for column, kept in zip(st.columns(2, gap="large"), (True, False), strict=True):
        rows = found.part("kept", kept)
        with column:
            title = f"Faithfulness with the best neurons {'kept alone' if kept else 'removed alone'}"
            exhibits.chart(interval_charts.faithfulness(rows.records, title), rows, title)
    areas = session.ask(warehouse, queries.formation.faithfulness_areas, chosen.model, chosen.dataset)
    columns = st.column_config
    st.caption(
        "Areas over the share of neurons kept, and over its logarithm, where small sets count as much as large ones: "
        "under the faithfulness (CPR; the more the better), and between it and 1 (CMD; the less the better; Mueller et "
        "al. 2025)."
    )
    names = {"cpr": "CPR", "cmd": "CMD", "cpr_log": "CPR, logarithm", "cmd_log": "CMD, logarithm"}
    exhibits.table(
        areas,
        "Areas under faithfulness",
        {
            "n_prompts": columns.NumberColumn("prompts"),
            **{name: columns.NumberColumn(title, format="%.3f") for name, title in names.items()},
        },
    )


_NEUTRAL = {
    "n_concepts": st.column_config.NumberColumn("concepts"),
    "n_neurons": st.column_config.NumberColumn("neurons", format="%.1f"),
    "n_sentences": st.column_config.NumberColumn("sentences"),
    **{
        name: st.column_config.NumberColumn(title, format="%.3g")
        for name, title in {
            "kl": "KL",
            "kl_low": "KL from",
            "kl_high": "KL to",
            "loss_before": "loss before",
            "loss_after": "loss after",
            "loss_change": "change of loss",
            "loss_low": "change from",
            "loss_high": "change to",
        }.items()
    },
}


def side_effects(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    """Show what suppressing neurons does to neutral text, over concepts."""
    found = session.ask(warehouse, queries.formation.side_effects, chosen.model, chosen.dataset)
    if not found.rows:
        return
    st.markdown("## Side effects on other text")
    st.caption(
        "The neurons of each concept, or as many random ones of the same layers, are set to zero while one token of "
        "each sentence is predicted. KL is the divergence from what was predicted before, in nats; ends are those of "
        "95 % intervals over concepts."
    )
    exhibits.table(found, "Side effects", _NEUTRAL)


def effect(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    """Show the specific effect of one concept's neurons over training."""
    place = (chosen.model, chosen.dataset, chosen.concept)
    found = session.ask(warehouse, queries.formation.effect_of_concept, *place)
    if not found.rows:
        return
    st.markdown("## What its neurons do for it alone")
    st.caption(f"{_EFFECT} {INTERVALS} Prompts of both kinds are resampled.")
    with st.container(horizontal=True):
        for operation in dict.fromkeys(row["operation"] for row in found.records):
            rows = found.part("operation", operation)
            title = f"Specific effect under {operation}"
            picture = interval_charts.curve(
                rows.records, series.checkpoints, title, "percentage points", value="specific_effect"
            )
            with st.container(width=420):
                exhibits.chart(picture, rows, f"{title} over checkpoints")
    neutral = session.ask(warehouse, queries.formation.side_effects_of_concept, *place, chosen.checkpoint)
    if neutral.rows:
        st.caption("The same neurons set to zero on text that has nothing to do with the concept; losses in nats")
        exhibits.table(neutral, "Side effects of the concept's neurons", _NEUTRAL)
