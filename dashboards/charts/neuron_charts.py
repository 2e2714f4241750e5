"""Charts of the neuron page."""

from __future__ import annotations

import altair as alt

from nwh.dashboards.charts.chart_parts import GREY, HIGH, LOW, Rows, tips, titled

# Neither of the colours of activations, and visible on light and dark pages.
_MARK = "#009e73"
_IN_TOP, _IN_CORPUS = "top sentences", "all sentences"


def extent(bins: Rows) -> tuple[float, float]:
    """Return the lowest and the highest activation of histograms; bins have low, high."""
    return min(row["low"] for row in bins), max(row["high"] for row in bins)


def with_quantiles(
    bins: Rows, quantiles: Rows, title: str, domain: tuple[float, float], log: bool
) -> alt.LayerChart | alt.FacetChart:
    """Return a histogram with a tick at its upper edge for each quantile; quantiles have level, activation."""
    ticks = (
        alt.Chart({"values": list(quantiles)})
        .mark_tick(orient="vertical", size=9, thickness=1.5, color=GREY, opacity=1, yOffset=4)
        .encode(
            x=alt.X("activation:Q"),
            y=alt.YValue(0),  # type: ignore[no-untyped-call]
            tooltip=tips(("level:Q", "quantile", "~g"), ("activation:Q", "activation", ".4g")),
        )
    )
    return alt.layer(histogram(bins, title, domain, log), ticks)


def histogram(bins: Rows, title: str, domain: tuple[float, float], log: bool = False) -> alt.Chart:
    """Return bars of the number of sentences by activation; bins have low, high, sentences.

    log: whether their heights are logarithms, of one more than the number.
    """
    chart: alt.Chart = (
        titled(bins, title, 220)
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title="activation of a sentence", scale=alt.Scale(domain=domain)),
            x2=alt.X2("high:Q"),
            y=alt.Y(
                "sentences:Q",
                title="sentences, logarithmic" if log else "sentences",
                axis=alt.Axis(tickMinStep=1, format=",d", values=[0, 1, 10, 100, 1000, 10**4, 10**5, 10**6])
                if log
                else alt.Axis(tickMinStep=1, format=",d"),
                scale=alt.Scale(type="symlog", constant=1) if log else alt.Undefined,
            ),
            color=alt.ColorValue(LOW, condition={"test": "datum.low + datum.high > 0", "value": HIGH}),
            tooltip=tips(("low:Q", "from", ".4g"), ("high:Q", "to", ".4g"), ("sentences:Q", "", ",")),
        )
    )
    return chart


def marked_histogram(
    bins: Rows, title: str, domain: tuple[float, float], activation: float
) -> alt.LayerChart | alt.FacetChart:
    """Return a histogram with a line at one activation; bins have low, high, sentences."""
    low, high = min(domain[0], activation), max(domain[1], activation)
    rule = alt.Chart({"values": [{"activation": activation}]}).mark_rule(color=_MARK, size=3)
    line = rule.encode(x=alt.X("activation:Q"), tooltip=tips(("activation:Q", "your text", ".4g")))
    return alt.layer(histogram(bins, title, (low, high)), line)


def separation(bins: Rows, title: str, with_it: str) -> alt.Chart:
    """Return two overlaid densities; bins have has (`with_it` or not), low, high, n, share."""
    names = [f"with {with_it}", "without"]
    values = [{**row, "side": names[not row["has"]]} for row in bins]
    chart: alt.Chart = (
        titled(values, title, 260)
        .mark_bar(binSpacing=0, opacity=0.55)
        .encode(
            x=alt.X("low:Q", bin="binned", title="activation of a sampled sentence"),
            x2=alt.X2("high:Q"),
            y=alt.Y("share:Q", title="of its sentences", stack=False, axis=alt.Axis(format="%")),
            color=alt.Color(
                "side:N",
                title=None,
                scale=alt.Scale(domain=names, range=[HIGH, GREY]),
                legend=alt.Legend(orient="top", labelLimit=220),
            ),
            tooltip=tips(
                ("side:N", "sentences"),
                ("low:Q", "from", ".4g"),
                ("high:Q", "to", ".4g"),
                ("n:Q", "sentences"),
                ("share:Q", "of these", ".1%"),
            ),
        )
    )
    return chart


def over_checkpoints(rows: Rows, title: str) -> alt.Chart:
    """Return marks of concepts by checkpoint; rows have concept, checkpoint (in order of steps), attribution."""
    checkpoints = list(dict.fromkeys(row["checkpoint"] for row in rows))
    concepts = list(dict.fromkeys(row["concept"] for row in rows))
    chart: alt.Chart = (
        titled(rows, title, 190 + 20 * len(concepts))
        .mark_circle(opacity=1, color=HIGH)
        .encode(
            x=alt.X("checkpoint:N", title="checkpoint", sort=checkpoints),
            y=alt.Y("concept:N", title=None, sort=concepts, axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            size=alt.Size(
                "attribution:Q", title="attribution, probability", legend=alt.Legend(orient="bottom", format=".2g")
            ),
            tooltip=tips(
                "concept:N",
                "dataset:N",
                "checkpoint:N",
                ("attribution:Q", "attribution, probability", ".3g"),
                ("share:Q", "of its prompts", ".0%"),
            ),
        )
    )
    return chart


def shares(rows: Rows, title: str, unit: str = "of sentences") -> alt.Chart:
    """Return pairs of bars: each row's share of the top sentences and of all; rows have a name."""
    values = [
        {"name": row["name"], "of": of, "share": row[column]}
        for row in rows
        for of, column in ((_IN_TOP, "share"), (_IN_CORPUS, "corpus_share"))
    ]
    names = [row["name"] for row in rows]
    of = [_IN_TOP, _IN_CORPUS]
    chart: alt.Chart = (
        titled(values, title, 150 + 26 * len(rows))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title=f"share {unit}", axis=alt.Axis(format="%"), scale=alt.Scale(domainMin=0)),
            y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=180, labelOverlap=False)),
            yOffset=alt.YOffset("of:N", sort=of),
            color=alt.Color(
                "of:N", title=None, scale=alt.Scale(domain=of, range=[HIGH, GREY]), legend=alt.Legend(orient="top")
            ),
            tooltip=tips(("name:N", title), ("of:N", "of"), ("share:Q", "", ".1%")),
        )
    )
    return chart
