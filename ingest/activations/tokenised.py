"""Texts as a model's tokenizer cuts them: ids, which of them are special, what was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.models import LoadedModel
from nwh.ingest.models.tokens import encode


@dataclass(frozen=True)
class Tokenised:
    """Texts as token ids, one after the other; text i has those from `offsets[i]` to `offsets[i + 1]`.

    ids int32 and special (added by the tokenizer) bool: [tokens]; offsets int64: [texts + 1]; truncated bool: [texts].
    """

    ids: NDArray[np.int32]
    special: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.truncated)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, special ones included."""
        return np.diff(self.offsets)

    @property
    def n_tokens(self) -> NDArray[np.int64]:
        """Tokens of each text without special ones."""
        ordinary = np.concatenate([[0], np.cumsum(~self.special)])
        return np.diff(ordinary[self.offsets])


def tokenise(model: LoadedModel, texts: Sequence[str]) -> Tokenised:
    """Return texts as the model reads them, cut at its window; UsageError for a token without an embedding."""
    encoded = encode(model, texts, model.window)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    offsets = np.zeros(len(ids) + 1, np.int64)
    np.cumsum([len(of_text) for of_text in ids], out=offsets[1:])
    return Tokenised(
        np.fromiter(chain.from_iterable(ids), np.int32, int(offsets[-1])),
        np.fromiter(chain.from_iterable(special), np.bool_, int(offsets[-1])),
        offsets,
        np.array([bool(encoding.overflowing) for encoding in encoded.encodings], np.bool_),
    )
