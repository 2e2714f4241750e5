"""Passes whose values are the model's and whose gradients see part of it as constant: RelP and the direct path.

RelP (2508.21258, after the propagation rules of LRP): the statistics of norms, the gates of activation functions
(`act(x) / x`) and the patterns of attention are constants, and each factor of a product of two activations gets half.
What is left is linear, so that a gradient times a change is what the change does to that linear network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nwh.ingest.models.feed_forward import is_activation, is_projection
from nwh.ingest.models.loading import LoadedModel


@contextmanager
def held(model: LoadedModel) -> Iterator[None]:
    """Let gradients of passes go through the linear network of RelP; the values stay the same.

    The final softcap of Gemma 2 and linear attention, of which RelP says nothing, are differentiated as they are.
    """
    with ExitStack() as stack:
        for module in filter(is_activation, model.module.modules()):
            stack.enter_context(module.register_forward_hook(_gated))
        stack.enter_context(_Held())
        yield


@contextmanager
def direct(model: LoadedModel) -> Iterator[None]:
    """Let gradients go through norms and residual stream alone, both as in `held`: no later layer passes any on.

    Every projection of a block but the down projection, whose input is the neurons, sees its input as constant.
    """
    family = model.family.of_answers()
    blocks = family.blocks_of(model.base)
    downs = {family.down_of(block) for block in blocks}
    reading = {module for block in blocks for module in block.modules() if is_projection(module)} - downs
    with ExitStack() as stack:
        for module in reading:
            stack.enter_context(module.register_forward_pre_hook(_cut))
        stack.enter_context(held(model))
        yield


def _cut(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0].detach(), *args[1:])


def _gated(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    """Return an activation function's output as its input times a constant."""
    return _times_constant(args[0], output)


def _times_constant(values: Tensor, output: Tensor) -> Tensor:
    if not values.requires_grad:
        return output
    gate = torch.where(values == 0, 0, output / values).detach()
    product = values * gate
    return product + (output - product).detach()  # to the last bit what it was


class _Held(TorchFunctionMode):
    """Replaces what torch's own functions hand on to gradients, whichever module calls them."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        rule = _RULES.get(function)
        return rule(function, *args, **(kwargs or {})) if rule else function(*args, **(kwargs or {}))


def _constant(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Softmax: patterns; roots: what norms divide by; sigmoid: gates."""
    return function(*args, **kwargs).detach()


def _power(function: Callable[..., Tensor], values: Any, exponent: Any, **kwargs: Any) -> Tensor:
    found = function(values, exponent, **kwargs)
    return found.detach() if isinstance(exponent, float) and exponent == -0.5 else found  # Gemma 4's norm


def _activation(function: Callable[..., Tensor], values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return _times_constant(values, function(values, *args, **kwargs))


def _attention(function: Callable[..., Tensor], query: Tensor, key: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return function(query.detach(), key.detach(), *args, **kwargs)


def _layer_norm(
    function: Callable[..., Tensor],
    values: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    centred: bool = True,
) -> Tensor:
    whole = function(values, normalized_shape, weight, *([bias] if centred else []), eps)
    if not values.requires_grad:
        return whole
    over = tuple(range(-len(normalized_shape), 0))
    from_mean = values.float() - values.float().mean(over, keepdim=True) * centred
    size = (from_mean.square().mean(over, keepdim=True) + (eps or torch.finfo(values.dtype).eps)).sqrt().detach()
    scaled = from_mean / size * (1 if weight is None else weight)
    return (scaled + (whole - scaled).detach()).to(whole.dtype)


def _rms_norm(
    function: Callable[..., Tensor], values: Tensor, shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    return _layer_norm(function, values, shape, weight, eps=eps, centred=False)  # type: ignore[arg-type]


def _product(function: Callable[..., Tensor], a: Any, b: Any, **kwargs: Any) -> Tensor:
    """Give each of two factors half, where both depend on what is changed: the gate and the value of a gated MLP."""
    if not all(isinstance(factor, Tensor) and factor.requires_grad for factor in (a, b)):
        return function(a, b, **kwargs)
    return 0.5 * (function(a, b.detach(), **kwargs) + function(a.detach(), b, **kwargs))


_RULES: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((functional.softmax, torch.softmax, Tensor.softmax), _constant),
    **dict.fromkeys((torch.rsqrt, Tensor.rsqrt, torch.sqrt, Tensor.sqrt), _constant),
    **dict.fromkeys((torch.sigmoid, Tensor.sigmoid, functional.sigmoid), _constant),
    **dict.fromkeys((torch.pow, Tensor.pow, Tensor.__pow__), _power),
    **dict.fromkeys((functional.gelu, functional.silu), _activation),
    functional.scaled_dot_product_attention: _attention,
    functional.layer_norm: _layer_norm,
    functional.rms_norm: _rms_norm,
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _product),
}
