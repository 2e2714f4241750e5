"""Texts -> token ids that a model has embeddings for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nwh.ingest.models.loading import LoadedModel
from nwh.warehouse.errors import UsageError

PADDING = 0
"""Id at padded positions. They are masked, so any row of the embedding serves, and fine-tunes often have none for the
`[PAD]` that they added to their tokenizer."""


def encode(model: LoadedModel, texts: Sequence[str], longest: int | None = None, **options: Any) -> Any:
    """Return the tokenizer's encoding of texts: ids and which of them are special.

    longest: tokens, special ones included, at which texts are cut. options: what else the tokenizer takes. UsageError
    where a token has no row in the model's embedding.
    """
    masks = {"return_special_tokens_mask": True, "return_attention_mask": False, "return_token_type_ids": False}
    encoded = model.tokenizer(list(texts), truncation=longest is not None, max_length=longest, **masks, **options)
    if model.without_row:
        for text, ids in zip(texts, encoded["input_ids"], strict=True):
            check_ids(model, ids, text)
    return encoded


def check_ids(model: LoadedModel, ids: Iterable[int], text: str) -> None:
    """Raise UsageError where one of a text's tokens has no row in the model's embedding."""
    for token in ids:
        if token in model.without_row:
            raise UsageError(
                f"token {model.without_row[token]!r} (id {token}) of {text[:60]!r} has no row in the embedding of "
                f"{model.checkpoint}: its tokenizer has {len(model.tokenizer):,} tokens and the embedding "
                f"{model.checkpoint.vocab_size:,} rows. Leave the token out of the text, or use a checkpoint whose "
                "embedding was resized to its tokenizer"
            )


def check_texts(model: LoadedModel, blocks: Iterable[Sequence[str]]) -> None:
    """Raise UsageError where a text holds a token without an embedding, before a job's work.

    blocks: the job's texts, read only where the tokenizer has such tokens at all.
    """
    if model.without_row:
        for texts in blocks:
            encode(model, texts, model.window)
