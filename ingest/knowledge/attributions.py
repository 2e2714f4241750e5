"""Job `attributions`: what each feed-forward neuron contributes to the answers of a data set's prompts.

Reads prompts; writes checkpoints, prompt_scores, attributions, attribution_quality. The unit is (model, checkpoint,
data set); rules stand side by side in it, and a rule that comes later leaves the rows of the others as they are. Which
neurons are a concept's contributing ones is asked in SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.job import Task
from nwh.ingest.knowledge import attribution_rows
from nwh.ingest.knowledge.attribution import answer_activations, attribute
from nwh.ingest.knowledge.attribution_rows import FLOOR, STAGED, carried_over, of_rule, staged
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.reading import known_prompts, read_prompts, unrelated_prompt
from nwh.ingest.knowledge.room import of_block
from nwh.ingest.knowledge.rules.rule import BASELINES, described, rules_named
from nwh.ingest.models import LoadedModel
from nwh.ingest.prompts.stored import stored_prompts
from nwh.ingest.shards import in_blocks, run_shared
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError, check_least
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.attribution_settings import plan, with_rules
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

BLOCK = 128  # prompts between two points where a run can be resumed; see `room.of_block`


@dataclass(frozen=True)
class AttributionSettings:
    """What a user can choose; see `nwh ingest attributions --help`.

    rules, steps, baseline: see `ingest.knowledge.rules.rule`.
    answer, min_prompts: see `ingest.knowledge.reading.read_prompts`.
    concepts: only these; all of the data set where empty.
    min_probability: of prompts whose answer the model gives less, none is attributed and no score is stored.
    """

    rules: tuple[str, ...] = ("adaptive",)
    steps: int = 20
    baseline: str = "zero"
    answer: str = "first"
    min_prompts: int = 4
    concepts: tuple[str, ...] = ()
    min_probability: float = 0.0

    def __post_init__(self) -> None:
        rules_named(self.rules, self.steps)
        if self.baseline not in BASELINES:
            raise UsageError(f"--baseline {self.baseline!r} is not known: use {' or '.join(BASELINES)}")
        if self.answer not in ("first", "all"):
            raise UsageError(f"--answer {self.answer!r} is not known: use first or all")
        check_least(self, min_prompts=1)
        if not 0 <= self.min_probability < 1:
            raise UsageError(f"--min-probability must be from 0 to below 1, not {self.min_probability}")


def ingest_attributions(
    warehouse: Warehouse,
    model: LoadedModel,
    dataset: str,
    settings: AttributionSettings | None = None,
    *,
    again: bool = False,
    verbose: bool = False,
    progress: Progress = SILENT,
    shard: Shard | None = None,
) -> Run | None:
    """Attribute the answers of a data set's prompts to neurons; return the run, null where it is stored already.

    Stored means: with the same settings, weights and prompts; `again` repeats it. Rules that come to others of the same
    settings are computed alone. An interrupted run goes on from
    its last block of prompts.
    shard: see `ingest.shards`. Prompts that the model cannot read are counted in notes; `verbose` lists their
    concepts. Raises UsageError, before any work, for an unknown data set or concept, a data set of which the model
    can read nothing, a model name taken by other weights, and where a run over some concepts or rules would take the
    place of others; ModelError for NaN or infinity; BusyError where another process works on the same unit.
    """
    check_checkpoint(warehouse, model)
    work = _Work(warehouse, model, dataset, settings or AttributionSettings(), progress, again, verbose)
    return run_shared(warehouse, in_blocks(work.task), shard, again=again, progress=progress)


def attribution_tasks(
    warehouse: Warehouse, model: LoadedModel, dataset: str, settings: AttributionSettings, progress: Progress = SILENT
) -> list[Task]:
    """Return what `ingest_attributions` has to do. Raises UsageError as it does."""
    return [_Work(warehouse, model, dataset, settings, progress).task]


@dataclass
class _Work:
    """One data set through one checkpoint."""

    warehouse: Warehouse
    model: LoadedModel
    dataset: str
    settings: AttributionSettings
    progress: Progress
    again: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        model, settings = self.model, self.settings
        self.rows, prompts_sha256 = stored_prompts(self.warehouse, self.dataset)
        known = {row.concept for row in self.rows}
        if unknown := [concept for concept in settings.concepts if concept not in known]:
            raise UsageError(
                f'data set {self.dataset} has no concept {unknown[0]!r}: `nwh sql` "from concepts" lists them'
            )
        unit = {"model": model.checkpoint.model, "checkpoint": model.checkpoint.checkpoint, "dataset": self.dataset}
        rules = rules_named(settings.rules, settings.steps)
        self.block = of_block(BLOCK, model.device)
        chosen = asdict(settings)
        del chosen["steps"]
        wanted = {
            **unit,
            **chosen,
            "rules": described(rules),
            "concepts": sorted(set(settings.concepts)),
            "floor": FLOOR,
            "block": self.block,
            "device": str(model.device),
            "dtype": dtype_name(model),
            "prompts_sha256": prompts_sha256,
            "weights_sha256": model.checkpoint.weights_sha256,
        }
        stored = None if self.again else self.warehouse.units.stored("attributions", unit)
        self.stored = None if stored is None else with_rules(stored.settings)
        self.plan = plan(self.stored, wanted)
        self.rules = tuple(rule for rule in rules if rule.name in self.plan.new)  # to be computed
        self.task = Task("attributions", unit, self.plan.settings, self._run, [model], is_stored=self._is_stored)

    def _is_stored(self) -> bool:
        """Return whether what is wanted is stored; UsageError where it would take the place of what is not wanted."""
        if self.stored is None:
            return False
        before, wanted = set(self.stored["concepts"]), set(self.settings.concepts)
        covered = not before or (wanted and wanted <= before)
        if covered and not plan(self.stored, {**self.plan.settings, "concepts": self.stored["concepts"]}).new:
            return True
        lost, option = "", "--concepts"
        if wanted and not (before and before <= wanted):
            others = sorted(before - wanted)
            lost = f"{len(others):,} concepts such as {others[0]!r}" if others else "all concepts of the data set"
        elif self.plan.lost:
            lost, option = f"other settings and rule {', '.join(self.plan.lost)}", "--rule"
        if lost:
            raise UsageError(
                f"{'/'.join(self.task.unit.values())} is stored for {lost}, which this run would remove: name these in "
                f"{option} too, or replace them with --again"
            )
        return False

    def _run(self, run: Run) -> None:
        of, wanted = self.settings, set(self.settings.concepts)
        rows = [row for row in self.rows if not wanted or row.concept in wanted]
        readable = read_prompts(self.model, rows, answer=of.answer, min_prompts=of.min_prompts)
        readable = known_prompts(self.model, rows, readable, of.min_probability, of.min_prompts, self.progress)
        if not readable.inputs:
            raise UsageError(
                f"{run.unit['model']} finds nothing to attribute in {run.unit['dataset']}: "
                f"{'; '.join(readable.notes())}"
            )
        for line in readable.listing() if self.verbose else ():
            self.progress.note(line)
        for note in readable.notes():
            run.note(note)
        blocks = self._attribute(run, readable.inputs)
        if run.shard is None:
            self._write(run, blocks)

    def _attribute(self, run: Run, prompts: Sequence[PromptInput]) -> StagedBlocks:
        blocks = StagedBlocks(run, len(prompts))
        baseline = None
        if self.settings.baseline == "replace":
            baseline = answer_activations(self.model, [unrelated_prompt(self.model)])[0]
        name = "{model}@{checkpoint} {dataset}".format(**run.unit)
        with self.progress.bar(name, len(prompts), "prompts", blocks.done) as bar:
            self.starts = range(0, len(prompts), self.block)
            for start in map(int, blocks.left([str(start) for start in self.starts])):
                block = prompts[start : start + self.block]
                rows: list[list[dict[str, Any]]] = [[]] * len(block)
                with run.in_model():
                    for i, found in attribute(self.model, block, self.rules, baseline):
                        rows[i] = [staged(block[i], *each) for each in zip(self._names, found, strict=True)]
                        bar.advance(1)
                flat = [row for of_prompt in rows for row in of_prompt]
                blocks.save(str(start), pa.Table.from_pylist(flat, STAGED), len(block))
        return blocks

    @property
    def _names(self) -> list[str]:
        return [rule.name for rule in self.rules]

    def _write(self, run: Run, blocks: StagedBlocks) -> None:
        def tables(rule: str) -> Iterator[pa.Table]:
            return (of_rule(blocks.load(str(start)), rule) for start in self.starts)

        with run.writer("attributions", run.unit) as writer:
            for rule in run.settings["rules"]:
                own = map(attribution_rows.attributions, tables(rule))
                carried = carried_over(self.warehouse, "attributions", run.unit, rule)
                for rows in own if rule in self._names else carried:
                    writer.write(rows)
        with run.writer("attribution_quality", run.unit) as writer:
            for rule in run.settings["rules"]:
                if rule not in self._names:
                    for rows in carried_over(self.warehouse, "attribution_quality", run.unit, rule):
                        writer.write(rows)
                    continue
                quality = pa.concat_tables(map(attribution_rows.quality, tables(rule)))
                quality = quality.sort_by([("prompt_id", "ascending"), ("layer", "ascending")])
                writer.write(quality.drop_columns("converged"))
                _note_quality(run, rule, quality)
        scores = pa.concat_tables(tables(self._names[0])).select(["prompt_id", "probability", "rank"])
        run.write("prompt_scores", run.unit, scores.sort_by("prompt_id"))


def _note_quality(run: Run, rule: str, quality: pa.Table) -> None:
    """Say which layers did not converge, and how many prompts have nothing to store."""
    missed = ~quality["converged"].to_numpy()
    if missed.any():
        layers = ", ".join(map(str, np.unique(quality["layer"].to_numpy()[missed])))
        worst = quality["completeness_error"].to_numpy().max()
        run.note(
            f"{missed.sum():,} of {len(missed):,} integrals (prompt x layer) of {rule} did not converge; layers "
            f"{layers}. The largest completeness error is {worst:.2g} of probability"
        )
    highest = quality["max_attribution"].to_numpy().reshape(len(np.unique(quality["prompt_id"])), -1).max(axis=1)
    if nothing := int((highest <= 0).sum()):
        run.note(f"{nothing:,} prompts have no neuron with a positive attribution by {rule}: none is stored for them")
