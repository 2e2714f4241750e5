"""What the options before the verb say, for all commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list
from nwh.warehouse.output import Format

if TYPE_CHECKING:
    from nwh.warehouse import Warehouse
    from nwh.warehouse.progress import Progress

FormatOption = Annotated[Format, typer.Option("--format", help="How rows are written.")]


@dataclass
class State:
    """The options before the verb, and what follows from them."""

    uri: str | None = None
    quiet: bool = False
    debug: bool = False

    def open(self) -> Warehouse:
        """Open the warehouse that the user named."""
        from nwh.warehouse import Warehouse

        return Warehouse.open(self.uri)

    def create(self) -> Warehouse:
        """Open the warehouse that the user named, making it where there is none."""
        from nwh.warehouse import Warehouse

        return Warehouse.create(self.uri)

    @property
    def progress(self) -> Progress:
        """Bars or lines, and notes, on stderr; silence with --quiet."""
        from nwh.warehouse.progress import SILENT, progress_on_stderr

        return SILENT if self.quiet else progress_on_stderr()


def state_of(context: typer.Context) -> State:
    """Return the state of a command's context."""
    return context.ensure_object(State)


def named_or_all_corpora(warehouse: Warehouse, option: list[str] | None) -> list[str]:
    """Return the corpora of an option, all there are where it is not given; UsageError for none."""
    stored = sorted(unit["corpus"] for unit in warehouse.partitions("corpora", {}))
    if not stored:
        raise UsageError("this warehouse has no corpus yet: `nwh ingest corpus SOURCE --name NAME` adds one")
    return split_list(option) or stored
