"""Charts of the neuron page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from dashboards.markup import HIGH, LOW

# Neither of the colours of activations, and visible on light and dark pages.
_MARK = "#009e73"
_IN_TOP, _IN_CORPUS = "top sentences", "all sentences"


def histogram(bins: Sequence[dict[str, Any]], title: str, domain: tuple[float, float]) -> alt.Chart:
    """Return bars of the number of sentences by activation; bins have low, high, sentences."""
    chart: alt.Chart = (
        alt.Chart({"values": list(bins)}, title=title, height=220)
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title="activation of a sentence", scale=alt.Scale(domain=domain)),
            x2="high:Q",
            y=alt.Y("sentences:Q", title="sentences", axis=alt.Axis(tickMinStep=1, format=",d")),
            color=alt.condition("datum.low + datum.high > 0", alt.value(f"rgb({HIGH})"), alt.value(f"rgb({LOW})")),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=".4g"),
                alt.Tooltip("high:Q", title="to", format=".4g"),
                alt.Tooltip("sentences:Q", format=","),
            ],
        )
    )
    return chart


def marked_histogram(
    bins: Sequence[dict[str, Any]], title: str, domain: tuple[float, float], activation: float
) -> alt.LayerChart | alt.FacetChart:
    """Return a histogram with a line at one activation; bins have low, high, sentences."""
    low, high = min(domain[0], activation), max(domain[1], activation)
    rule = alt.Chart({"values": [{"activation": activation}]}).mark_rule(color=_MARK, size=3)
    line = rule.encode(x="activation:Q", tooltip=alt.Tooltip("activation:Q", title="your text", format=".4g"))
    return alt.layer(histogram(bins, title, (low, high)), line)


def over_checkpoints(rows: Sequence[dict[str, Any]], title: str) -> alt.Chart:
    """Return marks of concepts by checkpoint; rows have concept, checkpoint (in order of steps), attribution."""
    checkpoints = list(dict.fromkeys(row["checkpoint"] for row in rows))
    concepts = list(dict.fromkeys(row["concept"] for row in rows))
    chart: alt.Chart = (
        alt.Chart({"values": list(rows)}, title=title, height=80 + 20 * len(concepts))
        .mark_circle(opacity=1, color=f"rgb({HIGH})")
        .encode(
            x=alt.X("checkpoint:N", title="checkpoint", sort=checkpoints),
            y=alt.Y("concept:N", title=None, sort=concepts, axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            size=alt.Size(
                "attribution:Q", title="attribution, probability", legend=alt.Legend(orient="bottom", format=".2g")
            ),
            tooltip=[
                "concept:N",
                "dataset:N",
                "checkpoint:N",
                alt.Tooltip("attribution:Q", title="attribution, probability", format=".3g"),
                alt.Tooltip("share:Q", title="of its prompts", format=".0%"),
            ],
        )
    )
    return chart


def shares(rows: Sequence[dict[str, Any]], title: str, unit: str = "of sentences") -> alt.Chart:
    """Return pairs of bars: each row's share of the top sentences and of all; rows have a name."""
    values = [
        {"name": row["name"], "of": of, "share": row[column]}
        for row in rows
        for of, column in ((_IN_TOP, "share"), (_IN_CORPUS, "corpus_share"))
    ]
    names = [row["name"] for row in rows]
    of = [_IN_TOP, _IN_CORPUS]
    chart: alt.Chart = (
        alt.Chart({"values": values}, title=title, height=110 + 24 * len(rows))
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q",
                title=f"share {unit}",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domainMin=0),
            ),
            y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            yOffset=alt.YOffset("of:N", sort=of),
            color=alt.Color(
                "of:N",
                title=None,
                scale=alt.Scale(domain=of, range=[f"rgb({HIGH})", "#8a8f98"]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=title),
                alt.Tooltip("of:N", title="of"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    return chart
