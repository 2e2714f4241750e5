"""Options that mean the same in every command that takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list

ModelOption = Annotated[str, typer.Option("--model", help="Hub name, local folder, GGUF file, or package:NAME.")]
CheckpointOption = Annotated[
    list[str] | None, typer.Option("--checkpoint", help="Revisions or sub-folders; `all` for every one there is.")
]
StoredModelOption = Annotated[str, typer.Option("--model", help="As for activations, or as relations name it.")]
StoredCheckpointOption = Annotated[
    list[str] | None, typer.Option("--checkpoint", help="main if not given, `all` for every one there is.")
]
LayerOption = Annotated[list[str] | None, typer.Option("--layer", help="Layers, from 0; all if not given.")]
NeuronOption = Annotated[
    list[str] | None, typer.Option("--neuron", help="Neurons of each layer, from 0; all if not given.")
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


def loading(family: Path | None = None, **options: Any) -> dict[str, Any]:
    """Return the options of a model (`--device`, `--dtype`, `--as`, …) as keywords of `ingest.models.load`.

    family: the file that `--family` names, which is read.
    """
    from nwh.ingest.models.families import family_from

    return {**options, "family": None if family is None else family_from(family)}


def numbers(option: str, values: list[str] | None) -> list[int]:
    """Return the whole numbers of an option that takes lists; UsageError for anything else."""
    items = split_list(values)
    if wrong := [item for item in items if not item.isdecimal()]:
        raise UsageError(f"{option} {wrong[0]!r} is not a number: whole numbers from 0 are taken, as in `1,2,3`")
    return [int(item) for item in items]
