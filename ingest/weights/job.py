"""Job `weights`: what a checkpoint's weights alone say of its feed-forward neurons.

Reads sentences only to count tokens (`--corpus`); writes checkpoints, neuron_weights. The unit is (model, checkpoint).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from nwh.ingest.checkpoints import check_checkpoint, dtype_name
from nwh.ingest.job import Task, run_once
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.tokens import encode
from nwh.ingest.models.unembedding import token_texts, unembedding
from nwh.ingest.text.corpus import corpus_text, drawn_sentences, texts_of
from nwh.ingest.weights.neuron_weights import NULL_SHARE, LayerWeights, neuron_weights
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

TOKENS = 10  # at either end
SENTENCES = 50_000  # of the corpus, in which tokens are counted
_CHUNK = 2_000  # sentences tokenised at a time


def ingest_weights(
    warehouse: Warehouse,
    model: LoadedModel,
    corpus: str | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> Run | None:
    """Store the facts of a checkpoint's weights; return the run, null where it is stored already.

    model: with its language-model head. corpus: where the frequencies of tokens are counted; without one, no neuron has
    a correlation with them. UsageError, before any work: an unknown corpus, a model whose blocks do not write into a
    vocabulary's space.
    """
    check_checkpoint(warehouse, model)
    unembedding(model)
    (task,) = weight_tasks(warehouse, model, corpus, progress)
    return run_once(warehouse, task, again=again, progress=progress)


def weight_tasks(
    warehouse: Warehouse, model: LoadedModel, corpus: str | None, progress: Progress = SILENT
) -> list[Task]:
    """Return what `ingest_weights` has to do. UsageError: an unknown corpus."""
    unit = {"model": model.checkpoint.model, "checkpoint": model.checkpoint.checkpoint}
    counted = corpus and {"corpus": corpus, "text_sha256": corpus_text(warehouse, corpus)[1], "sentences": SENTENCES}
    described = {
        **unit,
        **(counted or {}),
        "tokens": TOKENS,
        "null_share": NULL_SHARE,
        "device": str(model.device),
        "dtype": dtype_name(model),
        "weights_sha256": model.checkpoint.weights_sha256,
    }

    def work(run: Run) -> None:
        counts = None if corpus is None else _token_counts(warehouse, model, corpus)
        texts = np.array(token_texts(model, list(range(len(unembedding(model))))), dtype=object)
        name, n_layers = "{model}@{checkpoint} weights".format(**run.unit), model.checkpoint.n_layers
        with run.writer("neuron_weights", run.unit) as writer, progress.bar(name, n_layers, "layers", 0) as bar:
            for layer, found in enumerate(neuron_weights(model, TOKENS, counts)):
                writer.write(_rows(layer, found, texts))
                bar.advance(1)

    return [Task("weights", unit, described, work, [model])]


def _token_counts(warehouse: Warehouse, model: LoadedModel, corpus: str) -> Tensor:
    """Return how often each token occurs in a uniform sample of a corpus, the same for every model."""
    counts = torch.zeros(len(unembedding(model)), dtype=torch.int64)
    drawn = drawn_sentences(warehouse, corpus, SENTENCES, 0)
    for start in range(0, len(drawn), _CHUNK):
        texts = list(texts_of(warehouse, [corpus], drawn[start : start + _CHUNK]).values())
        ids = encode(model, texts, add_special_tokens=False)["input_ids"]
        flat = torch.tensor([token for each in ids for token in each], dtype=torch.int64)
        counts += torch.bincount(flat[flat < len(counts)], minlength=len(counts))
    return counts


def _rows(layer: int, found: LayerWeights, texts: np.ndarray) -> pa.Table:
    """Return a layer's rows; what has no size is null."""
    n = len(found.write_norm)
    columns: dict[str, Any] = {"layer": [layer] * n, "neuron": np.arange(n)}
    for name, values in vars(found).items():
        if values is None:
            columns[name] = pa.nulls(n, pa.float32())
        elif name in ("top", "bottom"):
            columns[f"{name}_tokens"] = pa.array(texts[values.cpu().numpy()].tolist(), pa.list_(pa.string()))
        else:
            numbers = values.cpu().numpy()
            columns[name] = pa.array(numbers, mask=np.isnan(numbers))
    return pa.table(columns)
