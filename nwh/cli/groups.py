"""Options that several commands take together: a dataclass, each of whose fields is an option of such a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from nwh.cli.on_ray import distribute
from nwh.cli.options import (
    AsOption,
    CheckpointOption,
    DeviceOption,
    DtypeOption,
    FamilyOption,
    ModelOption,
    PickleOption,
    loading,
)
from nwh.cli.state import State
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list
from nwh.warehouse.shard import MERGE, Shard, shard_of

if TYPE_CHECKING:
    from nwh.ingest.job import Task
    from nwh.warehouse import Warehouse


@dataclass(frozen=True)
class Checkpoints:
    """A model's checkpoints, and how they are loaded."""

    model: ModelOption
    checkpoint: CheckpointOption = None
    device: DeviceOption = "auto"
    dtype: DtypeOption = "float32"
    as_name: AsOption = None
    allow_pickle: PickleOption = False
    family: FamilyOption = None

    @property
    def labels(self) -> list[str]:
        """Those that `--checkpoint` names."""
        return split_list(self.checkpoint)

    def loading(self, head: bool = False) -> dict[str, Any]:
        """Return the keywords of `ingest.models.load`. head: with the language-model head."""
        named = {"name": self.as_name, "device": self.device, "dtype": self.dtype}
        return loading(self.family, **named, allow_pickle=self.allow_pickle, head=head)

    def each(
        self,
        state: State,
        warehouse: Warehouse,
        again: bool,
        ingest: Callable[..., object],
        tasks: Callable[..., Sequence[Task]],
        **of: Any,
    ) -> None:
        """Run a job that needs the head at every checkpoint; one that is stored is not loaded, unless `again`.

        ingest: takes the warehouse, a loaded model, `again`, `progress` and `of`. tasks: says of the warehouse, a known
        model and `of` what there is to do.
        """
        from nwh.ingest.job import are_stored_at
        from nwh.ingest.models.series import for_each_checkpoint

        for_each_checkpoint(
            lambda loaded: ingest(warehouse, loaded, again=again, progress=state.progress, **of),
            self.model,
            self.labels,
            state.progress,
            is_stored=lambda known: (
                not again and are_stored_at(warehouse, known, partial(tasks, warehouse, **of), state.progress)
            ),
            **self.loading(head=True),
        )


@dataclass
class Sharing:
    """How the work is shared among processes and machines."""

    shard: Annotated[
        str | None, typer.Option(help="Do share I/N of the work, as 3/8; whoever does the last one stores all of it.")
    ] = None
    merge: Annotated[bool, typer.Option("--merge", help="Store what all shards have staged.")] = False
    on: Annotated[
        str | None,
        typer.Option(help="ray: run as shards on the Ray of this machine; HOST:PORT, ray://HOST:PORT: on that one."),
    ] = None
    shards: Annotated[
        int | None, typer.Option(min=1, help="Shares of --on; two for each that can run at once if not given.")
    ] = None

    def __post_init__(self) -> None:
        """Set `share`: the one that `--shard` names, MERGE with `--merge`, null without either; UsageError for both."""
        if self.shard is not None and self.merge:
            raise UsageError("--shard does a share of the work, --merge stores what is done: give one of them")
        self.share: Shard | None = MERGE if self.merge else None if self.shard is None else shard_of(self.shard)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes, in place of groups of options, the options; they are given by name.

    Where `Sharing` is among the groups, `--on` runs the command's shards on Ray instead.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    taken: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            of_fields = get_type_hints(groups[name], include_extras=True)
            taken += (_parameter(field, of_fields[field.name]) for field in fields(groups[name]))
        else:
            taken.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))
    takes = Signature(taken)

    @wraps(command)
    def with_options(**options: Any) -> None:
        given = takes.bind(**options)
        given.apply_defaults()
        arguments: dict[str, Any] = dict(given.arguments)
        for name, group in groups.items():
            arguments[name] = made = group(**{field.name: arguments.pop(field.name) for field in fields(group)})
            if isinstance(made, Sharing) and made.on is not None:
                distribute(command=with_options, **given.arguments)
                return
        command(**arguments)

    with_options.__annotations__ = {each.name: each.annotation for each in taken}
    with_options.__signature__ = takes  # type: ignore[attr-defined]
    return with_options


def _parameter(field: Field[Any], hint: Any) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
