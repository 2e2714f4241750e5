"""`nwh ingest weights`: what a checkpoint's weights alone say of its neurons."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from nwh.cli.options import (
    AgainOption,
    AsOption,
    CheckpointOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    ModelOption,
    PickleOption,
    each_checkpoint,
    loading,
)
from nwh.cli.state import state_of


def weights(
    context: typer.Context,
    model: ModelOption,
    checkpoint: CheckpointOption = None,
    corpus: Annotated[
        str | None, typer.Option(help="Where token frequencies are counted, for correlations with them.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    as_name: AsOption = None,
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
    again: AgainOption = False,
) -> None:
    """Store norms, cosines and output tokens of feed-forward neurons: no text is run.

    Example: nwh ingest weights --model EleutherAI/pythia-70m-deduped --checkpoint all --corpus brown
    """
    from nwh.ingest.weights.job import ingest_weights, weight_tasks

    state = state_of(context)
    warehouse = state.open() if corpus else state.create()
    options = loading(family, name=as_name, device=device, dtype=dtype, allow_pickle=allow_pickle, head=True)
    each_checkpoint(
        state,
        warehouse,
        model,
        checkpoint,
        again,
        partial(ingest_weights, warehouse, corpus=corpus),
        partial(weight_tasks, warehouse, corpus=corpus),
        **options,
    )
