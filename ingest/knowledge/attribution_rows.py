"""Attributions as rows: staged by block of prompts, then as the relations want them, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from nwh.ingest.knowledge.attribution import Attributed
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError
from nwh.warehouse.jobs import JOBS
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.attribution_settings import with_rules
from nwh.warehouse.storage.runs import Unit

FLOOR = 0.05  # of the prompt's highest attribution: lower ones are not stored
_BATCH = 100_000  # rows carried over at a time
_ORDER = {
    "attributions": "concept, prompt_id, layer, neuron",
    "attribution_quality": "prompt_id, layer",
    "interventions": "concept, arm, polarity, prompt_id",
}
"""Of a rule's rows in a file."""

# a prompt's results by one rule as a block of the staging area holds them: lists by neuron kept and by layer
STAGED = pa.schema(
    {
        "prompt_id": pa.int64(),
        "concept": pa.string(),
        "rule": pa.string(),
        "probability": pa.float64(),
        "rank": pa.int32(),
        "layer": pa.list_(pa.int16()),
        "neuron": pa.list_(pa.int32()),
        "attribution": pa.list_(pa.float32()),
        "evaluations": pa.list_(pa.int32()),
        "max_attribution": pa.list_(pa.float32()),
        "completeness_error": pa.list_(pa.float32()),
        "converged": pa.list_(pa.bool_()),
    }
)


def staged(prompt: PromptInput, rule: str, attributed: Attributed) -> dict[str, Any]:
    """Return a prompt's row of a block: the neurons above the floor, and figures by layer.

    ModelError: attributions that are NaN or infinite.
    """
    scores = attributed.scores  # [n_layers, d_ffn]
    finite = torch.isfinite(scores)
    if not (finite.all() and np.isfinite(attributed.probability)):
        where = "" if finite.all() else f" in layer {int((~finite).nonzero()[0][0])}"
        raise ModelError(
            f"the attribution of prompt {prompt.prompt_id} (concept {prompt.concept!r}) by {rule} is NaN or "
            f"infinite{where}: nothing of this run is stored. Try --dtype float32"
        )
    highest = scores.max()
    layer, neuron = ((scores >= FLOOR * highest) & (scores > 0)).nonzero(as_tuple=True)
    return {
        "prompt_id": prompt.prompt_id,
        "concept": prompt.concept,
        "rule": rule,
        "probability": attributed.probability,
        "rank": attributed.rank,
        "layer": layer.numpy(),
        "neuron": neuron.numpy(),
        "attribution": scores[layer, neuron].numpy(),
        "evaluations": attributed.evaluations,
        "max_attribution": scores.max(dim=1).values.numpy(),
        "completeness_error": attributed.completeness_error or (None,) * len(scores),
        "converged": attributed.converged,
    }


def of_rule(table: pa.Table, rule: str) -> pa.Table:
    """Return a block's rows of one rule."""
    return table.filter(pc.equal(table["rule"], rule)).combine_chunks()


def attributions(table: pa.Table) -> pa.Table:
    """Return the rows of `attributions`."""
    return _flat(table, ("prompt_id", "concept", "rule"), ("layer", "neuron", "attribution"))


def quality(table: pa.Table) -> pa.Table:
    """Return the rows of `attribution_quality`, and which of them converged."""
    lists = ("evaluations", "max_attribution", "completeness_error", "converged")
    rows = _flat(table, ("prompt_id", "rule"), lists)
    layer = np.tile(np.arange(rows.num_rows // max(1, table.num_rows), dtype=np.int16), table.num_rows)
    return rows.append_column("layer", pa.array(layer))


def carried_over(warehouse: Warehouse, relation: str, unit: Unit, rule: str) -> Iterator[pa.Table]:
    """Yield what is stored of a unit by a rule, in the order of files: rows that stay where others come to them.

    Rows of versions that stored one rule, and not which, are given its name.
    """
    columns = [name for name in RELATIONS[relation].file_schema.names if name != "rule"]
    where = " and ".join(f"{name} = ${name}" for name in unit)
    reader = warehouse.sql(
        f"select $rule as rule, {', '.join(columns)} from {relation} where {where} and coalesce(rule, $rule) = $rule "
        f"order by {_ORDER[relation]}",
        {**unit, "rule": rule},
    ).to_arrow_reader(_BATCH)
    for batch in reader:
        yield pa.Table.from_batches([batch])


def say_rule(
    warehouse: Warehouse, job: str, unit: Unit, settings: Mapping[str, Any], progress: Progress = SILENT
) -> None:
    """Write the rows of a unit again with the one rule that its run had, as versions 1 and 2 did not.

    job: `attributions` or `interventions`. settings: those of the run that stored the unit.
    """
    now = with_rules(settings)
    (rule,) = now["rules"]
    with warehouse.run(job, unit, now, progress=progress) as run:
        for relation in _ORDER.keys() & set(JOBS[job].writes):
            with run.writer(relation, unit) as writer:
                for rows in carried_over(warehouse, relation, unit, rule):
                    writer.write(rows)
        if job == "attributions":
            query = "select prompt_id, probability, rank from prompt_scores where model = $model "
            query += "and checkpoint = $checkpoint and dataset = $dataset order by prompt_id"
            run.write("prompt_scores", unit, warehouse.sql(query, unit).to_arrow_table())
    warehouse.refresh()


def _flat(table: pa.Table, repeated: Sequence[str], lists: Sequence[str]) -> pa.Table:
    """Return one row for each element of the list columns, with what stands beside the lists."""
    table = table.combine_chunks()
    parents = pc.list_parent_indices(table[lists[0]])
    columns = {name: table[name].take(parents) for name in repeated}
    return pa.table({**columns, **{name: pc.list_flatten(table[name]) for name in lists}})
