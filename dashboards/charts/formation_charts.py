"""Charts of the formation page: how knowledge neurons form over training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import altair as alt

from nwh.dashboards.charts.chart_parts import (
    ARMS,
    GREY,
    HIGH,
    MORE,
    Rows,
    WideAxis,
    amounts,
    in_units,
    over_training,
    tips,
    titled,
)

_ARM_COLOURS = alt.Scale(domain=list(ARMS), range=[HIGH, GREY])
_QUANTILES = ("q05", "q25", "median", "q75", "q95")
_LINEAR_CHANGE = 100
"""Relative changes (%) reach from -100 to many thousands."""
MOST_PLACES = 40
"""Of a heat map with a row per neuron."""


def change_distribution(
    rows: Rows, checkpoints: Sequence[str], polarity: str, operation: str
) -> alt.LayerChart | alt.FacetChart:
    """Return per checkpoint and arm the median, quartiles and 5 to 95 % of the relative change over concepts."""
    title = f"Relative change under {operation}, {polarity} prompts"
    wide = WideAxis(rows, _QUANTILES, _LINEAR_CHANGE)
    base = (
        titled(rows, title)
        .transform_calculate(**wide.transforms)
        .encode(
            x=over_training(checkpoints),
            xOffset=alt.XOffset("arm:N", sort=list(ARMS)),
            color=alt.Color("arm:N", title="neurons changed", scale=_ARM_COLOURS, legend=alt.Legend(orient="top")),
            tooltip=tips(
                "checkpoint:N",
                "arm:N",
                *((f"{name}:Q", "", ".3g") for name in ("mean", *_QUANTILES)),
                ("n_concepts:Q", "concepts"),
                ("n_null:Q", "concepts without (probability 0 before)"),
            ),
        )
    )

    def y(name: str) -> alt.Y:
        return alt.Y(wide.place(name), title=wide.title("relative change, %"), axis=wide.axis)

    return alt.layer(
        base.mark_rule().encode(y=y("q05"), y2=alt.Y2(wide.place("q95"))),
        base.mark_bar(opacity=0.5, size=8).encode(y=y("q25"), y2=alt.Y2(wide.place("q75"))),
        base.mark_tick(thickness=2, size=10).encode(y=y("median")),
    )


def neurons_over_time(rows: Rows, checkpoints: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """Return the mean number of contributing neurons per concept by checkpoint, with its quartiles."""
    base = titled(rows, "Neurons per concept: mean and quartiles").encode(
        x=over_training(checkpoints),
        tooltip=tips("checkpoint:N", ("mean:Q", "", ".3g"), "q25:Q", "q75:Q", ("n_concepts:Q", "concepts")),
    )
    return alt.layer(
        base.mark_area(opacity=0.25, color=HIGH).encode(
            y=alt.Y("q25:Q", title="neurons per concept"), y2=alt.Y2("q75:Q")
        ),
        base.mark_line(point=alt.OverlayMarkDef(color=HIGH), color=HIGH).encode(y=alt.Y("mean:Q")),
    )


def layers_over_time(rows: Rows, checkpoints: Sequence[str], figure: str, title: str, unit: str) -> alt.Chart:
    """Return a figure of each layer at each checkpoint as a heat map, the last layer at the top."""
    n_layers = len({row["layer"] for row in rows})
    shown, scale = in_units(rows, figure)
    chart: alt.Chart = (
        titled(rows, title, 190 + 22 * n_layers)
        .transform_calculate(shown=shown)
        .mark_rect()
        .encode(
            x=over_training(checkpoints),
            y=alt.Y("layer:O", title="layer", sort="descending"),
            color=amounts("shown:Q", f"{unit}{scale}"),
            tooltip=tips("checkpoint:N", "layer:O", (f"{figure}:Q", unit, ".3g")),
        )
    )
    return chart


def sharing(rows: Rows, checkpoint: str) -> alt.Chart:
    """Return bars of how many neurons contribute to 1, 2, 3 … concepts; numbers that none has leave a gap."""
    wide = WideAxis(rows, ["n_neurons"], 10)
    most = max(row["n_concepts"] for row in rows)
    chart: alt.Chart = (
        titled(rows, f"Concepts per neuron at {checkpoint}")
        .transform_calculate(
            **wide.transforms, before="datum.n_concepts - 0.4", after="datum.n_concepts + 0.4", none="0"
        )
        .mark_rect(color=HIGH)
        .encode(
            x=alt.X(
                "before:Q",
                title="concepts that a neuron contributes to",
                scale=alt.Scale(domain=(0.5, most + 0.5), nice=False),
                axis=alt.Axis(tickMinStep=1, format="d", grid=False),
            ),
            x2=alt.X2("after:Q"),
            y=alt.Y(wide.place("n_neurons"), title=wide.title("neurons"), axis=wide.axis),
            y2=alt.Y2("none:Q"),
            tooltip=tips(("n_concepts:Q", "concepts"), ("n_neurons:Q", "neurons")),
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
            tooltip=tips("checkpoint:N", "of:N", ("share:Q", "", ".1%")),
        )
    )
    return chart


def lasting(rows: Rows, checkpoints: Sequence[str], reference: str) -> list[dict[str, Any]]:
    """Return a concept's neurons of the reference checkpoint, those first that contribute longest without a break.

    rows: place, checkpoint, attribution, one per neuron and checkpoint where it contributes. Returned: place, `since`
    (the checkpoint from which on it contributes at every one up to the reference), and the attribution there.
    """
    steps = checkpoints[: checkpoints.index(reference) + 1]
    there: dict[str, dict[str, float]] = {}
    for row in rows:
        there.setdefault(row["place"], {})[row["checkpoint"]] = row["attribution"]
    found = []
    for place, at in there.items():
        if unbroken := list(takewhile(at.__contains__, reversed(steps))):
            found.append({"place": place, "since": unbroken[-1], "attribution": at[reference]})
    return sorted(found, key=lambda each: (steps.index(each["since"]), -each["attribution"], each["place"]))


def since_when(neurons: Rows, checkpoints: Sequence[str], concept: str) -> alt.Chart:
    """Return bars of how many of the last checkpoint's neurons contribute since each checkpoint; rows as `lasting`."""
    chart: alt.Chart = (
        titled(neurons, f"Since when the last checkpoint's {len(neurons)} neurons of {concept} contribute", 190)
        .mark_bar(color=HIGH)
        .encode(
            x=over_training(checkpoints, "since").title("contributes at every checkpoint since"),
            y=alt.Y("count():Q", title="neurons", axis=alt.Axis(tickMinStep=1, format="d")),
            tooltip=tips("since:N", ("count():Q", "neurons")),
        )
    )
    return chart


def history(rows: Rows, checkpoints: Sequence[str], concept: str, reference: str) -> alt.Chart:
    """Return at which checkpoints the neurons of a concept contribute, those first that are there longest.

    Of more than MOST_PLACES neurons the first are drawn.
    """
    places = [each["place"] for each in lasting(rows, checkpoints, reference)[:MOST_PLACES]]
    drawn = [row for row in rows if row["place"] in set(places)]
    shown, scale = in_units(drawn, "attribution")
    chart: alt.Chart = (
        titled(drawn, f"When the last checkpoint's neurons of {concept} contribute", 120 + 15 * len(places))
        .transform_calculate(shown=shown)
        .mark_rect()
        .encode(
            x=over_training(checkpoints, top=True),
            y=alt.Y("place:O", title="layer/neuron", sort=places, axis=alt.Axis(labelOverlap=False, labelFlush=False)),
            color=amounts("shown:Q", f"attribution (probability{scale})"),
            tooltip=tips("place:N", "checkpoint:N", ("attribution:Q", "", ".3g"), ("persistence:Q", "", ".0%")),
        )
    )
    return chart


def overlap(rows: Rows, checkpoints: Sequence[str]) -> alt.Chart:
    """Return the mean Jaccard index of each pair of checkpoints as a heat map."""
    y = alt.Y("checkpoint_b:O", title="later checkpoint", sort=list(checkpoints))
    chart: alt.Chart = (
        titled(rows, "Shared contributing neurons of two checkpoints, mean over concepts", 170 + 16 * len(checkpoints))
        .mark_rect()
        .encode(
            x=over_training(checkpoints, "checkpoint_a").title("earlier checkpoint"),
            y=y,
            color=alt.Color("jaccard:Q", title="Jaccard index", scale=alt.Scale(range=MORE, domain=(0, 1))),
            tooltip=tips("checkpoint_a:N", "checkpoint_b:N", ("jaccard:Q", "", ".2f"), "n_concepts:Q"),
        )
    )
    return chart
