"""The files of a checkpoint: which commit they are of, and which of them hold the weights."""

import json
from pathlib import Path

from nwh.ingest.models import hub
from nwh.ingest.models.references import PLACEHOLDER, Source, missing_checkpoint
from nwh.warehouse.errors import ModelError


def commit_of(source: Source) -> str | None:
    """Return the commit that a hub revision stands for, null for local files.

    UsageError: no such revision; lists those there are. ModelError: no such repository or no network.
    """
    if not source.is_hub:
        return None
    try:
        config = hub.fetch(source.location, source.revision or "main", "config.json")
    except hub.RevisionMissing:
        raise missing_checkpoint(source.source, source.checkpoint) from None
    except hub.RepositoryMissing:
        if PLACEHOLDER not in source.source:
            raise
        raise missing_checkpoint(source.source, source.checkpoint) from None
    if config is None:
        raise ModelError(f"{source.location} has no config.json: it is not a transformers model")
    return config.parent.name  # the cache keeps files under snapshots/<commit>/


def weight_files(source: Source, revision: str | None, allow_pickle: bool) -> list[Path]:
    """Return the files that hold the weights, fetched where needed: safetensors before pickles.

    ModelError: there are none, a shard is missing, or they are pickled and `allow_pickle` is off.
    """

    def find(filename: str) -> Path | None:
        if source.is_hub:
            return hub.fetch(source.location, revision or "main", filename)
        path = Path(source.location, filename)
        return path if path.is_file() else None

    if source.gguf_file:
        return [Path(source.location, source.gguf_file)]
    for filename in hub.SAFE + hub.PICKLED:
        if filename in hub.PICKLED and not allow_pickle:
            # Asked, not fetched: a refused file of gigabytes need not come first.
            there = hub.exists(source.location, revision or "main", filename) if source.is_hub else find(filename)
            if not there:
                continue
            raise ModelError(
                f"{source} has pickled weights only ({filename}), and loading a pickle can run code: "
                "use a checkpoint with safetensors, or pass --allow-pickle"
            )
        path = find(filename)
        if path is None:
            continue
        if path.suffix != ".json":
            return [path]
        shards = sorted(set(json.loads(path.read_text())["weight_map"].values()))
        found = [find(shard) for shard in shards]
        if None in found:
            raise ModelError(f"{source} lacks {shards[found.index(None)]}, which {filename} names")
        return [shard for shard in found if shard]
    raise ModelError(f"{source} has no weights: neither {' nor '.join(hub.SAFE[:1] + hub.PICKLED[:1])}")
