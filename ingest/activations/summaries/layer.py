"""All that is kept of one layer at one site: top-K of both poles, moments, histogram, sampled sentences."""

from __future__ import annotations

import torch
from torch import Tensor

from nwh.ingest.activations.summaries.compiled import extremes, raise_to_tokens
from nwh.ingest.activations.summaries.histogram import Histogram
from nwh.ingest.activations.summaries.moments import Moments
from nwh.ingest.activations.summaries.topk import TopK


class NotFiniteError(ValueError):
    """A NaN or infinite activation: of which neuron, for the sentence of which ordinal."""

    def __init__(self, neuron: int, ordinal: int, value: float) -> None:
        """Name the place."""
        super().__init__(f"neuron {neuron} is {value} for the sentence of ordinal {ordinal}")
        self.neuron, self.ordinal, self.value = neuron, ordinal, value


class LayerSummary:
    """The mergeable summaries of the neurons of one layer at one site, in main memory wherever the model runs."""

    def __init__(self, n_neurons: int, k: int, sample: Tensor, positions: bool) -> None:
        """Start empty; `sample` [sentences] int64, sorted, are the ordinals whose activations are kept whole."""
        self.top = TopK(n_neurons, k, "top", positions)
        self.bottom = TopK(n_neurons, k, "bottom", positions)
        self.moments = Moments(n_neurons)
        self.histogram = Histogram(n_neurons)
        self.sample = sample
        self.sampled = torch.full((len(sample), n_neurons), torch.nan)
        self.max_token = torch.full((n_neurons,), -torch.inf)

    def see_tokens(self, activations: Tensor, counted: Tensor) -> None:
        """Note the highest activation of any token: activations [batch, tokens, neurons], counted [batch, tokens]."""
        if activations.device.type == "cpu" and activations.dtype == torch.float32:
            raise_to_tokens(self.max_token.numpy(), activations.numpy(), counted.numpy())
            return
        highest = activations.masked_fill(~counted[:, :, None], -torch.inf).amax((0, 1))
        self.max_token = torch.maximum(self.max_token.to(highest.device), highest.float())

    def update(self, values: Tensor, ordinals: Tensor, positions: Tensor | None = None) -> None:
        """Take in a chunk: values [neurons, sentences] float32, ordinals [sentences] int64.

        Raises NotFiniteError where a value is NaN or infinite; the summary is then as it was.
        """
        low, high = torch.from_numpy(extremes(values.numpy().view("int32"))).view(torch.float32) + 0.0  # 0 for -0
        if not bool((torch.isfinite(low) & torch.isfinite(high)).all()):
            neuron, sentence = (~torch.isfinite(values)).nonzero()[0].tolist()
            raise NotFiniteError(neuron, int(ordinals[sentence]), float(values[neuron, sentence]))
        self.top.update(values, ordinals, positions)
        self.bottom.update(values, ordinals, positions)
        self.moments.update(values, low, high)
        self.histogram.update(values, low, high)
        if len(self.sample):
            at = torch.searchsorted(self.sample, ordinals).clamp(max=len(self.sample) - 1)
            hit = self.sample[at] == ordinals
            self.sampled[at[hit]] = values[:, hit].T

    def merge(self, other: LayerSummary) -> None:
        """Take in the summary of other sentences."""
        self.top.merge(other.top)
        self.bottom.merge(other.bottom)
        self.moments.merge(other.moments)
        self.histogram.merge(other.histogram)
        self.sampled = torch.where(self.sampled.isnan(), other.sampled, self.sampled)
        self.max_token = torch.maximum(self.max_token.cpu(), other.max_token.cpu())

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run needs, as flat named tensors."""
        parts = {name: getattr(self, name).state() for name in _PARTS}
        flat = {f"{name}.{key}": tensor for name, part in parts.items() for key, tensor in part.items()}
        return {**flat, "sampled": self.sampled, "max_token": self.max_token.cpu()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from `state()`."""
        for name in _PARTS:
            prefix = f"{name}."
            part = {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
            getattr(self, name).restore(part)
        self.sampled, self.max_token = state["sampled"], state["max_token"]


_PARTS = ("top", "bottom", "moments", "histogram")
