"""How jobs tell what they are doing: bars on a terminal, lines in a log, silence elsewhere."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS = 60.0  # between two lines in a log


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

    def begun(self, what: str, device: str | None) -> None:
        """Tell the user that a run begins (what: its job and unit; device: of its model, null without one)."""

    def ended(self, what: str, rows: int, seconds: float) -> None:
        """Tell the user that a run has ended well."""

    def stored(self, unit: Mapping[str, str]) -> None:
        """Tell the user that a job has nothing to do for a unit."""
        self.note(f"{'/'.join(unit.values())} is stored with these settings already; --again repeats it")


SILENT = Progress()


class RichProgress(Progress):
    """Bars with rate and time left, and notes, on a terminal."""

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
        with rich.Progress(*columns, console=self.console, speed_estimate_period=60) as bars:
            identifier = bars.add_task(task, total=total, completed=done)

            class Shown(Bar):
                def advance(self, amount: int) -> None:
                    bars.advance(identifier, amount)

            yield Shown()

    def note(self, text: str) -> None:
        """Print a note."""
        self.console.print(f"note: {text}", style="dim", markup=False, highlight=False)


class LineProgress(Progress):
    """Lines for a log: one when a run begins, one a minute while it lasts, one when it has ended; and notes."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Give each line to `write`; `clock` counts seconds."""
        self._write = write
        self._clock = clock

    @contextmanager
    def bar(self, task: str, total: int | None, unit: str, done: int = 0) -> Iterator[Bar]:
        """Write how far a task is, each minute that it goes on."""
        write, clock, began = self._write, self._clock, self._clock()

        class Line(Bar):
            now, said = done, began

            def advance(self, amount: int) -> None:
                self.now += amount
                if clock() - self.said < _SECONDS:
                    return
                self.said = clock()
                rate = (self.now - done) / (self.said - began)
                of = f" of {total:,}" if total is not None else ""
                left = f", {span((total - self.now) / rate)} left" if total is not None and rate else ""
                per = f"{rate:,.0f}/s" if rate >= 10 else f"{rate * 60:,.1f}/min"
                write(f"{task}: {self.now:,}{of} {unit} after {span(self.said - began)}, {per}{left}")

        yield Line()

    def note(self, text: str) -> None:
        """Write a note."""
        self._write(f"note: {text}")

    def begun(self, what: str, device: str | None) -> None:
        """Write what begins, where, and how much memory there is."""
        where = f" on {device}" if device else ""
        self._write(f"{what} begins{where}; {_memory(device)}")

    def ended(self, what: str, rows: int, seconds: float) -> None:
        """Write what has ended, with its rows, time and memory."""
        self._write(f"{what} has ended after {span(seconds)}: {rows:,} rows; {_peak():.1f} GB of memory at most")


def progress_on_stderr() -> Progress:
    """Return bars where standard error is a terminal, lines where it is not."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console

        return RichProgress(Console(stderr=True))
    return LineProgress(lambda text: print(text, file=sys.stderr, flush=True))


def span(seconds: float) -> str:
    """Return a time for reading.

    >>> span(42), span(125), span(4000), span(100_000)
    ('42 s', '2 min', '1 h 7 min', '1 d 4 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def _memory(device: str | None) -> str:
    torch: Any = sys.modules.get("torch")  # loaded, where there is a model
    if device and device.startswith("cuda") and torch:
        free, total = torch.cuda.mem_get_info(device)
        return f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free on {torch.cuda.get_device_name(device)}"
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return f"{_peak():.1f} GB of {machine:.1f} GB memory used so far"


def _peak() -> float:
    """Return the most memory that this process has used, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
