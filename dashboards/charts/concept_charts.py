"""Charts of the concept page."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from nwh.dashboards.charts.chart_parts import (
    ARMS,
    GREY,
    GROUPS,
    HIGH,
    Rows,
    amounts,
    in_units,
    over_training,
    powers,
    tips,
    titled,
)

_PROMPTS = alt.Scale(range=GROUPS)


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
                axis=powers(row["rank"] for row in rows) if figure == "rank" else alt.Axis(tickCount=5, format=".4~g"),
            ),
            color=alt.Color("prompt:N", title="prompt", scale=_PROMPTS, legend=alt.Legend(orient="top")),
            tooltip=tips("prompt:N", "text:N", "checkpoint:N", ("probability:Q", "", ".3g"), "rank:Q"),
        )
    )
    return chart


def neuron_picture(rows: Rows, n_layers: int) -> alt.Chart:
    """Return the number of contributing neurons of each layer, the last at the top, coloured by mean attribution."""
    shown, scale = in_units(rows, "attribution")
    chart: alt.Chart = (
        titled(rows, f"{len(rows)} contributing neurons", 150 + 22 * n_layers)
        .transform_calculate(shown=shown)
        .mark_bar()
        .encode(
            x=alt.X("count():Q", title="contributing neurons", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("layer:O", title="layer", scale=alt.Scale(domain=list(reversed(range(n_layers))))),
            color=amounts("mean(shown):Q", f"mean attribution (probability{scale})"),
            tooltip=tips(
                "layer:O",
                ("count():Q", "neurons"),
                ("mean(attribution):Q", "mean attribution", ".3g"),
                ("max(attribution):Q", "highest attribution", ".3g"),
            ),
        )
    )
    return chart


def before_and_after(rows: Rows, operation: str) -> alt.Chart:
    """Return bars of the probability before and after an operation; rows: one per polarity and arm.

    Each polarity has an axis of its own: answers of the concept can be a hundred times less probable than others.
    """
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
            tooltip=tips("polarity:N", "arm:N", "when:N", ("probability:Q", "", ".3g")),
        )
        .properties(width=230)
        .resolve_scale(y="independent")
    )
    return chart
