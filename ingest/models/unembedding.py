"""Where the residual stream meets the vocabulary: the final norm and the unembedding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nwh.ingest.models.loading import LoadedModel
from nwh.warehouse.errors import UsageError


def unembedding(model: LoadedModel) -> Tensor:
    """Return the head's matrix, [tokens, d_model] as it is stored, of the tokens that the tokenizer knows.

    model: with its language-model head. UsageError: a model without one, and one whose blocks do not write into the
    vocabulary's space (T5's encoder, ALBERT, OPT-350m).
    """
    row = model.checkpoint
    if row.objective not in ("mlm", "clm"):
        reason = "its encoder feeds a decoder" if row.objective == "seq2seq" else "it has no language-model head"
        raise UsageError(f"the neurons of {row} do not write to a vocabulary: {reason}")
    matrix: Tensor = model.module.get_output_embeddings().weight
    if matrix.shape[1] != row.d_model:
        raise UsageError(
            f"the blocks of {row} write {row.d_model} dimensions and its unembedding reads {matrix.shape[1]}: "
            "a projection between them hides what a neuron's weights mean for tokens"
        )
    return matrix[: len(model.tokenizer)]  # rows after these are padding of the matrix


def final_norm(model: LoadedModel) -> nn.Module | None:
    """Return the norm beside the list of blocks; null where the last block ends in one of its own (BERT)."""
    parent: Any = model.base
    for part in model.family.blocks.split(".")[:-1]:
        parent = getattr(parent, part)
    norms = [child for child in parent.children() if _is_norm(child, model.checkpoint.d_model)]
    return norms[-1] if norms else None


def through(norm: Any, weights: Tensor) -> Tensor:
    """Return vectors, [..., d_model], as a norm scales and centres them, without its division by the stream's size."""
    if isinstance(norm, nn.LayerNorm):
        weights = weights - weights.mean(-1, keepdim=True)
    return weights * _scale(norm, weights)


def through_to(norm: Any, tokens: Tensor) -> Tensor:
    """Return the unembedding's rows, [tokens, d_model], as the stream before the norm meets them: `through` turned."""
    tokens = tokens * _scale(norm, tokens)
    return tokens - tokens.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else tokens


def _scale(norm: Any, like: Tensor) -> Tensor:
    """Return a norm's scale, [d_model]: measured on a vector of mean 0 and size 1, for Gemma keeps it less 1."""
    probe = torch.ones_like(like.reshape(-1, like.shape[-1])[0])
    probe[1::2] = -1
    of_type = probe.to(norm.weight.dtype)
    scale: Tensor = (norm(of_type) - norm(-of_type)).float() / 2 * probe
    return scale


def _is_norm(module: nn.Module, width: int) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.shape == (width,)


def token_texts(model: LoadedModel, tokens: list[int]) -> list[str]:
    """Return tokens as text; part of a character, which has no text of its own, as the vocabulary writes it."""
    pieces = model.tokenizer.convert_ids_to_tokens(tokens)
    texts = [model.tokenizer.decode([token]) for token in tokens]
    return [
        piece if "\N{REPLACEMENT CHARACTER}" in text or not text else text
        for piece, text in zip(pieces, texts, strict=True)
    ]
