"""The command line: every command is parse, one library call, output."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from nwh.cli import ingest, knowledge, questions, report, upkeep
from nwh.cli.state import State
from nwh.warehouse.errors import NwhError

app = typer.Typer(
    name="nwh",
    help="The neuron warehouse: run language models over text, keep what their neurons did, ask in SQL.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    warehouse: Annotated[
        str | None, typer.Option(help="Folder or object-store URI; else $NWH_WAREHOUSE, else ./nwh-data.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
) -> None:
    """Options that come before the verb."""
    state = context.ensure_object(State)
    state.uri, state.quiet, state.debug = warehouse, quiet, debug


upkeep.add_to(app)
ingest.add_to(app)
app.command("train-tiny")(knowledge.train_tiny)
questions.add_to(app)
report.add_to(app)


def main() -> None:
    """Run the command line; errors become one line on stderr, exit code 2 for wrong use, 1 for failure."""
    state = State()
    try:
        app(obj=state)
    except NwhError as error:
        if state.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if state.debug:
            raise
        what = str(error).strip().splitlines() or [""]
        print(f"error: {type(error).__name__}: {what[0]} (--debug before the verb shows where)", file=sys.stderr)
        sys.exit(1)
