"""Charts of the pages on layers, maps of neurons and pairs of checkpoints."""

from __future__ import annotations

from itertools import groupby
from statistics import median

import altair as alt

from nwh.dashboards.charts.chart_parts import GREY, GROUPS, HIGH, MORE, Rows, parted, tips, titled

PICKED = "picked"
"""Name of the selection that holds layer and neuron of the mark that was clicked."""
_ON_CANVAS = {"embedOptions": {"renderer": "canvas"}}
"""For pictures of thousands of marks: browsers draw these several times faster than elements of SVG."""
MOST_CELLS = 4_000
"""Of a heat map that a page draws: more are narrower than the pixels they have, and take a browser half a second."""
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
_TITLES = {
    "mean": "mean activation",
    "std": "standard deviation of the activation",
    "skewness": "skewness of the activation",
    "kurtosis": "excess kurtosis of the activation",
    "share_positive": "share of sentences with an activation above 0",
    "mean_tokens": "mean length of the top sentences, tokens",
    "mean_words": "mean length of the top sentences, words",
}


def figure_title(figure: str) -> str:
    """Return what a figure of neurons is, with its unit."""
    if figure.startswith("share:"):
        return f"share of the top sentences with {figure.removeprefix('share:')}"
    return _TITLES.get(figure, f"{figure} per top sentence")


def _pick() -> alt.Parameter:
    return alt.selection_point(name=PICKED, fields=["layer", "neuron"], on="click", clear=False, toggle=False)


def _colours(figure: str, low: float, high: float) -> alt.Color:
    """Return colours from low to high; those of a figure on both sides of 0 part there."""
    legend = alt.Legend(orient="bottom", gradientLength=260, titleLimit=330, format=".4~g")
    if low < 0 < high:
        end = max(-low, high)
        scale = parted(domain=(-end, end), clamp=True)
    else:
        scale = alt.Scale(range=MORE, domain=(low, high), clamp=True)
    return alt.Color("value:Q", title=figure_title(figure), scale=scale, legend=legend)


def merged(rows: Rows, n_layers: int, n_neurons: int) -> tuple[Rows, int]:
    """Return rows few enough for a browser, and how many neighbouring neurons each stands for.

    rows: layer, neuron, value, …, in order of layer and neuron; of neighbours that one stays whose value is farthest
    from the median of all rows.
    """
    step = 1
    while n_layers * -(-n_neurons // step) > MOST_CELLS:
        step *= 2
    centre = median(row["value"] for row in rows)
    cells = groupby(rows, lambda row: (row["layer"], row["neuron"] // step))
    return [max(cell, key=lambda row: abs(row["value"] - centre)) for _, cell in cells], step


def heat_map(rows: Rows, figure: str, n_layers: int, n_neurons: int, step: int = 1) -> alt.Chart:
    """Return a figure of every neuron as layer x dimension, the last layer at the top.

    rows: layer, neuron, value, and low and high, where the colours end. step: as `merged` returns it.
    """
    places = [{name: row[name] for name in ("layer", "neuron", "value")} for row in rows]
    name = figure_title(figure)
    title = f"{name[:1].upper()}{name[1:]}, by layer and dimension"
    chart: alt.Chart = (
        titled(places, title, 160 + 24 * n_layers)
        # each mark reaches under its right neighbour: no seam shows between them
        .transform_calculate(
            left=f"floor(datum.neuron / {step}) * {step}", right=f"min(datum.left + {1.5 * step}, {n_neurons})"
        )
        .mark_rect(aria=False)
        .encode(
            x=alt.X(
                "left:Q",
                title="dimension (neuron)",
                scale=alt.Scale(domain=(0, n_neurons), nice=False),
                axis=alt.Axis(tickMinStep=1, format="d", grid=False),
            ),
            x2=alt.X2("right:Q"),
            y=alt.Y("layer:O", title="layer", scale=alt.Scale(domain=list(reversed(range(n_layers))), padding=0.05)),
            color=_colours(figure, rows[0]["low"], rows[0]["high"]),
            tooltip=tips("layer:O", "neuron:Q", ("value:Q", figure, ".4g")),
        )
        .add_params(_pick())
        .properties(usermeta=_ON_CANVAS)
    )
    return chart


def consistency(rows: Rows) -> alt.Chart:
    """Return the correlation of each pair of layers as a triangle."""
    chart: alt.Chart = (
        titled(rows, "Correlation over dimensions", 160 + 22 * len({row["layer_b"] for row in rows}))
        .mark_rect()
        .encode(
            x=alt.X("layer_a:O", title="lower layer", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer_b:O", title="higher layer", sort="descending"),
            color=alt.Color(
                "correlation:Q",
                title="Pearson correlation",
                scale=parted(domain=(-1, 1)),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=tips(
                ("layer_a:O", "lower layer"),
                ("layer_b:O", "higher layer"),
                ("correlation:Q", "", ".3f"),
                ("baseline:Q", "", ".3f"),
                ("baseline_std:Q", "its standard deviation", ".3f"),
                ("p_value:Q", "p", ".2g"),
                ("n_neurons:Q", "dimensions"),
            ),
        )
    )
    return chart


def neuron_map(rows: Rows, title: str, chosen: int, figure: str | None = None) -> alt.Chart:
    """Return a layer's neurons where t-SNE put them, coloured by cluster, or by a figure; the chosen cluster is larger.

    rows: layer, neuron, cluster, x, y; with a figure also value (null where a neuron has none), low, high.
    """
    numbers = sorted({row["cluster"] for row in rows})
    columns = ("layer", "neuron", "cluster", "x", "y") + (("value",) if figure else ())
    places = [{name: row[name] for name in columns} for row in rows]
    tooltip: list[str | tuple[str, ...]] = ["layer:O", "neuron:Q", "cluster:O"]
    legend = None
    if figure:
        limits = next((row for row in rows if row["low"] is not None), {"low": 0.0, "high": 1.0})
        colour = _colours(figure, limits["low"], limits["high"])
        tooltip.append(("value:Q", figure, ".4g"))
    else:
        scale = alt.Scale(domain=numbers, range=[GROUPS[i % len(GROUPS)] for i in range(len(numbers))])
        legend = alt.Legend(orient="bottom", columns=10)
        colour = alt.Color("cluster:N", title="cluster", scale=scale, legend=legend)
    # the coordinates of t-SNE have no unit and no origin
    scale, axis = alt.Scale(zero=False), alt.Axis(labels=False, ticks=False, grid=False)
    of_cluster = f"datum.cluster === {chosen}"
    chart: alt.Chart = (
        titled(places, title, 560)
        .mark_point(filled=True)
        .encode(
            x=alt.X("x:Q", title="first t-SNE coordinate", scale=scale, axis=axis),
            y=alt.Y("y:Q", title="second t-SNE coordinate", scale=scale, axis=axis),
            color=colour,
            # numbers beyond the colours start over with another shape
            shape=alt.Shape(
                "cluster:N",
                title="cluster",
                legend=legend,
                scale=alt.Scale(
                    domain=numbers, range=[_SHAPES[i // len(GROUPS) % len(_SHAPES)] for i in range(len(numbers))]
                ),
            ),
            size=alt.SizeValue(32, condition={"test": of_cluster, "value": 70}),
            opacity=alt.OpacityValue(0.6, condition={"test": of_cluster, "value": 1}),
            tooltip=tips(*tooltip),
        )
        .add_params(_pick())
        .properties(usermeta=_ON_CANVAS)
    )
    return chart


def layer_distances(rows: Rows, measure: str) -> alt.Chart:
    """Return a distance (`manhattan`, `euclidean`) by layer, or its `share`, one line per set of sentences."""
    names = list(dict.fromkeys(row["set_name"] for row in rows))
    scale = alt.Scale(domain=names, range=[GROUPS[i % len(GROUPS)] for i in range(len(names))])
    legend = alt.Legend(orient="bottom", columns=2) if len(names) > 1 else None
    title, unit, axis = f"Mean {measure.capitalize()} distance by layer", "mean distance", alt.Axis()
    if measure == "share":
        title, unit = "Distance by layer, against that of two sentences", "share of their distance"
        axis = alt.Axis(format="%")
    chart: alt.Chart = (
        titled(rows, title, 320)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
            y=alt.Y(f"{measure}:Q", title=unit, scale=alt.Scale(domainMin=0), axis=axis),
            color=alt.Color("set_name:N", title=None, scale=scale, legend=legend),
            tooltip=tips(("set_name:N", "sentences"), "layer:O", (f"{measure}:Q", "", ",.4g")),
        )
    )
    return chart


def match_histogram(rows: Rows) -> alt.Chart:
    """Return the shares of neurons by correlation with the best partner, and with a rotated basis."""
    scale = alt.Scale(domain=["best partner", "rotated basis"], range=[HIGH, GREY])
    chart: alt.Chart = (
        titled(rows, "Neurons by their highest correlation")
        .mark_bar(opacity=0.6, binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title="Pearson correlation"),
            x2=alt.X2("high:Q"),
            y=alt.Y("share:Q", title="share of neurons", stack=None, axis=alt.Axis(format="%")),
            color=alt.Color("basis:N", title="with", scale=scale, legend=alt.Legend(orient="bottom")),
            tooltip=tips(
                ("basis:N", "with"),
                ("low:Q", "from", ".2f"),
                ("high:Q", "to", ".2f"),
                ("n_neurons:Q", "neurons", ","),
                ("share:Q", "", ".1%"),
            ),
        )
    )
    return chart


def matches_by_layer(rows: Rows) -> alt.Chart:
    """Return by layer the share of neurons whose partner is better than the baseline."""
    chart: alt.Chart = (
        titled(rows, "Neurons whose partner exceeds the rotated basis")
        .mark_bar(color=HIGH)
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
            y=alt.Y(
                "share_above:Q", title="share of neurons", scale=alt.Scale(domain=(0, 1)), axis=alt.Axis(format="%")
            ),
            tooltip=tips(
                "layer:O",
                ("share_above:Q", "share above", ".1%"),
                ("share_same_layer:Q", "partner in the same layer", ".1%"),
                ("median_correlation:Q", "median correlation", ".3f"),
                ("median_rotated:Q", "median, rotated basis", ".3f"),
                ("n_neurons:Q", "neurons"),
                ("n_constant:Q", "constant neurons, left out"),
            ),
        )
    )
    return chart
