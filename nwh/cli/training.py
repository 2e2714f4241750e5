"""`nwh ingest fine-tune`, `nwh train-tiny`: models made here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nwh.cli.options import CorpusOption, DeviceOption, FamilyOption, ModelOption, PickleOption, loading, numbers
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.names import split_list


def fine_tune(
    context: typer.Context,
    model: ModelOption,
    corpus: Annotated[str, typer.Option(help="Corpus whose documents are classified.")],
    label: Annotated[str, typer.Option(help="Metadata key whose values are the classes.")],
    as_name: Annotated[str, typer.Option("--as", help="What the new model is called.")],
    checkpoint: Annotated[str | None, typer.Option(help="Revision or sub-folder to begin with.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Metadata key that says train or test; a random fifth is tested on if not given.")
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
    loaded = load(model, checkpoint, **loading(family, device=device, allow_pickle=allow_pickle))
    fine_tune(warehouse, loaded, corpus, as_name, settings, out=out, progress=state.progress)


def train_tiny(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder for the model; its checkpoints become step0, step10 ….")],
    family: Annotated[str, typer.Option(help="bert (masked) or gpt-neox (causal).")] = "bert",
    corpus: CorpusOption = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Sets of prompts whose concepts the tokenizer keeps whole.")
    ] = None,
    layers: Annotated[int, typer.Option(help="Blocks.")] = 4,
    width: Annotated[int, typer.Option(help="Dimensions of the hidden state; ffn has four times as many.")] = 128,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 4,
    vocabulary: Annotated[int, typer.Option(help="Entries of the tokenizer learnt from the text.")] = 2_000,
    max_tokens: Annotated[int, typer.Option(help="Tokens per sentence, the model's window.")] = 64,
    steps: Annotated[int, typer.Option(help="Updates.")] = 500,
    batch_size: Annotated[int, typer.Option(help="Sentences per update.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate of AdamW.")] = 2e-3,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Steps to keep: `0,100,500`; growing ones if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and masks.")] = 0,
) -> None:
    """Train a tiny model from scratch on stored corpora, with checkpoints that the jobs take as a model's.

    Example: nwh train-tiny models/tiny --family gpt-neox --corpus brown --steps 1000
    """
    from nwh.ingest.training.tiny_models import Recipe, train_on_corpora

    state = state_of(context)
    warehouse = state.open()
    sizes, kept = (vocabulary, layers, width, heads, max_tokens), tuple(numbers("--checkpoint", checkpoint))
    recipe = Recipe(family, *sizes, steps, batch_size, learning_rate, kept, seed)
    corpora = named_or_all_corpora(warehouse, corpus)
    train_on_corpora(warehouse, out, corpora, split_list(dataset), recipe, progress=state.progress)
