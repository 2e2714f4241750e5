"""`nwh ingest weights`: what a checkpoint's weights alone say of its neurons."""

from __future__ import annotations

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
    loading,
)
from nwh.cli.state import state_of
from nwh.warehouse.names import split_list


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
    from nwh.ingest.models.series import for_each_checkpoint
    from nwh.ingest.weights.job import ingest_weights, weights_are_stored

    state = state_of(context)
    warehouse = state.open() if corpus else state.create()
    options = loading(family, name=as_name, device=device, dtype=dtype, allow_pickle=allow_pickle, head=True)
    for_each_checkpoint(
        lambda loaded: ingest_weights(warehouse, loaded, corpus, again=again, progress=state.progress),
        model,
        split_list(checkpoint),
        state.progress,
        is_stored=lambda known: not again and weights_are_stored(warehouse, known, corpus, state.progress),
        **options,
    )
