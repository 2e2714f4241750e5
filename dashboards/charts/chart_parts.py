"""What charts of several pages share: colours, the frame of a chart, the axis of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from nwh.dashboards.html import markup

Rows = Sequence[dict[str, Any]]
HIGH, LOW, GREY = f"rgb({markup.HIGH})", f"rgb({markup.LOW})", "#8a8f98"
ARMS = ("contributing", "random")
"""The neurons that interventions change, the study's first."""


def titled(rows: Rows, title: str, height: int = 340) -> alt.Chart:
    """Return an empty chart of rows; height is in pixels, with title, axes and their labels.

    An axis title longer than the axis squeezes it.
    """
    return alt.Chart({"values": list(rows)}, title=title, height=height)


def over_training(checkpoints: Sequence[str], name: str = "checkpoint") -> alt.X:
    """Return an x axis of checkpoints at equal distances, in order of training steps."""
    return alt.X(
        f"{name}:O",
        title="checkpoint, in order of training steps",
        sort=list(checkpoints),
        scale=alt.Scale(domain=list(checkpoints)),
        axis=alt.Axis(labelAngle=-45, labelOverlap=True),
    )
