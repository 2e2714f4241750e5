"""Options that mean the same in every command that takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nwh.cli.state import State
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list
from nwh.warehouse.shard import MERGE, Shard, shard_of

if TYPE_CHECKING:
    from nwh.ingest.job import Task
    from nwh.warehouse import Warehouse

ModelOption = Annotated[str, typer.Option("--model", help="Hub name, local folder, GGUF file, or package:NAME.")]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option("--checkpoint", help="Revisions or sub-folders; `all` for every one there is."),
]
CorpusOption = Annotated[list[str] | None, typer.Option("--corpus", help="Corpora; all there are if not given.")]
SiteOption = Annotated[
    list[str] | None,
    typer.Option("--site", help="hidden, ffn or both; or a hook point, such as blocks.3.mlp.hook_post."),
]
DatasetOption = Annotated[str, typer.Option("--dataset", help="Set of prompts, as `nwh ingest prompts` named it.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="float32, tf32, bfloat16 or float16.")]
AsOption = Annotated[str | None, typer.Option("--as", help="Name of the model in relations.")]
PickleOption = Annotated[bool, typer.Option("--allow-pickle", help="Load pickled weights too, through weights_only.")]
FamilyOption = Annotated[
    Path | None,
    typer.Option("--family", help="TOML file that says where the blocks are of a model that nwh does not know."),
]
ReplaceOption = Annotated[
    bool, typer.Option("--again", help="Replace other text of this name, and remove what was made of it.")
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Repeat what is stored already, and remove what was made of it.")
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", help="Do share I/N of the work, as 3/8; whoever does the last one stores all of it."),
]
MergeOption = Annotated[bool, typer.Option("--merge", help="Store what all shards have staged.")]
OnOption = Annotated[
    str | None,
    typer.Option(
        "--on", help="ray: run as shards on the Ray of this machine; HOST:PORT, ray://HOST:PORT: on that one."
    ),
]
ShardsOption = Annotated[
    int | None, typer.Option("--shards", min=1, help="Shares of --on; two for each that can run at once if not given.")
]


def share_of(shard: str | None, merge: bool) -> Shard | None:
    """Return the share that `--shard` names, MERGE with `--merge`, null without either; UsageError for both."""
    if shard is not None and merge:
        raise UsageError("--shard does a share of the work, --merge stores what is done: give one of them")
    return MERGE if merge else None if shard is None else shard_of(shard)


def loading(family: Path | None = None, **options: Any) -> dict[str, Any]:
    """Return the options of a model (`--device`, `--dtype`, `--as`, …) as keywords of `ingest.models.load`.

    family: the file that `--family` names, which is read.
    """
    from nwh.ingest.models.families import family_from

    return {**options, "family": None if family is None else family_from(family)}


def each_checkpoint(
    state: State,
    warehouse: Warehouse,
    model: str,
    checkpoint: list[str] | None,
    again: bool,
    ingest: Callable[..., object],
    tasks: Callable[..., Sequence[Task]],
    **options: Any,
) -> None:
    """Run a job at the checkpoints that `--checkpoint` names; one that is stored already is not loaded, unless `again`.

    ingest: takes a loaded model, `again` and `progress`. tasks: says of a known one what there is to do.
    options: those of `load`.
    """
    from nwh.ingest.job import are_stored_at
    from nwh.ingest.models.series import for_each_checkpoint

    for_each_checkpoint(
        lambda loaded: ingest(loaded, again=again, progress=state.progress),
        model,
        split_list(checkpoint),
        state.progress,
        is_stored=lambda known: not again and are_stored_at(warehouse, known, tasks, state.progress),
        **options,
    )


def numbers(option: str, values: list[str] | None) -> list[int]:
    """Return the whole numbers of an option that takes lists; UsageError for anything else."""
    items = split_list(values)
    if wrong := [item for item in items if not item.isdecimal()]:
        raise UsageError(f"{option} {wrong[0]!r} is not a number: whole numbers from 0 are taken, as in `1,2,3`")
    return [int(item) for item in items]
