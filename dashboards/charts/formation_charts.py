"""Charts of the formation page: how knowledge neurons form over training."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from nwh.dashboards.charts.chart_parts import ARMS, GREY, HIGH, LOW, Rows, over_training, titled

_ARM_COLOURS = alt.Scale(domain=list(ARMS), range=[HIGH, GREY])
_EXTREMES = alt.Scale(domain=["most", "least", "other"], range=[HIGH, LOW, GREY])
# Changes reach from -100 % to many thousands: linear up to 100, logarithmic beyond.
_WIDE = alt.Scale(type="symlog", constant=100)


def change_distribution(
    rows: Rows, checkpoints: Sequence[str], polarity: str, operation: str
) -> alt.LayerChart | alt.FacetChart:
    """Return per checkpoint and arm the median, quartiles and 5 to 95 % of the relative change over concepts."""
    title = f"Relative change under {operation}, {polarity} prompts"
    base = titled(rows, title).encode(
        x=over_training(checkpoints),
        xOffset=alt.XOffset("arm:N", sort=list(ARMS)),
        color=alt.Color("arm:N", title="neurons changed", scale=_ARM_COLOURS),
        tooltip=[
            "checkpoint:N",
            "arm:N",
            *(alt.Tooltip(f"{name}:Q", format=".3g") for name in ("mean", "q05", "q25", "median", "q75", "q95")),
            alt.Tooltip("n_concepts:Q", title="concepts"),
            alt.Tooltip("n_null:Q", title="concepts without (probability 0 before)"),
        ],
    )
    y = alt.Y("q05:Q", title="relative change, %", scale=_WIDE)
    return alt.layer(
        base.mark_rule().encode(y=y, y2="q95:Q"),
        base.mark_bar(opacity=0.5, size=8).encode(y=alt.Y("q25:Q", scale=_WIDE), y2="q75:Q"),
        base.mark_tick(thickness=2, size=10).encode(y=alt.Y("median:Q", scale=_WIDE)),
    )


def neurons_over_time(rows: Rows, checkpoints: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """Return the mean number of contributing neurons per concept by checkpoint, with its quartiles."""
    base = titled(rows, "Contributing neurons per concept: mean, and quartiles over concepts").encode(
        x=over_training(checkpoints),
        tooltip=[
            "checkpoint:N",
            alt.Tooltip("mean:Q", format=".3g"),
            "q25:Q",
            "q75:Q",
            alt.Tooltip("n_concepts:Q", title="concepts"),
        ],
    )
    return alt.layer(
        base.mark_area(opacity=0.25, color=HIGH).encode(y=alt.Y("q25:Q", title="neurons per concept"), y2="q75:Q"),
        base.mark_line(point=alt.OverlayMarkDef(color=HIGH), color=HIGH).encode(y="mean:Q"),
    )


def layers_over_time(rows: Rows, checkpoints: Sequence[str], figure: str, title: str, unit: str) -> alt.Chart:
    """Return a figure of each layer at each checkpoint as a heat map, the last layer at the top."""
    n_layers = len({row["layer"] for row in rows})
    chart: alt.Chart = (
        titled(rows, title, 170 + 20 * n_layers)
        .mark_rect()
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("layer:O", title="layer", sort="descending"),
            color=alt.Color(f"{figure}:Q", title=unit, scale=alt.Scale(scheme="oranges", domainMin=0)),
            tooltip=["checkpoint:N", "layer:O", alt.Tooltip(f"{figure}:Q", title=unit, format=".3g")],
        )
    )
    return chart


def sharing(rows: Rows, checkpoint: str) -> alt.Chart:
    """Return bars of how many neurons contribute to 1, 2, 3 … concepts."""
    chart: alt.Chart = (
        titled(rows, f"Concepts per neuron at {checkpoint}", 300)
        .mark_bar(color=HIGH)
        .encode(
            x=alt.X("n_concepts:O", title="concepts that a neuron contributes to", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("n_neurons:Q", title="neurons", scale=alt.Scale(type="symlog")),
            tooltip=[alt.Tooltip("n_concepts:O", title="concepts"), alt.Tooltip("n_neurons:Q", title="neurons")],
        )
    )
    return chart


def stability(rows: Rows, checkpoints: Sequence[str], concept: str) -> alt.Chart:
    """Return the share of the last checkpoint's neurons found by checkpoint: a concept, and the mean of all."""
    names = {"found": concept, "mean_found": "mean of all concepts"}
    values = [
        {"checkpoint": row["checkpoint"], "of": name, "share": row[column]}
        for row in rows
        for column, name in names.items()
        if row[column] is not None
    ]
    scale = alt.Scale(domain=list(names.values()), range=[HIGH, GREY])
    chart: alt.Chart = (
        titled(values, f"Neurons of {rows[0]['reference_checkpoint']} that contribute at each checkpoint")
        .mark_line(point=True)
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("share:Q", title="share found", axis=alt.Axis(format="%"), scale=alt.Scale(domain=(0, 1))),
            color=alt.Color("of:N", title=None, scale=scale, legend=alt.Legend(orient="top")),
            tooltip=["checkpoint:N", "of:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return chart


def history(rows: Rows, checkpoints: Sequence[str], concept: str) -> alt.Chart:
    """Return at which checkpoints each neuron of a concept contributes, as a picture."""
    places = list(dict.fromkeys(row["place"] for row in rows))
    chart: alt.Chart = (
        titled(rows, f"When the last checkpoint's neurons of {concept} contribute", 170 + 16 * len(places))
        .mark_rect()
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("place:O", title="layer/neuron", sort=places),
            color=alt.Color("attribution:Q", title="attribution (probability)", scale=alt.Scale(scheme="oranges")),
            tooltip=[
                "place:N",
                "checkpoint:N",
                alt.Tooltip("attribution:Q", format=".3g"),
                alt.Tooltip("persistence:Q", format=".0%"),
            ],
        )
    )
    return chart


def overlap(rows: Rows, checkpoints: Sequence[str]) -> alt.Chart:
    """Return the mean Jaccard index of each pair of checkpoints as a heat map."""
    y = alt.Y("checkpoint_b:O", title="later checkpoint", sort=list(checkpoints))
    chart: alt.Chart = (
        titled(rows, "Shared contributing neurons of two checkpoints, mean over concepts", 200 + 16 * len(checkpoints))
        .mark_rect()
        .encode(
            x=over_training(checkpoints, "checkpoint_a").title("earlier checkpoint"),
            y=y,
            color=alt.Color("jaccard:Q", title="Jaccard index", scale=alt.Scale(scheme="oranges", domain=(0, 1))),
            tooltip=["checkpoint_a:N", "checkpoint_b:N", alt.Tooltip("jaccard:Q", format=".2f"), "n_concepts:Q"],
        )
    )
    return chart


def rank_change(rows: Rows, title: str) -> alt.Chart:
    """Return each concept's rank change by its frequency."""
    chart: alt.Chart = (
        titled(rows, title)
        .mark_circle(opacity=0.8)
        .encode(
            x=alt.X("frequency:Q", title="frequency of the concept", scale=alt.Scale(zero=False)),
            y=alt.Y("rank_change:Q", title="rank after - before", scale=_WIDE),
            color=alt.Color("extreme:N", title="frequent", scale=_EXTREMES),
            tooltip=["concept:N", "frequency:Q", "rank_before:Q", "rank_after:Q", "rank_change:Q"],
        )
    )
    return chart


def rank_change_of_extremes(rows: Rows, checkpoints: Sequence[str], operation: str) -> alt.Chart:
    """Return the rank change of the most and the least frequent concepts over checkpoints, both arms."""
    chart: alt.Chart = (
        titled(rows, f"Rank change under {operation}: the ten most and ten least frequent concepts")
        .mark_line(point=True)
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("rank_change:Q", title="rank after - before", scale=_WIDE),
            color=alt.Color(
                "extreme:N", title="frequent", scale=alt.Scale(domain=["most", "least"], range=[HIGH, LOW])
            ),
            strokeDash=alt.StrokeDash(
                "arm:N",
                title="neurons changed",
                scale=alt.Scale(domain=list(ARMS), range=[[1, 0], [4, 3]]),
                legend=alt.Legend(symbolType="stroke", symbolStrokeColor=GREY),
            ),
            tooltip=["checkpoint:N", "extreme:N", "arm:N", alt.Tooltip("rank_change:Q", format=".3g"), "n_concepts:Q"],
        )
    )
    return chart


def acquisition(rows: Rows, checkpoints: Sequence[str]) -> alt.Chart:
    """Return each acquired concept's frequency by the checkpoint that first knows it."""
    chart: alt.Chart = (
        titled(rows, "First checkpoint that has the answer in the top 10, by frequency")
        .mark_circle(opacity=0.8)
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("frequency:Q", title="frequency", scale=alt.Scale(zero=False)),
            color=alt.Color("extreme:N", title="frequent", scale=_EXTREMES),
            tooltip=["concept:N", "frequency:Q", "checkpoint:N", "median_rank:Q"],
        )
    )
    return chart
