"""Job `clusters`: how diverse the sentences are that a layer's neurons respond to, and groups of like neurons.

Reads neuron_topk, activation_sample, sentences; writes layer_clusters, neuron_clusters. The unit is (model,
checkpoint, site, scope). What the neurons of a group share is asked in SQL: `cluster_profile`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nwh.ingest.activations.rows import lists
from nwh.ingest.checkpoints import check_checkpoint, model_versions
from nwh.ingest.comparison.cluster_scope import (
    check_kept,
    draw_sentences,
    note_unlike_activations,
    read_activations,
    read_cluster_scopes,
    read_texts,
    strongest_sentences,
)
from nwh.ingest.comparison.clustering import by_size, k_means, tsne
from nwh.ingest.comparison.sentence_vectors import sentence_vectors
from nwh.ingest.job import Task, run_each
from nwh.ingest.models import LoadedModel, load
from nwh.ingest.models.devices import pick_device
from nwh.ingest.models.families import described as family_described
from nwh.ingest.scope import Scope
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

BLOCK = 1024  # sentences between two points where a run can be resumed


@dataclass(frozen=True)
class ClusterSettings:
    """What a user can choose; see `nwh ingest clusters --help`.

    k: clusters of sentence vectors, one SSE each. per_neuron: strongest sentences of each neuron. sentences: sampled
    sentences whose activations are a neuron's vector. groups: clusters of neurons.
    """

    k: tuple[int, ...] = (2, 5, 10, 20, 50)
    per_neuron: int = 1
    sentences: int = 1000
    groups: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value, least in (
            ("--k", min(self.k, default=0), 1),
            ("--per-neuron", self.per_neuron, 1),
            ("--sentences", self.sentences, 2),
            ("--groups", self.groups, 1),
        ):
            if value < least:
                raise UsageError(f"{option} must be at least {least}, not {value}")


def ingest_clusters(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    settings: ClusterSettings,
    *,
    source: str | None = None,
    corpora: Sequence[str] = (),
    sites: Sequence[str] = (),
    device: str = "auto",
    dtype: str = "float32",
    allow_pickle: bool = False,
    again: bool = False,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> list[Run]:
    """Cluster sentences and neurons of each layer; return the runs, one per site not yet done.

    `model` and `checkpoint` as they are stored; the model is loaded, from `source` or else from where its activations
    are from, when its strongest sentences have to become vectors. Empty lists mean all sites, and all corpora that
    have top sentences and sampled activations. again: see `ingest.job.run_once`. Results do not depend on `threads`.
    Raises UsageError, before any work, for corpora and sites without activations and for more groups or sentences
    than there can be; ModelError for activations or vectors that are NaN or infinite.
    """
    found = warehouse.sql(
        "select source, weights_sha256, family_description from checkpoints where model = $1 and checkpoint = $2",
        [model, checkpoint],
    ).fetchall()
    if not found:
        raise UsageError(f"no checkpoint {model}@{checkpoint} in {warehouse.storage}: `nwh ingest activations` first")
    stored_source, weights_sha256, family = found[0]
    described = {"device": str(pick_device(device)), "dtype": dtype, "weights_sha256": weights_sha256}

    def load_model() -> LoadedModel:
        label = None if checkpoint == "main" else checkpoint
        options: dict[str, Any] = {"name": model, "device": device, "dtype": dtype, "allow_pickle": allow_pickle}
        loaded = load(source or stored_source, label, family=family_described(family), **options)
        check_checkpoint(warehouse, loaded)
        return loaded

    scopes = read_cluster_scopes(warehouse, model, checkpoint, sites=sites, corpora=corpora, progress=progress)
    for scope in scopes:
        check_kept(scope, settings.per_neuron)
        if settings.groups > scope.n_neurons:
            raise UsageError(
                f"--groups {settings.groups} is more than the {scope.n_neurons} {scope.site} neurons of a layer"
            )
    chosen, threads = replace(settings, k=tuple(sorted(set(settings.k)))), threads or os.cpu_count() or 1
    of_all = {**asdict(chosen), "k": list(chosen.k), **described, "block": BLOCK}
    tasks = [
        Task(
            "clusters",
            scope.unit,
            {**scope.unit, **of_all, "sources": scope.sources},
            _Work(warehouse, scope, chosen, load_model, threads, progress),
        )
        for scope in scopes
    ]
    return run_each(warehouse, tasks, again=again, progress=progress)


_OfLayer = dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Layer -> which sentences its neurons have, and how many neurons have each."""


@dataclass(frozen=True)
class _Work:
    """One site over one scope."""

    warehouse: Warehouse
    scope: Scope
    settings: ClusterSettings
    load_model: Callable[[], LoadedModel]
    threads: int
    progress: Progress

    def __call__(self, run: Run) -> None:
        drawn = self._draw(run)
        note_unlike_activations(self.warehouse, run, self.scope)
        layer, neuron, sentence_ids = strongest_sentences(self.warehouse, self.scope, self.settings.per_neuron)
        live = len(np.unique(layer * self.scope.n_neurons + neuron))
        if dead := len(self.scope.layers) * self.scope.n_neurons - live:
            run.note(
                f"{dead:,} {self.scope.site} neurons have no strongest sentence, all their top ones tie: the curves "
                "leave them out"
            )
        texts, places = read_texts(self.warehouse, self.scope, sentence_ids)
        blocks = StagedBlocks(run, len(texts) + len(self.scope.layers))
        vectors = self._encode(run, blocks, texts)
        of_layer = {each: np.unique(places[layer == each], return_counts=True) for each in self.scope.layers}
        self._cluster(run, blocks, vectors, of_layer, drawn)
        self._write(run, blocks)

    # -- sentences -> vectors -----------------------------------------------------------------------------------

    def _encode(self, run: Run, blocks: StagedBlocks, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return [sentences, d_model], block by block, those that an interrupted run has staged included."""
        parts = {f"sentences-{start}": texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK)}
        if left := blocks.left(list(parts)):
            model = self.load_model()
            run.versions |= model_versions(model)
        done = len(texts) - sum(len(parts[block]) for block in left)
        with self.progress.bar(f"{self.scope.site} sentences", len(texts), "sentences", done) as bar:
            for block in left:
                with run.in_model():
                    vectors = sentence_vectors(model, parts[block])
                blocks.save(block, pa.table({"vector": lists(vectors)}), len(parts[block]))
                bar.advance(len(parts[block]))
        staged = [blocks.load(block)["vector"].combine_chunks() for block in parts]
        matrices = [np.asarray(vectors.flatten()).reshape(len(vectors), -1) for vectors in staged]
        return np.concatenate(matrices) if matrices else np.empty((0, 1), np.float32)

    # -- layers -------------------------------------------------------------------------------------------------

    def _draw(self, run: Run) -> list[int]:
        drawn = draw_sentences(self.warehouse, self.scope, self.settings.sentences, self.settings.seed)
        if len(drawn) < 2:
            raise UsageError(
                f"{run.unit['scope']} has {len(drawn)} sampled sentences, too few to compare neurons by: "
                "`nwh ingest activations --sample 1000` stores more"
            )
        if len(drawn) < self.settings.sentences:
            run.note(
                f"{run.unit['scope']} has {len(drawn):,} sampled sentences: all are used, --sentences asked for more"
            )
        return drawn

    def _cluster(
        self, run: Run, blocks: StagedBlocks, vectors: NDArray[np.float32], of_layer: _OfLayer, drawn: Sequence[int]
    ) -> None:
        """Stage each layer's rows. Layers share the threads, each uses one: sums over threads are not repeatable."""
        layers = self.scope.layers
        for layer in layers:
            n_vectors = int(of_layer[layer][1].sum())
            if left_out := [k for k in self.settings.k if k > n_vectors]:
                left = ", ".join(map(str, left_out))
                run.note(f"layer {layer} has {n_vectors:,} sentence vectors: k = {left} is left out")
        missing = [layer for layer in layers if not blocks.has(f"groups-{layer}")]
        bar = self.progress.bar(f"{self.scope.site} layers", len(layers), "layers", len(layers) - len(missing))
        with bar as shown, threadpool_limits(1, "blas"), ThreadPoolExecutor(self.threads) as pool:
            coming = {layer: pool.submit(self._layer, layer, vectors, *of_layer[layer], drawn) for layer in missing}
            try:
                for layer in missing:
                    curve, groups = coming.pop(layer).result()
                    blocks.save(f"curve-{layer}", [curve], 0)
                    blocks.save(f"groups-{layer}", [groups], 1)
                    shown.advance(1)
            finally:
                for waiting in coming.values():
                    waiting.cancel()

    def _layer(
        self,
        layer: int,
        vectors: NDArray[np.float32],
        places: NDArray[np.int64],
        counts: NDArray[np.int64],
        drawn: Sequence[int],
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Return a layer's rows of layer_clusters, over the vectors at some places, and of neuron_clusters."""
        with threadpool_limits(1, "openmp"):
            return self._curve(layer, vectors[places], counts.astype(np.float64)), self._groups(layer, drawn)

    def _curve(self, layer: int, vectors: NDArray[np.float32], weights: NDArray[np.float64]) -> pa.RecordBatch:
        n_vectors = int(weights.sum())
        fitting = [k for k in self.settings.k if k <= n_vectors]
        return pa.record_batch(
            {
                "layer": np.full(len(fitting), layer, np.int16),
                "k": np.array(fitting, np.int32),
                "sse": np.array([k_means(vectors, k, self.settings.seed, weights)[1] for k in fitting], np.float64),
                "n_vectors": np.full(len(fitting), n_vectors, np.int32),
            }
        )

    def _groups(self, layer: int, drawn: Sequence[int]) -> pa.RecordBatch:
        activations = read_activations(self.warehouse, self.scope, layer, drawn)  # [neurons, sentences]
        labels = by_size(k_means(activations, self.settings.groups, self.settings.seed)[0])
        x, y = tsne(activations, self.settings.seed).T
        return pa.record_batch(
            {
                "layer": np.full(len(labels), layer, np.int16),
                "neuron": np.arange(len(labels), dtype=np.int32),
                "k": np.full(len(labels), labels.max() + 1, np.int32),  # fewer than asked for, where fewer differ
                "cluster": labels.astype(np.int32),
                "x": x,
                "y": y,
            }
        )

    def _write(self, run: Run, blocks: StagedBlocks) -> None:
        for relation, block in (("layer_clusters", "curve"), ("neuron_clusters", "groups")):
            with run.writer(relation, run.unit) as writer:
                for layer in self.scope.layers:
                    writer.write(blocks.load(f"{block}-{layer}"))
