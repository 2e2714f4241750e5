"""Options that mean the same in every command that takes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nwh.ingest.models import Family

ModelOption = Annotated[str, typer.Option("--model", help="Hub name, local folder, GGUF file, or package:NAME.")]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option("--checkpoint", help="Revisions or sub-folders; `all` for every one there is."),
]
CorpusOption = Annotated[list[str] | None, typer.Option("--corpus", help="Corpora; all there are if not given.")]
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


def family_option(path: Path | None) -> Family | None:
    """Return the family that `--family` describes, null where it is not given."""
    from nwh.ingest.models.families import family_from

    return None if path is None else family_from(path)
