"""What a neuron of site `ffn` writes towards: its output weights through the unembedding.

The logit lens (nostalgebraist 2020), of weights instead of activations (Geva et al. 2022, arXiv 2203.14680): one unit
of the neuron's activation adds its column of the down projection to the residual stream; the unembedding says which
tokens that raises and lowers, if nothing after the block answered it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nwh.ingest.models import LoadedModel
from nwh.ingest.models.feed_forward import output_weights
from nwh.ingest.models.unembedding import final_norm, through, token_texts, unembedding
from nwh.warehouse.errors import UsageError


@dataclass(frozen=True)
class OutputTokens:
    """Tokens that a neuron raises and lowers most.

    positive, negative: (token's text, change of its logit per unit of activation before the final norm divides by
        the size of the stream), the largest change first.
    normed: whether there is a final norm, whose scale (and centring) is in these numbers.
    transformed: whether the head of a masked model has a layer of its own before the unembedding, left out here.
    """

    positive: list[tuple[str, float]]
    negative: list[tuple[str, float]]
    normed: bool
    transformed: bool


def output_tokens(model: LoadedModel, layer: int, neurons: Sequence[int], k: int) -> list[OutputTokens]:
    """Return the k tokens that each of some neurons of site `ffn` raises most, and the k that it lowers most.

    model: with its language-model head. UsageError: a layer or neuron that is not there; else as `unembedding`.
    """
    row = model.checkpoint
    if layer >= row.n_layers or max(neurons) >= row.d_ffn:
        raise UsageError(f"{row} has ffn layers 0 to {row.n_layers - 1} with neurons 0 to {row.d_ffn - 1}")
    found = []
    with torch.inference_mode():
        tokens, norm, written = unembedding(model).float(), final_norm(model), output_weights(model, layer)
        k = min(k, len(tokens))
        for neuron in neurons:
            weights = written[neuron] if norm is None else through(norm, written[neuron])  # [d_model]
            changes = tokens @ weights  # [tokens]
            ends = [changes.topk(k, largest=largest) for largest in (True, False)]
            named = [list(zip(token_texts(model, ids.tolist()), by.tolist(), strict=True)) for by, ids in ends]
            found.append(OutputTokens(named[0], named[1], norm is not None, row.objective == "mlm"))
    return found
