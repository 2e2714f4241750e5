"""Sentences as batches for a model: buckets of similar length, cut by a token budget, in a shuffled order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.activations.tokenised import Tokenised, tokenise
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.devices import sent
from nwh.ingest.models.tokens import PADDING
from nwh.warehouse.storage.runs import Run

MIN_TOKENS = 3
TOKEN_BUDGET = {
    "cpu": 1024,
    "cuda": 16_384,
    "mps": 4096,
}  # measured on the CPU; larger batches leave its cache


@dataclass(frozen=True)
class Batch:
    """Sentences of similar length, padded on the right; tensors are on the model's device but for `ordinals`.

    input_ids [batch, tokens]; attention_mask likewise, null where nothing is padded; counted [batch, tokens]
    bool: the tokens that a sentence's activation is taken over; ordinals [batch], in main memory: the sentences'
    places in their corpus. span: which tokens count, where these are the same, side by side, in all of the sentences.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    counted: Tensor
    ordinals: Tensor
    span: slice | None = None


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
    tokens = tokenise(model, texts)
    for members in buckets(tokens, np.asarray(ordinals), token_budget, tally):
        yield on_device(batch_of(tokens, members, np.asarray(ordinals), special_tokens), model.device)


def buckets(
    tokens: Tokenised,
    ordinals: NDArray[np.int64],
    token_budget: int,
    tally: SentenceCounts,
    *,
    most: int | None = None,
    uniform: bool = False,
) -> list[NDArray[np.int64]]:
    """Return which of some sentences run together, shortest first, and count them all in `tally`.

    Arguments as for `batches`, and `groups`.
    """
    n_tokens, lengths = tokens.n_tokens, tokens.lengths
    long_enough = np.flatnonzero(n_tokens >= MIN_TOKENS)
    tally.n_tokens[ordinals[long_enough]] = np.minimum(n_tokens[long_enough], 65_535)
    tally.too_short += len(tokens) - len(long_enough)
    tally.truncated += int(tokens.truncated[long_enough].sum())
    order = long_enough[np.argsort(lengths[long_enough], kind="stable")]
    return [order[group.start : group.stop] for group in groups(lengths[order].tolist(), token_budget, most, uniform)]


def batch_of(tokens: Tokenised, members: NDArray[np.int64], ordinals: NDArray[np.int64], special_tokens: bool) -> Batch:
    """Return some sentences, shortest first, as a batch in main memory."""
    lengths = tokens.lengths[members]
    inside = np.arange(lengths[-1]) < lengths[:, None]  # [batch, tokens]
    places = np.minimum(tokens.offsets[members][:, None] + np.arange(lengths[-1]), len(tokens.ids) - 1)
    counted = inside if special_tokens else inside & ~tokens.special[places]
    return Batch(
        torch.from_numpy(np.where(inside, tokens.ids[places], PADDING).astype(np.int64)),
        torch.from_numpy(inside.astype(np.int64)) if lengths[0] < lengths[-1] else None,
        torch.from_numpy(counted),
        torch.from_numpy(ordinals[members]),
        _span(counted),
    )


def _span(counted: NDArray[np.bool_]) -> slice | None:
    """Return the columns that are true in all rows, side by side, where no other is in any."""
    if not (counted == counted[0]).all():
        return None
    columns = np.flatnonzero(counted[0])
    first, last = int(columns[0]), int(columns[-1]) + 1
    return slice(first, last) if last - first == len(columns) else None


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with what a forward pass reads on the device; copied while the device works, where it can."""
    mask = None if batch.attention_mask is None else sent(batch.attention_mask, device)
    return replace(
        batch, input_ids=sent(batch.input_ids, device), attention_mask=mask, counted=sent(batch.counted, device)
    )


def one_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield batches on the device, each copied while the device works on the one before."""
    side = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    waiting: Batch | None = None
    for batch in batches:
        with torch.cuda.stream(side):  # null: the stream in use
            coming = on_device(batch, device)
        if waiting is not None:
            yield waiting
        waiting = coming
        if side is not None:
            _use_here(waiting, side)
    if waiting is not None:
        yield waiting


def _use_here(batch: Batch, copied_by: torch.cuda.Stream) -> None:
    """Let the stream in use wait for a batch's copies, and keep their memory until it has read them."""
    here = torch.cuda.current_stream(batch.input_ids.device)
    here.wait_stream(copied_by)
    for tensor in (batch.input_ids, batch.attention_mask, batch.counted):
        if tensor is not None:
            tensor.record_stream(here)


def padded(model: LoadedModel, ids: Sequence[list[int]]) -> tuple[Tensor, Tensor | None]:
    """Return token ids, shortest text first, and attention mask (null where nothing is padded), [batch, tokens]."""
    longest = len(ids[-1])
    rows = torch.tensor([of_text + [PADDING] * (longest - len(of_text)) for of_text in ids])
    ends = torch.tensor([len(of_text) for of_text in ids])
    mask = (torch.arange(longest) < ends[:, None]).long() if int(ends[0]) < longest else None
    return rows.to(model.device), None if mask is None else mask.to(model.device)


def groups(
    lengths: Sequence[int], token_budget: int, most: int | None = None, uniform: bool = False
) -> Iterator[range]:
    """Cut ascending lengths into ranges whose size times longest length stays within the budget.

    most: how many a range may have. uniform: also end a range where lengths change, once it is half full.
    """
    start = 0
    for end, length in enumerate(lengths):
        size = end + 1 - start
        full = size * length > token_budget or (most is not None and size > most)
        changes = uniform and length > lengths[end - 1] and 2 * size * length > token_budget
        if end > start and (full or changes):
            yield range(start, end)
            start = end
    if start < len(lengths):
        yield range(start, len(lengths))
