"""Forward passes over prompts of one shape, and what their answers score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.room import Room, room_of
from nwh.ingest.models.devices import sent
from nwh.ingest.models.loading import LoadedModel
from nwh.warehouse.errors import ModelError, UsageError

_BIDIRECTIONAL: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


@dataclass(frozen=True)
class Group:
    """Prompts of one shape as tensors: nothing is padded.

    indices: where the prompts stand in the sequence they come from.
    input_ids: [prompts, tokens]. decoder_ids: [prompts, decoder tokens], null unless seq2seq.
    position: [prompts], index of the token that predicts the answer's first token.
    answers: [prompts, answer tokens].
    start: position in main memory, where all prompts have it in common: unless tokens see later ones.
    room: what fits at a time.
    """

    indices: list[int]
    input_ids: Tensor
    decoder_ids: Tensor | None
    position: Tensor
    answers: Tensor
    start: int
    room: Room

    @property
    def answer_positions(self) -> Tensor:
        """Positions that predict the answer's tokens, [prompts, answer tokens]."""
        return self.position[:, None] + torch.arange(self.answers.shape[1], device=self.position.device)


def _runner(model: LoadedModel) -> nn.Module:
    """Return the module that runs the blocks and whose output the head reads."""
    if model.family.objective == "mlm":
        return model.base  # DeBERTa-v2 reads its encoder's list of hidden states, not the last one
    return model.base.get_submodule(model.family.of_answers().blocks.rpartition(".")[0])


def is_bidirectional(model: LoadedModel) -> bool:
    """Return whether tokens see later ones, so that a change at the answer position changes those before it.

    Asked of the model itself, once: configurations turn decoders around in ways of their own (`is_causal`,
    `use_bidirectional_attention`).
    """
    found = _BIDIRECTIONAL.get(model.module)
    if found is None:
        _BIDIRECTIONAL[model.module] = found = _sees_ahead(model)
    return found


def _sees_ahead(model: LoadedModel) -> bool:
    """Return whether the last of three tokens changes what becomes of those before it."""
    embeddings = model.module.get_input_embeddings().weight
    other = 1 + int((embeddings[1:1000] != embeddings[0]).any(1).int().argmax())  # whose embedding is another
    seen: list[Tensor] = []

    def keep(last: Tensor) -> Tensor:
        seen.append(last[:, :-1].nan_to_num())
        return last

    with torch.no_grad(), answer_rows_only(model, keep):
        for token in (0, other):
            ids = torch.tensor([[0, 0, token]], device=model.device)
            of_decoder = model.family.objective == "seq2seq"
            model.module(**_inputs(model, ids[:, :1], ids) if of_decoder else _inputs(model, ids, None))
    return not torch.equal(*seen)


def _inputs(model: LoadedModel, input_ids: Tensor, decoder_ids: Tensor | None) -> dict[str, Any]:
    """Return the arguments of an ordinary forward pass."""
    inputs: dict[str, Any] = {"input_ids": input_ids}
    if model.family.objective != "mlm":
        inputs["use_cache"] = False
    return inputs if decoder_ids is None else {**inputs, "decoder_input_ids": decoder_ids}


def alike(model: LoadedModel, prompts: Sequence[PromptInput]) -> list[list[int]]:
    """Return which prompts run together, by their places: of one shape, short ones first, as many at a time as fit.

    UsageError: a bidirectional model and an answer of several tokens.
    """
    bidirectional, room = is_bidirectional(model), room_of(model)
    shapes: dict[tuple[int, int, int, int], list[int]] = {}
    for index, prompt in enumerate(prompts):
        if bidirectional and len(prompt.answer_ids) > 1:
            raise UsageError(
                f"prompt {prompt.prompt_id} has an answer of {len(prompt.answer_ids)} tokens and "
                f"{model.checkpoint.model}, whose tokens see later ones, predicts one: use prompts whose answer is one "
                "token"
            )
        position = -1 if bidirectional else prompt.position
        shape = (len(prompt.input_ids), len(prompt.decoder_ids), position, len(prompt.answer_ids))
        shapes.setdefault(shape, []).append(index)
    found = []
    for shape, indices in sorted(shapes.items()):
        size = max(1, min(room.prompts, room.tokens // (shape[0] + shape[1])))
        found += [indices[start : start + size] for start in range(0, len(indices), size)]
    return found


def groups(model: LoadedModel, prompts: Sequence[PromptInput]) -> Iterator[Group]:
    """Yield the prompts as tensors, group by group of those that are `alike`."""
    bidirectional, room = is_bidirectional(model), room_of(model)
    for indices in alike(model, prompts):
        chosen = [prompts[index] for index in indices]
        with torch.inference_mode(False):  # so that gradients may be taken, whatever the caller works in
            read, decoded, places, answers = (
                sent(np.array([getattr(prompt, name) for prompt in chosen], np.int64), model.device)
                for name in ("input_ids", "decoder_ids", "position", "answer_ids")
            )
            start = -1 if bidirectional else chosen[0].position
            group = Group(indices, read, decoded if chosen[0].decoder_ids else None, places, answers, start, room)
        yield group


def answer_logits(model: LoadedModel, group: Group) -> Tensor:
    """Run the model as it is; the head runs at the answer positions only.

    Result: [prompts, answer tokens, vocabulary].
    """
    rows = torch.arange(len(group.indices), device=model.device)[:, None]
    with answer_rows_only(model, lambda last: last[rows, group.answer_positions]):
        inputs = _inputs(model, group.input_ids, group.decoder_ids)
        return model.module(**inputs).logits  # type: ignore[no-any-return]


def answer_logits_of_rows(model: LoadedModel, group: Group) -> Tensor:
    """Run the model over a stand-in whose hidden states the blocks of an `Interception` replace.

    Result: [rows, answer tokens, vocabulary]; bidirectional models: the last block leaves the answer's state at every
    token, of which the head reads one.
    """
    if is_bidirectional(model):
        with answer_rows_only(model, lambda last: last[:, :1]):
            return model.module(**_inputs(model, group.input_ids[:1], None)).logits  # type: ignore[no-any-return]
    positions = group.answer_positions[:1]
    inputs: dict[str, Any] = {"use_cache": False}
    if group.decoder_ids is not None:
        from transformers.modeling_outputs import BaseModelOutput

        width = model.module.get_input_embeddings().embedding_dim
        encoded = torch.zeros(1, 1, width, device=model.device, dtype=model.dtype)
        inputs |= {"encoder_outputs": BaseModelOutput(last_hidden_state=encoded)}
        inputs["decoder_input_ids"] = group.decoder_ids[:1].gather(1, positions)
    else:
        inputs["input_ids"] = group.input_ids[:1].gather(1, positions)
        if "position_ids" in signature(_runner(model).forward).parameters:
            inputs["position_ids"] = positions  # rotary embeddings are made from them
    return model.module(**inputs).logits  # type: ignore[no-any-return]


@contextmanager
def answer_rows_only(model: LoadedModel, pick: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let the head see `pick(last hidden state)` alone: over a vocabulary it is as dear as several blocks."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        output["last_hidden_state"] = pick(output["last_hidden_state"])
        return output

    with _runner(model).register_forward_hook(hook):
        yield


@contextmanager
def before_downs(model: LoadedModel, hook: Callable[..., Any]) -> Iterator[None]:
    """Call a hook before each down projection of the blocks that lead to the answer; one may serve several layers."""
    family = model.family.of_answers()
    with ExitStack() as stack:
        for down in {family.down_of(block) for block in family.blocks_of(model.base)}:
            stack.enter_context(down.register_forward_pre_hook(hook))
        yield


def baseline_of(model: LoadedModel, baseline: Tensor | None) -> Tensor:
    """Return the values b that neurons' are compared with, [n_layers, d_ffn]: a float32 copy where the model is.

    baseline: b, wherever it is; null: 0.
    """
    if baseline is not None:
        return baseline.clone().to(model.device, torch.float32)
    n_layers = len(model.family.of_answers().blocks_of(model.base))
    return torch.zeros(n_layers, model.checkpoint.d_ffn, device=model.device)


def answer_probability(model: LoadedModel, logits: Tensor, answers: Tensor) -> Tensor:
    """Return the probability of each row's answer, the product over its tokens, [rows] float32, differentiable.

    logits: [rows, answer tokens, vocabulary]. answers: [rows, answer tokens].
    ModelError: a probability that is not a number.
    """
    result: Tensor = _AnswerProbability.apply(logits.float(), answers)  # type: ignore[no-untyped-call]
    if not result.isfinite().all():
        raise ModelError(
            f"{model.checkpoint} computes probabilities that are not numbers in "
            f"{str(model.dtype).removeprefix('torch.')}: use float32, or check the weights"
        )
    return result


class _AnswerProbability(torch.autograd.Function):
    """Softmax at the answer tokens, with few passes over the logits: they are the largest tensor there is."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, answers: Tensor) -> Tensor:
        powers = (logits - logits.amax(2, keepdim=True)).exp_()
        total = powers.sum(2, keepdim=True)
        result = (powers.gather(2, answers[:, :, None]) / total).prod(1).squeeze(1)
        ctx.powers = powers  # not through save_for_backward: it is overwritten there
        ctx.save_for_backward(total, answers, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total, answers, result = ctx.saved_tensors
        scale = (gradient * result)[:, None, None]
        of_logits = ctx.powers.mul_(-scale / total)
        return of_logits.scatter_add_(2, answers[:, :, None], scale.expand(-1, answers.shape[1], 1)), None


def rank(logits: Tensor, answers: Tensor) -> Tensor:
    """Return the rank of each row's first answer token, [rows]; 1 is most probable, ties: lower token id first."""
    first, answer = logits[:, 0], answers[:, :1]
    of_answer = first.gather(1, answer)
    before = torch.arange(first.shape[1], device=first.device) < answer
    return 1 + ((first > of_answer) | ((first == of_answer) & before)).sum(1)
