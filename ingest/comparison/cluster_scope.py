"""What is clustered: which corpora have top sentences and sampled activations, and these themselves.

Every question is answered before any work, so that wrong use is refused at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nwh.ingest.scope import OF_SCOPE, Scope, read_scope
from nwh.ingest.stored import kept_sentences, site_sizes
from nwh.ingest.text.corpus import texts_of
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

_HERE = f"{OF_SCOPE} and layer = $layer"


def read_cluster_scopes(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    *,
    sites: Sequence[str] = (),
    corpora: Sequence[str] = (),
    progress: Progress = SILENT,
) -> list[Scope]:
    """Return a scope for each site; empty lists stand for all that have top sentences and a sample.

    Raises UsageError for a site or corpus without them, naming the command that makes them.
    """

    def read(site: str) -> Scope:
        here = f"{model}@{checkpoint}/{site}"
        kept = kept_sentences(warehouse, model, checkpoint, site, "top", corpora)
        query = "select distinct corpus from activation_sample where model = $1 and checkpoint = $2 and site = $3"
        sampled = {corpus for (corpus,) in warehouse.sql(query, [model, checkpoint, site]).fetchall()}
        chosen = sorted(set(corpora) or set(kept) & sampled)
        if bare := [corpus for corpus in (chosen or sorted(kept)) if corpus not in sampled]:
            raise UsageError(
                f"corpus {bare[0]!r} has no sampled activations of {here}: "
                f"`nwh ingest activations --sample 1000 --corpus {bare[0]}` makes them"
            )
        if left := sorted(set(kept) - sampled) if not corpora else []:
            progress.note(f"{', '.join(left)} left out of the scope: no sampled activations of {here}")
        return read_scope(warehouse, model, checkpoint, site, {corpus: kept[corpus] for corpus in chosen})

    sizes = site_sizes(warehouse, model, checkpoint, sites)
    return [read(site) for site in dict.fromkeys(sites) or sizes]


def note_unlike_activations(warehouse: Warehouse, run: Run, *scopes: Scope) -> None:
    """Note it where what is put side by side was made of the activations of tokens in different ways."""
    made: dict[str, list[str]] = {}
    for scope in scopes:
        for corpus, source in scope.sources.items():
            how = warehouse.sql("select settings ->> 'aggregate' from runs where run_id = $1", [source]).fetchall()
            for (aggregate,) in how:
                made.setdefault(aggregate, []).append(f"{corpus} of {scope.model}@{scope.checkpoint}")
    if len(made) > 1:
        alike = "; ".join(f"{aggregate} for {', '.join(of)}" for aggregate, of in made.items())
        run.note(f"activations of sentences are not alike, that of a sentence's tokens is taken as {alike}")


def check_kept(scope: Scope, per_neuron: int) -> None:
    """Raise UsageError where too few sentences per neuron are stored for the strongest of the scope to be exact."""
    for corpus, kept in scope.limits.items():
        if kept < per_neuron:
            raise UsageError(
                f"--per-neuron {per_neuron} asks for more than the {kept:,} sentences per neuron that are stored of "
                f"corpus {corpus!r}: `nwh ingest activations --k {per_neuron} --corpus {corpus}` stores them"
            )


def strongest_sentences(
    warehouse: Warehouse, scope: Scope, per_neuron: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return layer, neuron and sentence_id of every neuron's strongest sentences over all corpora of the scope.

    By the rule of macro `top_sentences`: ties go to the lower sentence_id. Dead neurons, whose top sentences in some
    corpus all have their highest activation, are left out: these are merely the first of the corpus.
    """
    found = warehouse.sql(
        "with kept as (select layer, neuron, sentence_id, activation, "
        "rank > 1 and rank = list_extract($kept, list_position($corpora, corpus)) as is_last from neuron_topk "
        f"where {OF_SCOPE} and pole = 'top' "
        "and (rank <= $n or rank = list_extract($kept, list_position($corpora, corpus)))), "
        "placed as (select kept.*, row_number() over of_neuron as place, max(activation) over (partition by layer, "
        "neuron) as highest from kept window of_neuron as (partition by layer, neuron order by activation desc, "
        "sentence_id)) "
        "select layer, neuron, sentence_id from placed "
        "qualify place <= $n and not bool_or(is_last and activation = highest) over (partition by layer, neuron) "
        "order by layer, neuron, place",
        {**scope.place, "kept": [scope.kept[corpus] for corpus in scope.corpora], "n": per_neuron},
    ).fetchnumpy()
    return tuple(np.asarray(found[name], np.int64) for name in ("layer", "neuron", "sentence_id"))  # type: ignore[return-value]


def read_texts(
    warehouse: Warehouse, scope: Scope, sentence_ids: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct texts of sentences, by first id, and each sentence's place among them."""
    ids = np.unique(sentence_ids)
    texts = texts_of(warehouse, scope.corpora, ids.tolist()).values()
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    of_ids = np.array([place[text] for text in texts], np.int64)
    return list(place), of_ids[np.searchsorted(ids, sentence_ids)]


def draw_sentences(warehouse: Warehouse, scope: Scope, size: int, seed: int) -> list[int]:
    """Return the ids, ascending, of `size` sampled sentences drawn without replacement; of all where there are fewer.

    The lowest hashes of seed and id, salted: unsalted hashes have chosen the sample itself, and would favour the
    larger corpora of the scope.
    """
    rows = warehouse.sql(
        f"select sentence_id from (select sentence_id from activation_sample where {_HERE} "
        "order by md5('clusters:' || $seed || ':' || sentence_id) limit $size) order by 1",
        {**scope.place, "layer": next(iter(scope.layers), 0), "seed": str(seed), "size": size},
    ).fetchall()
    return [sentence_id for (sentence_id,) in rows]


def read_activations(
    warehouse: Warehouse, scope: Scope, layer: int, sentence_ids: Sequence[int]
) -> NDArray[np.float32]:
    """Return [neurons, sentences] activations of a layer, on a cursor of its own; ModelError for NaN or infinity."""
    with warehouse.cursor() as cursor:
        table = cursor.sql(
            f"select activations from activation_sample where {_HERE} "
            "and sentence_id in (select unnest($ids)) order by sentence_id",
            params={**scope.place, "layer": layer, "ids": list(sentence_ids)},
        ).to_arrow_table()
    flat = table["activations"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    activations = flat.reshape(len(sentence_ids), -1).T
    finite = np.isfinite(activations)
    if not finite.all():
        neuron, sentence = np.argwhere(~finite)[0]
        raise ModelError(
            f"the sampled activation of {scope}/{layer}/{neuron} for sentence "
            f"{sentence_ids[sentence]} is NaN or infinite: nothing of this run is stored. "
            "`nwh ingest activations --again --dtype float32` makes the sample anew"
        )
    return np.ascontiguousarray(activations)
