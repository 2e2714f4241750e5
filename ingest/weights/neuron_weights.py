"""Facts of the weights of the neurons of site `ffn`: no text is read, no sentence run.

A neuron's output weights w, times the unembedding as the final norm scales (and centres) it, are the change of every
token's logit per unit of activation, before the norm divides by the size of the stream and if nothing after the block
answered it (Geva et al. 2022, arXiv 2203.14680). What the vocabulary then gets of a neuron tells two kinds of neurons
that regulate confidence instead of naming tokens (Stolfo et al. 2024, arXiv 2406.16254): entropy neurons write where
the unembedding reads next to nothing, token-frequency neurons move every token by its frequency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nwh.ingest.models.feed_forward import FeedForward, feed_forward
from nwh.ingest.models.loading import LoadedModel
from nwh.ingest.models.unembedding import final_norm, through_to, unembedding

NULL_SHARE = 0.05  # of the stream's directions that the unembedding reads least; the paper: 40 of 768
_FLOATS = 64 << 20  # of logit changes held at a time: a quarter of a GiB
_BLOCK = 128  # tokens


@dataclass(frozen=True)
class LayerWeights:
    """Of each neuron of a layer, [d_ffn] float32; NaN where a vector or a projection has no size.

    read_norm, gate_norm, write_norm: sizes of its weights (gate: of gated layers, else null).
    read_cosine, gate_cosine: of read (gate) and output weights.
    logit_variance: over tokens, of the cosine of the output weights and the token's unembedding.
    null_share: share of the output weights' size in the directions that the unembedding reads least.
    frequency_correlation: over tokens that were counted, of the change of a token's logit and its log frequency; null
        where none were.
    top, bottom: ids of the tokens whose logits change most, [d_ffn, k], the largest change first.
    """

    read_norm: Tensor
    gate_norm: Tensor | None
    write_norm: Tensor
    read_cosine: Tensor
    gate_cosine: Tensor | None
    logit_variance: Tensor
    null_share: Tensor
    frequency_correlation: Tensor | None
    top: Tensor
    bottom: Tensor


def neuron_weights(model: LoadedModel, k: int = 10, counts: Tensor | None = None) -> Iterator[LayerWeights]:
    """Yield the facts of each layer's neurons.

    model: with its language-model head. k: tokens at either end. counts: occurrences of each token, [tokens].
    UsageError: a model whose blocks do not write into a vocabulary's space, see `unembedding`.
    """
    with torch.inference_mode():
        tokens, norm = unembedding(model).float(), final_norm(model)
        if norm is not None:
            tokens = through_to(norm, tokens)
        vocabulary = _Vocabulary(tokens, counts, min(k, len(tokens)))
        for layer in range(model.checkpoint.n_layers):
            yield _layer(feed_forward(model, layer), vocabulary)


class _Vocabulary:
    """The unembedding, [tokens, d_model], with what is asked of it for every neuron.

    Means and variances over tokens of a product with w are forms in w: [d_model] and [d_model, d_model], in float64.
    """

    def __init__(self, tokens: Tensor, counts: Tensor | None, k: int) -> None:
        self.tokens, self.k = tokens, k
        directions = tokens / tokens.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        self.covariance = _covariance(directions)
        n_null = max(1, round(NULL_SHARE * tokens.shape[1]))
        self.null = torch.linalg.eigh((tokens.T @ tokens).double())[1][:, :n_null]  # eigenvalues ascend
        self.counted = counts is not None and int((counts > 0).sum()) > 2
        if counts is not None and self.counted:
            known = counts[: len(tokens)].to(tokens.device).nonzero().squeeze(1)
            logs = counts.to(tokens.device)[known].double().log()
            self.of_counted = _covariance(tokens[known])
            self.frequency = tokens[known].double().T @ (logs - logs.mean()) / len(known) / logs.std(correction=0)


def _covariance(vectors: Tensor) -> Tensor:
    """Return the covariance of vectors, [n, d] -> [d, d], in float64."""
    centred = vectors - vectors.mean(0)
    covariance: Tensor = (centred.T @ centred).double() / len(vectors)
    return covariance


def _layer(weights: FeedForward, vocabulary: _Vocabulary) -> LayerWeights:
    read, gate, write = weights.read, weights.gate, weights.write
    size, exact = write.norm(dim=1), write.double()
    found = [_ends(rows, vocabulary) for rows in torch.split(write, max(1, _FLOATS // len(vocabulary.tokens)))]
    top, bottom = map(torch.cat, zip(*found, strict=True))
    correlation = None
    if vocabulary.counted:
        correlation = (exact @ vocabulary.frequency / _form(exact, vocabulary.of_counted).sqrt()).float()
    return LayerWeights(
        read_norm=read.norm(dim=1),
        gate_norm=None if gate is None else gate.norm(dim=1),
        write_norm=size,
        read_cosine=_cosine(read, write),
        gate_cosine=None if gate is None else _cosine(gate, write),
        logit_variance=(_form(exact, vocabulary.covariance) / exact.square().sum(1)).float(),
        null_share=(exact @ vocabulary.null).norm(dim=1).float() / size,
        frequency_correlation=correlation,
        top=top,
        bottom=bottom,
    )


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    cosine: Tensor = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    return cosine


def _form(vectors: Tensor, matrix: Tensor) -> Tensor:
    """Return v M v of vectors, [n, d] -> [n]."""
    return ((vectors @ matrix) * vectors).sum(1)


def _ends(rows: Tensor, vocabulary: _Vocabulary) -> tuple[Tensor, Tensor]:
    """Return the tokens whose logits neurons raise and lower most, [neurons, k] each.

    They are in the k blocks of tokens whose own ends are the furthest: one pass over the changes instead of a sort.
    """
    changes = rows @ vocabulary.tokens.T  # [neurons, tokens]
    k, whole = vocabulary.k, changes.shape[1] // _BLOCK * _BLOCK
    if whole < 2 * k * _BLOCK:
        return changes.topk(k).indices, changes.topk(k, largest=False).indices
    lowest, highest = changes[:, :whole].view(len(rows), -1, _BLOCK).aminmax(dim=2)
    rest = torch.arange(whole, changes.shape[1], device=rows.device).expand(len(rows), -1)
    ends = []
    for values, largest in ((highest, True), (lowest, False)):
        blocks = values.topk(k, largest=largest).indices
        tokens = (blocks[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=rows.device)).flatten(1)
        tokens = torch.cat([tokens, rest], 1)
        ends.append(tokens.gather(1, changes.gather(1, tokens).topk(k, largest=largest).indices))
    return ends[0], ends[1]
