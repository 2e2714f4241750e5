"""Job `activations`: one pass over a corpus keeps, for every neuron of every layer, what questions about it need.

Reads sentences; writes checkpoints, sentence_tokens, neuron_topk, neuron_stats, activation_sample. The unit is
(model, checkpoint, site, corpus); sites asked for together share the forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import torch

from nwh.ingest.activations.aggregates import aggregate_named
from nwh.ingest.activations.batches import TOKEN_BUDGET, SentenceCounts
from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.rows import prefetched, sample_rows, stats_rows, topk_rows
from nwh.ingest.activations.settings import Settings
from nwh.ingest.activations.shards import StagedModel, merged, stage_shard
from nwh.ingest.activations.stream import Streaming, keeps_on_device, stream
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.job import Shares, Task, are_stored, is_stored
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.series import KnownModel
from nwh.ingest.models.tokens import check_texts
from nwh.ingest.profiles.job import ingest_profiles
from nwh.ingest.shards import merge, run_shared, shards_to_merge
from nwh.ingest.text.corpus import corpus_text, drawn_sentences, texts_by_block
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.runs import Run, Unit
from nwh.warehouse.storage.staged_shards import StagedShard
from nwh.warehouse.storage.writer import RelationWriter

__all__ = ["Settings", "activations_are_stored", "ingest_activations", "merge_activations"]


def ingest_activations(
    warehouse: Warehouse,
    model: LoadedModel,
    corpora: Sequence[str],
    settings: Settings,
    *,
    again: bool = False,
    progress: Progress = SILENT,
    save_every: float = 60.0,
    on_device: bool | None = None,
    memory_limit: int | None = None,
    shard: Shard | None = None,
) -> list[Run]:
    """Run a model over corpora and store what its neurons did; return the runs, one per corpus not yet done.

    A corpus that was run with the same settings, weights and text is left alone unless `again`. An interrupted
    run goes on from its last partial result, saved at least `save_every` seconds apart (0: after each block).

    on_device: whether summaries are kept in torch on the model's device; on CUDA ones if null, else they are kept in
    main memory. memory_limit: bytes that their state may take there, all that is free if null; where it takes more, the
    model goes over the corpus several times, for some layers each.

    shard: the share of each corpus that is run and staged; who completes the last one stores the corpus (see
    `ingest.shards`), and the rows are those that one run would have stored.

    Raises UsageError before any work for an unknown corpus or layer, a model name already taken by other weights, and
    where not even one layer's state fits;
    ModelError for activations that are NaN or infinite; BusyError where another process works on the same unit.
    """
    aggregate_named(settings.aggregate, model.tokenizer.cls_token_id is not None)
    check_checkpoint(warehouse, model)
    settings.layers_of(model.checkpoint.n_layers, model.checkpoint.model)
    how = _how(settings, model.device, on_device, memory_limit, save_every)
    jobs = [_Job(warehouse, model, corpus, settings, progress, again, how) for corpus in corpora]
    tried = [run_shared(warehouse, job.task, shard, again=again, progress=progress) for job in jobs]
    runs = [run for run in tried if run is not None]
    if runs or shard is None:
        ingest_profiles(warehouse, models=[model.checkpoint.model], corpora=corpora, progress=progress)
    return runs


def merge_activations(
    warehouse: Warehouse,
    model: KnownModel,
    corpora: Sequence[str],
    settings: Settings,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> list[Run]:
    """Store corpora of which all shards are staged, on whatever device they ran; return the runs.

    Raises UsageError where shards are missing, or are of other settings, weights or text.
    """
    check_checkpoint(warehouse, model)
    runs = []
    for corpus in corpora:
        asked = _Job(warehouse, model, corpus, settings, progress, again)
        if not again and is_stored(warehouse, asked.task):
            progress.stored(asked.unit)
            continue
        shards = shards_to_merge(warehouse, asked.task, aside=("device", "token_budget"))
        ran = _Job(warehouse, StagedModel.of(shards[0]), corpus, settings, progress, again)
        runs.append(merge(warehouse, ran.task, shards, again=again, progress=progress))
    ingest_profiles(warehouse, models=[model.checkpoint.model], corpora=corpora, progress=progress)
    return [run for run in runs if run is not None]


def activations_are_stored(
    warehouse: Warehouse, model: KnownModel, corpora: Sequence[str], settings: Settings, progress: Progress = SILENT
) -> bool:
    """Return whether `ingest_activations` would leave all corpora alone, and say so. Raises UsageError as it does."""
    if not check_checkpoint(warehouse, model):
        return False
    jobs = [_Job(warehouse, model, corpus, settings, progress) for corpus in corpora]
    if stored := are_stored(warehouse, [job.task for job in jobs], progress):
        ingest_profiles(warehouse, models=[model.checkpoint.model], corpora=corpora, progress=progress)
    return stored


def _how(
    settings: Settings,
    device: torch.device,
    on_device: bool | None = None,
    limit: int | None = None,
    save_every: float = 60.0,
) -> dict[str, Any]:
    """Return the fields of `Streaming` that say how a run goes on, not what it makes."""
    return {
        "aggregate": aggregate_named(settings.aggregate, True),
        "on_device": keeps_on_device(device) if on_device is None else on_device,
        "limit": limit,
        "save_every": save_every,
    }


class _Job:
    """One corpus through one checkpoint."""

    def __init__(
        self,
        warehouse: Warehouse,
        model: LoadedModel | KnownModel | StagedModel,
        corpus: str,
        settings: Settings,
        progress: Progress,
        again: bool = False,
        how: Mapping[str, Any] | None = None,
    ) -> None:
        """Find what is missing, all sites where `again`; `how` as `_how` returns it, which only a run chooses."""
        self.warehouse = warehouse
        self.model = model = cast(LoadedModel, model)  # of one that is not loaded nothing is asked but what it is
        self.how = how or _how(settings, model.device)
        self.progress = progress
        self.corpus = corpus
        self.n_sentences, text_sha256 = corpus_text(warehouse, corpus)
        self.first_id = id_base(corpus)
        self.unit = {
            "model": model.checkpoint.model,
            "checkpoint": model.checkpoint.checkpoint,
            "corpus": corpus,
        }
        self.described = {
            **self.unit,
            **settings.described,
            "token_budget": TOKEN_BUDGET[model.device.type],
            "device": str(model.device),
            "dtype": dtype_name(model),
            "text_sha256": text_sha256,
            "weights_sha256": model.checkpoint.weights_sha256,
        }
        # what others have made of a site that is stored stays
        sites = [site for site in settings.sites if again or not self._is_stored(site)]
        self.settings = replace(settings, sites=tuple(sites))
        self.described["sites"] = sites

    @property
    def task(self) -> Task:
        """The sites that are to be stored, in one pass or as many as memory needs."""
        sites = self.settings.sites
        locks = [self._site_unit(site) for site in sites]
        return Task(
            "activations",
            self.unit,
            self.described,
            self._run,
            [self.model],
            locks,
            is_stored=lambda: all(map(self._is_stored, sites)),
            shares=Shares(self._run_shard, self._merge),
        )

    def _is_stored(self, site: str) -> bool:
        """Return whether a site's rows are of a run with these settings: of more layers, or all, it will do too."""
        found = self.warehouse.units.stored("activations", self.unit, site)
        if found is None:
            return False
        layers, aside = found.settings.get("layers"), {"sites": None, "layers": None}
        enough = layers is None or set(self.described.get("layers", ["all"])) <= set(layers)
        return enough and {**found.settings, **aside} == {**self.described, **aside}

    def _run(self, run: Run) -> None:
        check_texts(self.model, texts_by_block(self.warehouse, self.corpus))
        self._write(run, *stream(run, self._streaming()))

    def _run_shard(self, run: Run, shard: Shard) -> None:
        streaming = replace(self._streaming(), shard=shard)
        check_texts(self.model, texts_by_block(self.warehouse, self.corpus, ordinals=streaming.ordinals))
        stage_shard(run, streaming)

    def _merge(self, run: Run, shards: Sequence[StagedShard]) -> None:
        self._write(run, *merged(run.storage, self._streaming(), shards))

    def _site_unit(self, site: str) -> Unit:
        return {
            "model": self.unit["model"],
            "checkpoint": self.unit["checkpoint"],
            "site": site,
            "corpus": self.corpus,
        }

    def _streaming(self) -> Streaming:
        return Streaming(
            warehouse=self.warehouse,
            model=self.model,
            corpus=self.corpus,
            n_sentences=self.n_sentences,
            first_id=self.first_id,
            settings=self.settings,
            sample=torch.tensor(self._sample(), dtype=torch.int64),
            described=self.described,
            progress=self.progress,
            **self.how,
        )

    def _sample(self) -> list[int]:
        """Return the ordinals of the sentences whose activations are kept whole, the same for every model."""
        drawn = drawn_sentences(self.warehouse, self.corpus, self.settings.sample, self.settings.seed)
        return [sentence_id - self.first_id for sentence_id in drawn]

    # -- results --------------------------------------------------------------------------------------------

    def _write(self, run: Run, tally: SentenceCounts, summaries: Iterator[tuple[Place, LayerSummary]]) -> None:
        tally.note(run, self.corpus, self.model.window)
        if self.settings.k > tally.used:
            run.note(f"{self.corpus} has {tally.used:,} sentences for this model: all are ranked, k asked for more")
        counted = tally.n_tokens.nonzero()[0]
        run.write(
            "sentence_tokens",
            self.unit,
            {"sentence_id": counted + self.first_id, "n_tokens": tally.n_tokens[counted].astype("int32")},
        )
        with ExitStack() as stack:
            topk, stats, sample = (
                {site: stack.enter_context(run.writer(name, self._site_unit(site))) for site in self.settings.sites}
                for name in ("neuron_topk", "neuron_stats", "activation_sample")
            )
            beside = stack.enter_context(ThreadPoolExecutor(max_workers=1))

            def rows() -> Iterator[tuple[str, dict[str, Any]]]:
                """Yield rows of neuron_topk with their site, while a thread writes what else there is of a layer."""
                for (site, layer), summary in summaries:
                    others = beside.submit(self._write_figures, stats[site], sample[site], layer, summary)
                    for of_topk in topk_rows(layer, summary, self.first_id):
                        yield site, of_topk
                    others.result()

            for site, of_topk in prefetched(rows()):
                topk[site].write(of_topk)

    def _write_figures(self, stats: RelationWriter, sample: RelationWriter, layer: int, summary: LayerSummary) -> None:
        """Write what is not top-K of a layer."""
        stats.write(stats_rows(layer, summary))
        sample.write(sample_rows(layer, summary, self.first_id))
