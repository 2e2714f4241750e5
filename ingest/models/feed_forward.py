"""The weights of a block's feed-forward layer: what each neuron reads, what opens its gate, what it writes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nwh.ingest.models.loading import LoadedModel
from nwh.warehouse.errors import UsageError

_ACTIVATIONS = ("transformers.activations", "torch.nn.modules.activation")  # where their classes are defined
_NO_GATES = (nn.Softmax, nn.MultiheadAttention)  # the others of these modules
_OF_FAMILIES = ("BloomGelu",)  # activation functions that a family keeps to itself


def is_activation(module: nn.Module) -> bool:
    """Return whether a module is an activation function."""
    kind = type(module)
    own = kind.__module__ in _ACTIVATIONS and not isinstance(module, _NO_GATES)
    return own or kind.__name__ in _OF_FAMILIES


def is_projection(module: nn.Module) -> bool:
    """Return whether a module multiplies by a matrix."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


@dataclass(frozen=True)
class FeedForward:
    """One block's weights, each [d_ffn, d_model] float32: row i is neuron i's.

    read: what a neuron's value is made from. gate: what the activation function sees, where that is another matrix (of
    gated layers); null elsewhere, where `read` is what it sees. write: what one unit of the neuron adds to the stream.
    """

    read: Tensor
    gate: Tensor | None
    write: Tensor


def feed_forward(model: LoadedModel, layer: int) -> FeedForward:
    """Return the weights of a block's feed-forward layer.

    Which matrix is which is seen in a pass over one token: the one whose output the activation function gets is the
    gate (or the only one); the other makes up the neuron's value with it. UsageError where none is found.
    """
    block = model.family.blocks_of(model.base)[layer]
    down = model.family.down_of(block)
    seen: dict[nn.Module, Tensor] = {}
    activated: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if is_activation(module):
            activated.append(args[0].reshape(-1, args[0].shape[-1])[0])
        elif isinstance(output, Tensor):
            seen[module] = output.reshape(-1, output.shape[-1])[0]

    with ExitStack() as stack, torch.inference_mode():
        for module in block.modules():
            if is_activation(module) or (is_projection(module) and module != down):
                stack.enter_context(module.register_forward_hook(keep))
        model.base(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device))
    d_ffn, parts = model.checkpoint.d_ffn, []  # of matrices: module, first row, whether the activation function sees it
    for module, output in seen.items():
        if len(output) in (d_ffn, 2 * d_ffn):  # two in one
            for at, part in zip(range(0, len(output), d_ffn), torch.split(output, d_ffn), strict=True):
                parts.append((module, at, any(torch.equal(values, part) for values in activated)))
    gates = [part for part in parts if part[2]]
    if not gates:
        raise UsageError(
            f"no projection of {model.checkpoint.model} leads to the activation function of layer {layer}: nwh cannot "
            "tell what its neurons read"
        )
    module, at, _ = gates[-1]
    own = [part for part in parts if not part[2] and _beside(block, part[0], module, down)]
    gate, write = _rows(module)[at : at + d_ffn], _rows(down).T
    if not own:
        return FeedForward(gate, None, write)
    module, at, _ = own[-1]
    return FeedForward(_rows(module)[at : at + d_ffn], gate, write)


def output_weights(model: LoadedModel, layer: int) -> Tensor:
    """Return what one unit of each neuron adds to the residual stream, [d_ffn, d_model] float32."""
    return _rows(model.family.down_of(model.family.blocks_of(model.base)[layer])).T


def _beside(block: nn.Module, module: nn.Module, gate: nn.Module, down: nn.Module) -> bool:
    """Return whether a projection stands where the gate stands: in the module that holds it, not in the attention."""
    names = {each: name.rpartition(".")[0] for name, each in block.named_modules()}
    return bool(names[module] == names[gate] == names[down])


def _rows(module: Any) -> Tensor:
    """Return a projection's weight as [out, in]: GPT-2's Conv1D keeps [in, out]."""
    weight: Tensor = module.weight
    return (weight if isinstance(module, nn.Linear) else weight.T).float()
