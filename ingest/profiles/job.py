"""Job `profiles`: what the top and bottom sentences of every neuron are like, against the corpus.

Reads neuron_topk, activation_sample, sentence_tokens, sentences, sentence_metadata, annotations; writes
neuron_profiles, neuron_samples and neuron_metadata (unit: model, checkpoint, site, corpus), neuron_words,
neuron_tag_distribution and corpus_vocabulary (and annotator). No model runs. `activations`, `annotations` and `corpus`
end with it, so that profiles are there wherever they can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from nwh.ingest.profiles.item_rows import item_rows
from nwh.ingest.profiles.items import metadata_items, word_items
from nwh.ingest.profiles.samples import length_r2, sample_rows
from nwh.ingest.profiles.top import TopSentences, counted_sentences, places_of, top_sentences
from nwh.ingest.profiles.units import missing_profiles, possible_profiles
from nwh.ingest.sample import Sample, read_sample
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run, Unit


def ingest_profiles(
    warehouse: Warehouse,
    *,
    models: Sequence[str] = (),
    corpora: Sequence[str] = (),
    again: bool = False,
    progress: Progress = SILENT,
) -> list[Run]:
    """Write the profiles that are missing or stale; return the runs.

    models, corpora: short names; empty for all. `again` repeats those that are there. An interrupted run starts again
    at the unit (model, checkpoint, site, corpus, annotator) under way.
    """
    units = possible_profiles(warehouse) if again else missing_profiles(warehouse)
    wanted = [
        (unit, described)
        for unit, described in units
        if (not models or unit["model"] in models) and (not corpora or unit["corpus"] in corpora)
    ]
    return [_run(warehouse, unit, described, progress) for unit, described in wanted]


def _run(warehouse: Warehouse, unit: Unit, described: dict[str, Any], progress: Progress) -> Run:
    make = _words if "annotator" in unit else _metadata
    with warehouse.run("profiles", unit, described, progress=progress) as run:
        make(warehouse, run, unit, progress)
    return run


# -- metadata and lengths ------------------------------------------------------------------------------------------


def _metadata(warehouse: Warehouse, run: Run, unit: Unit, progress: Progress) -> None:
    sentences = counted_sentences(warehouse, unit)
    items = metadata_items(warehouse, unit, sentences.ids)
    means = sentences.lengths.mean(axis=0)
    writers = ("neuron_samples", "neuron_profiles", "neuron_metadata")
    with ExitStack() as stack:
        samples, profiles, metadata = (stack.enter_context(run.writer(name, unit)) for name in writers)
        before = None
        for top, sample in _blocks(warehouse, unit, sentences.ids, "metadata", progress):
            if sample is not before and (rows := sample_rows(sample, top.layer)):
                samples.write(rows)
            before = sample
            totals = top.sums(sentences.lengths)
            metadata.write(_with_bounds(warehouse, item_rows(top, items, sentences, sample, with_shares=True)))
            profiles.write(
                {
                    **top.names(np.arange(len(top.neuron))),
                    "k": top.k,
                    "differ": top.differ.astype(np.int16),
                    "mean_tokens": totals[:, 0] / top.k,
                    "mean_words": totals[:, 1] / top.k,
                    "corpus_mean_tokens": np.full(len(top.k), means[0]),
                    "corpus_mean_words": np.full(len(top.k), means[1]),
                    "length_r2": length_r2(sample, top.neuron),
                }
            )


def _with_bounds(warehouse: Warehouse, rows: pa.Table) -> pa.Table:
    """Add the bounds of each AUROC, as macro auroc_bound defines them, to 3 digits as it is."""
    bound = "round(auroc_bound(auroc, sample_support, n_sampled - sample_support, {}), 3)::float as {}"
    with warehouse.cursor() as cursor:
        cursor.register("detected", rows.select(["auroc", "sample_support", "n_sampled"]))
        bounds = cursor.sql(
            f"select {bound.format(-1.96, 'auroc_low')}, {bound.format(1.96, 'auroc_high')} from detected"
        ).to_arrow_table()
    for name in bounds.column_names:
        rows = rows.append_column(name, bounds[name])
    return rows


# -- words and tags ------------------------------------------------------------------------------------------------


def _words(warehouse: Warehouse, run: Run, unit: Unit, progress: Progress) -> None:
    sentences = counted_sentences(warehouse, unit)
    items = word_items(warehouse, unit, sentences.ids)
    run.write("corpus_vocabulary", unit, items.vocabulary(len(sentences.ids)))
    tags, amounts = _tags(warehouse, unit, sentences.ids)
    corpus_words = tags["corpus_words"].to_numpy()
    corpus_share = corpus_words / max(1, corpus_words.sum())
    with run.writer("neuron_words", unit) as words, run.writer("neuron_tag_distribution", unit) as distribution:
        for top, sample in _blocks(warehouse, unit, sentences.ids, "words", progress):
            words.write(item_rows(top, items, sentences, sample))
            live = np.flatnonzero(top.differ)
            totals = top.sums(amounts)[live]
            all_words = totals.sum(axis=1, keepdims=True)
            live, totals, all_words = (each[all_words[:, 0] > 0] for each in (live, totals, all_words))
            shares = totals / all_words
            own, tag = np.repeat(live, len(corpus_words)), np.tile(np.arange(len(corpus_words)), len(live))
            distribution.write(
                {
                    **top.names(own),
                    "tag": tags["tag"].take(pa.array(tag)),
                    "class": tags["class"].take(pa.array(tag)),
                    "k": top.k[own],
                    "words": totals.ravel(),
                    "share": shares.ravel(),
                    "corpus_words": corpus_words[tag],
                    "corpus_share": corpus_share[tag],
                    "lift": (shares / corpus_share).ravel(),
                }
            )


def _tags(warehouse: Warehouse, unit: Unit, ids: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[pa.Table, Any]:
    """Return the rows of `corpus_tags`, and how often each sentence has each, [sentences, tags]."""
    place = {name: unit[name] for name in ("model", "checkpoint", "corpus", "annotator")}
    tags = warehouse.sql(
        "select tag, tag_class(tag) as class, corpus_words from corpus_tags where model = $model "
        "and checkpoint = $checkpoint and corpus = $corpus and annotator = $annotator order by tag",
        place,
    ).to_arrow_table()
    code = {tag: i for i, tag in enumerate(tags["tag"].to_pylist())}
    found = warehouse.sql(
        "select sentence_id, tag, words::integer as words from sentence_tags "
        "where corpus = $corpus and annotator = $annotator",
        {name: unit[name] for name in ("corpus", "annotator")},
    ).to_arrow_table()
    rows, counted = places_of(ids, found["sentence_id"].to_numpy())
    of_tags = found["tag"].combine_chunks().dictionary_encode()
    columns = np.array([code.get(tag, -1) for tag in of_tags.dictionary.to_pylist()])[of_tags.indices.to_numpy()]
    amounts = np.zeros((len(ids), len(code)), np.int32)
    amounts[rows[counted], columns[counted]] = found["words"].to_numpy()[counted]
    return tags, amounts


def _blocks(
    warehouse: Warehouse, unit: Unit, ids: Any, what: str, progress: Progress
) -> Iterator[tuple[TopSentences, Sample]]:
    """Yield blocks of poles, each with its layer's sample."""
    site = {name: unit[name] for name in ("model", "checkpoint", "site", "corpus")}
    sizes = _sizes(warehouse, site)
    with progress.bar(f"{unit['corpus']} {unit['site']} {what}", sum(n for _, n in sizes), "neurons") as bar:
        for layer, n_neurons in sizes:
            sample = read_sample(warehouse, site, layer)
            for top in top_sentences(warehouse, site, layer, n_neurons, ids):
                yield top, sample
                bar.advance(len(np.unique(top.neuron)))


def _sizes(warehouse: Warehouse, site: Unit) -> list[tuple[int, int]]:
    """Return the layers that top sentences are stored of, ascending, each with its number of neurons."""
    return warehouse.sql(
        "select layer, max(neuron) + 1 from neuron_topk where model = $model and checkpoint = $checkpoint "
        "and site = $site and corpus = $corpus group by layer order by layer",
        site,
    ).fetchall()
