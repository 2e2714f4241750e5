"""A data set whose prompts were attributed at a checkpoint: how, which prompts, and where attributions start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nwh.ingest.checkpoints import dtype_name
from nwh.ingest.knowledge.attribution import answer_activations
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.reading import Readable, read_prompts, unrelated_prompt
from nwh.ingest.knowledge.rules.rule import RULES, Rule, rule_named, rules_of
from nwh.ingest.models import LoadedModel
from nwh.ingest.prompts.stored import PromptRow, stored_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError


class AttributedPrompts:
    """One data set at one checkpoint; what costs time is computed when it is first asked for."""

    def __init__(self, warehouse: Warehouse, model: LoadedModel, dataset: str) -> None:
        """Raise UsageError where this checkpoint has no attributions of the data set."""
        self.warehouse = warehouse
        self.model = model
        row = model.checkpoint
        self.unit = {"model": row.model, "checkpoint": row.checkpoint, "dataset": dataset}
        rows, _ = stored_prompts(warehouse, dataset)
        found = warehouse.units.stored("attributions", self.unit)
        if found is None:
            command = f"`nwh ingest attributions --model {row.source} --dataset {dataset}`"
            raise UsageError(f"no attributions of {dataset} for {row}: {command} adds them")
        self.settings: dict[str, Any] = found.settings
        self._rows: Sequence[PromptRow] = rows

    def described(self, chosen: Any, block: int, **others: Any) -> dict[str, Any]:
        """Return the settings of a run over these prompts: what was chosen, and all else that decides its rows."""
        where = {"block": block, "device": str(self.model.device), "dtype": dtype_name(self.model)}
        return {**self.unit, **asdict(chosen), **where, "attributions": self.settings, **others}

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that are stored."""
        return rules_of(self.settings)

    def stored_rule(self, name: str | None) -> str:
        """Return a rule that is stored, the first of them by default; UsageError where there is none of that name."""
        stored = {rule.name for rule in self.rules}
        if name is None:
            return next(each for each in RULES if each in stored)
        if rule_named(name).name not in stored:
            row, dataset = self.model.checkpoint, self.unit["dataset"]
            raise UsageError(
                f"no attributions of {dataset} by {name} for {row}; there are those by {', '.join(sorted(stored))}: "
                f"`nwh ingest attributions --model {row.source} --dataset {dataset} --rule {name}` adds them"
            )
        return name

    @cached_property
    def readable(self) -> Readable:
        """What the model reads, known or not: tokenizers decide it, not checkpoints."""
        answer, min_prompts = self.settings["answer"], self.settings["min_prompts"]
        return read_prompts(self.model, self._rows, answer=answer, min_prompts=min_prompts)

    @cached_property
    def attributed(self) -> list[PromptInput]:
        """What was attributed: of the concepts that were asked for, the prompts that the model knows."""
        found = self.warehouse.sql(
            "select prompt_id from prompt_scores "
            "where model = $model and checkpoint = $checkpoint and dataset = $dataset",
            self.unit,
        )
        ids = {prompt_id for (prompt_id,) in found.fetchall()}
        return [prompt for prompt in self.readable.inputs if prompt.prompt_id in ids]

    def drawn(self, n: int, seed: int) -> list[PromptInput]:
        """Return n of the prompts that were attributed, by id, all for 0: the same of the same at every checkpoint."""
        ids = np.array([prompt.prompt_id for prompt in self.attributed], np.int64).view(np.uint64)
        order = np.argsort(mixed(ids ^ seeded(f"{seed}:prompts")), kind="stable")[: n or None]
        return sorted((self.attributed[i] for i in order), key=lambda prompt: prompt.prompt_id)

    @cached_property
    def unrelated(self) -> NDArray[np.float32]:
        """Values [n_layers, d_ffn] at the answer position of the prompt about a key, at this checkpoint."""
        found = answer_activations(self.model, [unrelated_prompt(self.model)])[0]
        return found.float().cpu().numpy()  # type: ignore[no-any-return, unused-ignore]

    @cached_property
    def baseline(self) -> Tensor | None:
        """Where attributions start, [n_layers, d_ffn]; null: at 0."""
        return torch.from_numpy(self.unrelated) if self.settings.get("baseline") == "replace" else None


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a hash of each value: SplitMix64's finalizer (Steele et al. 2014), in which any bit moves every other."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def seeded(text: str) -> np.uint64:
    """Return a number that a text decides."""
    return np.uint64(int.from_bytes(sha256(text.encode()).digest()[:8], "big"))
