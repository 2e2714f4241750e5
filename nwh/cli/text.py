"""`nwh ingest corpus | annotations`: text, and what an annotator finds in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nwh.cli.groups import Sharing, grouped
from nwh.cli.options import AgainOption, CorpusOption, ReplaceOption
from nwh.cli.state import named_or_all_corpora, state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list


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
        str | None, typer.Option(help="parquet, csv, jsonl, txt, lines, dir or hf; else from the file's name.")
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


@grouped
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
    *,
    sharing: Sharing,
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
        if sharing.share is not None:
            raise UsageError("--trees are read in one go: leave --shard and --merge out")
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
        ingest_annotations(
            warehouse, name, annotator, processes=processes, again=again, progress=state.progress, shard=sharing.share
        )
