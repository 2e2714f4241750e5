"""The concept page: one concept's prompts over training, its contributing neurons, and what changing these does."""

from __future__ import annotations

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.charts import concept_charts
from nwh.dashboards.html.markup import code_span
from nwh.dashboards.pages import neuron
from nwh.dashboards.parts import exhibits, formation, knowledge, neuron_links, notices
from nwh.dashboards.parts.knowledge import KnowledgeAddress
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.knowledge import Series


def page() -> None:
    """Show the concept that the address names."""
    st.title("Concept", anchor=False)
    st.markdown(
        "What a model knows of one concept: its prompts at every checkpoint, the feed-forward neurons that contribute "
        "to their answers (Dai et al. 2021), and what changing these neurons does. What you choose is in the address."
    )
    warehouse = session.warehouse()
    found = knowledge.choose(warehouse, ["thresholds"])
    if found is None:
        return
    chosen, series = found
    session.tab(f"{chosen.concept} {chosen.model}@{chosen.checkpoint}")
    st.markdown(f"## {code_span(chosen.concept)} in {code_span(chosen.dataset)}")
    left, right = st.columns(2, gap="large")
    with left:
        _prompts(warehouse, chosen, series)
    with right:
        _neurons(warehouse, chosen, series)
    _interventions(warehouse, chosen)
    formation.effect(warehouse, chosen, series)
    session.footer()


def _prompts(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    st.markdown("## Prompts")
    scores = session.ask(warehouse, queries.knowledge.prompt_scores, chosen.model, chosen.dataset, chosen.concept)
    exhibits.table(
        scores.part("checkpoint", chosen.checkpoint),
        f"Prompts at {chosen.checkpoint}",
        {"probability": st.column_config.NumberColumn(format="%.3g")},
        order=["prompt", "text", "answer", "probability", "rank"],
    )
    for figure in ("probability", "rank"):
        picture = concept_charts.prompts_over_time(scores.records, series.checkpoints, figure)
        last = [f"{row[figure]:.3g}" for row in scores.records if row["checkpoint"] == series.checkpoints[-1]]
        finding = f"at {series.checkpoints[-1]} {', '.join(last)}" if last else ""
        exhibits.chart(picture, scores, f"{figure} of each prompt's answer over checkpoints", finding)


def _neurons(warehouse: Warehouse, chosen: KnowledgeAddress, series: Series) -> None:
    st.markdown(f"## Contributing neurons at {code_span(chosen.checkpoint)}")
    place = (chosen.model, chosen.dataset, chosen.concept, chosen.checkpoint)
    found = session.ask(warehouse, queries.knowledge.neurons, *place, chosen.t, chosen.p)
    st.caption(
        f"Neurons that reach {chosen.t:.0%} of a prompt's highest attribution in at least {chosen.p:.0%} of the "
        "concept's prompts; attribution is the mean over the prompts that select the neuron."
    )
    if not found.rows:
        st.info("No neuron reaches these thresholds: lower t or p.")
        return
    columns, rows = st.column_config, found.records
    places = neuron_links.add(warehouse, rows, chosen.model, chosen.checkpoint, "ffn")
    exhibits.table(
        found,
        "Contributing neurons by layer",
        {
            "page": neuron_links.COLUMN,
            "attribution": columns.NumberColumn(format="%.3g"),
            "share": columns.NumberColumn("of prompts", format="percent", help="that select the neuron"),
            "n_selected": columns.NumberColumn("selected by"),
            "n_prompts": columns.NumberColumn("prompts"),
        },
        rows,
        order=["layer", "neuron", "attribution", "share", "n_selected", "n_prompts", *["page"] * bool(places)],
        picture=concept_charts.neuron_picture(found.records, series.n_layers),
    )
    if places:
        neuron.open_one(places)


def _interventions(warehouse: Warehouse, chosen: KnowledgeAddress) -> None:
    st.markdown(f"## Changing the neurons at {code_span(chosen.checkpoint)}")
    place = (chosen.model, chosen.dataset, chosen.concept, chosen.checkpoint)
    found = session.ask(warehouse, queries.knowledge.interventions, *place)
    if not found.rows:
        command = f"ingest interventions --model MODEL --checkpoint {chosen.checkpoint} --dataset {chosen.dataset}"
        st.caption("There are no interventions on this concept at this checkpoint. This command makes them:")
        notices.commands(warehouse, command)
        return
    st.caption(
        "Positive prompts ask for the concept, negative ones for others. The random arm changes as many other neurons "
        "of the same layers. Relative change is the mean of (after - before) * 100 / before over prompts."
    )
    with st.container(horizontal=True):
        for operation in dict.fromkeys(row["operation"] for row in found.records):
            with st.container(width="content"):
                changed = found.part("operation", operation)
                picture = concept_charts.before_and_after(changed.records, operation)
                exhibits.chart(picture, changed, f"Probability before and after {operation}", width="content")
    columns = st.column_config
    exhibits.table(
        found,
        "Changing the neurons",
        {
            "operation": columns.TextColumn(help="zero: to 0; replace: to that of an unrelated prompt; double: twice"),
            "polarity": columns.TextColumn(help="positive: prompts of this concept; negative: of others"),
            "arm": columns.TextColumn(help="contributing: this concept's neurons; random: others of the same layers"),
            "n_neurons": columns.NumberColumn("neurons", help="how many were changed"),
            "n_prompts": columns.NumberColumn("prompts"),
            "n_null": columns.NumberColumn("left out (probability 0 before)"),
            "p_before": columns.NumberColumn("probability before", format="%.3g"),
            "p_after": columns.NumberColumn("after", format="%.3g"),
            "relative_change": columns.NumberColumn("relative change, %", format="%.1f"),
            "rank_before": columns.NumberColumn("rank before", format="%.1f"),
            "rank_after": columns.NumberColumn("rank after", format="%.1f"),
            "rank_change": columns.NumberColumn("rank change", format="%+.1f"),
        },
    )
