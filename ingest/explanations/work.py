"""One source of explanations of one site: made and judged some neurons at a time, gone on with, stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa

from nwh.ingest.explanations.rows import Judge, judged
from nwh.ingest.job import Task
from nwh.ingest.wanted import Wanted, stored_rows, task_beside, to_ranges, united
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import Progress
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.runs import Run, Unit, unit_name
from nwh.warehouse.storage.staged_blocks import StagedBlocks


@dataclass(frozen=True)
class Work:
    """What has to be done for a unit.

    described: the settings, without `neurons`. explain: layer, neurons -> rows of explanations. judge: null where
    there are no activations to judge by. block: neurons that are done, and staged, together. keeps: whether the
    rows of other neurons stay.
    """

    warehouse: Warehouse
    unit: Unit
    described: dict[str, Any]
    explain: Callable[[int, list[int]], pa.Table]
    judge: Judge | None
    wanted: Wanted
    block: int
    keeps: bool
    progress: Progress

    @property
    def task(self) -> Task:
        """The unit; UsageError where what is stored of other neurons, which stays, would not fit what is wanted."""
        return task_beside(
            "explanations",
            self.warehouse,
            self.unit,
            self.described,
            self.wanted,
            self._work,
            made=f"explanations of {unit_name(self.unit)} were made",
            way_out="--as NAME keeps both, or make all of them again, without --layer and --neuron",
            keeps=self.keeps,
        )

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
        parts = {f"{what}-{layer}-{neurons[0]}": (layer, neurons) for layer, neurons in self._blocks()}
        left = blocks.left(list(parts))
        done = total - sum(len(parts[block][1]) for block in left)
        with self.progress.bar(f"{self.unit['site']} {what}", total, "neurons", done) as bar:
            for block in left:
                blocks.save(block, make(*parts[block]), len(parts[block][1]))
                bar.advance(len(parts[block][1]))

    def _blocks(self) -> Iterator[tuple[int, list[int]]]:
        for layer, neurons in self.wanted.items():
            for start in range(0, len(neurons), self.block):
                yield layer, neurons[start : start + self.block]

    def _judged(self, said: Callable[[int], pa.Table], layer: int, neurons: list[int]) -> pa.Table:
        if self.judge is None:
            return RELATIONS["explanation_judgements"].file_schema.empty_table()
        return judged(self.judge, layer, neurons, said(layer))

    def _of_layer(self, relation: str, what: str, kept: Wanted, blocks: StagedBlocks, layer: int) -> pa.Table:
        """Return a layer's rows, by neuron and place: those that stay, and the new ones that are staged."""
        tables = [blocks.load(f"{what}-{at}-{neurons[0]}") for at, neurons in self._blocks() if at == layer]
        if layer in kept:
            tables.append(stored_rows(self.warehouse, relation, self.unit, layer, kept[layer]))
        return pa.concat_tables(tables).sort_by([("neuron", "ascending"), ("place", "ascending")])
