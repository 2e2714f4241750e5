"""One source of explanations of one site: made and judged some neurons at a time, gone on with, stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa

from nwh.ingest.explanations.halves import Halves
from nwh.ingest.explanations.rows import Judge, judged
from nwh.ingest.job import Task
from nwh.ingest.wanted import Wanted, from_ranges, stored_rows, to_ranges, united, without
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import Progress
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.runs import Run, Unit, unit_name
from nwh.warehouse.storage.staged_blocks import StagedBlocks


@dataclass(frozen=True)
class Work:
    """What has to be done for a unit.

    described: the settings, without `neurons`. explain: layer, neurons -> rows of explanations. judge, halves: null
    where there are no activations to judge by. block: neurons that are done, and staged, together. keeps: whether the
    rows of other neurons stay.
    """

    warehouse: Warehouse
    unit: Unit
    described: dict[str, Any]
    explain: Callable[[int, list[int]], pa.Table]
    judge: Judge | None
    halves: Halves | None
    wanted: Wanted
    block: int
    keeps: bool
    progress: Progress

    @property
    def task(self) -> Task:
        """The unit; UsageError where what is stored of other neurons, which stays, would not fit what is wanted."""
        found = self.warehouse.units.stored("explanations", self.unit)
        stored = {**found.settings} if found else {"neurons": {}}
        before = from_ranges(stored.pop("neurons"))
        same = stored == self.described
        kept = without(before, self.wanted) if self.keeps else {}
        if kept and not same:
            names = dict.fromkeys([*self.described, *stored])
            differ = ", ".join(name for name in names if stored.get(name) != self.described.get(name))
            raise UsageError(
                f"the stored explanations of {unit_name(self.unit)} were made otherwise ({differ}): --as NAME keeps "
                "both, or make all of them again, without --layer and --neuron"
            )
        done = same and not without(self.wanted, before)
        settings = {**self.described, "neurons": to_ranges(united(kept, self.wanted))}
        return Task("explanations", self.unit, settings, partial(self._work, kept), is_stored=lambda: done)

    def _work(self, kept: Wanted, run: Run) -> None:
        total = sum(map(len, self.wanted.values()))
        blocks = StagedBlocks(run, 2 * total, {**self.described, "neurons": to_ranges(self.wanted)})
        self._stage(blocks, "explained", total, self.explain)
        # of one layer at a time, by all its blocks of neurons: each control is of another neuron of the layer
        said = lru_cache(maxsize=1)(partial(self._of_layer, "explanations", "explained", kept, blocks))
        self._stage(blocks, "judged", total, partial(self._judged, said))
        n = 0
        with run.writer("explanations", run.unit) as writer:
            for layer in united(kept, self.wanted):
                rows = self._of_layer("explanations", "explained", kept, blocks, layer)
                n += len(rows["neuron"].unique())
                writer.write(rows)
        with run.writer("explanation_judgements", run.unit) as writer:
            for layer in united(kept, self.wanted):
                writer.write(self._of_layer("explanation_judgements", "judged", kept, blocks, layer))
        if lost := sum(map(len, united(kept, self.wanted).values())) - n:
            run.note(f"{lost:,} neurons have no explanation: all their top sentences tie, or nothing was said of them")

    def _stage(self, blocks: StagedBlocks, what: str, total: int, make: Callable[[int, list[int]], pa.Table]) -> None:
        done = sum(len(neurons) for layer, neurons in self._blocks() if blocks.has(f"{what}-{layer}-{neurons[0]}"))
        with self.progress.bar(f"{self.unit['site']} {what}", total, "neurons", done) as bar:
            for layer, neurons in self._blocks():
                if not blocks.has(name := f"{what}-{layer}-{neurons[0]}"):
                    rows = make(layer, neurons)
                    batches = rows.to_batches() or [pa.RecordBatch.from_pylist([], schema=rows.schema)]
                    blocks.save(name, batches, len(neurons))
                    bar.advance(len(neurons))

    def _blocks(self) -> Iterator[tuple[int, list[int]]]:
        for layer, neurons in self.wanted.items():
            for start in range(0, len(neurons), self.block):
                yield layer, neurons[start : start + self.block]

    def _judged(self, said: Callable[[int], pa.Table], layer: int, neurons: list[int]) -> pa.Table:
        if self.halves is None or self.judge is None:
            return RELATIONS["explanation_judgements"].file_schema.empty_table()
        return judged(self.halves, self.judge, self.described["seed"], layer, neurons, said(layer))

    def _of_layer(self, relation: str, what: str, kept: Wanted, blocks: StagedBlocks, layer: int) -> pa.Table:
        """Return a layer's rows, by neuron and place: those that stay, and the new ones that are staged."""
        tables = [blocks.load(f"{what}-{at}-{neurons[0]}") for at, neurons in self._blocks() if at == layer]
        if layer in kept:
            tables.append(stored_rows(self.warehouse, relation, self.unit, layer, kept[layer]))
        return pa.concat_tables(tables).sort_by([("neuron", "ascending"), ("place", "ascending")])
