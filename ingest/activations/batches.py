"""Sentences as batches for a model: tokenised, sorted by length, cut by a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nwh.ingest.models import LoadedModel
from nwh.ingest.models.tokens import PADDING, encode
from nwh.warehouse.storage.runs import Run

MIN_TOKENS = 3


@dataclass(frozen=True)
class Batch:
    """Sentences of similar length, padded on the right; all tensors on the model's device.

    input_ids [batch, tokens]; attention_mask likewise, null where nothing is padded; counted [batch, tokens]
    bool: the tokens that a sentence's activation is taken over; ordinals [batch]: the sentences' places in their
    corpus.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    counted: Tensor
    ordinals: Tensor


class SentenceCounts:
    """What happened to a corpus's sentences on the way in.

    n_tokens [sentences] uint16, by ordinal: tokens without special ones, at most 65,535; 0 where left out.
    """

    def __init__(self, n_sentences: int) -> None:
        """Start with nothing seen; 2 bytes per sentence."""
        self.n_tokens = np.zeros(n_sentences, np.uint16)
        self.too_short = 0
        self.truncated = 0

    def note(self, run: Run, corpus: str, window: int) -> None:
        """Note what was left out of a corpus, and what was cut at the window of `window` tokens."""
        if self.too_short:
            run.note(f"{self.too_short:,} sentences of {corpus} have fewer than 3 tokens and were left out")
        if self.truncated:
            run.note(
                f"{self.truncated:,} sentences of {corpus} were truncated at the model's window of {window:,} tokens"
            )

    @property
    def used(self) -> int:
        """Sentences that count."""
        return int(np.count_nonzero(self.n_tokens))


def batches(
    model: LoadedModel,
    ordinals: Sequence[int],
    texts: Sequence[str],
    token_budget: int,
    special_tokens: bool,
    tally: SentenceCounts,
) -> Iterator[Batch]:
    """Yield the sentences shortest first, as many at a time as fit `token_budget` tokens, padding included.

    Sentences of fewer than 3 tokens, special ones not counted, are left out; longer ones than the model's window
    are truncated; `tally` counts both. `special_tokens`: whether these count towards activations. UsageError: a token
    without a row in the embedding.
    """
    encoded = encode(
        model,
        texts,
        truncation=True,
        max_length=model.window,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    lengths = [len(mask) - sum(mask) for mask in special]
    long_enough = [i for i, length in enumerate(lengths) if length >= MIN_TOKENS]
    for i in long_enough:
        tally.n_tokens[ordinals[i]] = min(lengths[i], 65_535)
    tally.too_short += len(ids) - len(long_enough)
    tally.truncated += sum(bool(encoded.encodings[i].overflowing) for i in long_enough)
    order = sorted(long_enough, key=lambda i: (len(ids[i]), i))
    for group in groups([len(ids[i]) for i in order], token_budget):
        members = [order[place] for place in group]
        longest = len(ids[members[-1]])
        rows, mask = padded(model, [ids[i] for i in members])
        skipped = [
            (special[i] if not special_tokens else [0] * len(ids[i])) + [1] * (longest - len(ids[i])) for i in members
        ]
        yield Batch(
            rows,
            mask,
            (torch.tensor(skipped) == 0).to(model.device),
            torch.tensor([ordinals[i] for i in members], device=model.device),
        )


def padded(model: LoadedModel, ids: Sequence[list[int]]) -> tuple[Tensor, Tensor | None]:
    """Return token ids, shortest text first, and attention mask (null where nothing is padded), [batch, tokens]."""
    longest = len(ids[-1])
    rows = torch.tensor([of_text + [PADDING] * (longest - len(of_text)) for of_text in ids])
    ends = torch.tensor([len(of_text) for of_text in ids])
    mask = (torch.arange(longest) < ends[:, None]).long() if int(ends[0]) < longest else None
    return rows.to(model.device), None if mask is None else mask.to(model.device)


def groups(lengths: Sequence[int], token_budget: int) -> Iterator[range]:
    """Cut ascending lengths into ranges whose size times longest length stays within the budget."""
    start = 0
    for end, length in enumerate(lengths):
        if end > start and (end + 1 - start) * length > token_budget:
            yield range(start, end)
            start = end
    if start < len(lengths):
        yield range(start, len(lengths))
