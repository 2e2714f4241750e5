"""Charts of how frequent concepts behave: when they are learned, and what changing their neurons does."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from nwh.dashboards.charts.chart_parts import ARMS, GREY, HIGH, LOW, Rows, WideAxis, over_training, tips, titled
from nwh.warehouse.queries.frequency import is_counted

_EXTREMES = alt.Scale(domain=["most", "least", "other"], range=[HIGH, LOW, GREY])
_LINEAR_RANKS = 10
"""Changes of rank reach from 0 to a vocabulary's size."""


def _named(source: str) -> str:
    """Return the title of an axis of frequencies of a source: of text they are numbers of sentences."""
    return f"sentences: {source}" if is_counted(source) else f"frequency ({source})"


def _scale(source: str) -> alt.Scale:
    return alt.Scale(type="symlog") if is_counted(source) else alt.Scale(zero=False)


def rank_change(rows: Rows, title: str, source: str) -> alt.Chart:
    """Return each concept's rank change by its frequency."""
    wide = WideAxis(rows, ["rank_change"], _LINEAR_RANKS)
    chart: alt.Chart = (
        titled(rows, title)
        .transform_calculate(**wide.transforms)
        .mark_circle(opacity=0.8)
        .encode(
            x=alt.X("frequency:Q", title=_named(source), scale=_scale(source)),
            y=alt.Y(wide.place("rank_change"), title=wide.title("rank after - before"), axis=wide.axis),
            color=alt.Color("extreme:N", title="frequent", scale=_EXTREMES, legend=alt.Legend(orient="top")),
            tooltip=tips("concept:N", "frequency:Q", "rank_before:Q", "rank_after:Q", "rank_change:Q"),
        )
    )
    return chart


def rank_change_of_extremes(rows: Rows, checkpoints: Sequence[str], operation: str) -> alt.LayerChart | alt.FacetChart:
    """Return the rank change of the most and the least frequent concepts over checkpoints, both arms.

    With bands of their intervals, those of the contributing neurons alone.
    """
    names = {(extreme, arm): f"{extreme} frequent, {arm}" for extreme in ("most", "least") for arm in ARMS}
    named = [{**row, "line": names[row["extreme"], row["arm"]]} for row in rows]
    # One field for colour and dashes: Vega draws the legend of dashes alone in no colour at all.
    domain, title = list(names.values()), "concepts, neurons changed"
    colours = alt.Scale(domain=domain, range=[HIGH, HIGH, LOW, LOW])
    dashes = alt.Scale(domain=domain, range=[[1, 0], [5, 3]] * 2)
    legend = alt.Legend(orient="top", columns=2, labelLimit=260, symbolSize=400, symbolType="stroke", symbolOpacity=1)
    wide = WideAxis(rows, ["mean", "low", "high"], _LINEAR_RANKS)
    figures = [(f"{name}:Q", "", ".3g") for name in ("mean", "low", "high")]
    base = (
        titled(named, f"Rank change under {operation}: the ten most and ten least frequent concepts")
        .transform_calculate(**wide.transforms)
        .encode(
            x=over_training(checkpoints),
            color=alt.Color("line:N", title=title, scale=colours, legend=legend),
            tooltip=tips("checkpoint:N", "extreme:N", "arm:N", *figures, "n_concepts:Q"),
        )
    )

    def y(name: str) -> alt.Y:
        return alt.Y(wide.place(name), title=wide.title("rank after - before"), axis=wide.axis)

    band = base.transform_filter(f"datum.arm == '{ARMS[0]}'").mark_area(opacity=0.15)
    return alt.layer(
        band.encode(y=y("low"), y2=alt.Y2(wide.place("high"))),
        base.mark_line(point=True).encode(
            y=y("mean"), strokeDash=alt.StrokeDash("line:N", title=title, scale=dashes, legend=legend)
        ),
    )


def acquisition(rows: Rows, checkpoints: Sequence[str], source: str) -> alt.Chart:
    """Return each acquired concept's frequency by the checkpoint that first knows it."""
    chart: alt.Chart = (
        titled(rows, "First checkpoint that has the answer in the top 10, by frequency")
        .mark_circle(opacity=0.8)
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("frequency:Q", title=_named(source), scale=_scale(source)),
            color=alt.Color("extreme:N", title="frequent", scale=_EXTREMES, legend=alt.Legend(orient="top")),
            tooltip=tips("concept:N", "frequency:Q", "checkpoint:N", "median_rank:Q"),
        )
    )
    return chart


def correlations(rows: Rows, checkpoints: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """Return the correlation of frequency and rank change by checkpoint and source; filled where q is at most 0.05."""
    base = titled(rows, "Correlation of frequency and rank change under zero").encode(
        x=over_training(checkpoints),
        y=alt.Y("correlation:Q", title="Spearman's correlation", scale=alt.Scale(domain=(-1, 1))),
        color=alt.Color("frequency_source:N", title="frequency", legend=alt.Legend(orient="top")),
        tooltip=tips(
            "frequency_source:N",
            "checkpoint:N",
            *((f"{name}:Q", "", ".3g") for name in ("correlation", "p_value", "q_value")),
            ("n:Q", "concepts"),
        ),
    )
    sure = "datum.q_value !== null && datum.q_value <= 0.05"
    return alt.layer(
        base.mark_line(opacity=0.5),
        base.transform_filter(sure).mark_circle(size=90, opacity=1),
        base.transform_filter(f"!({sure})").mark_point(size=60),
    )
