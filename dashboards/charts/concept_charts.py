"""Charts of the concept page."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from nwh.dashboards.charts.chart_parts import ARMS, GREY, HIGH, Rows, over_training, titled


def prompts_over_time(rows: Rows, checkpoints: Sequence[str], figure: str) -> alt.Chart:
    """Return one line per prompt over checkpoints; figure: `probability`, or `rank` with 1 at the top."""
    titles = {"probability": "Probability of the answer", "rank": "Rank of the answer in the vocabulary (1 = first)"}
    of_rank = alt.Scale(type="log", reverse=True, domainMin=1, nice=False)
    chart: alt.Chart = (
        titled(rows, titles[figure])
        .mark_line(point=True)
        .encode(
            x=over_training(checkpoints),
            y=alt.Y(
                f"{figure}:Q",
                title=figure,
                scale=of_rank if figure == "rank" else alt.Scale(domainMin=0),
                axis=alt.Axis(tickCount=5, format="~s" if figure == "rank" else "~g"),
            ),
            color=alt.Color("prompt:N", title="prompt"),
            tooltip=["prompt:N", "text:N", "checkpoint:N", alt.Tooltip("probability:Q", format=".3g"), "rank:Q"],
        )
    )
    return chart


def neuron_picture(rows: Rows, n_layers: int, n_neurons: int) -> alt.Chart:
    """Return contributing neurons as marks at their layer and number, the last layer at the top; size: their share."""
    chart: alt.Chart = (
        titled(rows, f"{len(rows)} contributing neurons", 150 + 20 * n_layers)
        .mark_square(opacity=0.9)
        .encode(
            x=alt.X(
                "neuron:Q",
                title="neuron",
                scale=alt.Scale(domain=(0, n_neurons - 1), nice=False),
                axis=alt.Axis(tickMinStep=1, format="d"),
            ),
            y=alt.Y(
                "layer:O",
                title="layer",
                scale=alt.Scale(domain=list(reversed(range(n_layers)))),
                axis=alt.Axis(grid=True),
            ),
            color=alt.Color("attribution:Q", title="attribution (probability)", scale=alt.Scale(scheme="oranges")),
            size=alt.Size("share:Q", legend=None, scale=alt.Scale(domain=(0, 1), range=(20, 160))),
            tooltip=[
                "layer:O",
                "neuron:Q",
                alt.Tooltip("attribution:Q", format=".3g"),
                alt.Tooltip("n_selected:Q", title="prompts that select it"),
                alt.Tooltip("n_prompts:Q", title="of"),
            ],
        )
    )
    return chart


def before_and_after(rows: Rows, operation: str) -> alt.Chart:
    """Return bars of the probability before and after an operation; rows: one per polarity and arm."""
    values = [
        {"polarity": row["polarity"], "arm": row["arm"], "when": when, "probability": row[column]}
        for row in rows
        for when, column in (("before", "p_before"), ("after", "p_after"))
    ]
    chart: alt.Chart = (
        titled(values, f"Answers before and after: {operation}", 140)
        .mark_bar()
        .encode(
            x=alt.X("arm:N", title="neurons changed", sort=list(ARMS), axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("when:N", sort=["before", "after"]),
            y=alt.Y("probability:Q", title="mean probability"),
            color=alt.Color(
                "when:N",
                title=None,
                scale=alt.Scale(domain=["before", "after"], range=[GREY, HIGH]),
                legend=alt.Legend(orient="top"),
            ),
            row=alt.Row("polarity:N", title="prompts", sort=["positive", "negative"]),
            tooltip=["polarity:N", "arm:N", "when:N", alt.Tooltip("probability:Q", format=".3g")],
        )
        .properties(width=230)
    )
    return chart
