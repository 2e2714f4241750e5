"""All that is kept of one layer at one site: top-K of both poles, moments, histogram, sampled sentences."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.block_moments import BlockMoments
from nwh.ingest.activations.summaries.compiled import raise_to_tokens
from nwh.ingest.activations.summaries.histogram import Histogram
from nwh.ingest.activations.summaries.loops import COMPILED, Loops
from nwh.ingest.activations.summaries.moments import Moments
from nwh.ingest.activations.summaries.topk import TopK


class NotFiniteError(ValueError):
    """A NaN or infinite activation: of which neuron, for the sentence of which ordinal."""

    def __init__(self, neuron: int, ordinal: int, value: float) -> None:
        """Name the place."""
        super().__init__(f"neuron {neuron} is {value} for the sentence of ordinal {ordinal}")
        self.neuron, self.ordinal, self.value = neuron, ordinal, value


class LayerSummary:
    """The mergeable summaries of the neurons of one layer at one site, or of several of them side by side."""

    def __init__(
        self,
        n_neurons: int,
        k: int,
        sample: Tensor,
        positions: bool,
        loops: Loops = COMPILED,
        device: torch.device | str = "cpu",
    ) -> None:
        """Start empty; `sample` [sentences] int64, sorted, are the ordinals whose activations are kept whole.

        loops: what fills the summaries; the compiled ones need the `device` to be the CPU.
        """
        self.loops = loops
        self.top = TopK(n_neurons, k, "top", positions, loops, device)
        self.bottom = TopK(n_neurons, k, "bottom", positions, loops, device)
        self.moments = Moments(n_neurons, loops, device)  # of the block under way
        self.blocks = BlockMoments()
        self.histogram = Histogram(n_neurons, loops, device)
        self.sample = sample
        self.sampled = torch.empty((len(sample), n_neurons), device=device)  # rows not `seen` mean nothing
        self.seen = torch.zeros(len(sample), dtype=torch.bool)
        self.max_token = torch.full((n_neurons,), -torch.inf, device=device)

    def part(self, neurons: slice) -> LayerSummary:
        """Return the summary of some of the neurons: it shares this one's memory, but for the count `moments.n`."""
        made = copy(self)
        for name in _PARTS:
            setattr(made, name, _rows(getattr(self, name), neurons))
        made.blocks = self.blocks.part(neurons)
        made.sampled, made.max_token = self.sampled[:, neurons], self.max_token[neurons]
        return made

    def see_tokens(self, activations: Tensor, counted: Tensor) -> None:
        """Note the highest activation of any token: activations [batch, tokens, neurons], counted [batch, tokens]."""
        if self.loops is COMPILED and activations.device.type == "cpu" and activations.dtype == torch.float32:
            raise_to_tokens(self.max_token.numpy(), activations.numpy(), counted.numpy())
            return
        self.raise_max_token(activations.masked_fill(~counted[:, :, None], -torch.inf).amax((0, 1)))

    def raise_max_token(self, highest: Tensor) -> None:
        """Note the highest activations [neurons] of some tokens that count."""
        if self.max_token.device != highest.device:
            self.max_token = self.max_token.to(highest.device)
        torch.maximum(self.max_token, highest.float(), out=self.max_token)

    def update(self, values: Tensor, ordinals: Tensor, positions: Tensor | None = None) -> None:
        """Take in a chunk: values [neurons, sentences] float32, ordinals [sentences] int64, these in main memory.

        Raises NotFiniteError where a value is NaN or infinite; the summary is then as it was.
        """
        low, high = (of_neurons + 0.0 for of_neurons in self.loops.extremes(values))  # 0 for -0
        if not bool((torch.isfinite(low) & torch.isfinite(high)).all()):
            neuron, sentence = (~torch.isfinite(values)).nonzero()[0].tolist()
            raise NotFiniteError(neuron, int(ordinals[sentence]), float(values[neuron, sentence]))
        there = ordinals.to(values.device)
        self.top.update(values, there, positions)
        self.bottom.update(values, there, positions)
        self.moments.update(values, low, high)
        self.histogram.update(values, low, high)
        if len(self.sample):
            at = torch.searchsorted(self.sample, ordinals).clamp(max=len(self.sample) - 1)
            hit = (self.sample[at] == ordinals).nonzero()[:, 0]
            self._put_sampled(at[hit], values[:, hit.to(values.device)].T)

    def end_block(self, block: int) -> None:
        """Note that all sentences of a block, numbered from 0 in its corpus, have been taken in."""
        self.blocks.add(block, self.moments)
        self.moments = Moments(len(self.max_token), self.loops, self.moments.mean.device)

    def all_moments(self) -> Moments:
        """Return the moments of all sentences: those of blocks, merged in one order, and of the block under way."""
        total = Moments(len(self.max_token), self.loops, self.moments.mean.device)
        self.blocks.add_to(total)
        total.merge(self.moments)
        return total

    def merge(self, other: LayerSummary) -> None:
        """Take in the summary of other sentences, which nobody changes from now on."""
        self.merge_state(other.state())

    def merge_state(self, state: dict[str, Tensor]) -> None:
        """Take in the `state()` of the summary of other sentences."""
        n, device, parts = len(self.max_token), self.moments.mean.device, _by_part(state)
        self.top.merge_state(parts["top"])
        self.bottom.merge_state(parts["bottom"])
        moments, histogram, blocks = Moments(n, self.loops, device), Histogram(n, self.loops, device), BlockMoments()
        moments.restore(parts["moments"])
        histogram.restore(parts["histogram"])
        blocks.restore(parts["blocks"], device)
        self.moments.merge(moments)
        self.histogram.merge(histogram)
        self.blocks.merge(blocks)
        self._put_sampled(**parts["sampled"])
        self.raise_max_token(state["max_token"].to(self.max_token.device))

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs, as flat named tensors."""
        parts = {name: getattr(self, name).state() for name in _PARTS}
        sampled = {"at": self.seen.nonzero()[:, 0], "values": self.sampled[self.seen.to(self.sampled.device)]}
        parts |= {"blocks": self.blocks.state(), "sampled": sampled}
        flat = {f"{name}.{key}": tensor for name, part in parts.items() for key, tensor in part.items()}
        return {**flat, "max_token": self.max_token.cpu()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue, from nothing, from `state()`."""
        parts = _by_part(state)
        for name in _PARTS:
            getattr(self, name).restore(parts[name])
        self.blocks.restore(parts["blocks"], self.moments.mean.device)
        self._put_sampled(**parts["sampled"])
        self.max_token.copy_(state["max_token"])

    def _put_sampled(self, at: Tensor, values: Tensor) -> None:
        self.seen[at] = True
        self.sampled[at.to(self.sampled.device)] = values.to(self.sampled.device)


_PARTS = ("top", "bottom", "moments", "histogram")

Summary = TypeVar("Summary", TopK, Moments, Histogram)


def _rows(summary: Summary, neurons: slice) -> Summary:
    """Return a summary of some of the neurons, with the same memory."""
    made = copy(summary)
    for name, value in vars(summary).items():
        if isinstance(value, Tensor):
            setattr(made, name, value[neurons])
    return made


def _by_part(state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of a summary's state by the part that they are of."""
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in (*_PARTS, "blocks", "sampled")}
    for title, tensor in state.items():
        name, _, key = title.partition(".")
        if key:
            parts[name][key] = tensor
    return parts
