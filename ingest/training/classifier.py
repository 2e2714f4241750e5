"""A classifier on a language model: its vector of a text, dropout, one linear layer (Devlin et al. 2019, 4.1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nwh.ingest.activations.aggregates import AGGREGATES
from nwh.ingest.comparison import sentence_vectors
from nwh.ingest.models import LoadedModel, tokens
from nwh.ingest.models.saving import save_model
from nwh.warehouse.errors import ModelError

RECORD = "classifier.json"
_WEIGHTS = "classifier.safetensors"
_POOL = 16  # batches whose texts are sorted by length together
_INITIAL_STD = 0.02  # of the linear layer's weights, as BERT's own


@dataclass(frozen=True)
class Text:
    """A text as a model reads it: ids [tokens] int32; counted [tokens] bool, false for special tokens."""

    ids: NDArray[np.int32]
    counted: NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """Texts with their labels: targets [texts] int64, or, where texts have several, [texts, labels] float32."""

    texts: Sequence[Text]
    targets: Tensor


def pooling_of(model: LoadedModel) -> str:
    """Return which aggregate of the last hidden states stands for a text.

    `last` for causal models, whose other tokens have not seen the text; else that of sentences: `cls` or `mean`.
    """
    return "last" if model.family.objective == "clm" else sentence_vectors.pooling_of(model)


def encode(model: LoadedModel, texts: Sequence[str], max_tokens: int) -> list[Text]:
    """Return texts cut to `max_tokens` tokens (special ones included) and to the model's window."""
    encoded = tokens.encode(model, texts, min(max_tokens, model.window))
    pairs = zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True)
    return [Text(np.array(ids, np.int32), np.array(special, np.int8) == 0) for ids, special in pairs]


class Classifier(nn.Module):
    """Scores of labels for texts; the language model in it is a copy, so that the one given stays as it is."""

    def __init__(self, model: LoadedModel, n_labels: int, dropout: float) -> None:
        """Draw the linear layer's weights from torch's generator."""
        super().__init__()
        self.base = deepcopy(model.base)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(model.checkpoint.d_model, n_labels)
        nn.init.normal_(self.linear.weight, std=_INITIAL_STD)
        nn.init.zeros_(self.linear.bias)
        self._family = model.family
        self._aggregate = AGGREGATES[pooling_of(model)]
        self.device = model.device
        self.to(model.device)

    def forward(self, texts: Sequence[Text]) -> Tensor:
        """Return logits [texts, labels]."""
        ends = torch.tensor([len(text.ids) for text in texts])
        mask = (torch.arange(int(ends.max())) < ends[:, None]).long().to(self.device)
        ids = _padded([torch.from_numpy(text.ids).long() for text in texts], tokens.PADDING).to(self.device)
        counted = _padded([torch.from_numpy(text.counted) for text in texts], False).to(self.device)
        options = {"use_cache": False} if self._family.objective == "clm" else {}
        hidden = self._family.stack_of(self.base)(input_ids=ids, attention_mask=mask, **options).last_hidden_state
        vectors, _ = self._aggregate(hidden, counted)  # [texts, d_model]
        logits: Tensor = self.linear(self.dropout(vectors))
        return logits

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the forward pass uses, free to be changed (of T5, the encoder's)."""
        used = nn.ModuleList([self._family.stack_of(self.base), self.linear])
        return list(used.requires_grad_(True).parameters())


def _padded(rows: list[Tensor], value: float) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


def epoch_batches(lengths: NDArray[np.int64], size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return an epoch's batches as indexes: every text once, in an order that seed and epoch decide.

    Texts of similar length come together, which saves padding: of 16 batches' worth of shuffled texts, sorted by
    length, each batch takes a run; then the batches are shuffled.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    runs: list[NDArray[np.int64]] = []
    for start in range(0, len(order), _POOL * size):
        pool = order[start : start + _POOL * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        runs += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [runs[i] for i in random.permutation(len(runs))]


class Training:
    """Adam with a constant rate over a classifier; its state can be saved and restored between any two steps."""

    def __init__(self, classifier: Classifier, learning_rate: float) -> None:
        """Put the classifier into training mode."""
        self.classifier = classifier.train()
        self.optimizer = torch.optim.Adam(classifier.trained_parameters(), learning_rate, fused=True)

    def step(self, texts: Sequence[Text], targets: Tensor, seed: int) -> float:
        """Update once and return the mean loss (nats per text, or per text and label) before; ModelError for NaN.

        seed: of this step's dropout, so that a training that is resumed draws what it would have drawn.
        """
        torch.manual_seed(seed)
        loss = loss_of(self.classifier(texts), targets.to(self.classifier.device))
        value = loss.item()
        if not np.isfinite(value):
            raise ModelError(f"the training loss is {value}: nothing is stored. Try a smaller --learning-rate")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return value

    def state(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield weights and optimizer state as named arrays."""
        for name, tensor in self.classifier.state_dict().items():
            yield f"weights/{name}", tensor.cpu().contiguous().numpy()
        for i, of_parameter in self.optimizer.state_dict()["state"].items():
            for name, tensor in of_parameter.items():
                yield f"optimizer/{i}/{name}", tensor.cpu().contiguous().numpy()

    def restore(self, arrays: Iterator[tuple[str, NDArray[Any]]]) -> None:
        """Take over a state that another process saved."""
        weights: dict[str, Tensor] = {}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, array in arrays:
            kind, _, rest = name.partition("/")
            if kind == "weights":
                weights[rest] = torch.from_numpy(array)
            elif kind == "optimizer":
                i, _, moment = rest.partition("/")
                moments.setdefault(int(i), {})[moment] = torch.from_numpy(array)
        self.classifier.load_state_dict(weights)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy; of a sigmoid per label where texts have several."""
    if targets.is_floating_point():
        return functional.binary_cross_entropy_with_logits(logits, targets)
    return functional.cross_entropy(logits, targets)


def predict(classifier: Classifier, texts: Sequence[Text], size: int) -> Iterator[tuple[list[int], Tensor]]:
    """Yield indexes and logits [texts, labels] of `size` texts at a time, shortest first, without dropout."""
    classifier.eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i].ids))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        with torch.inference_mode():
            yield chosen, classifier([texts[i] for i in chosen]).cpu()


def hits(logits: Tensor, targets: Tensor) -> tuple[int, int]:
    """Return (right, asked), whose quotient over all texts is the accuracy.

    Where texts have several labels, a label is predicted when its probability is above a half, and the quotient is
    micro-F1: (twice the true positives, predicted labels + labels that texts have).
    """
    if not targets.is_floating_point():
        return int((logits.argmax(1) == targets).sum()), len(targets)
    predicted, wanted = logits > 0, targets > 0
    return 2 * int((predicted & wanted).sum()), int(predicted.sum() + wanted.sum())


def save_classifier(classifier: Classifier, tokenizer: Any, record: Mapping[str, Any], folder: Path) -> None:
    """Write a model folder without the head, and the head beside it.

    `classifier.safetensors` holds `weight` [labels, d_model] and `bias` [labels]; `classifier.json` what the record
    says, the labels in their order among it.
    """
    from safetensors.torch import save_file

    save_model(classifier.base, tokenizer, folder)
    linear = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.linear.state_dict().items()}
    save_file(linear, folder / _WEIGHTS)
    (folder / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
