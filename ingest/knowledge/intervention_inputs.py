"""What the operations on a data set at a checkpoint share: prompts, sets of neurons, draws, figures before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.knowledge.ablation import Neurons
from nwh.ingest.knowledge.attributed_prompts import AttributedPrompts, mixed, seeded
from nwh.ingest.knowledge.attribution import answer_scores
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.reading import known_prompts
from nwh.ingest.models import LoadedModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError

STUDY_T, STUDY_P = 0.2, 0.5  # thresholds of Ariyama 2024, which select a concept's neurons


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
        known = known_prompts(self.model, (), others, least, min_prompts)
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
        """Contributing neurons of each concept that has some, ascending, by concept."""
        found = self.warehouse.sql(
            "select concept, list(layer order by layer, neuron), list(neuron order by layer, neuron) "
            f"from knowledge_neurons_at({self.choice.t!r}, {self.choice.p!r}, by_rule := $rule) where model = $model "
            "and checkpoint = $checkpoint and dataset = $dataset group by concept",
            {**self.unit, "rule": self.rule},
        ).fetchall()
        return {
            concept: (np.array(layers, np.int64), np.array(neurons, np.int64))
            for concept, layers, neurons in sorted(found)
            if concept in self.positive
        }

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
        order = np.argsort(mixed(self._ids ^ self._seed("negatives", concept)), kind="stable")
        in_order, answers = (self._by_id[place] for place in order), self._answers[concept]
        drawn = (i for i in in_order if self.prompts[i].answer_ids not in answers)
        return sorted(islice(drawn, self.choice.negatives), key=lambda i: self.prompts[i].prompt_id)

    @cached_property
    def _ids(self) -> NDArray[np.uint64]:
        return np.array([self.prompts[i].prompt_id for i in self._by_id], np.int64).view(np.uint64)

    def _others(self, concept: str) -> Neurons:
        layers, neurons = self.sets[concept]
        chance = np.random.default_rng(int(self._seed("random", concept)))
        of_layers, drawn = np.unique(layers), []
        for layer in of_layers:
            taken = neurons[layers == layer]
            free = np.setdiff1d(np.arange(self.model.checkpoint.d_ffn), taken)
            drawn.append(np.sort(chance.choice(free, min(len(taken), len(free)), replace=False)))
        return np.repeat(of_layers, list(map(len, drawn))), np.concatenate(drawn)

    def _seed(self, purpose: str, concept: str) -> np.uint64:
        return seeded(f"{self.choice.seed}:{purpose}:{concept}")
