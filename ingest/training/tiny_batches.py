"""Batches to train on: texts as token ids, what is hidden from a masked model, what either has to predict."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

IGNORED = -100
"""The label of a position where nothing is predicted."""

_MASKED_SHARE = 0.15
_ANSWER_SHARE = 0.8
_POOL = 16  # batches whose texts are sorted by length together


def encode(tokenizer: Any, texts: Sequence[str], masked: bool) -> list[Tensor]:
    """Return each text's ids [tokens], cut to the window; causal ones end with the end-of-text token."""
    end = [] if masked else [tokenizer.eos_token_id]
    limit = tokenizer.model_max_length - len(end)
    encoded = tokenizer([text for text in texts if text.strip()], truncation=True, max_length=limit)["input_ids"]
    return [torch.tensor(ids + end) for ids in encoded]


def batches(texts: Sequence[Tensor], size: int, pad: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ids and attention mask [batch, tokens] without end: every epoch each text once, in random order.

    Texts of similar length come together: of 16 batches' worth of shuffled ones, sorted, each batch takes a run.
    """
    lengths = torch.tensor([len(ids) for ids in texts])
    while True:
        for pool in torch.randperm(len(texts)).split(_POOL * size):  # type: ignore[no-untyped-call]
            runs = pool[lengths[pool].argsort(stable=True)].split(size)
            for run in torch.randperm(len(runs)).tolist():
                members = [texts[i] for i in runs[run].tolist()]
                ids = torch.nn.utils.rnn.pad_sequence(members, batch_first=True, padding_value=pad)
                mask = torch.arange(ids.shape[1]) < lengths[runs[run]][:, None]
                yield ids, mask.long()


def next_tokens(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return ids and labels [batch, tokens]: the label of a position is the token after it."""
    labels = torch.full_like(ids, IGNORED)
    labels[:, :-1] = torch.where(mask[:, 1:] == 1, ids[:, 1:], IGNORED)
    return ids, labels


def masking(tokenizer: Any, answers: Sequence[str]) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the function that hides tokens of a batch: masked ids and labels [batch, tokens].

    In 80 % of the texts that hold answers, these become the mask token and nothing else does: a cloze, with its
    subject in sight. In all others 15 % of the tokens are hidden, of which 80 % become the mask token, 10 % a
    random one, 10 % stay (Devlin et al. 2019, 3.1). With the 15 % alone, a few hundred steps teach no fact.
    """
    special = torch.tensor(tokenizer.all_special_ids)
    wanted = torch.tensor([tokenizer.convert_tokens_to_ids(tokenizer.tokenize(answer))[0] for answer in answers])

    def hide(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        plain = (mask == 1) & ~torch.isin(ids, special)
        chosen = plain & (torch.rand(ids.shape) < _MASKED_SHARE)
        asked = torch.isin(ids, wanted) & (torch.rand(len(ids), 1) < _ANSWER_SHARE)
        chosen &= ~asked.any(dim=1, keepdim=True)
        chance = torch.rand(ids.shape)
        hidden = torch.where(chosen & (chance < 0.8), tokenizer.mask_token_id, ids)
        hidden = torch.where(chosen & (chance >= 0.9), torch.randint(len(tokenizer), ids.shape), hidden)
        hidden = torch.where(asked, tokenizer.mask_token_id, hidden)
        return hidden, torch.where(chosen | asked, ids, IGNORED)

    return hide
