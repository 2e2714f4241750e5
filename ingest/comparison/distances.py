"""Job `distances`: how far the activations of the same sentences move from one checkpoint to another.

Reads sentences and sentence_metadata; writes checkpoints, checkpoint_distances, layer_distances, neuron_distances
(Oba et al. 2021, table 3, and where the change sits). The unit is (both checkpoints, corpus).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, reduce

import numpy as np
import torch
from numpy.typing import NDArray

from nwh.ingest.activations.aggregates import mean
from nwh.ingest.activations.batches import TOKEN_BUDGET, Batch, SentenceCounts, batches
from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.comparison.distance_sums import DistanceSums
from nwh.ingest.job import Task, run_each
from nwh.ingest.models import LoadedModel, capture, forward
from nwh.ingest.models.tokens import check_texts, encode
from nwh.ingest.text.corpus import corpus_text, drawn_sentences, texts_of
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.progress import SILENT, Bar, Progress
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

BLOCK = 1024  # sentences between two points where a run can be resumed
WHOLE = "all"  # the split of a corpus that is not split


@dataclass(frozen=True)
class DistanceSettings:
    """What a user can choose; see `nwh ingest distances --help`.

    split: metadata key each of whose values makes a set of sentences; null for the whole corpus. sentences: drawn
    from each set, all where it has fewer.
    """

    split: str | None = None
    sentences: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sentences < 1:
            raise UsageError(f"--sentences must be at least 1, not {self.sentences}")


def ingest_distances(
    warehouse: Warehouse,
    before: LoadedModel,
    after: LoadedModel,
    corpora: Sequence[str],
    settings: DistanceSettings | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> list[Run]:
    """Compare two checkpoints over corpora; return the runs, one per corpus not yet done.

    A sentence is the vector of all `hidden` activations, means over its tokens without special ones; a set of
    sentences gets the mean distance of these vectors, over all layers together and by layer, and every neuron its
    mean change. again: see `ingest.job.run_once`. Raises UsageError before any work for checkpoints of another shape or
    tokenizer, for names that are taken or the same, an unknown corpus, or a key that no corpus has; ModelError for
    NaN or infinity; BusyError where another process works on the same unit.
    """
    settings = settings or DistanceSettings()
    _check_pair(before, after)
    for model in (before, after):
        check_checkpoint(warehouse, model)
    before = replace(before, window=min(before.window, after.window))
    jobs = [_Work(warehouse, before, after, corpus, settings, progress) for corpus in corpora]
    tasks = [job.task for job in jobs]
    if settings.split is not None and not any(settings.split in job.keys for job in jobs):
        known = sorted({key for job in jobs for key in job.keys})
        raise UsageError(
            f"no metadata key {settings.split!r} in {', '.join(corpora)}: --split can be one of "
            f"{', '.join(known) or 'none'}"
        )
    return run_each(warehouse, tasks, again=again, progress=progress)


def layer_vectors(model: LoadedModel, batch: Batch) -> NDArray[np.float32]:
    """Return the `hidden` activations of a batch's sentences [layers, sentences, d_model]."""
    layers: list[torch.Tensor] = []

    def take(site: str, layer: int, activations: torch.Tensor) -> None:
        layers.append(mean(activations, batch.counted.to(activations.device))[0].cpu())

    mask = batch.attention_mask
    with capture(model, ["hidden"], take):
        forward(model, batch.input_ids.to(model.device), None if mask is None else mask.to(model.device))
    vectors: NDArray[np.float32] = torch.stack(layers).numpy()
    if not np.isfinite(vectors).all():
        layer, _, neuron = np.argwhere(~np.isfinite(vectors))[0]
        raise ModelError(
            f"hidden/{layer}/{neuron} of {_name(model)} is NaN or infinite: nothing of this run is stored. "
            "Try --dtype float32"
        )
    return vectors


def _name(model: LoadedModel) -> str:
    return f"{model.checkpoint.model}@{model.checkpoint.checkpoint}"


def _check_pair(before: LoadedModel, after: LoadedModel) -> None:
    """Raise UsageError for checkpoints whose sentence vectors cannot be compared."""
    a, b = before.checkpoint, after.checkpoint
    if _name(before) == _name(after):
        if a.weights_sha256 == b.weights_sha256:
            raise UsageError(f"{_name(before)} before and after are the same checkpoint: name two")
        raise UsageError(
            f"{a.source} and {b.source} are both called {_name(before)}: give one another name with --before-as or "
            "--after-as"
        )
    if (a.n_layers, a.d_model) != (b.n_layers, b.d_model):
        raise UsageError(
            f"{_name(before)} has {a.n_layers} layers of {a.d_model} hidden neurons, {_name(after)} {b.n_layers} of "
            f"{b.d_model}: distances need two checkpoints of one shape"
        )
    if before.tokenizer.get_vocab() != after.tokenizer.get_vocab():
        raise _other_tokens(before, after)


def _other_tokens(before: LoadedModel, after: LoadedModel, text: str = "") -> UsageError:
    example = f" (of {text!r}, for one)" if text else ""
    return UsageError(
        f"the tokenizers of {_name(before)} and {_name(after)} make other tokens{example}: distances need two "
        "checkpoints with one tokenizer"
    )


@dataclass(frozen=True)
class _Work:
    """One corpus through both checkpoints, whose windows are the same: of a long sentence they read the same tokens."""

    warehouse: Warehouse
    before: LoadedModel
    after: LoadedModel
    corpus: str
    settings: DistanceSettings
    progress: Progress

    @property
    def shape(self) -> tuple[int, int]:
        """Layers and hidden neurons of each."""
        return self.before.checkpoint.n_layers, self.before.checkpoint.d_model

    @cached_property
    def keys(self) -> list[str]:
        """The corpus's metadata keys."""
        query = "select distinct key from sentence_metadata where corpus = $1 order by key"
        return [key for (key,) in self.warehouse.sql(query, [self.corpus]).fetchall()]

    @cached_property
    def task(self) -> Task:
        """The corpus as a unit of its own; UsageError where there is none."""
        _, text_sha256 = corpus_text(self.warehouse, self.corpus)
        pair = {"before": self.before, "after": self.after}
        unit = {
            f"{part}_{when}": getattr(model.checkpoint, part)
            for when, model in pair.items()
            for part in ("model", "checkpoint")
        } | {"corpus": self.corpus}
        settings = {
            **unit,
            **asdict(self.settings),
            "block": BLOCK,
            "token_budget": TOKEN_BUDGET[self.before.device.type],
            "text_sha256": text_sha256,
            **{f"weights_sha256_{when}": model.checkpoint.weights_sha256 for when, model in pair.items()},
            **{f"device_{when}": str(model.device) for when, model in pair.items()},
            **{f"dtype_{when}": dtype_name(model) for when, model in pair.items()},
        }
        return Task("distances", unit, settings, self._run, [self.before, self.after])

    def _run(self, run: Run) -> None:
        self._write(run, self._compare(run))

    # -- the pass over the sentences --------------------------------------------------------------------------

    def _compare(self, run: Run) -> dict[str, DistanceSums]:
        """Return the sums of each set of sentences that has any the models can read, by split."""
        sets = self._sets(run)
        parts = {
            f"{number}-{start}": (split, ids[start : start + BLOCK])
            for number, (split, ids) in enumerate(sets.items())
            for start in range(0, len(ids), BLOCK)
        }
        for model in (self.before, self.after):
            check_texts(model, (self._texts(ids) for _, ids in parts.values()))
        total = sum(map(len, sets.values()))
        blocks = StagedBlocks(run, total)
        name = f"{_name(self.before)} {_name(self.after)} {self.corpus}"
        with self.progress.bar(name, total, "sentences", blocks.done) as bar:
            for block in blocks.left(list(parts)):
                _, ids = parts[block]
                with run.in_model():
                    sums, tally = self._block(ids, bar)
                counts = {"too_short": tally.too_short, "truncated": tally.truncated}
                blocks.save(block, sums.table(counts), len(ids))
        found: dict[str, DistanceSums] = {}
        met = SentenceCounts(0)
        for block, (split, _) in parts.items():
            table = blocks.load(block)
            sums = DistanceSums.from_table(table, self.shape)
            found[split] = found[split].merged(sums) if split in found else sums
            met.too_short += table["too_short"][0].as_py()
            met.truncated += table["truncated"][0].as_py()
        found = {split: sums for split, sums in found.items() if sums.n}
        met.note(run, self.corpus, self.before.window)
        if not found:
            raise ModelError(f"{self.corpus} has no sentence of at least 3 tokens for {_name(self.before)}")
        return found

    def _sets(self, run: Run) -> dict[str, list[int]]:
        """Return the sentences of each set, ascending, by split."""
        key = self.settings.split
        if key is None or key not in self.keys:
            if key is not None:
                run.note(f"{self.corpus} has no metadata key {key!r}: all of it is one set, {WHOLE!r}")
            return {WHOLE: self._drawn()}
        values = self.warehouse.sql(
            "select distinct value from sentence_metadata where corpus = $1 and key = $2 order by value",
            [self.corpus, key],
        ).fetchall()
        return {value: self._drawn(key, value) for (value,) in values}

    def _drawn(self, *metadata: str) -> list[int]:
        size, seed = self.settings.sentences, self.settings.seed
        return drawn_sentences(self.warehouse, self.corpus, size, seed, *metadata)

    def _block(self, ids: Sequence[int], bar: Bar) -> tuple[DistanceSums, SentenceCounts]:
        """Run both models over some sentences."""
        texts = self._texts(ids)
        self._check_tokens(texts)
        tally = SentenceCounts(len(ids))
        budget = TOKEN_BUDGET[self.before.device.type]
        parts = []
        for batch in batches(self.before, range(len(ids)), texts, budget, False, tally):
            parts.append(DistanceSums.of(layer_vectors(self.before, batch), layer_vectors(self.after, batch)))
            bar.advance(len(batch.ordinals))
        bar.advance(tally.too_short)
        return reduce(DistanceSums.merged, parts, DistanceSums.nothing(self.shape)), tally

    def _texts(self, ids: Sequence[int]) -> list[str]:
        return list(texts_of(self.warehouse, [self.corpus], ids).values())

    def _check_tokens(self, texts: Sequence[str]) -> None:
        """Raise UsageError unless both models read the same tokens: equal vocabularies can be used differently."""
        window = self.before.window
        first, second = (encode(model, texts, window)["input_ids"] for model in (self.before, self.after))
        if first != second:
            i = next(i for i, pair in enumerate(zip(first, second, strict=True)) if pair[0] != pair[1])
            raise _other_tokens(self.before, self.after, texts[i])

    # -- results ----------------------------------------------------------------------------------------------

    def _write(self, run: Run, found: Mapping[str, DistanceSums]) -> None:
        splits, sums = sorted(found), [found[split] for split in sorted(found)]
        n_layers, d_model = self.shape
        layers = np.arange(n_layers, dtype=np.int16)
        run.write(
            "checkpoint_distances",
            run.unit,
            {
                "split": splits,
                "n_sentences": [each.n for each in sums],
                "manhattan": [each.manhattan.sum() for each in sums],
                "euclidean": [each.euclidean[-1] / each.n for each in sums],
            },
        )
        run.write(
            "layer_distances",
            run.unit,
            {
                "split": np.repeat(splits, n_layers).tolist(),
                "layer": np.tile(layers, len(splits)),
                "manhattan": np.concatenate([each.manhattan for each in sums]),
                "euclidean": np.concatenate([each.euclidean[:-1] / each.n for each in sums]),
            },
        )
        with run.writer("neuron_distances", run.unit) as writer:
            for split, each in zip(splits, sums, strict=True):
                writer.write(
                    {
                        "split": [split] * (n_layers * d_model),
                        "layer": np.repeat(layers, d_model),
                        "neuron": np.tile(np.arange(d_model, dtype=np.int32), n_layers),
                        "mean_change": (each.change / each.n).ravel(),
                        "mean_absolute_change": (each.absolute / each.n).ravel(),
                        "std_before": np.sqrt(each.squares / each.n).ravel(),
                    }
                )
