"""A chat model that runs here, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nwh.ingest.models import LoadedModel
from nwh.warehouse.errors import ModelError, UsageError

_ANSWER = 60  # tokens
_TOGETHER = 8  # prompts in a batch


class LocalChat:
    """Answers with the likeliest tokens; a chat template is used where the tokenizer has one."""

    def __init__(self, model: LoadedModel, reference: str) -> None:
        """Take a causal model with its head; UsageError for another. reference: what it was loaded by."""
        if model.checkpoint.objective != "clm":
            raise UsageError(f"{reference} does not write text: name a causal model with --chat")
        self._model = model
        self.name = model.checkpoint.model
        self.about: dict[str, Any] = {
            "from": "local",
            "chat": reference,
            "chat_checkpoint": model.checkpoint.checkpoint,
            "chat_weights_sha256": model.checkpoint.weights_sha256,
            "chat_dtype": str(model.dtype),
        }
        self._answers = [self._first_tokens(word) for word in ("Yes", "No")]
        if not all(self._answers) or set(self._answers[0]) & set(self._answers[1]):
            raise ModelError(f"the tokenizer of {reference} cannot tell Yes from No: name another chat model")

    def fits(self, prompt: str) -> bool:
        """Return whether a prompt and its answer have room in the model's window."""
        (ids,) = self._encoded([prompt])["input_ids"].tolist()
        return len(ids) + _ANSWER <= self._model.window

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """Return the likeliest answer to each prompt, at most 60 tokens."""
        found: list[str] = []
        for start in range(0, len(prompts), _TOGETHER):
            encoded = self._encoded(prompts[start : start + _TOGETHER])
            written = self._generate(encoded, max_new_tokens=_ANSWER)[:, encoded["input_ids"].shape[1] :]
            found += self._model.tokenizer.batch_decode(written, skip_special_tokens=True)
        return found

    def yes(self, prompts: Sequence[str]) -> list[float]:
        """Return the probability of Yes against No as the next token after each prompt."""
        found: list[float] = []
        for start in range(0, len(prompts), _TOGETHER):
            encoded = self._encoded(prompts[start : start + _TOGETHER])
            step = self._generate(encoded, max_new_tokens=1, output_logits=True, return_dict_in_generate=True)
            logits = step.logits[0].float()  # [batch, vocabulary]
            yes, no = (logits[:, ids].logsumexp(1) for ids in self._answers)
            found += torch.sigmoid(yes - no).tolist()
        return found

    def _generate(self, encoded: Any, **options: Any) -> Any:
        tokenizer = self._model.tokenizer
        with torch.inference_mode():
            return self._model.module.generate(
                **encoded, do_sample=False, pad_token_id=tokenizer.pad_token_id, **options
            )

    def _encoded(self, prompts: Sequence[str]) -> Any:
        """Return prompts as the model takes them, padded on the left."""
        tokenizer = self._model.tokenizer
        has_template = bool(tokenizer.chat_template)
        texts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            if has_template
            else f"{prompt}\n"
            for prompt in prompts
        ]
        # a template writes special tokens itself
        return tokenizer(
            texts,
            padding=True,
            padding_side="left",
            add_special_tokens=not has_template,
            return_token_type_ids=False,
            return_tensors="pt",
        ).to(self._model.device)

    def _first_tokens(self, word: str) -> list[int]:
        """Return the tokens that a word can begin with, in either case and after a blank or not."""
        forms = (word, word.lower(), f" {word}", f" {word.lower()}")
        ids = (self._model.tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms)
        blank = set(self._model.tokenizer(" ", add_special_tokens=False)["input_ids"])
        return sorted({of_form[0] for of_form in ids if of_form} - blank)
