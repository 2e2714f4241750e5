"""What a neuron of site `ffn` writes towards: its output weights through the unembedding.

The logit lens (nostalgebraist 2020), of weights instead of activations (Geva et al. 2022, arXiv 2203.14680): one unit
of the neuron's activation adds its column of the down projection to the residual stream; the unembedding says which
tokens that raises and lowers, if nothing after the block answered it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nwh.ingest.models import LoadedModel
from nwh.warehouse.errors import UsageError


@dataclass(frozen=True)
class OutputTokens:
    """Tokens that a neuron raises and lowers most.

    positive, negative: (token's text, change of its logit per unit of activation before the final norm divides by
        the size of the stream), the largest change first.
    normed: whether there is a final norm, whose scale (and centring) is in these numbers.
    transformed: whether the head of a masked model has a layer of its own before the unembedding, left out here.
    """

    positive: list[tuple[str, float]]
    negative: list[tuple[str, float]]
    normed: bool
    transformed: bool


def output_tokens(model: LoadedModel, layer: int, neuron: int, k: int) -> OutputTokens:
    """Return the k tokens that a neuron of site `ffn` raises most, and the k that it lowers most.

    model: with its language-model head. UsageError: a layer or neuron that is not there, a model without a head, one
    whose blocks do not write into the vocabulary's space (T5's encoder, ALBERT, OPT-350m).
    """
    row = model.checkpoint
    name = f"{row.model}@{row.checkpoint}"
    if layer >= row.n_layers or neuron >= row.d_ffn:
        raise UsageError(f"{name} has ffn layers 0 to {row.n_layers - 1} with neurons 0 to {row.d_ffn - 1}")
    if row.objective not in ("mlm", "clm"):
        reason = "its encoder feeds a decoder" if row.objective == "seq2seq" else "it has no language-model head"
        raise UsageError(f"the neurons of {name} do not write to a vocabulary: {reason}")
    unembedding = model.module.get_output_embeddings().weight  # [tokens, d_model]
    if unembedding.shape[1] != row.d_model:
        raise UsageError(
            f"the blocks of {name} write {row.d_model} dimensions and its unembedding reads {unembedding.shape[1]}: "
            "a projection between them hides what a neuron's weights mean for tokens"
        )
    with torch.inference_mode():
        weights = _output_weights(model, layer, neuron)  # [d_model]
        norm = _final_norm(model)
        if norm is not None:
            weights = _through(norm, weights)
        n_tokens = min(len(model.tokenizer), unembedding.shape[0])  # rows after these are padding of the matrix
        changes = unembedding[:n_tokens].float() @ weights  # [tokens]
    k = min(k, n_tokens)
    return OutputTokens(
        _named(model, *changes.topk(k)),
        _named(model, *changes.topk(k, largest=False)),
        norm is not None,
        row.objective == "mlm",
    )


def _output_weights(model: LoadedModel, layer: int, neuron: int) -> Tensor:
    down: Any = model.family.down_of(model.family.blocks_of(model.base)[layer])
    weight: Tensor = down.weight
    # A linear layer keeps [d_model, d_ffn]; GPT-2's Conv1D keeps [d_ffn, d_model].
    return (weight[:, neuron] if isinstance(down, nn.Linear) else weight[neuron]).float()


def _final_norm(model: LoadedModel) -> Any:
    """Return the norm beside the list of blocks; null where the last block ends in one of its own (BERT)."""
    parent: Any = model.base
    for part in model.family.blocks.split(".")[:-1]:
        parent = getattr(parent, part)
    norms = [child for child in parent.children() if _is_norm(child, model.checkpoint.d_model)]
    return norms[-1] if norms else None


def _is_norm(module: nn.Module, width: int) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.shape == (width,)


def _through(norm: Any, weights: Tensor) -> Tensor:
    """Return weights as a norm scales and centres them, without its division by the size of the stream."""
    if isinstance(norm, nn.LayerNorm):
        weights = weights - weights.mean()
    # The scale is measured on a vector of mean 0 and size 1: Gemma's norm keeps its scale less 1.
    probe = torch.ones_like(weights)
    probe[1::2] = -1
    of_type = probe.to(norm.weight.dtype)
    scale: Tensor = (norm(of_type) - norm(-of_type)).float() / 2 * probe
    return weights * scale


def _named(model: LoadedModel, changes: Tensor, ids: Tensor) -> list[tuple[str, float]]:
    tokens = ids.tolist()
    pieces = model.tokenizer.convert_ids_to_tokens(tokens)
    texts = [model.tokenizer.decode([token]) for token in tokens]
    # Part of a character has no text of its own.
    shown = (
        piece if "\N{REPLACEMENT CHARACTER}" in text or not text else text
        for piece, text in zip(pieces, texts, strict=True)
    )
    return list(zip(shown, changes.tolist(), strict=True))
