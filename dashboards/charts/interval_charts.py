"""Curves over training with their 95 % intervals, and what forms before what."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from nwh.dashboards.charts.chart_parts import GREY, HIGH, Rows, over_training, powers, tips, titled


def curve(
    rows: Rows, checkpoints: Sequence[str], title: str, unit: str, group: str | None = None, value: str = "mean"
) -> alt.LayerChart | alt.FacetChart:
    """Return a line over checkpoints with the band of its interval, or one for each value of a column.

    rows: with the column `value`, and `low` and `high`, null where there is no interval.
    """
    colour = (
        alt.ColorValue(HIGH) if group is None else alt.Color(f"{group}:N", title=None, legend=alt.Legend(orient="top"))
    )
    base = titled(rows, title).encode(
        x=over_training(checkpoints),
        color=colour,
        tooltip=tips("checkpoint:N", *([f"{group}:N"] if group else []), *_figures(value)),
    )
    y = alt.Y(f"{value}:Q", title=unit, axis=alt.Axis(format=".4~g"))
    return alt.layer(
        base.mark_line(point=True).encode(y=y),
        base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")),
        base.mark_rule(opacity=0.5).encode(
            y=alt.Y("low:Q"), y2=alt.Y2("high:Q")
        ),  # of an interval between two without one
    )


def faithfulness(rows: Rows, title: str) -> alt.LayerChart | alt.FacetChart:
    """Return the faithfulness of growing sets by each rule, with the band of random sets of the same layers.

    rows: of sets that were kept, or of sets that were removed; those of concepts are single marks.
    """
    shown = [{**row, "of": row["rule"] if row["arm"] == "contributing" else "random"} for row in rows if row["share"]]
    shown = [{**row, "of": f"{row['of']}, concept" if row["selection"] == "concept" else row["of"]} for row in shown]
    base = titled(shown, title).encode(
        x=alt.X(
            "share:Q",
            title="share of neurons",
            scale=alt.Scale(type="log"),
            axis=powers([row["share"] for row in shown], "~%"),
        ),
        tooltip=tips("of:N", ("share:Q", "", ".2%"), *_figures("faithfulness")),
    )
    y = alt.Y("faithfulness:Q", title="faithfulness", axis=alt.Axis(format=".4~g"))
    colour = alt.Color("of:N", title=None, legend=alt.Legend(orient="top"))
    random, prompt = "datum.arm == 'random'", "datum.selection == 'prompt'"
    band = base.mark_area(opacity=0.35, color=GREY).encode(
        y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), detail=alt.Detail("rule:N")
    )
    return alt.layer(
        base.transform_filter(f"{prompt} && !({random})").mark_line(point=True).encode(y=y, color=colour),
        band.transform_filter(f"{prompt} && {random}"),
        base.transform_filter(f"!({prompt})").mark_point(size=90).encode(y=y, color=colour),
    )


def _figures(value: str) -> list[tuple[str, ...]]:
    return [(f"{name}:Q", "", ".3g") for name in (value, "low", "high")]


def known_and_mattering(rows: Rows, title: str) -> alt.Chart:
    """Return concepts by the step from which they are known and the one from which their neurons matter to them."""
    steps = sorted({row[name] for row in rows for name in ("known_step", "matters_step")})
    scale = alt.Scale(domain=steps)
    chart: alt.Chart = (
        titled(rows, title)
        .mark_circle(opacity=0.8, color=HIGH)
        .encode(
            x=alt.X("known_step:O", title="known from step", scale=scale, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("matters_step:O", title="neurons matter from step", scale=scale, sort="descending"),
            size=alt.Size(
                "count():Q",
                title="concepts",
                scale=alt.Scale(range=(30, 600), domainMin=1),
                legend=alt.Legend(orient="bottom", tickMinStep=1),
            ),
            tooltip=tips("known_step:O", "matters_step:O", ("count():Q", "concepts")),
        )
    )
    return chart


def seeds(rows: Rows, title: str, unit: str) -> alt.LayerChart | alt.FacetChart:
    """Return the mean over seeds by training step, with the band from the lowest to the highest run."""
    base = titled(rows, title).encode(
        x=alt.X("step:O", title="training step", axis=alt.Axis(labelAngle=-45, labelOverlap=True)),
        tooltip=tips("step:O", "n_seeds:Q", *((f"{n}:Q", "", ".3g") for n in ("mean", "std", "lowest"))),
    )
    return alt.layer(
        base.mark_line(point=alt.OverlayMarkDef(color=HIGH), color=HIGH).encode(y=alt.Y("mean:Q", title=unit)),
        base.mark_area(opacity=0.25, color=HIGH).encode(y=alt.Y("lowest:Q"), y2=alt.Y2("highest:Q")),
    )
