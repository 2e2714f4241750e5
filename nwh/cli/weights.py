"""`nwh ingest weights`: what a checkpoint's weights alone say of its neurons."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from nwh.cli.groups import Checkpoints, grouped
from nwh.cli.options import AgainOption
from nwh.cli.state import state_of


@grouped
def weights(
    context: typer.Context,
    checkpoints: Checkpoints,
    corpus: Annotated[
        str | None, typer.Option(help="Where token frequencies are counted, for correlations with them.")
    ] = None,
    again: AgainOption = False,
) -> None:
    """Store norms, cosines and output tokens of feed-forward neurons: no text is run.

    Example: nwh ingest weights --model EleutherAI/pythia-70m-deduped --checkpoint all --corpus brown
    """
    from nwh.ingest.weights.job import ingest_weights, weight_tasks

    state = state_of(context)
    warehouse = state.open() if corpus else state.create()
    job, tasks = partial(ingest_weights, warehouse), partial(weight_tasks, warehouse)
    checkpoints.each(state, warehouse, again, job, tasks, corpus=corpus)
