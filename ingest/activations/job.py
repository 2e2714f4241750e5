"""Job `activations`: one pass over a corpus keeps, for every neuron of every layer, what questions about it need.

Reads sentences; writes checkpoints, sentence_tokens, neuron_topk, neuron_stats, activation_sample. The unit is
(model, checkpoint, site, corpus); sites asked for together share the forward pass.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import cast

import torch

from nwh.ingest.activations.aggregates import Aggregate, aggregate_named
from nwh.ingest.activations.batches import SentenceCounts, batches
from nwh.ingest.activations.buffer import ActivationBuffer
from nwh.ingest.activations.resume import resume, save
from nwh.ingest.activations.rows import prefetched, sample_rows, stats_rows, topk_rows
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.job import Task, are_stored, run_each
from nwh.ingest.models import SITES, LoadedModel, capture, forward
from nwh.ingest.models.series import KnownModel
from nwh.ingest.models.tokens import check_texts
from nwh.ingest.profiles.job import ingest_profiles
from nwh.ingest.text.corpus import corpus_text, drawn_sentences
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run, Unit

BLOCK = 4096  # sentences between two points where a run can be resumed
TOKEN_BUDGET = {
    "cpu": 1024,
    "cuda": 16_384,
    "mps": 4096,
}  # measured on the CPU; larger batches leave its cache


@dataclass(frozen=True)
class Settings:
    """What a user can choose; see `nwh ingest activations --help`."""

    sites: tuple[str, ...] = SITES
    k: int = 10_000
    aggregate: str = "mean"
    special_tokens: bool = False
    sample: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be."""
        if unknown := [site for site in self.sites if site not in SITES]:
            raise UsageError(f"site {unknown[0]!r} is not known: use {' or '.join(SITES)}")
        if self.k < 1 or self.sample < 0:
            raise UsageError(f"--k must be at least 1 and --sample at least 0, not {self.k} and {self.sample}")


def ingest_activations(
    warehouse: Warehouse,
    model: LoadedModel,
    corpora: Sequence[str],
    settings: Settings,
    *,
    again: bool = False,
    progress: Progress = SILENT,
    save_every: float = 60.0,
) -> list[Run]:
    """Run a model over corpora and store what its neurons did; return the runs, one per corpus not yet done.

    A corpus that was run with the same settings, weights and text is left alone unless `again`. An interrupted
    run goes on from its last partial result, saved at least `save_every` seconds apart (0: after each block).
    Raises UsageError before any work for an unknown corpus or a model name already taken by other weights;
    ModelError for activations that are NaN or infinite; BusyError where another process works on the same unit.
    """
    aggregate = aggregate_named(settings.aggregate, model.tokenizer.cls_token_id is not None)
    check_checkpoint(warehouse, model)
    jobs = [_Job(warehouse, model, corpus, settings, progress, aggregate, save_every, again) for corpus in corpora]
    runs = run_each(warehouse, [job.task for job in jobs], again=again, progress=progress)
    ingest_profiles(warehouse, models=[model.checkpoint.model], corpora=corpora, progress=progress)
    return runs


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


class _Job:
    """One corpus through one checkpoint."""

    def __init__(
        self,
        warehouse: Warehouse,
        model: LoadedModel | KnownModel,
        corpus: str,
        settings: Settings,
        progress: Progress,
        aggregate: Aggregate | None = None,
        save_every: float = 0.0,
        again: bool = False,
    ) -> None:
        self.warehouse = warehouse
        self.model = cast(LoadedModel, model)  # of one that is not loaded nothing is asked but what it is
        self.progress = progress
        self.corpus = corpus
        self.aggregate = cast(Aggregate, aggregate)
        self.save_every = save_every
        self.n_sentences, text_sha256 = corpus_text(warehouse, corpus)
        self.first_id = id_base(corpus)
        self.unit = {
            "model": model.checkpoint.model,
            "checkpoint": model.checkpoint.checkpoint,
            "corpus": corpus,
        }
        self.described = {
            **self.unit,
            **asdict(settings),
            "token_budget": TOKEN_BUDGET[model.device.type],
            "device": str(model.device),
            "dtype": dtype_name(model),
            "text_sha256": text_sha256,
            "weights_sha256": model.checkpoint.weights_sha256,
        }
        is_current = warehouse.units.is_current
        # what others have made of a site that is stored stays
        sites = [s for s in settings.sites if again or not is_current("activations", self.unit, self.described, s)]
        self.settings = replace(settings, sites=tuple(sites))
        self.described["sites"] = sites

    @property
    def task(self) -> Task:
        """The sites that are to be stored, in one pass."""
        sites = self.settings.sites
        locks = [self._site_unit(site) for site in sites]
        models = [self.model]
        return Task("activations", self.unit, self.described, self._run, models, locks, is_stored=lambda: not sites)

    def _run(self, run: Run) -> None:
        check_texts(self.model, (self._block(start)[1] for start in range(0, self.n_sentences, BLOCK)))
        tally, summaries = self._stream(run)
        self._write(run, summaries, tally)

    def _site_unit(self, site: str) -> Unit:
        return {
            "model": self.unit["model"],
            "checkpoint": self.unit["checkpoint"],
            "site": site,
            "corpus": self.corpus,
        }

    # -- the pass over the corpus ---------------------------------------------------------------------------

    def _stream(self, run: Run) -> tuple[SentenceCounts, dict[tuple[str, int], LayerSummary]]:
        checkpoint, device = self.model.checkpoint, self.model.device
        widths = {"hidden": checkpoint.d_model, "ffn": checkpoint.d_ffn}
        sample = torch.tensor(self._sample(), dtype=torch.int64)
        k, positions = min(self.settings.k, self.n_sentences), self.settings.aggregate == "max"
        summaries = {
            (site, layer): LayerSummary(widths[site], k, sample, positions)
            for layer in range(checkpoint.n_layers)
            for site in sorted(self.settings.sites)  # ffn, hidden: as computed, so the first NaN is where it arose
        }
        tally, done = resume(run, self.described, summaries, self.n_sentences)
        saved, cost = time.monotonic(), 0.0
        chunk = ActivationBuffer(summaries, self.aggregate, self.first_id)
        bar = self.progress.bar(self.corpus, self.n_sentences, "sentences", done)
        with bar as shown, chunk, capture(self.model, self.settings.sites, chunk.add):
            for start in range(done, self.n_sentences, BLOCK):
                ordinals, texts = self._block(start)
                began = time.monotonic()
                for batch in batches(
                    self.model,
                    ordinals,
                    texts,
                    TOKEN_BUDGET[device.type],
                    self.settings.special_tokens,
                    tally,
                ):
                    with chunk.for_batch(batch):
                        forward(self.model, batch.input_ids, batch.attention_mask)
                    shown.advance(len(batch.ordinals))
                chunk.flush()
                run.model_seconds = (run.model_seconds or 0.0) + time.monotonic() - began
                if not self.save_every or time.monotonic() - saved > max(self.save_every, 100 * cost):
                    began = time.monotonic()
                    save(run, self.described, summaries, tally, start + len(ordinals), self.n_sentences)
                    saved = time.monotonic()
                    cost = saved - began
        if not tally.used:
            raise ModelError(
                f"corpus {self.corpus} has no sentence of at least 3 tokens for {self.unit['model']}: nothing to store"
            )
        return tally, summaries

    def _block(self, start: int) -> tuple[list[int], list[str]]:
        first = self.first_id + start
        rows = self.warehouse.sql(
            "select sentence_id - $base, text from sentences where corpus = $corpus "
            "and sentence_id between $first and $last order by sentence_id",
            {"base": self.first_id, "corpus": self.corpus, "first": first, "last": first + BLOCK - 1},
        ).fetchall()
        return [ordinal for ordinal, _ in rows], [text for _, text in rows]

    def _sample(self) -> list[int]:
        """Return the ordinals of the sentences whose activations are kept whole, the same for every model."""
        drawn = drawn_sentences(self.warehouse, self.corpus, self.settings.sample, self.settings.seed)
        return [sentence_id - self.first_id for sentence_id in drawn]

    # -- results --------------------------------------------------------------------------------------------

    def _write(self, run: Run, summaries: dict[tuple[str, int], LayerSummary], tally: SentenceCounts) -> None:
        tally.note(run, self.corpus, self.model.window)
        if self.settings.k > tally.used:
            run.note(f"{self.corpus} has {tally.used:,} sentences for this model: all are ranked, k asked for more")
        counted = tally.n_tokens.nonzero()[0]
        run.write(
            "sentence_tokens",
            self.unit,
            {"sentence_id": counted + self.first_id, "n_tokens": tally.n_tokens[counted].astype("int32")},
        )
        layers = {
            site: [(layer, summary) for (of, layer), summary in summaries.items() if of == site]
            for site in self.settings.sites
        }
        with ThreadPoolExecutor(max_workers=1) as beside:
            others = beside.submit(self._write_figures, run, layers)
            for site, of_site in layers.items():
                with run.writer("neuron_topk", self._site_unit(site)) as writer:
                    for rows in prefetched(chain.from_iterable(topk_rows(*each, self.first_id) for each in of_site)):
                        writer.write(rows)
            others.result()

    def _write_figures(self, run: Run, layers: dict[str, list[tuple[int, LayerSummary]]]) -> None:
        """Write what is not top-K, by site."""
        for site, of_site in layers.items():
            with run.writer("neuron_stats", self._site_unit(site)) as writer:
                for layer, summary in of_site:
                    writer.write(stats_rows(layer, summary))
            with run.writer("activation_sample", self._site_unit(site)) as writer:
                for layer, summary in of_site:
                    writer.write(sample_rows(layer, summary, self.first_id))
