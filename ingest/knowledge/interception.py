"""A forward pass whose blocks, `ffn` values and attention go through our own methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from nwh.ingest.knowledge.passes import is_bidirectional
from nwh.ingest.models.loading import LoadedModel

_NAME = "nwh"  # of our attention among those of transformers
_CURRENT: ContextVar[Interception] = ContextVar("interception")


class Interception:
    """A context in which blocks, `ffn` values and attention go through the methods of a subclass.

    The model is as it was afterwards, also after an error.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.bidirectional = is_bidirectional(model)
        self.layer = -1
        self.n_layers = 0
        self.n_attentions = 0
        self._stack = ExitStack()

    def block(self, run: Callable[[Tensor], Any], hidden: Tensor) -> Any:
        """Return the output of block `self.layer`; run: the model's own computation of it, on [rows, tokens, d]."""
        return run(hidden)

    def ffn(self, values: Tensor) -> Tensor:
        """Return the input of the down projection of block `self.layer`, [rows, tokens, d_ffn]."""
        return values

    def project(self, module: nn.Module, run: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        """Return the output of a linear layer that leads to the attention of a bidirectional model's block."""
        return run(values)

    def placed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return a block's keyword arguments for the tokens that it computes in this run."""
        return arguments

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, biases: list[Tensor], scaling: float, softcap: float | None
    ) -> Tensor:
        """Return the attention's output, [rows, heads, tokens, head width].

        query: [rows, heads, tokens, head width]; key, value: [rows, key heads, tokens, head width].
        biases: what the model adds to the scores (masks, relative positions), each
            [1 or rows, 1 or heads, tokens, key tokens].
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        family = self.model.family.of_answers()
        with ExitStack() as stack:
            self._redirect_attention(stack)
            layers_of: dict[nn.Module, list[int]] = {}
            blocks = family.blocks_of(self.model.base)
            self.n_layers = len(blocks)
            for layer, block in enumerate(blocks):
                layers_of.setdefault(block, []).append(layer)
            for block, layers in layers_of.items():
                block.forward = partial(self._block, block.forward, iter(layers))
                stack.callback(delattr, block, "forward")
                for linear in filter(self._may_project, block.modules()):
                    linear.forward = partial(self._linear, linear, linear.forward)
                    stack.callback(delattr, linear, "forward")
                stack.enter_context(family.down_of(block).register_forward_pre_hook(self._ffn))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    def _block(
        self, original: Callable[..., Any], layers: Iterator[int], hidden: Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        self.layer, self.n_attentions = next(layers), 0

        def run(hidden: Tensor) -> Any:
            self.n_attentions, self._shape = 0, hidden.shape[:2]
            return original(hidden, *args, **self.placed(kwargs))

        try:
            return self.block(run, hidden)
        finally:
            self.layer = -1

    def _may_project(self, module: nn.Module) -> bool:
        return self.bidirectional and isinstance(module, nn.Linear)

    def _linear(self, module: nn.Module, original: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        return original(values) if self.n_attentions else self.project(module, original, values)

    def _ffn(self, _: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # OPT flattens [rows, tokens, width] to [rows * tokens, width] in its feed-forward layer.
        values = self.ffn(args[0].view(*self._shape, -1))
        return (values.view(-1, values.shape[-1]) if args[0].dim() == 2 else values, *args[1:])

    def _redirect_attention(self, stack: ExitStack) -> None:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import eager_mask

        AttentionInterface.register(_NAME, _current_attention)
        AttentionMaskInterface.register(_NAME, eager_mask)
        token = _CURRENT.set(self)
        stack.callback(_CURRENT.reset, token)
        modules = list(self.model.module.modules())
        for config in {id(module.config): module.config for module in modules if hasattr(module, "config")}.values():
            # The public setter would also write to configurations this model shares with others.
            stack.callback(setattr, config, "_attn_implementation_internal", config._attn_implementation_internal)
            config._attn_implementation_internal = _NAME
        for module in modules:
            if type(module).__name__ == "GPTNeoSelfAttention":  # the one family with an attention all of its own
                module._attn = partial(self._gpt_neo_attention, module)
                stack.callback(delattr, module, "_attn")

    def _attention(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        position_bias: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, None]:
        biases = [bias for bias in (attention_mask, position_bias) if bias is not None]
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        return self._counted(query, key, value, biases, scaling, softcap).transpose(1, 2), None

    def _gpt_neo_attention(self, module: Any, query: Tensor, key: Tensor, value: Tensor, _: Any) -> tuple[Tensor, None]:
        tokens = query.shape[2]
        allowed = module.bias[:, :, :tokens, :tokens]
        bias = torch.zeros_like(allowed, dtype=query.dtype).masked_fill(~allowed, torch.finfo(query.dtype).min)
        return self._counted(query, key, value, [bias], 1.0, None), None

    def _counted(
        self, query: Tensor, key: Tensor, value: Tensor, biases: list[Tensor], scaling: float, softcap: float | None
    ) -> Tensor:
        result = self.attend(query, key, value, biases, scaling, softcap)
        self.n_attentions += 1
        return result


def _current_attention(*args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    return _CURRENT.get()._attention(*args, **kwargs)
