"""A model's neurons as an export of Neuronpedia, which its self-hosted copies import.

The layout is that of docs.neuronpedia.org/api-and-data/exports: v1/MODEL/SOURCE/ with model.jsonl, release.jsonl,
sourceset.jsonl, source.jsonl, and features, activations and explanations in batch-N.jsonl.gz, each of 1,024 neurons. A
source is a layer of a site: `3-nwh-ffn`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nwh.ingest.exports.neuronpedia_source import Source
from nwh.ingest.stored import stored_layers
from nwh.warehouse import Warehouse, output
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.queries import neurons as queries

BATCH = 1024  # neurons of a file


def export_neuronpedia(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    out: Path,
    *,
    corpora: Sequence[str] = (),
    sites: Sequence[str] = (),
    layers: Sequence[int] = (),
    k: int = 20,
    progress: Progress = SILENT,
) -> list[Path]:
    """Write a checkpoint's neurons below `out`; return the folders of the sources.

    The model runs over the exported sentences, for the activations of their tokens. corpora, sites, layers: all there
    are where empty. k: top sentences of each neuron. A file of an earlier export is replaced, whole. UsageError, before
    any work, for what is not stored; ModelError where the model can no longer be loaded.
    """
    if k < 1:
        raise UsageError(f"-k must be at least 1, not {k}")
    extents = [each for each in queries.extents(warehouse) if (each.model, each.checkpoint) == (model, checkpoint)]
    chosen = [each for each in extents if each.site in (sites or [each.site])]
    if not chosen or set(sites) - {each.site for each in chosen}:
        raise UsageError(
            f"{model}@{checkpoint} has activations of {', '.join(each.site for each in extents) or 'no site'}: "
            "`nwh ingest activations` makes others"
        )
    work = []
    for extent in chosen:
        extent.check(Neuron(model, checkpoint, extent.site, max(layers, default=0), 0), corpora)
        over = tuple(corpora or extent.corpora)
        there = stored_layers(warehouse, model, checkpoint, extent.site, over)
        work += [Source(warehouse, extent, layer, over, k) for layer in there if not layers or layer in layers]
    with progress.bar("neuronpedia", sum(source.extent.n_neurons for source in work), "neurons") as bar:
        for source in work:
            for n in _write(source, out, progress):
                bar.advance(n)
    return [out / "v1" / source.model_id / source.id for source in work]


def _write(source: Source, out: Path, progress: Progress) -> Iterator[int]:
    """Write the files of a source; yield after each batch how many neurons it had."""
    folder = out / "v1" / source.model_id / source.id
    for name, row in source.about().items():
        _lines(folder / f"{name}.jsonl", [row])
    for i, first in enumerate(range(0, source.extent.n_neurons, BATCH)):
        neurons = range(first, min(first + BATCH, source.extent.n_neurons))
        _lines(folder / "features" / f"batch-{i}.jsonl.gz", source.features(neurons, progress))
        _lines(folder / "activations" / f"batch-{i}.jsonl.gz", source.activations(neurons))
        _lines(folder / "explanations" / f"batch-{i}.jsonl.gz", source.explanations(neurons))
        yield len(neurons)


def _lines(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON Lines, compressed where the file's name says so, whole or not at all; no file for none.

    Neuronpedia's importer fails on an empty one.
    """
    content = "".join(json.dumps(output.plain(row), ensure_ascii=False) + "\n" for row in rows).encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {file.parent}: {error.strerror}") from error
    if not content:
        file.unlink(missing_ok=True)
        return
    with output.replaced(file) as stream:
        stream.write(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)
