"""Writes the rows of one unit of a relation to Parquet files, checked against the schema."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nwh.warehouse.errors import ModelError, NwhError, StorageError, first_line
from nwh.warehouse.schema import Relation
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.manifests import DataFile
from nwh.warehouse.storage.refusals import refusal

# Sorted neighbours share their leading bytes, so numbers are stored byte plane by byte plane (BYTE_STREAM_SPLIT)
# or as differences, and zstd sees long runs: 4 bytes per top-K row where dictionaries need 8. DuckDB 1 knows
# BYTE_STREAM_SPLIT of float and double alone.
_ENCODING = {
    "bigint": "DELTA_BINARY_PACKED",
    "float": "BYTE_STREAM_SPLIT",
    "double": "BYTE_STREAM_SPLIT",
    "integer": "DELTA_BINARY_PACKED",
    "timestamp": "DELTA_BINARY_PACKED",
}


class RelationWriter:
    """Streams rows of one partition of a relation into a new data file; a context manager.

    After an error the file is removed; without one it is closed and described by `file`.
    """

    def __init__(self, storage: Storage, relation: Relation, partition: Mapping[str, str], name: str) -> None:
        """Open nothing until the first rows arrive, so that an empty unit makes no file."""
        if set(partition) != set(relation.partition):
            raise ValueError(f"{relation.name} is partitioned by {relation.partition}, not {tuple(partition)}")
        self.relation = relation
        self.partition = {column: partition[column] for column in relation.partition}
        self.rows = 0
        self.file: DataFile | None = None
        self._storage = storage
        self._name = name
        self._path = ""
        self._stream: Any = None
        self._parquet: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []

    def write(self, rows: pa.Table | Mapping[str, Any]) -> None:
        """Append rows: an Arrow table or a mapping of columns, partition columns left out.

        Raises StorageError where they do not fit the schema, ModelError where a number must be finite and is not.
        """
        table = checked(self.relation, rows)
        self._pending.append(table)
        if sum(pending.num_rows for pending in self._pending) >= self.relation.rows_per_group:
            self._flush()

    def __enter__(self) -> RelationWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """Close the file, or remove it after an error."""
        try:
            if error is None:
                self._flush()
            if self._parquet is not None:
                self._parquet.close()
                size = self._stream.tell()
                self._stream.close()
        except (OSError, NwhError) as failure:
            self._remove()
            raise failure if isinstance(failure, NwhError) else self._full(failure) from failure
        if error is not None:
            self._remove()
        elif self._parquet is not None:
            self.file = DataFile(self._path, size, self.rows, self.partition)

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.concat_tables(self._pending)
        self._pending = []
        try:
            if self._parquet is None:
                self._open(table.schema)
            assert self._parquet is not None
            self._parquet.write_table(table, row_group_size=self.relation.rows_per_group)
        except OSError as failure:
            raise self._full(failure) from failure
        self.rows += table.num_rows

    def _open(self, schema: pa.Schema) -> None:
        self._path, self._stream = self._storage.new_data_file(self.relation, self.partition, self._name)
        encodings, dictionaries, compression = {}, [], {}
        for column in self.relation.columns:
            if column.name in self.partition:
                continue
            path = column.name + (".list.element" if column.type.endswith("[]") else "")
            compression[path] = "none" if column.plain else "zstd"
            packed = None if column.dictionary else _ENCODING.get(column.type.removesuffix("[]"))
            if encoding := "PLAIN" if column.plain else packed:
                encodings[path] = encoding
            else:
                dictionaries.append(path)
        self._parquet = pq.ParquetWriter(
            self._stream,
            schema,
            store_schema=False,  # dictionaries are this writer's business: readers get text
            compression=compression,
            write_page_checksum=True,  # `nwh verify --deep` reads them
            use_dictionary=dictionaries,
            column_encoding=encodings,
        )

    def _remove(self) -> None:
        if self._stream is not None:
            with suppress(OSError):  # what it could not write is no longer wanted, but its space is
                self._stream.close()
        if self._path:
            with suppress(OSError):  # it may be the store that fails: nothing names the file, and a vacuum removes it
                self._storage.delete_data_file(self.relation.name, self._path)

    def _full(self, failure: OSError) -> NwhError:
        return refusal(f"cannot write {self.relation.name} in {self._storage}", failure)


def checked(relation: Relation, rows: pa.Table | Mapping[str, Any]) -> pa.Table:
    """Return rows as an Arrow table of the relation's file schema, or raise naming the column that does not fit.

    Text may stay a dictionary.
    """
    schema = relation.file_schema
    given = set(rows.column_names if isinstance(rows, pa.Table) else rows)
    if given != set(schema.names):
        raise StorageError(
            f"relation {relation.name} has columns {', '.join(schema.names)}; "
            f"missing {sorted(set(schema.names) - given)}, unknown {sorted(given - set(schema.names))}"
        )
    columns = []
    for field in schema:
        values = rows[field.name]
        try:
            if isinstance(values, pa.DictionaryArray) and values.type.value_type == field.type:
                column = values  # written as it is, which saves looking up every value
            elif isinstance(values, (pa.ChunkedArray, pa.Array)):
                column = values.cast(field.type)
            else:
                column = pa.array(values, field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise StorageError(f"{relation.name}.{field.name} must be {field.type}: {first_line(error)}") from error
        if not field.nullable and column.null_count:
            raise StorageError(f"{relation.name}.{field.name} must not be null; {column.null_count} rows are")
        if field.name in relation.finite and not pc.all(pc.is_finite(column), min_count=0).as_py():
            raise ModelError(f"{relation.name}.{field.name} holds NaN or infinity, which is not stored")
        columns.append(column)
    fields = [field.with_type(column.type) for field, column in zip(schema, columns, strict=True)]
    return pa.table(columns, schema=pa.schema(fields))
