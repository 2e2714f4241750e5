"""Job `patterns`: what the top (bottom) sentences of every neuron share, with how sure that is.

Reads neuron_topk, activation_sample, sentence_tokens, annotations; writes neuron_patterns. The unit is (model,
checkpoint, site, scope, kind, pole). A run over some layers or neurons replaces their rows and keeps the others'.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest.job import Task, run_once
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.patterns.rows import COLUMNS, Miner, blocks, by_text
from nwh.ingest.patterns.scope import KINDS, PatternScope, read_scopes, read_sentences
from nwh.ingest.sample import read_sample
from nwh.ingest.scope import read_sets
from nwh.ingest.shards import in_blocks, run_shared
from nwh.ingest.wanted import Wanted, from_ranges, stored_rows, task_beside, to_ranges, wanted_neurons
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.jobs import corpora_of
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.runs import Run, Unit
from nwh.warehouse.storage.staged_blocks import StagedBlocks

BLOCK = 384  # neurons mined together: their distinct patterns are counted in the corpus once
_TOP_ROWS = 6_000_000  # of neuron_topk read at a time, at most


def ingest_patterns(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    rules: Rules,
    *,
    corpora: Sequence[str] = (),
    sites: Sequence[str] = (),
    layers: Sequence[int] = (),
    neurons: Sequence[int] = (),
    pole: str = "top",
    kinds: Sequence[str] = (),
    annotator: str | None = None,
    again: bool = False,
    threads: int | None = None,
    progress: Progress = SILENT,
    shard: Shard | None = None,
) -> list[Run]:
    """Mine the patterns of neurons and store them; return the runs, one per site and kind not yet done.

    `model` and `checkpoint` as they are stored; empty lists mean all there are. again: see `ingest.job.run_once`;
    shard: see `ingest.shards`. Raises UsageError, before any work, for neurons that do not exist, and corpora without
    top sentences or annotations.
    """
    _check(rules, kinds, pole)
    scopes = read_scopes(
        warehouse,
        model,
        checkpoint,
        sites=sites,
        corpora=corpora,
        pole=pole,
        kinds=kinds,
        annotator=annotator,
        progress=progress,
    )
    jobs = []
    for scope in scopes:
        wanted = wanted_neurons(str(scope), scope.layers, scope.n_neurons, layers, neurons)
        chosen = scope.kinds if kinds or rules.max_gap is None else scope.kinds[:2]  # a gap limit is for sequences
        jobs += [
            _Work(warehouse, scope, kind, rules, wanted, threads or os.cpu_count() or 1, progress) for kind in chosen
        ]
    runs = [run_shared(warehouse, in_blocks(job.task), shard, again=again, progress=progress) for job in jobs]
    return [run for run in runs if run is not None]


def mine_again(warehouse: Warehouse, unit: Unit, settings: dict[str, Any], progress: Progress = SILENT) -> Run:
    """Mine the neurons of a unit again by the rules that its run had; return the new run.

    settings: of the run, as it stored them, by this version or an earlier one. Goes on as `ingest_patterns` does.
    """
    (scope,) = read_scopes(
        warehouse,
        unit["model"],
        unit["checkpoint"],
        sites=[unit["site"]],
        corpora=corpora_of(unit),
        pole=unit["pole"],
        kinds=[unit["kind"]],
        annotator=settings["annotator"],
        progress=progress,
    )
    rules = Rules(**{rule.name: settings[rule.name] for rule in fields(Rules)})
    neurons = from_ranges(settings["neurons"])
    work = _Work(warehouse, scope, unit["kind"], rules, neurons, os.cpu_count() or 1, progress)
    run = run_once(warehouse, work.task, again=True, progress=progress)
    assert run is not None
    return run


def _check(rules: Rules, kinds: Sequence[str], pole: str) -> None:
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise UsageError(f"kind {unknown[0]!r} is not known: use {', '.join(KINDS)}")
    if pole not in ("top", "bottom"):
        raise UsageError(f"pole {pole!r} is not known: use top or bottom")
    if "tree" in kinds and rules.max_gap is not None:
        raise UsageError("--max-gap is for sequences: use --kind word,tag with it")


@dataclass(frozen=True)
class _Work:
    """One kind of pattern over one scope."""

    warehouse: Warehouse
    scope: PatternScope
    kind: str
    rules: Rules
    wanted: Wanted
    threads: int
    progress: Progress

    @property
    def task(self) -> Task:
        """The unit; UsageError where what is stored of other neurons, which stays, would not fit what is wanted."""
        scope = self.scope
        unit = {**scope.unit, "kind": self.kind, "pole": scope.pole}
        sources = {corpus: [scope.sources[corpus], scope.annotations[corpus]] for corpus in scope.corpora}
        described = {**unit, **asdict(self.rules), "annotator": scope.annotator, "k": scope.k, "sources": sources}
        return task_beside(
            "patterns",
            self.warehouse,
            unit,
            described,
            self.wanted,
            self._work,
            made=f"{self.kind} patterns of {scope.site} over {scope.name} were mined",
            way_out="mine all of them again, without --layer and --neuron, or give the same options",
        )

    def _work(self, kept: Wanted, run: Run) -> None:
        staged = self._mine(run)
        if run.shard is None:
            self._write(run, staged, kept)

    def _mine(self, run: Run) -> StagedBlocks:
        total = sum(len(neurons) for neurons in self.wanted.values())
        described = {**run.settings, "neurons": to_ranges(self.wanted)}
        blocks = StagedBlocks(run, total, described)
        parts = {f"{layer}-{neurons[0]}": (layer, neurons) for layer, neurons in self._blocks()}
        if not (left := blocks.left(list(parts))):
            return blocks
        ids, texts = read_sentences(self.warehouse, self.scope, COLUMNS[self.kind])
        if self.scope.k >= len(ids):
            run.note(
                f"every sentence of {self.scope.name} is in the top {self.scope.k:,}: nothing can be characteristic"
            )
        miner = Miner(self.kind, self.scope.pole, ids, texts, self.rules, self.threads)
        del texts
        sample_of = lru_cache(maxsize=1)(partial(read_sample, self.warehouse, self.scope.place))  # blocks are by layer
        with self.progress.bar(f"{self.scope.site} {self.kind}s", total, "neurons", blocks.done) as bar:
            for block in left:
                layer, neurons = parts[block]
                sets = read_sets(self.warehouse, self.scope, layer, neurons, ids, self.scope.pole)
                blocks.save(block, miner.rows(layer, neurons, sets, sample_of(layer)), len(neurons))
                bar.advance(len(neurons))
        return blocks

    def _blocks(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        size = max(1, min(BLOCK, _TOP_ROWS // (self.scope.k * len(self.scope.corpora))))
        for layer, neurons in self.wanted.items():
            for start in range(0, len(neurons), size):
                yield layer, np.array(neurons[start : start + size], np.int64)

    def _write(self, run: Run, staged: StagedBlocks, kept: Wanted) -> None:
        of_layer: dict[int, list[str]] = {}
        for layer, neurons in self._blocks():
            of_layer.setdefault(layer, []).append(f"{layer}-{neurons[0]}")
        with run.writer("neuron_patterns", run.unit) as writer:
            for layer in sorted({*kept, *of_layer}):
                written = (by_text(batch) for block in of_layer.get(layer, []) for batch in staged.batches(block))
                new: Iterator[pa.Table] = (
                    rows.append_column("annotator", pa.repeat(pa.scalar(self.scope.annotator), rows.num_rows))
                    for rows in written
                )
                if layer in kept:
                    old = stored_rows(self.warehouse, "neuron_patterns", run.unit, layer, kept[layer])
                    same = [rows.select(old.column_names).cast(old.schema) for rows in new]
                    new = blocks(pa.concat_tables([old, *same]))
                for rows in new:
                    writer.write(rows)
