"""What the operations on a data set at a checkpoint share: prompts, sets of neurons, draws, figures before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.knowledge.attribution import answer_activations, answer_scores
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.known import known_prompts
from nwh.ingest.knowledge.reading import PromptRow, Readable, read_prompts, stored_prompts, unrelated_prompt
from nwh.ingest.models import LoadedModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError

Neurons = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Layers and neurons of a set, ascending."""


@dataclass(frozen=True)
class Selection:
    """Which neurons and prompts: thresholds of the selection, negative prompts of a concept, seed of the draws."""

    t: float
    p: float
    negatives: int
    seed: int


class InterventionInputs:
    """One data set at one checkpoint; what costs time is computed when it is first asked for."""

    def __init__(self, warehouse: Warehouse, model: LoadedModel, dataset: str, choice: Selection) -> None:
        """Raise UsageError where this checkpoint has no attributions of the data set."""
        self.warehouse = warehouse
        self.model = model
        self.choice = choice
        self.unit = {
            "model": model.checkpoint.model,
            "checkpoint": model.checkpoint.checkpoint,
            "dataset": dataset,
        }
        rows, _ = stored_prompts(warehouse, dataset)
        found = warehouse.units.stored("attributions", self.unit)
        where = f"{model.checkpoint.model}@{model.checkpoint.checkpoint}"
        command = f"`nwh ingest attributions --model {model.checkpoint.source} --dataset {dataset}`"
        if found is None:
            raise UsageError(f"no attributions of {dataset} for {where}: {command} adds them")
        self.attributed: dict[str, Any] = found.settings
        self._rows: Sequence[PromptRow] = rows

    @cached_property
    def prompts(self) -> list[PromptInput]:
        """All prompts that the model reads and knows: negative ones come from concepts without attributions too."""
        min_prompts, least = self.attributed["min_prompts"], self.attributed["min_probability"]
        known = known_prompts(self.model, self._rows, self._readable, min_probability=least, min_prompts=min_prompts)
        return known.inputs

    @cached_property
    def positive(self) -> dict[str, list[int]]:
        """Concept -> places of its prompts, by id."""
        found: dict[str, list[int]] = defaultdict(list)
        for i in self._by_id:
            found[self.prompts[i].concept].append(i)
        return found

    @cached_property
    def sets(self) -> dict[str, Neurons]:
        """Contributing neurons of each concept that has some, by concept."""
        found = self.warehouse.sql(
            f"select concept, layer::bigint, neuron::bigint from knowledge_neurons_at({self.choice.t!r}, "
            f"{self.choice.p!r}) where model = $model and checkpoint = $checkpoint and dataset = $dataset "
            "order by all",
            self.unit,
        ).fetchall()
        of_concept = defaultdict(list)
        for concept, layer, neuron in found:
            of_concept[concept].append((layer, neuron))
        return {concept: _neurons(of_concept[concept]) for concept in sorted(of_concept) if concept in self.positive}

    @cached_property
    def negative(self) -> dict[str, list[int]]:
        """Concept -> places of prompts that ask for something else, by id.

        The first that the model knows in an order that concept and ids decide: the same at every checkpoint that knows
        the same prompts, and as many of the same as two checkpoints both know.
        """
        return {concept: self._negatives(concept) for concept in self.sets}

    @cached_property
    def random(self) -> dict[str, Neurons]:
        """Concept -> as many random neurons in each layer as its set has there, none of the set."""
        return {concept: self._others(concept) for concept in self.sets}

    @cached_property
    def before(self) -> dict[int, tuple[float, int]]:
        """Place of each prompt that is used -> probability and rank of its answer, untouched."""
        used = sorted({i for concept in self.sets for i in (*self.positive[concept], *self.negative[concept])})
        return dict(zip(used, answer_scores(self.model, [self.prompts[i] for i in used]), strict=True))

    @cached_property
    def unrelated(self) -> NDArray[np.float32]:
        """Values [n_layers, d_ffn] at the answer position of the prompt about a key, at this checkpoint."""
        found = answer_activations(self.model, [unrelated_prompt(self.model)])[0]
        return found.float().cpu().numpy()  # type: ignore[no-any-return, unused-ignore]

    def notes(self) -> Iterator[str]:
        """Yield what the user should know of all operations alike."""
        asked = [concept for concept in self.attributed["concepts"] or self.positive if concept in self.positive]
        if without := sum(concept not in self.sets for concept in asked):
            yield f"{without:,} of {len(asked):,} concepts have no contributing neurons and no rows"
        if fewer := sum(len(self.random[concept][0]) < len(found[0]) for concept, found in self.sets.items()):
            yield (
                f"{fewer:,} concepts have more than half of a layer's neurons in their set: their random arm takes "
                "the others of that layer, which are fewer"
            )

    @cached_property
    def _by_id(self) -> list[int]:
        return sorted(range(len(self.prompts)), key=lambda i: self.prompts[i].prompt_id)

    @cached_property
    def _readable(self) -> Readable:
        """What the model reads, known or not: tokenizers decide it, not checkpoints."""
        answer, min_prompts = self.attributed["answer"], self.attributed["min_prompts"]
        return read_prompts(self.model, self._rows, answer=answer, min_prompts=min_prompts)

    @cached_property
    def _answers(self) -> dict[str, set[tuple[int, ...]]]:
        """Concept -> answers of all its prompts."""
        found: dict[str, set[tuple[int, ...]]] = defaultdict(set)
        for prompt in self._readable.inputs:
            found[prompt.concept].add(prompt.answer_ids)
        return found

    def _negatives(self, concept: str) -> list[int]:
        # Not another concept alone: two concepts can have one answer, and its neurons are not to be found here.
        answers = self._answers[concept]
        drawn: list[int] = []
        for place in np.argsort(_mixed(self._ids ^ self._seed("negatives", concept)), kind="stable"):
            if len(drawn) == self.choice.negatives:
                break
            if self.prompts[self._by_id[place]].answer_ids not in answers:
                drawn.append(self._by_id[place])
        return sorted(drawn, key=lambda i: self.prompts[i].prompt_id)

    @cached_property
    def _ids(self) -> NDArray[np.uint64]:
        return np.array([self.prompts[i].prompt_id for i in self._by_id], np.int64).view(np.uint64)

    def _others(self, concept: str) -> Neurons:
        layers, neurons = self.sets[concept]
        chance = np.random.default_rng(int(self._seed("random", concept)))
        pairs = []
        for layer in np.unique(layers):
            taken = neurons[layers == layer]
            free = np.setdiff1d(np.arange(self.model.checkpoint.d_ffn), taken)
            drawn = chance.choice(free, min(len(taken), len(free)), replace=False)
            pairs += [(int(layer), int(neuron)) for neuron in np.sort(drawn)]
        return _neurons(pairs)

    def _seed(self, purpose: str, concept: str) -> np.uint64:
        digest = sha256(f"{self.choice.seed}:{purpose}:{concept}".encode()).digest()
        return np.uint64(int.from_bytes(digest[:8], "big"))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a hash of each value: SplitMix64's finalizer (Steele et al. 2014), in which any bit moves every other."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _neurons(pairs: Sequence[tuple[int, int]]) -> Neurons:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
