"""What every job that runs a model does with its checkpoint: check its name, store its row, say the versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nwh.ingest.models import LoadedModel
from nwh.ingest.models.hook_points import hook_points
from nwh.ingest.models.series import KnownModel
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import check_name
from nwh.warehouse.storage.runs import Run


def check_checkpoint(warehouse: Warehouse, model: LoadedModel | KnownModel) -> bool:
    """Return whether a checkpoint is stored, with these weights and blocks.

    UsageError for names that are not allowed, or that are stored and stand for other weights or blocks.
    """
    row = model.checkpoint
    check_name("model", row.model)
    check_name("checkpoint", row.checkpoint)
    stored = warehouse.sql(
        "select weights_sha256, source, family_description from checkpoints where model = $1 and checkpoint = $2",
        [row.model, row.checkpoint],
    ).fetchall()
    if stored and stored[0][0] != row.weights_sha256:
        raise UsageError(
            f"{row} is stored already, from {stored[0][1]} and with other weights than {row.source}: store these "
            "under another name with --as"
        )
    if stored and isinstance(model, KnownModel) and row.family_description is None:
        return stored[0][2] is None  # else loading says that a family is needed
    if stored and stored[0][2] != row.family_description:
        raise UsageError(
            f"{row} is stored already, and another family says where its blocks are: use the same one, or store it "
            "under another name with --as"
        )
    return bool(stored)


def write_checkpoint(run: Run, model: LoadedModel) -> None:
    """Write the checkpoint's row."""
    row = asdict(model.checkpoint)
    row |= hook_points(model.checkpoint.family, model.checkpoint.family_description)
    names = {name: row.pop(name) for name in ("model", "checkpoint")}
    run.write("checkpoints", names, {name: [value] for name, value in row.items()})


def model_versions(model: LoadedModel) -> dict[str, Any]:
    """Return what `runs.versions` says of a model's run beside the libraries: device, and what loads it again."""
    return {"device": str(model.device), "dtype": dtype_name(model), "pickled": model.pickled}


def dtype_name(model: LoadedModel | KnownModel) -> str:
    """Return the dtype as options name it: `float32`."""
    return "tf32" if model.tf32 else str(model.dtype).removeprefix("torch.")
