"""Job `annotations`: words, Penn tags and trees of every sentence of a corpus.

Reads sentences; writes annotations. The unit is (corpus, annotator). For trees that are there already, see
`ingest.annotation.tree_files`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import asdict
from multiprocessing import get_context

import pyarrow as pa
import pyarrow.compute as pc

from nwh.ingest.annotation.annotation import Annotation
from nwh.ingest.annotation.annotators import Annotator, OpenAnnotator
from nwh.ingest.job import Task
from nwh.ingest.profiles.job import ingest_profiles
from nwh.ingest.shards import in_blocks, run_shared
from nwh.ingest.text.corpus import corpus_text, texts_by_block
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import NwhError
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.storage.staged_blocks import StagedBlocks

BLOCK = 1000  # sentences between two points where a run can be resumed


def ingest_annotations(
    warehouse: Warehouse,
    corpus: str,
    annotator: Annotator,
    *,
    processes: int | None = None,
    again: bool = False,
    progress: Progress = SILENT,
    shard: Shard | None = None,
) -> Run | None:
    """Annotate a corpus and return the run; null where that is stored already, unless `again`.

    `processes` share the work (null: one per CPU). An interrupted run goes on from the blocks of sentences it
    has staged. Sentences without a tree are counted in a note. shard: see `ingest.shards`. Raises UsageError for an
    unknown corpus.
    """
    n_sentences, text_sha256 = corpus_text(warehouse, corpus)
    unit = {"corpus": corpus, "annotator": annotator.name}
    settings = {"text_sha256": text_sha256, **asdict(annotator), **unit}

    def annotate(run: Run) -> None:
        first, starts = id_base(corpus), range(0, n_sentences, BLOCK)
        workers = min(processes or os.cpu_count() or 1, len(starts))
        run.note(annotator.note)
        blocks = StagedBlocks(run, n_sentences)
        bar_of = progress.bar(corpus, n_sentences, "sentences", blocks.done)
        with bar_of as bar, _annotating(annotator, workers) as send:
            under_way: deque[tuple[range, Callable[[], pa.Table]]] = deque()

            def finish() -> None:
                own, result = under_way.popleft()
                ids = pa.array(range(first + own.start, first + own.stop), pa.int64())
                blocks.save(str(own.start // BLOCK), result().add_column(0, "sentence_id", ids), len(own))
                bar.advance(len(own))

            for i in map(int, blocks.left([str(i) for i in range(len(starts))])):
                own = range(starts[i], min(starts[i] + BLOCK, n_sentences))
                under_way.append((own, send(next(texts_by_block(warehouse, corpus, BLOCK, own)))))
                if len(under_way) >= 2 * workers:
                    finish()
            while under_way:
                finish()
        if run.shard is None:
            _write(run, unit, blocks, len(starts), annotator)

    task = in_blocks(Task("annotations", unit, settings, annotate))
    run = run_shared(warehouse, task, shard, again=again, progress=progress)
    if run is None:
        progress.note(annotator.note)
    if run is not None or shard is None:
        ingest_profiles(warehouse, corpora=[corpus], progress=progress)
    return run


def _write(run: Run, unit: dict[str, str], blocks: StagedBlocks, n_blocks: int, annotator: Annotator) -> None:
    rows = without = 0
    with run.writer("annotations", unit) as writer:
        for i in range(n_blocks):
            table = blocks.load(str(i))
            kind = pa.scalar(annotator.tree_kind, pa.string())
            table = table.append_column("tree_kind", pc.if_else(table["tree"].is_valid(), kind, None))
            writer.write(table)
            rows += table.num_rows
            without += table["tree"].null_count
    if annotator.tree_kind and without:
        run.note(f"{annotator.parser} found no tree for {without:,} of {rows:,} sentences of {unit['corpus']}")


# -- processes --------------------------------------------------------------------------------------------------

_at_work: OpenAnnotator | None = None  # of a worker process


@contextmanager
def _annotating(annotator: Annotator, workers: int) -> Iterator[Callable[[list[str]], Callable[[], pa.Table]]]:
    """Yield a function that takes texts to be annotated and returns one that waits for their rows."""
    if workers <= 1:
        with closing(annotator.open()) as annotate:
            yield lambda texts: lambda: _rows(annotate(texts))
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (annotator,))
    try:
        yield lambda texts: pool.submit(_work, texts).result
    except BrokenProcessPool as error:
        raise NwhError(
            f"a process of annotator {annotator.name} ended without an answer (out of memory?): run the command "
            "again, it goes on from here; --processes 1 needs least"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(annotator: Annotator) -> None:
    import atexit

    global _at_work
    _at_work = annotator.open()
    atexit.register(_at_work.close)


def _work(texts: list[str]) -> pa.Table:
    assert _at_work is not None
    return _rows(_at_work(texts))


def _rows(annotations: list[Annotation]) -> pa.Table:
    """Return the columns of annotations that come from an annotator."""
    types = {"words": pa.list_(pa.string()), "tags": pa.list_(pa.string()), "tree": pa.string()}
    return pa.table({name: pa.array([getattr(each, name) for each in annotations], of) for name, of in types.items()})
