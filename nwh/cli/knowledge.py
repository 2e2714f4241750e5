"""`nwh ingest attributions | interventions | ablations | faithfulness | side-effects`: knowledge neurons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nwh.cli.groups import Checkpoints, Sharing, grouped
from nwh.cli.options import AgainOption, DatasetOption
from nwh.cli.state import state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list

if TYPE_CHECKING:
    from nwh.ingest.knowledge.attributions import AttributionSettings
    from nwh.ingest.knowledge.interventions import InterventionSettings


@dataclass(frozen=True)
class AttributionOptions:
    """What is attributed and how, for the job and for its plan."""

    rule: Annotated[
        list[str] | None,
        typer.Option(help="adaptive (if not given), riemann, linspace, gradient, relp, logit: side by side."),
    ] = None
    steps: Annotated[int, typer.Option(help="Points of riemann and linspace.")] = 20
    baseline: Annotated[
        str, typer.Option(help="What neurons are compared with: zero, or (replace) an unrelated prompt's activations.")
    ] = "zero"
    answer: Annotated[str, typer.Option(help="first: the answer's first token; all: all of its tokens.")] = "first"
    min_prompts: Annotated[int, typer.Option(help="Usable prompts that a concept must have.")] = 4
    concepts: Annotated[list[str] | None, typer.Option(help="These concepts alone.")] = None
    min_probability: Annotated[
        float, typer.Option(help="Only prompts whose answer has at least this probability: facts the model knows.")
    ] = 0.0

    def settings(self) -> AttributionSettings:
        """Return them as the job takes them."""
        from nwh.ingest.knowledge.attributions import AttributionSettings

        rules, concepts = tuple(split_list(self.rule)) or ("adaptive",), tuple(split_list(self.concepts))
        limits = self.min_prompts, concepts, self.min_probability
        return AttributionSettings(rules, self.steps, self.baseline, self.answer, *limits)


@dataclass(frozen=True)
class InterventionOptions:
    """What is changed and how, for the job and for its plan."""

    operation: Annotated[list[str] | None, typer.Option(help="zero, replace, double; all if not given.")] = None
    rule: Annotated[
        list[str] | None, typer.Option(help="Rules whose attributions select; the integrated gradients if not given.")
    ] = None
    t: Annotated[float, typer.Option(help="Selection: share of a prompt's highest attribution.")] = 0.2
    p: Annotated[float, typer.Option(help="Selection: share of a concept's prompts.")] = 0.5
    negatives: Annotated[int, typer.Option(help="Prompts of other concepts, for each concept.")] = 10
    seed: Annotated[int, typer.Option(help="Seed of negative prompts and random neurons.")] = 0

    def settings(self) -> InterventionSettings:
        """Return them as the job takes them."""
        from nwh.ingest.knowledge.interventions import OPERATIONS, InterventionSettings

        operations, rules = tuple(split_list(self.operation)) or OPERATIONS, tuple(split_list(self.rule))
        return InterventionSettings(operations, self.t, self.p, self.negatives, self.seed, rules)


@grouped
def attributions(
    context: typer.Context,
    dataset: DatasetOption,
    checkpoints: Checkpoints,
    attributing: AttributionOptions,
    from_json: Annotated[
        Path | None, typer.Option("--from-json", help="Read published lists of neurons instead of running the model.")
    ] = None,
    again: AgainOption = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="List the concepts that are left out.")] = False,
    *,
    sharing: Sharing,
) -> None:
    """Attribute the probability of answers to feed-forward neurons (Dai et al. 2021), by one rule or several.

    Run it again after an interruption: it goes on where it was. Rules that are stored stay beside new ones. adaptive is
    the study's measure, of whole layers; gradient ranks single neurons best, and takes one pass.

    Example: nwh ingest attributions --model EleutherAI/pythia-70m-deduped --checkpoint all --dataset questions
    """
    from nwh.ingest.knowledge.attributions import attribution_tasks, ingest_attributions
    from nwh.ingest.knowledge.published_neurons import ingest_published_neurons
    from nwh.ingest.models.references import model_name

    state = state_of(context)
    labels = checkpoints.labels
    if from_json is not None:
        if len(labels) > 1:
            raise UsageError(f"{from_json} is of one checkpoint: name one with --checkpoint")
        ingest_published_neurons(
            state.create(),
            str(from_json),
            model=checkpoints.as_name or model_name(checkpoints.model),
            checkpoint=labels[0] if labels else "main",
            dataset=dataset,
            progress=state.progress,
        )
        return
    job = partial(ingest_attributions, verbose=verbose, shard=sharing.share)
    of = {"dataset": dataset, "settings": attributing.settings()}
    checkpoints.each(state, state.open(), again, job, attribution_tasks, **of)


@grouped
def interventions(
    context: typer.Context,
    dataset: DatasetOption,
    checkpoints: Checkpoints,
    changing: InterventionOptions,
    again: AgainOption = False,
    *,
    sharing: Sharing,
) -> None:
    """Change each concept's contributing neurons, and as many random ones, and see what becomes of the answers.

    Example: nwh ingest interventions --model EleutherAI/pythia-70m-deduped --checkpoint all --dataset questions
    """
    from nwh.ingest.knowledge.interventions import ingest_interventions, intervention_tasks

    state, job = state_of(context), partial(ingest_interventions, shard=sharing.share)
    of = {"dataset": dataset, "settings": changing.settings()}
    checkpoints.each(state, state.open(), again, job, intervention_tasks, **of)


@grouped
def ablations(
    context: typer.Context,
    dataset: DatasetOption,
    checkpoints: Checkpoints,
    best: Annotated[int, typer.Option(help="Neurons of each prompt and rule, the highest attributions first.")] = 100,
    prompts: Annotated[int, typer.Option(help="Prompts, drawn among those attributed; 0 for all.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    again: AgainOption = False,
) -> None:
    """Set the best neurons of each stored rule to the baseline, one at a time: what the rules estimate.

    `nwh sql "from rule_agreement_distribution"` says how far each rule agrees.

    Example: nwh ingest ablations --model EleutherAI/pythia-70m-deduped --dataset questions --best 100
    """
    from nwh.ingest.knowledge.ablations import AblationSettings, ablation_tasks, ingest_ablations

    state, of = state_of(context), {"dataset": dataset, "settings": AblationSettings(best, prompts, seed)}
    checkpoints.each(state, state.open(), again, ingest_ablations, ablation_tasks, **of)


@grouped
def faithfulness(
    context: typer.Context,
    dataset: DatasetOption,
    checkpoints: Checkpoints,
    prompts: Annotated[int, typer.Option(help="Prompts, drawn among those attributed; 0 for all.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of random sets.")] = 0,
    again: AgainOption = False,
) -> None:
    """Keep growing sets of each rule's best neurons alone, and remove them alone: how much of the answer they carry.

    `nwh sql "from faithfulness_areas"` says how faithful each rule is, beside random sets.

    Example: nwh ingest faithfulness --model EleutherAI/pythia-70m-deduped --dataset questions
    """
    from nwh.ingest.knowledge.faithfulness import FaithfulnessSettings, faithfulness_tasks, ingest_faithfulness

    state, of = state_of(context), {"dataset": dataset, "settings": FaithfulnessSettings(prompts, seed)}
    checkpoints.each(state, state.open(), again, ingest_faithfulness, faithfulness_tasks, **of)


@grouped
def side_effects(
    context: typer.Context,
    dataset: DatasetOption,
    neutral: Annotated[str, typer.Option(help="Corpus whose sentences have nothing to do with the concepts.")],
    checkpoints: Checkpoints,
    sentences: Annotated[int, typer.Option(help="Sentences, drawn among those of at least 3 words.")] = 200,
    rule: Annotated[
        str | None, typer.Option(help="Rule whose attributions select; the integrated gradients if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of sentences, of tokens asked for, and of random neurons.")] = 0,
    again: AgainOption = False,
) -> None:
    """Set each concept's neurons to zero on neutral sentences: divergence and change of loss, beside random neurons.

    Example: nwh ingest side-effects --model EleutherAI/pythia-70m-deduped --dataset questions --neutral brown
    """
    from nwh.ingest.knowledge.side_effects import SideEffectSettings, ingest_side_effects, side_effect_tasks

    state, settings = state_of(context), SideEffectSettings(sentences, seed, rule)
    of = {"dataset": dataset, "corpus": neutral, "settings": settings}
    checkpoints.each(state, state.open(), again, ingest_side_effects, side_effect_tasks, **of)
