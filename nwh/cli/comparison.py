"""Two checkpoints of one model, such as before and after fine-tuning: `nwh ingest fine-tune | distances`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nwh.cli.options import (
    AgainOption,
    CorpusOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    ModelOption,
    PickleOption,
    family_option,
)
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.names import split_checkpoint


def add_to(parent: typer.Typer) -> None:
    """Hang the jobs below `nwh ingest`."""
    parent.command("fine-tune")(fine_tune)
    parent.command("distances")(distances)


def fine_tune(
    context: typer.Context,
    model: ModelOption,
    corpus: Annotated[str, typer.Option(help="Corpus whose documents are classified.")],
    label: Annotated[str, typer.Option(help="Metadata key whose values are the classes.")],
    as_name: Annotated[str, typer.Option("--as", help="What the new model is called.")],
    checkpoint: Annotated[str | None, typer.Option(help="Revision or sub-folder to begin with.")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Metadata key that says train or test; a random fifth is tested on if not given."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training documents.")] = 5,
    learning_rate: Annotated[float, typer.Option(help="Adam's, constant.")] = 1e-5,
    dropout: Annotated[float, typer.Option(help="Before the linear layer.")] = 0.5,
    batch_size: Annotated[int, typer.Option(help="Documents per update.")] = 8,
    max_tokens: Annotated[int, typer.Option(help="Tokens of a document that are read, special ones included.")] = 128,
    min_documents: Annotated[int, typer.Option(help="Documents in the corpus that make a value a class.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of order, dropout, the linear layer and a random split.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the model; models/NAME in the warehouse if not given.")
    ] = None,
    device: DeviceOption = "auto",
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
) -> None:
    """Train a classifier (the model, dropout, one linear layer) on a corpus's metadata; keep it as a model folder.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest fine-tune --model bert-base-uncased --corpus reuters --label category --as bert-reuters
    """
    from nwh.ingest.models import load
    from nwh.ingest.training.fine_tune import FineTuneSettings, fine_tune

    state = state_of(context)
    warehouse = state.open()
    settings = FineTuneSettings(
        label, split, epochs, learning_rate, dropout, batch_size, max_tokens, min_documents, seed
    )
    loaded = load(model, checkpoint, device=device, allow_pickle=allow_pickle, family=family_option(family))
    fine_tune(warehouse, loaded, corpus, as_name, settings, out=out, progress=state.progress)


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
    options: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "allow_pickle": allow_pickle,
        "family": family_option(family),
    }
    first, second = (
        load(*split_checkpoint(reference), name=name, **options)
        for reference, name in ((before, before_as), (after, after_as))
    )
    ingest_distances(warehouse, first, second, corpora, settings, again=again, progress=state.progress)
