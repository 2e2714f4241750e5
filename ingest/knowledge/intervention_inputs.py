"""What the operations on a data set at a checkpoint share: prompts, sets of neurons, draws, figures before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.knowledge.attributed_prompts import AttributedPrompts, mixed, seeded
from nwh.ingest.knowledge.attribution import answer_scores
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.known import known_prompts
from nwh.ingest.models import LoadedModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError

STUDY_T, STUDY_P = 0.2, 0.5  # thresholds of Ariyama 2024, which select a concept's neurons
Neurons = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Layers and neurons of a set, ascending."""


@dataclass(frozen=True)
class Selection:
    """Which neurons and prompts: thresholds of the selection, negative prompts of a concept, seed of the draws."""

    t: float
    p: float
    negatives: int
    seed: int


class InterventionInputs(AttributedPrompts):
    """One data set at one checkpoint, and the neurons that one rule selects."""

    def __init__(
        self, warehouse: Warehouse, model: LoadedModel, dataset: str, choice: Selection, rule: str | None
    ) -> None:
        """Raise UsageError where this checkpoint has no attributions of the data set by this rule; null: the first.

        And where negative prompts are wanted of a data set that asks for one thing only.
        """
        super().__init__(warehouse, model, dataset)
        if choice.negatives and len({row.answer for row in self._rows}) < 2:
            raise UsageError(
                f"all prompts of {dataset} have one answer, so none can be negative: add prompts of other concepts to "
                "it, or give --negatives 0"
            )
        self.choice = choice
        self.rule = self.stored_rule(rule)

    @cached_property
    def others(self) -> list[PromptInput]:
        """Prompts of concepts whose attributions were not asked for."""
        asked = set(self.settings["concepts"])
        return [prompt for prompt in self.readable.inputs if asked and prompt.concept not in asked]

    @cached_property
    def prompts(self) -> list[PromptInput]:
        """All prompts that the model reads and knows, those of concepts that were not asked for too."""
        min_prompts, least = self.settings["min_prompts"], self.settings["min_probability"]
        others = replace(self.readable, inputs=self.others)
        known = known_prompts(self.model, (), others, min_probability=least, min_prompts=min_prompts)
        ids = {prompt.prompt_id for prompt in (*self.attributed, *known.inputs)}
        return [prompt for prompt in self.readable.inputs if prompt.prompt_id in ids]

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
            f"{self.choice.p!r}, by_rule := $rule) where model = $model and checkpoint = $checkpoint "
            "and dataset = $dataset order by all",
            {**self.unit, "rule": self.rule},
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

    def notes(self) -> Iterator[str]:
        """Yield what the user should know of all operations alike."""
        asked = [concept for concept in self.settings["concepts"] or self.positive if concept in self.positive]
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
    def _answers(self) -> dict[str, set[tuple[int, ...]]]:
        """Concept -> answers of all its prompts."""
        found: dict[str, set[tuple[int, ...]]] = defaultdict(set)
        for prompt in self.readable.inputs:
            found[prompt.concept].add(prompt.answer_ids)
        return found

    def _negatives(self, concept: str) -> list[int]:
        # Not another concept alone: two concepts can have one answer, and its neurons are not to be found here.
        answers = self._answers[concept]
        drawn: list[int] = []
        for place in np.argsort(mixed(self._ids ^ self._seed("negatives", concept)), kind="stable"):
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
        return seeded(f"{self.choice.seed}:{purpose}:{concept}")


def _neurons(pairs: Sequence[tuple[int, int]]) -> Neurons:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
