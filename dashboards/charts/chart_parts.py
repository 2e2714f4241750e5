"""What charts of several pages share: colours on light and on dark, the frame of a chart, axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, copysign, floor, log10
from typing import Any

import altair as alt

from nwh.dashboards.html import markup

Picture = alt.Chart | alt.LayerChart | alt.FacetChart
Rows = Sequence[dict[str, Any]]
HIGH, LOW, GREY = f"rgb({markup.HIGH})", f"rgb({markup.LOW})", "#8a8f98"
# Colours that people with any colour vision tell apart on light and on dark (Okabe and Ito 2008); then tones of them.
GROUPS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8f98", "#b8ab1c", "#7f5fc7", "#a0522d"]
ARMS = ("contributing", "random")
"""The neurons that interventions change, the study's first."""
MORE, PARTED, DEPTH = "heatmap", "diverging", "ramp"
"""Ranges of colours, which `look` sets: of an amount (the more, the farther from the background), of figures on both
sides of 0 (0 is near the background), and of an order such as that of layers (all as clear)."""
_RANGES: dict[bool, dict[str, Any]] = {
    False: {
        MORE: ["#fff3e6", "#fdd9b5", "#fdb97c", "#fb9744", "#ec7114", "#c94f02", "#963800", "#612300"],
        PARTED: ["#0b4f94", "#2f7fd0", "#83b6ec", "#f3f3f3", "#f5b27a", "#e66100", "#963800"],
        DEPTH: ["#440154", "#3b528b", "#1d7680", "#2b7d48", "#6a7a0e"],
    },
    True: {
        MORE: ["#24170e", "#4d2a10", "#7f3f0c", "#b45509", "#de6d17", "#f79145", "#fdb987", "#ffe6d1"],
        PARTED: ["#a6d0fa", "#4393e5", "#27578a", "#22252c", "#85430f", "#e66100", "#ffb57f"],
        DEPTH: ["#a58bf0", "#6f9df0", "#3fb8bd", "#5fc97f", "#e6d53a"],
    },
}


def parted(**settings: Any) -> alt.Scale:
    """Return a scale of colours for figures on both sides of 0; settings: as of any scale.

    Vega's own way between colours turns their hue, which on a dark page leads from grey to orange through purple.
    """
    return alt.Scale(range=PARTED, interpolate="lab", **settings)


def look(picture: Picture, dark: bool) -> Picture:
    """Return a chart in the colours of a light or dark page, its text with a contrast of at least 4.5."""
    ink, line = ("#c3c7cf", "#3b3f49") if dark else ("#4a4e57", "#dfe1e6")
    text: dict[str, Any] = {"labelColor": ink, "titleColor": ink}
    dressed: Picture = picture.configure(
        range=alt.RangeConfig(category=GROUPS, **_RANGES[dark]),
        axis=alt.AxisConfig(gridColor=line, domainColor=line, titlePadding=8, labelPadding=6, **text),
        legend=alt.LegendConfig(padding=0, offset=8, titlePadding=4, labelPadding=4, **text),
        header=alt.HeaderConfig(labelPadding=4, titlePadding=4, **text),
        title=alt.TitleConfig(color=ink, offset=10, fontSize=14, fontWeight="bold", anchor="start"),
        view=alt.ViewConfig(stroke="transparent"),
    )
    return dressed


def titled(rows: Rows, title: str, height: int = 300) -> alt.Chart:
    """Return an empty chart of rows; height is in pixels, with title, axes and their labels.

    An axis title longer than the axis squeezes it.
    """
    return alt.Chart({"values": list(rows)}, title=title, height=height)


def tips(*fields: str | tuple[str, ...]) -> list[alt.Tooltip]:
    """Return what is told of a mark under the pointer: `name:type`, with its title ("": the name) and format.

    Like all channels here it is no text, for which Altair searches its whole schema, three milliseconds each.
    """
    told = ((each,) if isinstance(each, str) else each for each in fields)
    return [
        alt.Tooltip(field, title=title or alt.Undefined, format=format or alt.Undefined)
        for field, title, format in ((*each, "", "")[:3] for each in told)
    ]


def amounts(field: str, title: str) -> alt.Color:
    """Return colours of amounts from 0 on, with their legend below the chart."""
    legend = alt.Legend(orient="bottom", format=".4~g", gradientLength=220, titleLimit=330, tickCount=4)
    return alt.Color(field, title=title, scale=alt.Scale(range=MORE, domainMin=0), legend=legend)


def over_training(checkpoints: Sequence[str], name: str = "checkpoint", top: bool = False) -> alt.X:
    """Return an x axis of checkpoints at equal distances, in order of training steps; top: above the chart."""
    return alt.X(
        f"{name}:O",
        title="checkpoint, in order of training steps",
        sort=list(checkpoints),
        scale=alt.Scale(domain=list(checkpoints)),
        axis=alt.Axis(labelAngle=-45, labelOverlap=True, orient="top" if top else "bottom"),
    )


def powers(values: Iterable[float], format: str = "~s") -> alt.Axis:
    """Return the axis of a logarithmic scale with marks at powers of ten alone; values: what it holds, above 0."""
    exponents = [log10(value) for value in values] or [0.0]
    return alt.Axis(values=[10.0**i for i in range(floor(min(exponents)), ceil(max(exponents)) + 1)], format=format)


# -- axes of figures that are mostly small and sometimes thousands -----------------------------------------


class WideAxis:
    """An axis of some fields that is linear up to `linear` on both sides of 0, and beyond as long for each tenfold.

    Where no value is beyond, it is linear. Fields are drawn as `place(name)`, after `transforms`.
    """

    def __init__(self, rows: Rows, fields: Sequence[str], linear: float) -> None:
        """Find out what the rows need."""
        self._linear, self._fields = linear, fields
        values = [row[name] for row in rows for name in fields if row[name] is not None]
        self._low, self._high = min(values, default=0.0), max(values, default=0.0)
        self.broken = max(abs(self._low), abs(self._high)) > linear

    @property
    def transforms(self) -> dict[str, str]:
        """What to calculate of each row before it is drawn."""
        end = self._linear
        beyond = f"{end} * (1 + log(abs(datum.{{0}}) / {end}) / LN10) * (datum.{{0}} < 0 ? -1 : 1)"
        of_all = f"datum.{{0}} === null ? null : abs(datum.{{0}}) <= {end} ? datum.{{0}} : {beyond}"
        return {f"{name}_at": of_all.format(name) for name in self._fields} if self.broken else {}

    def place(self, name: str) -> str:
        """Return the field that says where a field is drawn."""
        return f"{name}_at:Q" if self.broken else f"{name}:Q"

    def title(self, title: str) -> str:
        """Return the title of the axis, which says what the scale is where it is not linear."""
        return f"{title} (log beyond {self._linear:g})" if self.broken else title

    @property
    def axis(self) -> alt.Axis:
        """The axis itself, with ticks at whole tenfolds."""
        if not self.broken:
            return alt.Axis(format=".4~g")
        end = self._linear
        ticks: list[float] = [-end, -end / 2, 0, end / 2, end]
        for sign, farthest in ((-1, -self._low), (1, self._high)):
            place = 2
            while farthest >= end * 10 ** (place - 1):
                ticks.append(sign * end * place)
                place += 1
        shown = [tick for tick in ticks if self._drawn(self._low) - end <= tick <= self._drawn(self._high) + end]
        real = f"abs(datum.value) <= {end} ? datum.value : {end} * pow(10, abs(datum.value) / {end} - 1)"
        minus = "datum.value < 0 ? '\N{MINUS SIGN}' : ''"
        return alt.Axis(values=sorted(shown), labelExpr=f"({minus}) + format(abs({real}), '.3~s')")

    def _drawn(self, value: float) -> float:
        end = self._linear
        return value if abs(value) <= end else copysign(end * (1 + log10(abs(value) / end)), value)


def in_units(rows: Rows, name: str) -> tuple[str, str]:
    """Return what to calculate so that the values of a field are not all below 0.01, and what to say of it.

    `("datum.mean * 100000", ", in 1e-5")`: axes and legends of such values would show nothing but zeros.
    """
    largest = max((abs(row[name]) for row in rows if row[name] is not None), default=0.0)
    if largest == 0 or largest >= 0.01:
        return f"datum.{name}", ""
    power = floor(log10(largest))
    return f"datum.{name} * 1e{-power}", f", in 1e{power}"
