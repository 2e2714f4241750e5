"""Rows of models whose tokens see later ones: they carry all tokens, since earlier ones see the answer position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nwh.ingest.knowledge.recording import Recording, attention
from nwh.ingest.knowledge.rows import Change, Rows, put, taken

_OF_TOKENS = ("position_embeddings", "position_ids")
"""What blocks are told of each token, as keyword arguments: [1, tokens, ...], or tuples of such tensors."""


class _KeysKnown(Exception):
    """Leaves the last block as soon as its keys and values are known."""


class BidirectionalRows(Rows):
    """Rows that carry all tokens; in the last block they leave the answer position alone.

    A row that joined one block ago differs from the recording at the answer position alone, and so do its queries,
    keys and values: they are computed there and taken from the recording elsewhere.
    """

    def __init__(
        self, recording: Recording, prompt: NDArray[np.int64], layer: NDArray[np.int64], change: Change
    ) -> None:
        super().__init__(recording, prompt, layer, change)
        self.position = recording.group.position[self.prompt]
        self.carried: list[tuple[slice, Tensor]] = []  # (rows, hidden states): those that joined last come last
        self.fresh = False  # whether the rows of the current run joined one block ago
        self.keys: tuple[Tensor, Tensor] | None = None  # that the current run's one token sees, with their values
        self.only_keys = False

    def block(self, run: Callable[[Tensor], Any], hidden: Tensor) -> Any:
        """Run the rows that joined before, then let new ones join."""
        last = self.layer == self.n_layers - 1
        carry = self._answer if last else self._all
        done = [carry(run, states, rows) for rows, states in self.carried]
        joined, joining = self.joined, self.joining
        self.carried = [(joined, torch.cat(done))] if done else []
        if joining.stop > joining.start:
            self.carried.append((joining, self._joining(run, joining, last)))
        if last:
            # For each token anew: GPT-2 wants as many as it was given. The head reads one; see `passes`.
            hidden = torch.cat([states for _, states in self.carried]).expand(-1, hidden.shape[1], -1)
        return self.output(hidden)

    def _all(self, run: Callable[[Tensor], Any], hidden: Tensor, rows: slice) -> Tensor:
        self.fresh = rows.start >= self.below[self.layer - 1]
        self.keys = None
        return self.computed(run, hidden, rows, self.position[rows])

    def _answer(self, run: Callable[[Tensor], Any], hidden: Tensor, rows: slice) -> Tensor:
        """Return the last block's output at the answer position, [rows, 1, d_model]."""
        self.only_keys = True
        try:
            self._all(run, hidden, rows)
        except _KeysKnown:
            self.only_keys = self.fresh = False
        at = self.position[rows]
        return self.computed(run, taken(hidden, at), rows, torch.zeros_like(at))

    def _joining(self, run: Callable[[Tensor], Any], rows: slice, last: bool) -> Tensor:
        """Return the block's output for new rows: computed at the answer position, as recorded elsewhere."""
        prompt, recording = self.prompt[rows], self.recording
        memory = recording.memories[self.layer][0]
        self.fresh, self.keys = False, (memory.keys[prompt], memory.values[prompt])
        states = self.computed(run, recording.entry[self.layer][prompt], rows, torch.zeros_like(prompt))
        return states if last else put(recording.exit[self.layer][prompt], self.position[rows], states)

    def project(self, module: nn.Module, run: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        """Compute the answer position alone for rows that equal the recording elsewhere."""
        if not self.fresh:
            return run(values)
        own = run(taken(values, self.at))
        return put(self.recording.projections[self.layer][module][self.prompt[self.rows]], self.at, own)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, biases: list[Tensor], scaling: float, softcap: float | None
    ) -> Tensor:
        """See `Interception.attend`; what a row does not change comes from the recording."""
        if self.only_keys:
            self.keys = key, value
            raise _KeysKnown
        keys, values = self.keys or (key, value)
        bias = self.recording.memories[self.layer][0].bias
        if bias is not None and self.keys is not None:
            bias = bias[0][:, self.position[self.rows]].transpose(0, 1)[:, :, None]
        return attention(query, keys, values, bias, scaling, softcap)

    def placed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give blocks that compute the answer position alone its rotary embeddings and position ids."""
        if self.keys is None:
            return arguments
        positions = self.position[self.rows]

        def of_answer(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(of_answer, value))
            return value[0, positions][:, None] if isinstance(value, Tensor) else value

        told = {name: of_answer(arguments[name]) for name in _OF_TOKENS if name in arguments}
        return {**arguments, **told}
