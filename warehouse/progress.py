"""How jobs tell what they are doing: bars and notes that the command line shows, silence elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Bar:
    """One task under way; this one shows nothing."""

    def advance(self, amount: int) -> None:
        """Count `amount` more done."""


class Progress:
    """Where jobs report; this one is silent."""

    @contextmanager
    def bar(self, task: str, total: int | None, unit: str, done: int = 0) -> Iterator[Bar]:
        """Show a task of `total` units (null if unknown), `done` of them in an earlier session."""
        yield Bar()

    def note(self, text: str) -> None:
        """Tell the user something."""

    def stored(self, unit: Mapping[str, str]) -> None:
        """Tell the user that a job has nothing to do for a unit."""
        self.note(f"{'/'.join(unit.values())} is stored with these settings already; --again repeats it")


SILENT = Progress()


class RichProgress(Progress):
    """Bars with rate and time left, and notes, on a terminal; notes alone where it is none."""

    def __init__(self, console: Console) -> None:
        """Write to `console` (standard error)."""
        self.console = console

    @contextmanager
    def bar(self, task: str, total: int | None, unit: str, done: int = 0) -> Iterator[Bar]:
        """Show a task as a bar until the block ends."""
        from rich import progress as rich

        class Rate(rich.ProgressColumn):
            def render(self, task: rich.Task) -> str:
                return f"{task.speed or 0:,.0f} {unit}/s"

        columns = (
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            Rate(),
            rich.TimeRemainingColumn(),
        )
        hidden = not self.console.is_terminal
        with rich.Progress(*columns, console=self.console, disable=hidden, speed_estimate_period=60) as bars:
            identifier = bars.add_task(task, total=total, completed=done)

            class Shown(Bar):
                def advance(self, amount: int) -> None:
                    bars.advance(identifier, amount)

            yield Shown()

    def note(self, text: str) -> None:
        """Print a note."""
        self.console.print(f"note: {text}", style="dim", markup=False, highlight=False)
