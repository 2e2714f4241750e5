"""One pass over prompts of one shape that keeps what rows joining at any layer need."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.interception import Interception
from nwh.ingest.knowledge.passes import Group
from nwh.ingest.models.capture import capture
from nwh.ingest.models.loading import LoadedModel


@dataclass
class Memory:
    """Keys and values of one attention, with what is added to its scores.

    keys, values: [prompts, key heads, tokens, head width].
    bias: [1, 1 or heads, tokens, tokens], null where nothing is added.
    """

    keys: Tensor
    values: Tensor
    bias: Tensor | None


@dataclass
class Recording:
    """What one untouched pass leaves.

    entry: per layer, block input at the tokens that a joining row computes, [prompts, tokens, d_model].
    exit: per layer, block output at the tokens that a row carries on, [prompts, tokens, d_model].
        Bidirectional models: entry is the answer position alone and exit all tokens; others: both are the answer
        positions.
    ffn: per layer, values at the answer position, [prompts, d_ffn].
    memories: per layer, its attentions (of a T5 decoder the second is over the encoder's tokens).
    projections: per layer, what its linear layers before the attention gave, [prompts, tokens, width];
        bidirectional models alone.
    returned: length of the tuple that a block returns, 0 for a bare tensor.
    whole: whether rows run through the whole model with all tokens, since nothing less is known to equal it.
    probability: of the answer, [prompts]. rank: of its first token, [prompts].
    """

    model: LoadedModel
    group: Group
    entry: list[Tensor] = field(default_factory=list)
    exit: list[Tensor] = field(default_factory=list)
    ffn: list[Tensor] = field(default_factory=list)
    memories: list[list[Memory]] = field(default_factory=list)
    projections: list[dict[nn.Module, Tensor]] = field(default_factory=list)
    returned: int = 0
    whole: bool = False
    probability: Tensor = field(default_factory=Tensor)
    rank: Tensor = field(default_factory=Tensor)


def record(model: LoadedModel, group: Group) -> Recording:
    """Run the model once over a group and keep what its rows need."""
    recording = Recording(model, group, whole=model.family.whole_rows)
    if not recording.whole:
        with torch.no_grad(), _Recorder(recording):
            _answer(recording, passes.answer_logits(model, group))
        # Rows of their own need an attention that goes through transformers' AttentionInterface, and one per block
        # where they carry all tokens.
        two = passes.is_bidirectional(model) and model.family.objective == "seq2seq"
        recording.whole = two or not all(recording.memories)
    if recording.whole:
        recording.ffn.clear()
        seen = replace(model, family=model.family.of_answers())
        rows = torch.arange(len(group.indices), device=model.device)

        def keep(_: str, __: int, values: Tensor) -> None:
            recording.ffn.append(values[rows, group.position])

        with torch.no_grad(), capture(seen, ["ffn"], keep):
            _answer(recording, passes.answer_logits(model, group))
    return recording


def _answer(recording: Recording, logits: Tensor) -> None:
    answers = recording.group.answers
    recording.probability = passes.answer_probability(recording.model, logits, answers)
    recording.rank = passes.rank(logits, answers)


class _Recorder(Interception):
    def __init__(self, recording: Recording) -> None:
        super().__init__(recording.model)
        self.recording = recording
        group = recording.group
        self.rows = torch.arange(len(group.indices), device=group.position.device)
        self.added: dict[tuple[int, ...], tuple[list[Tensor], Tensor | None]] = {}  # by identity, and held on to

    def block(self, run: Callable[[Tensor], Any], hidden: Tensor) -> Any:
        recording, positions = self.recording, self.recording.group.answer_positions
        recording.memories.append([])
        recording.projections.append({})
        output = run(hidden)
        recording.returned = len(output) if isinstance(output, tuple) else 0
        result = output[0] if recording.returned else output
        recording.entry.append(hidden[self.rows[:, None], positions])
        recording.exit.append(result if self.bidirectional else result[self.rows[:, None], positions])
        return output

    def ffn(self, values: Tensor) -> Tensor:
        self.recording.ffn.append(values[self.rows, self.recording.group.position])
        return values

    def project(self, module: nn.Module, run: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        result = run(values)
        self.recording.projections[-1][module] = result
        return result

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, biases: list[Tensor], scaling: float, softcap: float | None
    ) -> Tensor:
        bias = reduce(torch.add, biases) if biases else None
        if self.layer >= 0:  # not the encoder of T5
            self.recording.memories[-1].append(Memory(key, value, self._kept(biases, bias)))
        return attention(query, key, value, bias, scaling, softcap)

    def _kept(self, biases: list[Tensor], bias: Tensor | None) -> Tensor | None:
        """Return one row's bias, which is every row's, since nothing is padded; null where it is known to add nothing.

        Layers share what is added: it is looked at once. What hides later tokens adds something.
        """
        if bias is None or not self.bidirectional:
            return None if bias is None else bias[:1]
        found = self.added.get(key := tuple(map(id, biases)))
        if found is None:
            self.added[key] = found = biases, bias[:1] if bias[:1].any() else None
        return found[1]


def attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scaling: float, softcap: float | None
) -> Tensor:
    """Return the attention's output, [rows, heads, tokens, head width]; shapes as in `Interception.attend`."""
    if softcap is None:
        shared = query.shape[1] != key.shape[1]
        # CUDA's fused kernels add up gradients in any order, this one in one.
        with sdpa_kernel(SDPBackend.MATH) if query.is_cuda and torch.is_grad_enabled() else nullcontext():
            return scaled_dot_product_attention(query, key, value, bias, scale=scaling, enable_gqa=shared)
    n, heads, tokens, width = query.shape
    query = query.reshape(n, key.shape[1], -1, width)  # heads that share keys become more queries
    scores = query @ key.transpose(2, 3) * scaling
    weights = softmax(scores.view(n, heads, tokens, -1), bias, softcap)
    return (weights.view(scores.shape) @ value).view(n, heads, tokens, -1)


def softmax(scores: Tensor, bias: Tensor | None, softcap: float | None) -> Tensor:
    """Return attention weights in the dtype of the scores, computed in float32 as transformers does."""
    if softcap is not None:
        scores = (scores / softcap).tanh() * softcap
    if bias is not None:
        scores = scores + bias
    return scores.softmax(-1, dtype=torch.float32).to(scores.dtype)
