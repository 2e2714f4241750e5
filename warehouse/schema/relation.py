"""What a relation is: grain, key, partition, and typed, described columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nwh.warehouse.schema.glossary import GLOSSARY

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, what it holds, whether it may be null.

    absent: SQL for its value in files of versions that did not store it yet; empty where all files have it.
    dictionary: whether its values repeat, so that files hold each once.
    plain: whether it is read whole for one question, so that files hold it as it is: more bytes, nothing to unpack.
    """

    name: str
    type: str
    description: str
    nullable: bool = False
    absent: str = ""
    dictionary: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Relation:
    """One fact: a Delta table with one row per `grain`.

    `partition` columns (always text) name the folder of a file and bound what a run replaces;
    `references` are foreign keys (column -> relation.column).
    `rows_per_group`: of a Parquet row group, the least that a query reads; by default DuckDB's own, 60 of its vectors.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    finite: tuple[str, ...] = ()
    rows_per_group: int = 122_880

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def empty(self) -> str:
        """A statement that gives its columns and no row."""
        return f"select {', '.join(f'null::{column.type} as {column.name}' for column in self.columns)} limit 0"

    @cached_property
    def file_schema(self) -> pa.Schema:
        """Arrow schema of a data file: every column but those of the partition, whose values are in the path."""
        return _arrow([column for column in self.columns if column.name not in self.partition])

    @cached_property
    def table_schema(self) -> pa.Schema:
        """Arrow schema of the whole Delta table."""
        return _arrow(self.columns)


def _arrow(columns: list[Column] | tuple[Column, ...]) -> pa.Schema:
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "bigint": pa.int64(),
        "integer": pa.int32(),
        "smallint": pa.int16(),
        "float": pa.float32(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us"),
        "text[]": pa.list_(pa.string()),
        "float[]": pa.list_(pa.float32()),
        "double[]": pa.list_(pa.float64()),
        "bigint[]": pa.list_(pa.int64()),
    }
    return pa.schema([pa.field(column.name, types[column.type], column.nullable) for column in columns])


def shared(name: str, type: str, nullable: bool = False, absent: str = "", dictionary: bool = False) -> Column:
    """Return a column that means what the glossary says of its name."""
    return Column(name, type, GLOSSARY[name], nullable, absent, dictionary)


MODEL = shared("model", "text")
CHECKPOINT = shared("checkpoint", "text")
SITE = shared("site", "text")
CORPUS = shared("corpus", "text")
SENTENCE_ID = shared("sentence_id", "bigint")
LAYER = shared("layer", "smallint")
NEURON = shared("neuron", "integer")
POLE = shared("pole", "text")
SCOPE = shared("scope", "text")
DATASET = shared("dataset", "text")
CONCEPT = shared("concept", "text")
PROMPT_ID = shared("prompt_id", "bigint")
ANSWER_LAYER = Column("layer", "smallint", f"{LAYER.description}; of T5 the decoder's")
ANSWER_NEURON = Column("neuron", "integer", "neuron of site `ffn`, from 0")
OF_CORPUS = (MODEL, CHECKPOINT, SITE, CORPUS)
OF_SCOPE = (MODEL, CHECKPOINT, SITE, SCOPE)
OF_DATASET = (MODEL, CHECKPOINT, DATASET)
DETECTS = (
    shared("auroc", "float", True, "null::float", dictionary=True),
    shared("sample_support", "integer", True, "null::integer", dictionary=True),
    shared("n_sampled", "integer", True, "null::integer", dictionary=True),
)
