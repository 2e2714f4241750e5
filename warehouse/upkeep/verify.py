"""Checks that what is stored is whole and fits together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from duckdb import Error as DuckDBError

from nwh.warehouse.catalog import views
from nwh.warehouse.errors import first_line
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.schema import RELATIONS, Relation
from nwh.warehouse.schema.neurons import NEURON_TOPK
from nwh.warehouse.storage.provenance import Provenance
from nwh.warehouse.storage.units import units_under_way
from nwh.warehouse.upkeep.status import behind, stale_units
from nwh.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Finding:
    """Something to know; `wrong` where it is damage or a contradiction, not a leftover."""

    text: str
    wrong: bool = True


_SAID_TWICE = {
    ("attribution_quality", "attributions"): (
        "highest attributions",  # which selections rest on
        "with quality as (select *, max(max_attribution) over (partition by model, checkpoint, dataset, rule, "
        "prompt_id) as highest from attribution_quality), kept as (select model, checkpoint, dataset, "
        "coalesce(attributions.rule, chosen_rules.rule) as rule, prompt_id, layer, max(attribution) as attribution "
        "from attributions left join chosen_rules using (model, checkpoint, dataset) group by all) "
        "select model, checkpoint, dataset, rule, prompt_id, layer "
        "from quality full join kept using (model, checkpoint, dataset, rule, prompt_id, layer) "
        "where attribution is distinct from max_attribution "
        "and (attribution is not null or max_attribution > greatest(0, 0.0501 * highest))",  # lower ones are not kept
    ),
    ("neuron_stats", "neuron_topk"): (
        "extremes",
        "select model, checkpoint, site, corpus, layer, neuron from neuron_stats "
        "inner join neuron_topk using (model, checkpoint, site, corpus, layer, neuron) "
        "where rank = 1 and activation <> if(pole = 'top', max, min)",
    ),
    ("neuron_stats", "sentence_tokens"): (
        "numbers of sentences",
        "select model, checkpoint, site, corpus, layer, neuron from neuron_stats "
        "left join corpus_sizes using (model, checkpoint, corpus) "
        "where n is distinct from n_sentences or n <> list_sum(histogram_counts)",
    ),
}
"""Figures that two relations hold: relation, other -> what they are, and the keys where they differ."""


def verify(warehouse: Warehouse, *, deep: bool = False, progress: Progress = SILENT) -> Iterator[Finding]:
    """Yield what is wrong, relation by relation, then what is left over.

    Files are there, open, as long as they were written, and hold the rows their table counts; keys are unique, ranks
    dense, references met, numbers finite; every unit is of the text, prompts, weights and runs that are stored. `deep`
    reads every column of every row against the checksums of its pages, and figures that two relations hold against
    each other.
    """
    whole = dict(warehouse.snapshot)
    with progress.bar("verify", len(RELATIONS), "relations") as bar:
        for relation in RELATIONS.values():
            for finding in _files(warehouse, relation, deep):
                whole[relation.name] = []  # nothing more can be said of a damaged relation
                yield finding
            bar.advance(1)
    connection = views.connect(whole, warehouse.storage, warehouse.tables.known_sizes())
    damaged = {name for name in whole if whole[name] != warehouse.snapshot[name]}
    for relation in (relation for relation in RELATIONS.values() if relation.name not in damaged):
        try:
            yield from _keys(connection, relation)
            yield from _numbers(connection, relation)
            yield from _references(connection, relation, damaged)
        except DuckDBError as error:  # a damaged page behind a footer that is whole
            yield Finding(f"{relation.name}: cannot be read: {first_line(error)}")
    for names, (what, differing) in _SAID_TWICE.items() if deep else ():
        if not damaged.intersection(names):
            for row in connection.sql(f"{differing} limit 3").fetchall():
                yield Finding(f"{names[0]}: {what} of {'/'.join(map(str, row))} are not those of {names[1]}")
    unchecked = Provenance(warehouse.storage, warehouse.provenance.snapshot)  # whatever the last run has said
    for text in stale_units(warehouse, unchecked):
        yield Finding(text)
    yield from _same_weights(connection)
    yield from _leftovers(warehouse)


def _files(warehouse: Warehouse, relation: Relation, deep: bool) -> Iterator[Finding]:
    files = warehouse.tables.files_of(relation.name)
    for uri in warehouse.snapshot.get(relation.name, []):
        path = warehouse.tables.path_of(relation.name, uri)
        try:
            with warehouse.storage.open_uri(uri) as stream:
                size, written = stream.size(), files[path]
                parquet = pq.ParquetFile(stream, page_checksum_verification=deep)
                rows = parquet.metadata.num_rows
                if deep:
                    rows = sum(batch.num_rows for batch in parquet.iter_batches())
        except Exception as error:  # whatever a damaged file makes its reader say
            yield Finding(f"{relation.name}: file {path} cannot be read: {first_line(error)}")
            continue
        if rows != written.rows:
            yield Finding(f"{relation.name}: file {path} has {rows} rows, its run counted {written.rows}")
        elif size != written.size:
            yield Finding(f"{relation.name}: file {path} has {size:,} bytes, its run wrote {written.size:,}")


def _keys(connection: DuckDBPyConnection, relation: Relation) -> Iterator[Finding]:
    if relation is NEURON_TOPK:  # the key of so many rows is checked by neuron: ranks are 1 to k, each once
        by = ", ".join(relation.key[:-1])
        bad = connection.sql(
            f"select {by} from neuron_topk group by all having max(rank) <> count(*) "
            "or sum(rank) <> count(*) * (count(*) + 1) / 2 "
            "or sum(rank::hugeint * rank) <> count(*)::hugeint * (count(*) + 1) * (2 * count(*) + 1) / 6 limit 3"
        ).fetchall()
        for row in bad:
            yield Finding(f"neuron_topk: ranks of {'/'.join(map(str, row))} are not 1, 2, 3, …")
        return
    by = ", ".join(relation.key)
    for row in connection.sql(f"select {by} from {relation.name} group by all having count(*) > 1 limit 3").fetchall():
        yield Finding(f"{relation.name}: key {'/'.join(map(str, row))} stands more than once")


def _numbers(connection: DuckDBPyConnection, relation: Relation) -> Iterator[Finding]:
    for column in relation.finite:
        bad = connection.sql(f"select count(*) from {relation.name} where not isfinite({column})").fetchall()[0][0]
        if bad:
            yield Finding(f"{relation.name}: {bad} values of {column} are NaN or infinite")


def _references(connection: DuckDBPyConnection, relation: Relation, damaged: set[str]) -> Iterator[Finding]:
    for column, target in relation.references:
        other, key = target.split(".")
        if other in damaged:
            continue
        example, missing = connection.sql(
            f"select any_value({column}), count(*) from {relation.name} "
            f"where {column} not in (select {key} from {other})"
        ).fetchall()[0]
        if missing:
            yield Finding(f"{relation.name}: {missing} rows have a {column} that {other} lacks ({example})")


def _same_weights(connection: DuckDBPyConnection) -> Iterator[Finding]:
    rows = connection.sql(
        "select string_agg(model || '@' || checkpoint, ', ' order by model, step, checkpoint), weights_sha256 "
        "from checkpoints group by weights_sha256 having count(*) > 1"
    ).fetchall()
    for names, digest in rows:
        text = f"checkpoints {names} have the same weights ({digest[:12]}…): two names of one, or one uploaded wrongly"
        yield Finding(text, wrong=False)


def _leftovers(warehouse: Warehouse) -> Iterator[Finding]:
    for text in behind(warehouse):
        yield Finding(text, wrong=False)
    for each in units_under_way(warehouse.storage):
        if each.state == "interrupted":
            then = f"{each.obstacle}, that no run goes on from" if each.obstacle else "the same command goes on from it"
            text = f"staging/{each.job}/{each.unit} holds a partial result"
            yield Finding(f"{text}: {then}, `nwh vacuum --staging` drops it", wrong=False)
    unused: dict[str, int] = {}
    for relation, _, _ in warehouse.tables.unused_files():
        unused[relation] = unused.get(relation, 0) + 1
    for relation, n in unused.items():
        yield Finding(f"{relation}: {n} files belong to no table any more; `nwh vacuum` deletes them", wrong=False)
