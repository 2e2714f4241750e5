"""Sentences -> one vector each: what the model's last block says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.activations.aggregates import AGGREGATES
from nwh.ingest.activations.batches import TOKEN_BUDGET, SentenceCounts, batches
from nwh.ingest.models import LoadedModel, capture, forward
from nwh.warehouse.errors import ModelError


def pooling_of(model: LoadedModel) -> str:
    """Return how a model's sentences become vectors: `cls` (masked models that put [CLS] first) or `mean`.

    A causal model's first token has seen nothing of the sentence, whatever it is called.
    """
    first = model.tokenizer("a")["input_ids"][:1]
    return "cls" if model.family.objective == "mlm" and first == [model.tokenizer.cls_token_id] else "mean"


def sentence_vectors(model: LoadedModel, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return [sentences, d_model]: each text's vector as it leaves the last block, before any final norm.

    The vector of [CLS], or the mean over tokens without special ones; see `pooling_of`. ModelError where one is NaN
    or infinite, or a text has fewer than 3 tokens.
    """
    aggregate = AGGREGATES[pooling_of(model)]
    vectors = torch.full((len(texts), model.checkpoint.d_model), torch.nan)
    last_layer = model.checkpoint.n_layers - 1
    pooled: list[Tensor] = []
    counted: Tensor

    def take(site: str, layer: int, activations: Tensor) -> None:
        pooled.append(aggregate(activations, counted)[0])

    ordinals, tally = range(len(texts)), SentenceCounts(len(texts))
    with capture(model, ["hidden"], take, layers=[last_layer]):
        for batch in batches(model, ordinals, texts, TOKEN_BUDGET[model.device.type], False, tally):
            counted = batch.counted
            forward(model, batch.input_ids, batch.attention_mask)
            vectors[batch.ordinals] = pooled.pop().cpu()
    unusable = ~torch.isfinite(vectors).all(dim=1)
    if unusable.any():
        text = texts[int(unusable.nonzero()[0])]
        raise ModelError(
            f"{model.checkpoint.model} makes no usable vector of {text[:60]!r} (NaN, infinite, or fewer than 3 "
            "tokens): nothing of this run is stored. Try --dtype float32"
        )
    return vectors.numpy()
