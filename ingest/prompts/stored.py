"""The prompts of a data set as they are stored, for jobs that read them."""

from __future__ import annotations

from typing import NamedTuple

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.storage.provenance import prompts_sha256


class PromptRow(NamedTuple):
    """What a model is asked: some columns of a row of `prompts`."""

    prompt_id: int
    objective: str
    concept: str
    text: str
    answer: str


def stored_prompts(warehouse: Warehouse, dataset: str) -> tuple[list[PromptRow], str]:
    """Return a data set's prompts by concept and id, and their SHA-256; UsageError where there is none."""
    rows = warehouse.sql(
        "select prompt_id, objective, concept, text, answer from prompts where dataset = $1 "
        "order by concept, prompt_id",
        [dataset],
    ).fetchall()
    if not rows:
        known = [name for (name,) in warehouse.sql("select distinct dataset from prompts order by 1").fetchall()]
        raise UsageError(
            f"no data set {dataset!r} in {warehouse.storage}; there are {', '.join(known) or 'none'} "
            "(`nwh ingest prompts` adds one)"
        )
    return [PromptRow(*row) for row in rows], prompts_sha256(rows)
