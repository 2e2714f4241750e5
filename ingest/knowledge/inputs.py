"""A prompt as one model reads it: tokens, the answer position, the answer's tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptInput:
    """One usable prompt of one model.

    input_ids: what the model reads, special tokens and the mask token included; for causal models the prompt,
        then the answer's tokens but the last (none where the answer is one token).
    position: index of the token whose output predicts the answer's first token: the mask, the prompt's last
        token, or (seq2seq) an index into decoder_ids.
    answer_ids: the answer's tokens; token j is predicted at position + j. Masked models have one.
    decoder_ids: what a seq2seq decoder reads; empty for other models.
    """

    prompt_id: int
    concept: str
    input_ids: tuple[int, ...]
    position: int
    answer_ids: tuple[int, ...]
    decoder_ids: tuple[int, ...] = ()
