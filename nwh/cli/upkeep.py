"""`nwh init | status | verify | vacuum | upgrade | docs | demo | dashboard | mcp`: a warehouse as a whole."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from nwh.cli.state import FormatOption, state_of
from nwh.warehouse.output import Format


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
    for command in (init, status, verify, vacuum, upgrade, docs, demo, dashboard, mcp):
        parent.command()(command)


def init(context: typer.Context) -> None:
    """Make an empty warehouse.

    Example: nwh --warehouse nwh-data init
    """
    state = state_of(context)
    state.progress.note(f"warehouse at {state.create().storage}")


def status(context: typer.Context, format: FormatOption = Format.table) -> None:
    """Show what is running, interrupted, missing, stored, and stale: made of what is not stored any more.

    Missing is what can be made of what is stored; of a warehouse of an earlier version, `nwh upgrade` makes all of it.

    Example: nwh status
    """
    from nwh.ingest.upgrade import missing, unknown
    from nwh.warehouse import output
    from nwh.warehouse.upkeep.status import behind, stale_units
    from nwh.warehouse.upkeep.status import status as status_of

    state = state_of(context)
    warehouse = state.open()
    names, rows = status_of(warehouse)
    rows += [("missing", *each, *[None] * 6) for each in missing(warehouse)]
    output.write_rows(names, rows, format, sys.stdout.buffer)
    for line in (*stale_units(warehouse), *unknown(warehouse), *behind(warehouse)):
        state.progress.note(line)


def verify(
    context: typer.Context,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every row, not footers alone, and compare figures.")
    ] = False,
) -> None:
    """Check files, row counts, keys, ranks, references, numbers and leftovers; exit code 1 if anything is wrong.

    Example: nwh verify --deep
    """
    from nwh.warehouse.upkeep.verify import verify as verify_all

    state = state_of(context)
    problems = 0
    for finding in verify_all(state.open(), deep=deep, progress=state.progress):
        problems += finding.wrong
        print(finding.text)
    print(f"{problems} problem{'s' * (problems != 1)} found")
    raise typer.Exit(1 if problems else 0)


def vacuum(
    context: typer.Context,
    retain_hours: Annotated[int, typer.Option(help="Keep files that were in use within these hours.")] = 168,
    staging: Annotated[bool, typer.Option("--staging", help="Also drop partial results of interrupted runs.")] = False,
) -> None:
    """Delete files that no table uses any more.

    Example: nwh vacuum --retain-hours 24
    """
    for path in state_of(context).open().vacuum(retain_hours, staging=staging):
        print(path)


def upgrade(context: typer.Context) -> None:
    """Bring a warehouse of an earlier version up to date, of what is stored: no model runs.

    Run it again after an interruption: it goes on where it was.

    Example: nwh --warehouse nwh-data upgrade
    """
    from nwh.ingest.upgrade import upgrade as upgrade_all

    state = state_of(context)
    warehouse = state.open()
    if not upgrade_all(warehouse, state.progress):
        state.progress.note(f"nothing to do: {warehouse.storage} is of version {warehouse.version}")


def docs() -> None:
    """Print the data dictionary: every relation, view and macro, as Markdown.

    Example: nwh docs > data-dictionary.md
    """
    from nwh.warehouse.catalog.dictionary import data_dictionary

    print(data_dictionary(), end="")


def demo(context: typer.Context) -> None:
    """Build a warehouse from text that is on this machine anyway, run every job, print findings.

    Example: nwh --warehouse nwh-demo demo
    """
    from nwh.ingest.demo.run import run_demo

    state = state_of(context)
    run_demo(state.create(), state.progress)


def dashboard(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
) -> None:
    """Open the warehouse's pages in a browser.

    The process itself becomes the server, so that whatever ends `nwh dashboard` ends the server.

    Example: nwh dashboard --port 8600
    """
    uri, folder = state_of(context).open().storage.uri, Path(str(files("nwh.dashboards")))
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",  # else all imported modules are gone through after every run of a page
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "theme.base": folder / "theme.toml",
    }
    command = [sys.executable, "-m", "nwh.dashboards.pages.serving", host, str(port)]
    command += ["run", str(folder / "pages" / "app.py"), *(f"--{name}={value}" for name, value in options.items())]
    os.execve(sys.executable, command, {**os.environ, "NWH_WAREHOUSE": uri})


def mcp(context: typer.Context) -> None:
    """Let an agent ask the warehouse, through the Model Context Protocol on standard input and output.

    Its tools (schema, sql, view, neuron) only read, within the limits of `nwh sql`. Needs pip install 'nwh[mcp]'.

    Example: nwh --warehouse nwh-data mcp
    """
    from nwh.cli.agents import server

    server(state_of(context).open().storage.uri).run("stdio")
