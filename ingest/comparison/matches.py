"""Job `matches`: each neuron's best partner among all neurons of another checkpoint, and what chance would give.

Reads activation_sample of both, over the sentences that both have sampled; writes neuron_matches. The unit is
(model, checkpoint, other model, other checkpoint, site, scope). Correlation is not symmetric in who is whose best:
the other way round is a run of its own. No model is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.comparison.cluster_scope import note_unlike_activations, read_activations, read_cluster_scopes
from nwh.ingest.comparison.correlation import BestPartners, Matrix, Partners, partners_by_layer
from nwh.ingest.job import Task, run_each
from nwh.ingest.scope import OF_SCOPE, Scope
from nwh.ingest.stored import stored_reference
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

_FEWEST = 3  # over two sentences every correlation is 1 or -1


def ingest_matches(
    warehouse: Warehouse,
    before: str,
    after: str,
    *,
    corpora: Sequence[str] = (),
    sites: Sequence[str] = (),
    seed: int = 0,
    again: bool = False,
    progress: Progress = SILENT,
) -> list[Run]:
    """Find the best partner of each neuron of `before` among those of `after`; return the runs, one per site not done.

    `before` and `after` are MODEL[@CHECKPOINT] as they are stored. Empty lists mean all sites and corpora that both
    have. The partner is the neuron, of any layer, of the highest Pearson correlation over the sentences that both have
    sampled; among equals (to 1e-6) the one of the lower layer, then of the lower number. The baseline is the highest
    correlation with the layers of `after` in random orthogonal bases drawn by `seed` (Gurnee et al. 2024, arXiv
    2401.12181). again: see `ingest.job.run_once`. Memory: four times one layer's sample, whatever the number of
    layers; a temporary folder takes the sample of `before`. Raises UsageError, before any work, for checkpoints, sites
    and corpora without sampled activations, and where both sampled fewer than 3 common sentences.
    """
    places = stored_reference(warehouse, before), stored_reference(warehouse, after)
    if places[0] == places[1]:
        raise UsageError(f"--before and --after are both {'@'.join(places[0])}: name two checkpoints")
    scopes = [
        {
            scope.site: scope
            for scope in read_cluster_scopes(warehouse, *place, sites=sites, corpora=corpora, progress=progress)
        }
        for place in places
    ]
    common = [site for site in scopes[0] if site in scopes[1]]
    if not common:
        raise UsageError(
            f"{before} has activations of {', '.join(scopes[0])} and {after} of {', '.join(scopes[1])}, no site in "
            "common: `nwh ingest activations --site hidden,ffn` makes both"
        )
    tasks = [_task(warehouse, scopes[0][site], scopes[1][site], seed, progress) for site in common]
    return run_each(warehouse, tasks, again=again, progress=progress)


def sampled_by_both(warehouse: Warehouse, before: Scope, after: Scope) -> list[int]:
    """Return the ids, ascending, of the sentences that both have sampled; UsageError for fewer than 3."""
    query = f"select sentence_id from activation_sample where {OF_SCOPE} and layer = $layer"
    sampled = [
        {sentence_id for (sentence_id,) in warehouse.sql(query, {**scope.place, "layer": scope.layers[0]}).fetchall()}
        if scope.kept
        else set()
        for scope in (before, after)
    ]
    shared: list[int] = sorted(sampled[0] & sampled[1])
    if len(shared) < _FEWEST:
        over = ", ".join(before.corpora) or "any corpus"
        raise UsageError(
            f"{before} and {after} have {len(shared)} sampled sentences of {over} in common, too few to "
            "correlate: `nwh ingest activations --sample 1000` with the same --corpus and --seed for both makes them"
        )
    return shared


def _task(warehouse: Warehouse, before: Scope, after: Scope, seed: int, progress: Progress) -> Task:
    """Return the task for one site, over the corpora that both have sampled."""
    corpora = sorted(set(before.corpora) & set(after.corpora))
    before, after = before.over(corpora), after.over(corpora)
    sentence_ids = sampled_by_both(warehouse, before, after)
    unit = {
        "model": before.model,
        "checkpoint": before.checkpoint,
        "other_model": after.model,
        "other_checkpoint": after.checkpoint,
        "site": before.site,
        "scope": before.name,
    }
    settings = {"seed": seed, "n_sentences": len(sentence_ids), "sources": [before.sources, after.sources]}
    work = _Work(warehouse, before, after, seed, sentence_ids, progress)
    return Task("matches", unit, {**unit, **settings}, work)


@dataclass(frozen=True)
class _Work:
    """One site of two checkpoints, over the sentences that both have sampled."""

    warehouse: Warehouse
    before: Scope
    after: Scope
    seed: int
    sentence_ids: list[int]
    progress: Progress

    def __call__(self, run: Run) -> None:
        note_unlike_activations(self.warehouse, run, self.before, self.after)
        self._note_equal_weights(run)
        run.write("neuron_matches", run.unit, self._rows(run, self._match(run)))

    def _note_equal_weights(self, run: Run) -> None:
        n_weights = self.warehouse.sql(
            "select count(distinct weights_sha256) from checkpoints where (model = $1 and checkpoint = $2) "
            "or (model = $3 and checkpoint = $4)",
            [self.before.model, self.before.checkpoint, self.after.model, self.after.checkpoint],
        ).fetchall()
        if n_weights == [(1,)]:
            run.note(f"{self.before} and {self.after} have the same weights: every match is itself")

    def _match(self, run: Run) -> StagedBlocks:
        """Stage the best partners in each layer of `after`, one block a layer."""
        layers = self.after.layers
        blocks = StagedBlocks(run, len(layers))
        if missing := [layer for layer in layers if not blocks.has(str(layer))]:
            with self.progress.bar(f"{self.before.site} layers", len(layers), "layers", blocks.done) as bar:
                found = partners_by_layer(
                    partial(self._activations, self.before),
                    self.before.layers,
                    partial(self._activations, self.after),
                    missing,
                    self.seed,
                )
                for layer, partners in found:
                    blocks.save(str(layer), pa.table(vars(partners)), 1)
                    bar.advance(1)
        return blocks

    def _activations(self, scope: Scope, layer: int) -> Matrix:
        return read_activations(self.warehouse, scope, layer, self.sentence_ids)

    def _rows(self, run: Run, blocks: StagedBlocks) -> dict[str, Any]:
        """Return the rows of neuron_matches: of each neuron the best of its partners in the layers of `after`."""
        width, layers = self.before.n_neurons, np.array(self.before.layers, np.int16)
        n = len(layers) * width
        best = BestPartners(n)
        for layer in self.after.layers:
            columns = blocks.load(str(layer))
            best.add(layer, Partners(*(columns[field.name].to_numpy() for field in fields(Partners))))
        alone = best.neuron < 0
        if alone.any():
            run.note(
                f"{alone.sum():,} of {n:,} {self.before.site} neurons have no partner: they are constant over the "
                f"{len(self.sentence_ids):,} sentences"
            )
        return {
            "layer": np.repeat(layers, width),
            "neuron": np.tile(np.arange(width, dtype=np.int32), len(layers)),
            "other_layer": pa.array(best.layer, mask=alone),
            "other_neuron": pa.array(best.neuron, mask=alone),
            "correlation": pa.array(best.correlation, mask=alone),
            "rotated_correlation": pa.array(best.rotated, mask=alone),
            "n_sentences": np.full(n, len(self.sentence_ids), np.int32),
        }
