"""Attribution: how much each `ffn` value at the answer position adds to the answer's probability, by several rules.

The rules are in `rules`: integrals, judged by completeness (see `completeness`), and rules of one pass. What they
share is computed once: the recording of a group of prompts, and the gradients at the unchanged values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from torch import Tensor

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.completeness import check_probability, checked_prompts, completeness_error
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.passes import Group
from nwh.ingest.knowledge.recording import Recording, record
from nwh.ingest.knowledge.rules.gradients import one_pass
from nwh.ingest.knowledge.rules.integrals import integral
from nwh.ingest.knowledge.rules.rule import PATH_RULES, Rule
from nwh.ingest.models.loading import LoadedModel


@dataclass(frozen=True)
class Attributed:
    """The attributions of one prompt by one rule.

    probability: of the answer; of several tokens the product. rank: of its first token, 1 is most probable.
    scores: [n_layers, d_ffn] float32 on the CPU.
    evaluations: gradients taken per layer; one that serves all layers counts for each.
    completeness_error: per layer, |sum of its scores - (P(w) - P(b))|, in probability; of the shortest and the
        longest prompt with probabilities of the model's own forward pass. Null for rules that are no integral.
    converged: per layer, whether an integral's tolerance (and agreement) is met.
    row_probability: of the answer by the rows whose gradients were taken; null for integrals, whose sums judge them.
    """

    probability: float
    rank: int
    scores: Tensor
    evaluations: tuple[int, ...]
    completeness_error: tuple[float, ...] | None
    converged: tuple[bool, ...]
    row_probability: float | None = None


def attribute(
    model: LoadedModel, prompts: Sequence[PromptInput], rules: Sequence[Rule], baseline: Tensor | None = None
) -> Iterator[tuple[int, list[Attributed]]]:
    """Yield (index into prompts, attributions by each rule) of every prompt, grouped by length.

    baseline: the values b that a neuron's are compared with, [n_layers, d_ffn]; null: 0.
    UsageError: a bidirectional model and an answer of several tokens. ModelError: probabilities that are not
    numbers, or attributions that the model's own forward pass does not confirm.
    """
    checked = checked_prompts(prompts)
    for group in passes.groups(model, prompts):
        for index, found in zip(group.indices, of_group(model, group, rules, baseline), strict=True):
            if index in checked:
                found = [_confirmed(model, prompts[index], each, baseline) for each in found]
            yield index, found


def of_group(
    model: LoadedModel, group: Group, rules: Sequence[Rule], baseline: Tensor | None = None
) -> list[list[Attributed]]:
    """Return of each prompt of a group its attributions by each rule, which no forward pass has confirmed."""
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller works in
        recording = record(model, group)
        start = passes.baseline_of(model, baseline)
        return [list(found) for found in zip(*_by_rule(recording, start, rules), strict=True)]


def answer_scores(model: LoadedModel, prompts: Sequence[PromptInput]) -> list[tuple[float, int]]:
    """Return (probability of the answer, rank of its first token) of each prompt."""
    results: list[tuple[float, int]] = [(0.0, 0)] * len(prompts)
    for group in passes.groups(model, prompts):
        with torch.inference_mode():
            logits = passes.answer_logits(model, group)
            probabilities = passes.answer_probability(model, logits, group.answers).tolist()
            ranks = passes.rank(logits, group.answers).tolist()
        for index, probability, rank in zip(group.indices, probabilities, ranks, strict=True):
            results[index] = probability, rank
    return results


def answer_activations(model: LoadedModel, prompts: Sequence[PromptInput]) -> Tensor:
    """Return the `ffn` values at the answer position, [prompts, n_layers, d_ffn] float32 on the CPU."""
    results: dict[int, Tensor] = {}
    for group in passes.groups(model, prompts):
        results.update(zip(group.indices, torch.stack(record(model, group).ffn, 1).float().cpu(), strict=True))
    return torch.stack([results[i] for i in range(len(prompts))])


def _by_rule(recording: Recording, baseline: Tensor, rules: Sequence[Rule]) -> Iterator[list[Attributed]]:
    """Yield for each rule the attributions of a recording's prompts."""
    shape = len(recording.group.indices), len(recording.ffn)
    plain = cache(partial(one_pass, recording, baseline, "gradient"))  # what integrals and `gradient` have in common
    for rule in rules:
        if rule.name in PATH_RULES:
            found = integral(recording, baseline, plain()[0], rule)
            yield _attributed(recording, found.scores, found.evaluations, found.error, found.converged)
            continue
        scores, probability = plain() if rule.name == "gradient" else one_pass(recording, baseline, rule.name)
        evaluations, converged = torch.full(shape, int(rule.name != "logit")), torch.ones(shape, dtype=torch.bool)
        of_prompts = _attributed(recording, scores, evaluations, None, converged)
        yield [replace(each, row_probability=own) for each, own in zip(of_prompts, probability.tolist(), strict=True)]


def _attributed(
    recording: Recording, scores: Tensor, evaluations: Tensor, error: Tensor | None, converged: Tensor
) -> list[Attributed]:
    errors = [None] * len(scores) if error is None else map(tuple, error.tolist())
    columns = (column.tolist() for column in (recording.probability, recording.rank, evaluations, converged))
    return [
        Attributed(probability, rank, own, tuple(taken), off, tuple(good))
        for own, off, probability, rank, taken, good in zip(scores.cpu(), errors, *columns, strict=True)
    ]


def _confirmed(model: LoadedModel, prompt: PromptInput, found: Attributed, baseline: Tensor | None) -> Attributed:
    """Return attributions with what the model's own forward pass says of them; ModelError as `attribute`."""
    if found.row_probability is not None:
        check_probability(model, prompt, found.row_probability)
    if found.completeness_error is None:
        return found
    error = completeness_error(model, prompt, found.scores, found.completeness_error, baseline)
    return replace(found, completeness_error=tuple(error))
