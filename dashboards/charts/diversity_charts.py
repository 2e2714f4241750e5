"""Charts of how diverse the sentences of a layer's neurons are: a line per layer, each named at its end."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean

import altair as alt

from nwh.dashboards.charts.chart_parts import DEPTH, Rows, tips, titled

_NAMED = 20
"""Layers whose names fit beside a chart: of more, every second, third … is named."""


def sse_curves(rows: Rows) -> alt.LayerChart | alt.FacetChart:
    """Return the within-cluster sum of squares by number of clusters; rows have layer, k, sse, n_vectors."""
    axis = alt.Y("sse:Q", title="sum of squared distances", scale=alt.Scale(domainMin=0), axis=alt.Axis(format="~s"))
    return _by_depth(rows, "What clusters leave unexplained, by layer", "sse", axis)


def sse_against_mean(rows: Rows) -> alt.LayerChart | alt.FacetChart:
    """Return the same as a share of the mean of all layers: what sets layers apart whose curves nearly coincide."""
    of_k = defaultdict(list)
    for row in rows:
        of_k[row["k"]].append(row["sse"])
    compared = [{**row, "against": row["sse"] / mean(of_k[row["k"]]) - 1} for row in rows]
    axis = alt.Y("against:Q", title="above the mean of the layers", axis=alt.Axis(format="+.0%"))
    return _by_depth(compared, "The same against the mean of the layers", "against", axis)


def _by_depth(rows: Rows, title: str, figure: str, axis: alt.Y) -> alt.LayerChart | alt.FacetChart:
    """Return a line per layer; figure: the field that `axis` draws."""
    scale = alt.Scale(range=DEPTH)
    against = [("against:Q", "against the mean", "+.1%")] if figure == "against" else []
    tooltip = tips("layer:O", "k:Q", ("sse:Q", "", ",.4g"), *against, ("n_vectors:Q", "sentences clustered", ","))
    x = alt.X("k:Q", title="number of clusters k", axis=alt.Axis(tickMinStep=1, format="d", tickCount=8))
    colour = alt.Color("layer:Q", scale=scale, legend=None)
    lines = titled(rows, title, 380).mark_line(point=True)
    named = alt.Chart({"values": _ends(rows, figure)})
    return alt.layer(
        lines.encode(x=x, y=axis, color=colour, detail=alt.Detail("layer:O"), tooltip=tooltip),
        named.mark_text(align="left", dx=8, fontWeight="bold").encode(
            x=alt.X("k:Q"), y=alt.Y("place:Q"), text=alt.Text("name:N"), color=colour
        ),
    )


def _ends(rows: Rows, figure: str) -> list[dict[str, int | float | str]]:
    """Return where the layers' names stand: at their lines' ends, moved up as far as the one below needs."""
    last = max(row["k"] for row in rows)
    values = [row[figure] for row in rows]
    gap = 0.05 * (max(values) - min(0, *values))
    ends = sorted((row[figure], row["layer"]) for row in rows if row["k"] == last)
    every = -(-len(ends) // _NAMED)
    found: list[dict[str, int | float | str]] = []
    below = float("-inf")
    for value, layer in ends:
        if layer % every == 0:
            below = max(value, below + gap)
            found.append({"k": last, "layer": layer, "place": below, "name": f"layer {layer}"})
    return found
