"""What a report is made of: sections of tables and figures, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.knowledge import Series
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.warehouse import Warehouse

SHOWN_ROWS = 30


@dataclass(frozen=True)
class Exhibit:
    """A table, or with charts a figure.

    name: of its files. about: one sentence on what it shows, with the source. facts: all its rows, for the CSV file.
    shown: the table to print where it is not the first of these rows. of: the answers that the facts are taken from,
    where they are several.
    """

    name: str
    title: str
    about: str
    facts: Answer
    charts: Sequence[Any] = ()
    shown: Answer | None = None
    of: Sequence[Answer] = ()

    @property
    def statements(self) -> list[str]:
        """The SQL that gives the facts."""
        return list(dict.fromkeys(answer.sql for answer in self.of or [self.facts] if answer.sql))


def only(answer: Answer, *names: str) -> Answer:
    """Return some columns of an answer."""
    places = [answer.columns.index(name) for name in names]
    return Answer(list(names), [tuple(row[i] for i in places) for row in answer.rows])


@dataclass(frozen=True)
class Missing:
    """What is not there yet, and the commands (as of `nwh`) that make it; none where no command does."""

    what: str
    commands: Sequence[str] = ()

    def __str__(self) -> str:
        """Say it, a command to a line."""
        return "".join([self.what, *(f"\n  nwh {command}" for command in self.commands)])


@dataclass(frozen=True)
class Section:
    """A section of a report: its title and what it holds, in reading order."""

    title: str
    content: Sequence[Exhibit | Missing]


@dataclass(frozen=True)
class Subject:
    """What a report is on.

    checkpoint: the one whose neurons are described; `label` names it in full. extents: its sites. neurons: those that
    the user asked for, empty for a choice. series: data sets that the model's checkpoints ran prompts of.
    """

    warehouse: Warehouse
    model: str
    checkpoint: str
    neurons: Sequence[Neuron] = ()
    extents: Sequence[Extent] = field(default=())
    series: Sequence[Series] = field(default=())

    @property
    def label(self) -> str:
        """MODEL@CHECKPOINT."""
        return f"{self.model}@{self.checkpoint}"

    def place(self, site: str) -> tuple[str, str, str]:
        """Return model, checkpoint and site, as queries take them."""
        return self.model, self.checkpoint, site

    @property
    def no_activations(self) -> Missing:
        """That the checkpoint has no activations, with the command."""
        return Missing(
            f"There are no activations of {self.label}.",
            [f"ingest activations --model {self.model} --checkpoint {self.checkpoint} --corpus NAME"],
        )

    @property
    def no_attributions(self) -> Missing:
        """That the model has no attributions, with the commands."""
        return Missing(
            f"There are no attributions of {self.model}.",
            [
                "ingest prompts FILE --dataset NAME",
                f"ingest attributions --model {self.model} --checkpoint all --dataset NAME",
                f"ingest interventions --model {self.model} --checkpoint all --dataset NAME",
            ],
        )


Content = Iterator[Exhibit | Missing]


def section(
    title: str, none: Callable[[Subject], Missing] = lambda subject: subject.no_activations
) -> Callable[[Callable[[Subject], Content]], Callable[[Subject], Section]]:
    """Make the section of a function that yields what it holds; none: what is said where that is nothing."""

    def of(content: Callable[[Subject], Content]) -> Callable[[Subject], Section]:
        @wraps(content)
        def made(subject: Subject) -> Section:
            return Section(title, list(content(subject)) or [none(subject)])

        return made

    return of


def by_series(title: str) -> Callable[[Callable[[Subject, Series], Content]], Callable[[Subject], Section]]:
    """Make the section of a function that yields what there is of one data set of prompts, of all of them in turn."""

    def of(content: Callable[[Subject, Series], Content]) -> Callable[[Subject], Section]:
        @wraps(content)
        def of_all(subject: Subject) -> Content:
            return (each for series in subject.series for each in content(subject, series))

        return section(title, lambda subject: subject.no_attributions)(of_all)

    return of
