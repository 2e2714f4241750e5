"""A model's rows as a data set of the Hugging Face hub: Parquet files by relation, a card, and the questions in SQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nwh.warehouse import Warehouse, output, sandbox
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS, Relation
from nwh.warehouse.statements import sql_literal

_FILE_BYTES = "400MB"
_QUESTIONS = "questions.sql"
_CARD = """# Neurons of {model}

What the neurons of `{model}` do, as [nwh](https://pypi.org/project/nwh/), the neuron warehouse, has stored it: a folder
of Parquet files for each relation, with the text of the corpora that the model was run over. Before this is made
public: whether the text of {corpora} may be passed on is for whoever publishes it to know.

In DuckDB, without a download:

```sql
from 'hf://datasets/{repo}/data/neuron_topk/*.parquet' where site = 'ffn' and layer = 3 and neuron = 17 limit 5;
```

`questions.sql` makes a view for each relation and nwh's views and macros over them (`class_neurons`, `top_sentences`,
`neuron_explanations`, …):

```sh
curl -LO https://huggingface.co/datasets/{repo}/resolve/main/questions.sql
duckdb -init questions.sql
```

```sql
select rank, activation, text from top_sentences([{first}], 5) where site = 'ffn' and layer = 3 and neuron = 17;
```

## Relations

| relation | rows | a row is a |
|---|---:|---|
{relations}

The columns are described in nwh's data dictionary (`nwh docs`).
"""


def export_hub(
    warehouse: Warehouse,
    model: str,
    out: Path,
    *,
    repo: str = "USER/NAME",
    progress: Progress = SILENT,
) -> Path:
    """Write all checkpoints' rows of a model, and of what they are made of, to a folder for the hub; return it.

    repo: what the data set will be called there, for the card and the statements. UsageError for a model that is not
    stored, and for a folder that holds something else.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    if not warehouse.partitions("checkpoints", {"model": model}):
        known = sorted({unit["model"] for unit in warehouse.partitions("checkpoints", {})})
        raise UsageError(f"no model {model!r} in {warehouse.storage}; there are {', '.join(known) or 'none'}")
    if out.exists() and any(out.iterdir()) and not (out / _QUESTIONS).exists():
        raise UsageError(f"{out} holds something that is no earlier export: name a new folder with --out")
    try:
        shutil.rmtree(out / "data", ignore_errors=True)
        (out / "data").mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error
    corpora = _corpora(warehouse, model)
    rows: dict[str, int] = {}
    with progress.bar("hub", len(RELATIONS), "relations") as bar:
        for relation in RELATIONS.values():
            if n := _copy(warehouse, relation, model, corpora, out / "data" / relation.name):
                rows[relation.name] = n
            bar.advance(1)
    configs = [{"config_name": name, "data_files": f"data/{name}/*.parquet"} for name in rows]
    card = DatasetCard(f"---\n{DatasetCardData(pretty_name=f'Neurons of {model}', configs=configs)}\n---\n")
    card.text = _CARD.format(
        model=model,
        repo=repo,
        corpora=", ".join(f"`{corpus}`" for corpus in corpora) or "no corpus",
        first=sql_literal(corpora[0] if corpora else "CORPUS"),
        relations="\n".join(f"| `{name}` | {n:,} | {RELATIONS[name].grain} |" for name, n in rows.items()),
    )
    card.save(out / "README.md")
    with output.replaced(out / _QUESTIONS) as stream:
        stream.write("".join(f"{statement};\n\n" for statement in _statements(rows, repo)).encode())
    return out


def _corpora(warehouse: Warehouse, model: str) -> list[str]:
    query = (
        "select distinct corpus from sentence_tokens where model = $1 union select distinct corpus "
        "from checkpoint_distances where $1 in (model_before, model_after) order by 1"
    )
    return [name for (name,) in warehouse.sql(query, [model]).fetchall()]


def _copy(warehouse: Warehouse, relation: Relation, model: str, corpora: list[str], folder: Path) -> int:
    """Write the rows of a relation that belong to a model; return how many. No folder for none."""
    columns, where = set(relation.column_names), ""
    params: dict[str, Any] = {"model": model}
    if relation.name == "runs":
        where = "list_has_any(string_split(unit, '/'), $units)"
        params = {"units": [f"{name}={model}" for name in ("model", "model_before", "model_after", "other_model")]}
        params["units"] += [f"corpus={corpus}" for corpus in corpora]
    elif "model" in columns:
        where = "model = $model"
    elif "model_before" in columns:
        where = "$model in (model_before, model_after)"
    elif "dataset" in columns:
        where = "dataset in (select dataset from prompt_scores where model = $model)"
    else:
        where, params = "list_contains($corpora, corpus)", {"corpora": corpora}
    query = f"from {relation.name} where {where}"
    n = int(warehouse.sql(f"select count(*) from ({query})", params).fetchall()[0][0])
    if n:
        options = f"format parquet, compression zstd, file_size_bytes '{_FILE_BYTES}', overwrite"
        with sandbox.explained():
            warehouse.connection.execute(f"copy ({query}) to {sql_literal(str(folder))} ({options})", params)
    return n


def _statements(rows: dict[str, int], repo: str) -> Iterator[str]:
    """Yield statements that make a view of each relation over the hub, empty ones typed, then all of `sql/`."""
    yield "-- Views of the relations over the hub's files, then the views and macros of nwh.\ninstall httpfs"
    yield "load httpfs"
    for relation in RELATIONS.values():
        stored = f"from read_parquet('hf://datasets/{repo}/data/{relation.name}/*.parquet')"
        yield f"create or replace view {relation.name} as {stored if relation.name in rows else relation.empty}"
    for file in sql_files():
        yield file.sql
