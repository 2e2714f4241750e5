"""Read activations while the model runs: every layer and site in one forward pass, nothing kept."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from nwh.ingest.models.loading import LoadedModel
from nwh.warehouse.errors import UsageError

SITES = ("hidden", "ffn")

OnActivation = Callable[[str, int, torch.Tensor], None]


@contextmanager
def capture(
    loaded: LoadedModel, sites: Collection[str], on_activation: OnActivation, layers: Collection[int] | None = None
) -> Iterator[None]:
    """Call `on_activation(site, layer, tensor)` during each forward pass within the context.

    tensor: [batch, tokens, width], padding included, in the model's dtype and on its device; it is the
        model's own, so reduce or copy it at once and do not write to it.
    Layers come in order (0-based), a layer's `ffn` before its `hidden`.
    sites: `hidden` (the residual stream as it leaves the block, before any final norm) and `ffn`.
    layers: those asked for; all when null.
    The model is as it was after the context, also after an error. UsageError: no such site or layer.
    """
    blocks = loaded.family.blocks_of(loaded.base)
    wanted = set(range(len(blocks)) if layers is None else layers)
    if unknown := set(sites) - set(SITES):
        raise UsageError(f"site {min(unknown)!r} is not known: use {' or '.join(SITES)}")
    if unknown_layers := wanted - set(range(len(blocks))):
        highest = len(blocks) - 1
        raise UsageError(f"{loaded.checkpoint.model} has layers 0 to {highest}: there is no {min(unknown_layers)}")
    taps: dict[nn.Module, _Tap] = {}
    for layer, block in enumerate(blocks):
        taps.setdefault(block, _Tap(wanted, on_activation)).layers.append(layer)

    def restart(*_: Any) -> None:
        for tap in taps.values():
            tap.calls = 0

    with ExitStack() as stack:
        stack.enter_context(loaded.family.stack_of(loaded.base).register_forward_pre_hook(restart))
        for block, tap in taps.items():
            if not wanted.intersection(tap.layers):
                continue
            stack.enter_context(block.register_forward_pre_hook(tap.enter, with_kwargs=True))
            if "ffn" in sites:
                stack.enter_context(loaded.family.down_of(block).register_forward_pre_hook(tap.ffn))
            if "hidden" in sites:
                stack.enter_context(block.register_forward_hook(tap.hidden))
        yield


def forward(loaded: LoadedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
    """Run the model without its head (T5: its encoder) and return its last hidden state, final norm included.

    input_ids, attention_mask: [batch, tokens] on the model's device, padded on the right; a null mask means
        that nothing is padded (no faster than a mask of ones, which transformers drops itself).
    Result: [batch, tokens, d_model].
    """
    options = {"use_cache": False} if loaded.family.objective == "clm" else {}
    stack = loaded.family.stack_of(loaded.base)
    with torch.inference_mode():
        return stack(input_ids=input_ids, attention_mask=attention_mask, **options).last_hidden_state  # type: ignore[no-any-return]


class _Tap:
    """The hooks of one block, which knows the layers it runs at (several where layers share a block)."""

    def __init__(self, wanted: set[int], on_activation: OnActivation) -> None:
        self.wanted, self.on_activation = wanted, on_activation
        self.layers: list[int] = []
        self.calls = self.layer = 0
        self.shape: tuple[int, ...] = ()

    def enter(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.layer = self.layers[self.calls % len(self.layers)]
        self.calls += 1
        stream = args[0] if args else kwargs["hidden_states"]
        self.shape = tuple(stream.shape[:2])

    def ffn(self, _: nn.Module, args: tuple[torch.Tensor]) -> None:
        if self.layer in self.wanted:
            # OPT flattens [batch, tokens, width] to [batch * tokens, width] in its feed-forward layer.
            self.on_activation("ffn", self.layer, args[0].view(*self.shape, -1))

    def hidden(self, _: nn.Module, args: Any, output: Any) -> None:
        if self.layer in self.wanted:
            self.on_activation("hidden", self.layer, output[0] if isinstance(output, tuple) else output)
