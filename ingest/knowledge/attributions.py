"""Job `attributions`: what each feed-forward neuron contributes to the answers of a data set's prompts.

Reads prompts; writes checkpoints, prompt_scores, attributions, attribution_quality. The unit is (model, checkpoint,
data set). Which neurons are a concept's contributing ones is asked in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch

from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.job import Task, are_stored, run_once
from nwh.ingest.knowledge.attribution import Attributed, attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.known import known_prompts
from nwh.ingest.knowledge.reading import PromptRow, Readable, read_prompts, stored_prompts
from nwh.ingest.knowledge.rules import Rule, rule_named
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.series import KnownModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

BLOCK = 128  # prompts between two points where a run can be resumed
FLOOR = 0.05  # of the prompt's highest attribution: lower ones are not stored

# a prompt's results as a block of the staging area holds them: one row each, lists by neuron kept and by layer
_STAGED = pa.schema(
    {
        "prompt_id": pa.int64(),
        "concept": pa.string(),
        "probability": pa.float64(),
        "rank": pa.int32(),
        "layer": pa.list_(pa.int16()),
        "neuron": pa.list_(pa.int32()),
        "attribution": pa.list_(pa.float32()),
        "evaluations": pa.list_(pa.int32()),
        "max_attribution": pa.list_(pa.float32()),
        "completeness_error": pa.list_(pa.float32()),
        "converged": pa.list_(pa.bool_()),
    }
)


@dataclass(frozen=True)
class AttributionSettings:
    """What a user can choose; see `nwh ingest attributions --help`.

    rule, steps: see `ingest.knowledge.rules`. answer, min_prompts: see `ingest.knowledge.reading.read_prompts`.
    concepts: only these; all of the data set where empty.
    min_probability: of prompts whose answer the model gives less, none is attributed and no score is stored.
    """

    rule: str = "adaptive"
    steps: int = 20
    answer: str = "first"
    min_prompts: int = 4
    concepts: tuple[str, ...] = ()
    min_probability: float = 0.0

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be."""
        rule_named(self.rule, self.steps)
        if self.answer not in ("first", "all"):
            raise UsageError(f"--answer {self.answer!r} is not known: use first or all")
        if self.min_prompts < 1:
            raise UsageError(f"--min-prompts must be at least 1, not {self.min_prompts}")
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
) -> Run | None:
    """Attribute the answers of a data set's prompts to neurons; return the run, null where it is stored already.

    Stored means: with the same settings, weights and prompts; `again` repeats it. An interrupted run goes on from
    its last block of prompts. Prompts that the model cannot read are counted in notes; `verbose` lists their
    concepts. Raises UsageError, before any work, for an unknown data set or concept, a data set of which the model
    can read nothing, a model name taken by other weights, and where a run over some concepts would take the place
    of others; ModelError for NaN or infinity; BusyError where another process works on the same unit.
    """
    check_checkpoint(warehouse, model)
    work = _Work(warehouse, model, dataset, settings or AttributionSettings(), verbose, progress)
    return run_once(warehouse, work.task, again=again, progress=progress)


def attributions_are_stored(
    warehouse: Warehouse, model: KnownModel, dataset: str, settings: AttributionSettings, progress: Progress = SILENT
) -> bool:
    """Return whether `ingest_attributions` would leave the data set alone, and say so. Raises UsageError as it does."""
    if not check_checkpoint(warehouse, model):
        return False
    # of a model that is not loaded nothing is asked but what it is
    work = _Work(warehouse, cast(LoadedModel, model), dataset, settings, False, progress)
    return are_stored(warehouse, [work.task], progress)


@dataclass(frozen=True)
class _Work:
    """One data set through one checkpoint."""

    warehouse: Warehouse
    model: LoadedModel
    dataset: str
    settings: AttributionSettings
    verbose: bool
    progress: Progress

    @cached_property
    def task(self) -> Task:
        """The data set as a unit; UsageError for one, and for concepts, that there are not."""
        settings, model = self.settings, self.model
        rows, prompts_sha256 = stored_prompts(self.warehouse, self.dataset)
        known = {row.concept for row in rows}
        if unknown := [concept for concept in settings.concepts if concept not in known]:
            raise UsageError(
                f'data set {self.dataset} has no concept {unknown[0]!r}: `nwh sql` "from concepts" lists them'
            )
        row = model.checkpoint
        unit = {"model": row.model, "checkpoint": row.checkpoint, "dataset": self.dataset}
        described = {
            **unit,
            **asdict(settings),
            "steps": None if settings.rule == "adaptive" else settings.steps,
            "concepts": sorted(set(settings.concepts)),
            **{name: value for name, value in asdict(self.rule).items() if name not in ("name", "steps")},
            "floor": FLOOR,
            "block": BLOCK,
            "device": str(model.device),
            "dtype": dtype_name(model),
            "prompts_sha256": prompts_sha256,
            "weights_sha256": row.weights_sha256,
        }
        return Task("attributions", unit, described, partial(self._run, rows), [model], is_stored=self._is_stored)

    @property
    def rule(self) -> Rule:
        """How the integral is taken."""
        return rule_named(self.settings.rule, self.settings.steps)

    def _run(self, rows: Sequence[PromptRow], run: Run) -> None:
        readable = self._read(rows, run)
        for note in readable.notes():
            run.note(note)
        blocks = self._attribute(run, readable.inputs)
        self._write(run, blocks)

    def _is_stored(self) -> bool:
        """Return whether what is wanted is stored; UsageError where it would take the place of other concepts."""
        unit, described = self.task.unit, self.task.settings
        stored = self.warehouse.units.stored("attributions", unit)
        if stored is None:
            return False
        before, wanted = set(stored.settings["concepts"]), set(described["concepts"])
        if {**stored.settings, "concepts": []} == {**described, "concepts": []} and (
            not before or (wanted and wanted <= before)
        ):
            return True
        if wanted and not (before and before <= wanted):
            others = sorted(before - wanted)
            lost = f"{len(others):,} concepts such as {others[0]!r}" if others else "all concepts of the data set"
            raise UsageError(
                f"{'/'.join(unit.values())} is stored for {lost}, which this run would remove: name these in "
                "--concepts too, or replace them with --again"
            )
        return False

    def _read(self, rows: Sequence[PromptRow], run: Run) -> Readable:
        wanted = set(self.settings.concepts)
        rows = [row for row in rows if not wanted or row.concept in wanted]
        min_prompts = self.settings.min_prompts
        readable = known_prompts(
            self.model,
            rows,
            read_prompts(self.model, rows, answer=self.settings.answer, min_prompts=min_prompts),
            min_probability=self.settings.min_probability,
            min_prompts=min_prompts,
            progress=self.progress,
        )
        if not readable.inputs:
            raise UsageError(
                f"{run.unit['model']} finds nothing to attribute in {run.unit['dataset']}: "
                f"{'; '.join(readable.notes())}"
            )
        for line in readable.listing() if self.verbose else ():
            self.progress.note(line)
        return readable

    # -- the pass over the prompts ----------------------------------------------------------------------------

    def _attribute(self, run: Run, prompts: Sequence[PromptInput]) -> StagedBlocks:
        blocks = StagedBlocks(run, len(prompts))
        name = "{model}@{checkpoint} {dataset}".format(**run.unit)
        with self.progress.bar(name, len(prompts), "prompts", blocks.done) as bar:
            for start in range(0, len(prompts), BLOCK):
                if blocks.has(str(start)):
                    continue
                block = prompts[start : start + BLOCK]
                rows: list[dict[str, Any]] = [{}] * len(block)
                with run.in_model():
                    for i, attributed in attribute(self.model, block, self.rule):
                        rows[i] = _kept(block[i], attributed)
                        bar.advance(1)
                blocks.save(str(start), pa.Table.from_pylist(rows, _STAGED), len(block))
        return blocks

    # -- results ----------------------------------------------------------------------------------------------

    def _write(self, run: Run, blocks: StagedBlocks) -> None:
        scores, quality = [], []
        with run.writer("attributions", run.unit) as writer:
            for start in range(0, blocks.done, BLOCK):
                table = blocks.load(str(start))
                writer.write(_flat(table, ("prompt_id", "concept"), ("layer", "neuron", "attribution")))
                scores.append(table.select(["prompt_id", "probability", "rank"]))
                quality.append(_quality(table))
        run.write("prompt_scores", run.unit, pa.concat_tables(scores).sort_by("prompt_id"))
        found = pa.concat_tables(quality).sort_by([("prompt_id", "ascending"), ("layer", "ascending")])
        rule = pa.repeat(pa.scalar(self.settings.rule), found.num_rows)
        run.write("attribution_quality", run.unit, found.drop_columns("converged").append_column("rule", rule))
        self._note_quality(run, found)

    def _note_quality(self, run: Run, quality: pa.Table) -> None:
        """Say which layers did not converge, and how many prompts have nothing to store."""
        missed = ~quality["converged"].to_numpy()
        if missed.any():
            layers = ", ".join(map(str, np.unique(quality["layer"].to_numpy()[missed])))
            worst = quality["completeness_error"].to_numpy().max()
            run.note(
                f"{missed.sum():,} of {len(missed):,} integrals (prompt x layer) did not converge; layers {layers}. "
                f"The largest completeness error is {worst:.2g} of probability"
            )
        highest = quality["max_attribution"].to_numpy().reshape(len(np.unique(quality["prompt_id"])), -1).max(axis=1)
        if nothing := int((highest <= 0).sum()):
            run.note(f"{nothing:,} prompts have no neuron with a positive attribution: none is stored for them")


def _kept(prompt: PromptInput, attributed: Attributed) -> dict[str, Any]:
    """Return a prompt's row of a block: the neurons above the floor, and figures by layer."""
    scores = attributed.scores  # [n_layers, d_ffn]
    finite = torch.isfinite(scores)
    if not (finite.all() and np.isfinite(attributed.probability)):
        where = "" if finite.all() else f" in layer {int((~finite).nonzero()[0][0])}"
        raise ModelError(
            f"the attribution of prompt {prompt.prompt_id} (concept {prompt.concept!r}) is NaN or infinite{where}: "
            "nothing of this run is stored. Try --dtype float32"
        )
    highest = scores.max()
    layer, neuron = ((scores >= FLOOR * highest) & (scores > 0)).nonzero(as_tuple=True)
    return {
        "prompt_id": prompt.prompt_id,
        "concept": prompt.concept,
        "probability": attributed.probability,
        "rank": attributed.rank,
        "layer": layer.numpy(),
        "neuron": neuron.numpy(),
        "attribution": scores[layer, neuron].numpy(),
        "evaluations": attributed.evaluations,
        "max_attribution": scores.max(dim=1).values.numpy(),
        "completeness_error": attributed.completeness_error,
        "converged": attributed.converged,
    }


def _flat(table: pa.Table, repeated: Sequence[str], lists: Sequence[str]) -> pa.Table:
    """Return one row for each element of the list columns, with what stands beside the lists."""
    import pyarrow.compute as pc

    table = table.combine_chunks()
    parents = pc.list_parent_indices(table[lists[0]])
    columns = {name: table[name].take(parents) for name in repeated}
    return pa.table({**columns, **{name: pc.list_flatten(table[name]) for name in lists}})


def _quality(table: pa.Table) -> pa.Table:
    """Return the rows of attribution_quality, without the rule."""
    lists = ("evaluations", "max_attribution", "completeness_error", "converged")
    rows = _flat(table, ("prompt_id",), lists)
    n_layers = rows.num_rows // table.num_rows
    layer = np.tile(np.arange(n_layers, dtype=np.int16), table.num_rows)
    return rows.append_column("layer", pa.array(layer))
