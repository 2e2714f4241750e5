"""Job `published-neurons`: lists of knowledge neurons that others published, to be asked about beside one's own.

Reads the JSON of EleutherAI/knowledge-neurons (identifier of a fact -> list of [layer, neuron]); writes
published_neurons. The unit is (model, checkpoint, data set).
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from nwh.ingest.text.formats.lines import opened
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.names import check_name, short_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

_SHAPE = "the file is one object, identifier -> list of [layer, neuron]"


def ingest_published_neurons(
    warehouse: Warehouse, file: str, *, model: str, checkpoint: str = "main", dataset: str, progress: Progress = SILENT
) -> Run:
    """Store published lists of neurons, replacing those of the same model, checkpoint and name; return the run.

    model: a reference or a name as relations have it; the model itself is not needed. Numbers are checked against
    the model's layers and width where its checkpoint is stored. UsageError: no such file, a name that is not
    allowed. SourceError, naming the identifier: anything but a list of [layer, neuron], before a row is written.
    """
    unit = {"model": short_name(model), "checkpoint": check_name("checkpoint", checkpoint)}
    unit["dataset"] = check_name("data set", dataset)
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"file {file!r} does not exist")
    with opened(path) as stream:
        content = stream.read()
    sizes = warehouse.sql(
        "select n_layers, d_ffn from checkpoints where model = $1 and checkpoint = $2", [unit["model"], checkpoint]
    ).fetchall()
    neurons = {
        name: sorted(set(_neurons(path, name, found, sizes[0] if sizes else None)))
        for name, found in sorted(_parsed(path, content).items())
    }
    rows = [(name, layer, neuron) for name, found in neurons.items() for layer, neuron in found]
    settings = {**unit, "source": file, "source_sha256": sha256(content).hexdigest(), "format": "knowledge-neurons"}
    with warehouse.run("published-neurons", unit, settings, progress=progress) as run:
        columns = {name: [row[i] for row in rows] for i, name in enumerate(("concept", "layer", "neuron"))}
        run.write("published_neurons", unit, columns)
        empty = sum(not found for found in neurons.values())
        run.note(f"{len(rows):,} neurons of {len(neurons):,} concepts; {empty:,} concepts have none and no row")
        if not sizes:
            run.note(f"{unit['model']}@{checkpoint} is not stored: its layers and width could not be checked")
    return run


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, value in pairs:
            if name in seen:
                raise SourceError(f"{path}: {name!r} is there twice: keep one")
            seen[name] = value
        return seen

    try:
        found = json.loads(content, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON ({error}): {_SHAPE}") from error
    if not isinstance(found, dict) or not found:
        raise SourceError(f"{path} holds no lists of neurons: {_SHAPE}")
    return found


def _neurons(path: Path, name: str, found: Any, sizes: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Return the (layer, neuron) pairs of one identifier, checked."""
    if not isinstance(found, list):
        raise SourceError(f"{path}, {name!r}: not a list; {_SHAPE}")
    pairs = []
    for pair in found:
        numbers = isinstance(pair, list) and len(pair) == 2 and all(type(part) is int for part in pair)
        if not numbers or min(pair) < 0 or pair[0] >= 2**15 or pair[1] >= 2**31:
            raise SourceError(f"{path}, {name!r}: {json.dumps(pair)} is not [layer, neuron], both counted from 0")
        if sizes and (pair[0] >= sizes[0] or pair[1] >= sizes[1]):
            raise SourceError(
                f"{path}, {name!r}: there is no neuron {pair}; the model has {sizes[0]} layers of {sizes[1]:,} neurons"
            )
        pairs.append((pair[0], pair[1]))
    return pairs
