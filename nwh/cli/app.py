"""All commands, the options before them, and what becomes of errors. Jobs are imported when they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from nwh.cli import (
    activations,
    comparison,
    explanations,
    export,
    knowledge,
    patterns,
    plan,
    prompts,
    read,
    text,
    training,
    upkeep,
)
from nwh.cli.state import State
from nwh.warehouse.errors import NwhError, first_line
from nwh.warehouse.storage.refusals import through_duckdb

app = typer.Typer(
    name="nwh",
    help="The neuron warehouse: run language models over text, keep what their neurons did, ask in SQL.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_versions(asked: bool) -> None:
    """Print the versions of what computes, and the device that jobs take by themselves; then end."""
    if not asked:
        return
    from importlib.metadata import version

    from nwh.ingest.models.devices import pick_device

    for package in ("nwh", "duckdb", "torch", "transformers"):
        print(package, version(package))
    print("device", pick_device("auto"))
    raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    warehouse: Annotated[
        str | None, typer.Option(help="Folder or object-store URI; else $NWH_WAREHOUSE, else ./nwh-data.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no notes.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show versions and device.", callback=show_versions, is_eager=True)
    ] = False,
) -> None:
    """Options that come before the verb."""
    state = context.ensure_object(State)
    state.uri, state.quiet, state.debug = warehouse, quiet, debug


INGEST: dict[str, Callable[..., None]] = {
    "corpus": text.corpus,
    "annotations": text.annotate,
    "activations": activations.activations,
    "profiles": activations.profiles,
    "patterns": patterns.patterns,
    "explanations": explanations.explanations,
    "clusters": comparison.clusters,
    "matches": comparison.matches,
    "distances": comparison.distances,
    "fine-tune": training.fine_tune,
    "prompts": prompts.prompts,
    "counts": prompts.counts,
    "attributions": knowledge.attributions,
    "interventions": knowledge.interventions,
    "ablations": knowledge.ablations,
    "faithfulness": knowledge.faithfulness,
    "side-effects": knowledge.side_effects,
    "weights": activations.weights,
}
"""`nwh ingest JOB`, in the order in which jobs can run."""

upkeep.add_to(app)
ingest = typer.Typer(help="Jobs that write relations.", no_args_is_help=True)
for job, command in INGEST.items():
    ingest.command(job)(command)
app.add_typer(ingest, name="ingest")
plan.add_to(app)
app.command("train-tiny")(training.train_tiny)
read.add_to(app)
app.command()(export.export)
app.command()(export.report)


def main() -> None:
    """Run the command line; errors become one line on stderr, exit code 2 for wrong use, 1 for failure."""
    state = State()
    _give_home()
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
        what = f"{type(error).__name__}: {first_line(error)} (--debug before the verb shows where)"
        print(f"error: {through_duckdb(error) or what}", file=sys.stderr)
        sys.exit(1)


def _give_home() -> None:
    """Name a home where an account has none, as a container does: libraries look for files of theirs there."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
