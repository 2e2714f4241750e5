"""Job `corpus`: a source of documents becomes sentences with metadata.

Reads a file, folder or data set; writes corpora, sentences, sentence_metadata. The unit is the corpus.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from nwh.ingest.text.documents import Document, Documents
from nwh.ingest.text.sentences import MAX_SENTENCES, Splitter, check_base, id_base, punkt_splitter
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, StorageError, UsageError
from nwh.warehouse.names import check_name
from nwh.warehouse.progress import SILENT, Bar, Progress
from nwh.warehouse.storage.replacing import dependents, refused
from nwh.warehouse.storage.runs import Run

_ROWS = 20_000  # sentences written at a time
_COLUMNS = ("sentence_id", "doc_id", "position", "text", "n_words")


def ingest_corpus(
    warehouse: Warehouse,
    name: str,
    source: str,
    read: Callable[[], Iterable[Document]],
    *,
    settings: dict[str, Any] | None = None,
    again: bool = False,
    progress: Progress = SILENT,
) -> Run:
    """Split the documents of `read()` into sentences and store them as corpus `name`, replacing it if it exists.

    What others have made of an earlier text is removed with it where `again` says so; otherwise another text is
    refused, at its first block of sentences that differs. The same text leaves everything as it is.

    `settings` say how the source was read and go to `corpora.settings`, with the splitter and `text_sha256`, the
    SHA-256 over the stored sentences and metadata.
    Raises UsageError for a name that is not allowed and for another text, SourceError for a source without sentences.
    """
    check_name("corpus", name)
    check_base("corpus", "sentence", name, stored_corpora(warehouse))
    documents = read()
    described = {"corpus": name, "source": source, **(settings or {})}
    unit, counts = {"corpus": name}, _Counts()
    with warehouse.run("corpus", unit, described, again=again, progress=progress) as run:
        splitter = punkt_splitter()
        if isinstance(documents, Documents) and documents.left_out:
            names = ",".join(documents.left_out)
            run.note(f"columns of {source} that are not kept: {names} (--metadata {names} keeps them)")
        made_of_it = [] if again else dependents(warehouse.provenance, name)
        with (
            run.writer("sentences", unit) as sentences,
            run.writer("sentence_metadata", unit) as metadata,
            progress.bar(name, None, "documents") as bar,
        ):
            for rows, pairs in _blocks(name, documents, splitter, counts, bar):
                if made_of_it and not _are_stored(warehouse, name, rows):
                    raise refused(made_of_it)
                sentences.write(dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)))
                if pairs:
                    metadata.write(dict(zip(("key", "sentence_id", "value"), zip(*pairs, strict=True), strict=True)))
        if not counts.sentences:
            raise SourceError(f"{source} has no sentence: every document is empty")
        settings = {**run.settings, **splitter.settings, "text_sha256": counts.digest.hexdigest()}
        row = {"n_documents": counts.documents, "n_sentences": counts.sentences, "settings": json.dumps(settings)}
        run.write("corpora", unit, {"source": [source], **{name: [value] for name, value in row.items()}})
    return run


@dataclass
class _Counts:
    """What was read so far: documents with a sentence, sentences, and a hash over all of it."""

    documents: int = 0
    sentences: int = 0
    digest: Any = field(default_factory=sha256)


_Rows = list[tuple[Any, ...]]


def _blocks(
    corpus: str, documents: Iterable[Document], splitter: Splitter, counts: _Counts, bar: Bar
) -> Iterator[tuple[_Rows, _Rows]]:
    """Yield rows of sentences, as _COLUMNS has them, and of sentence_metadata, sorted; some thousands at a time."""
    base = id_base(corpus)
    rows: _Rows = []
    pairs: _Rows = []
    for document in documents:
        sentences = splitter.split(document)
        bar.advance(1)
        if not sentences:
            continue
        counts.digest.update(json.dumps([document.doc_id, sentences, document.metadata]).encode())
        for position, text in enumerate(sentences):
            sentence_id = base + counts.sentences
            rows.append((sentence_id, document.doc_id, position, text, len(text.split())))
            pairs += [(key, sentence_id, value) for key, value in document.metadata]
            counts.sentences += 1
        counts.documents += 1
        if counts.sentences >= MAX_SENTENCES:
            raise SourceError(f"corpus {corpus} has 2**32 sentences or more: split it into several corpora")
        if len(rows) >= _ROWS:
            yield rows, sorted(pairs)
            rows, pairs = [], []
    if rows:
        yield rows, sorted(pairs)


def _are_stored(warehouse: Warehouse, corpus: str, rows: _Rows) -> bool:
    """Return whether sentences are those stored under their ids."""
    stored = warehouse.sql(
        "select sentence_id, doc_id, position, text from sentences where corpus = $1 "
        "and sentence_id between $2 and $3 order by 1",
        [corpus, rows[0][0], rows[-1][0]],
    ).fetchall()
    return stored == [row[:4] for row in rows]


def corpus_text(warehouse: Warehouse, corpus: str) -> tuple[int, str]:
    """Return a corpus's number of sentences and the hash of its text; UsageError where there is none."""
    found = warehouse.sql(
        "select n_sentences, settings ->> 'text_sha256' from corpora where corpus = $1", [corpus]
    ).fetchall()
    if not found:
        known = stored_corpora(warehouse)
        raise UsageError(
            f"no corpus {corpus!r} in {warehouse.storage}; there are {', '.join(known) or 'none'} "
            "(`nwh ingest corpus` adds one)"
        )
    return found[0][0], found[0][1]


def texts_by_block(
    warehouse: Warehouse, corpus: str, size: int = 4096, ordinals: range | None = None
) -> Iterator[list[str]]:
    """Yield the texts of a corpus's sentences by ordinal, `size` at a time; StorageError where one is missing.

    ordinals: of those that are wanted, all if null.
    """
    ordinals = range(corpus_text(warehouse, corpus)[0]) if ordinals is None else ordinals
    base = id_base(corpus)
    for start in ordinals[::size]:
        end = min(start + size, ordinals.stop)
        rows = warehouse.sql(
            "select sentence_id, text from sentences where corpus = $corpus "
            "and sentence_id between $first and $last order by sentence_id",
            {"corpus": corpus, "first": base + start, "last": base + end - 1},
        ).fetchall()
        if [sentence_id for sentence_id, _ in rows] != list(range(base + start, base + end)):
            raise StorageError(
                f"sentences {start:,} to {end - 1:,} of corpus {corpus} are not all in {warehouse.storage}: "
                "`nwh verify` says more; ingest it again"
            )
        yield [text for _, text in rows]


def texts_of(warehouse: Warehouse, corpora: Sequence[str], sentence_ids: Iterable[int]) -> dict[int, str]:
    """Return the texts of some sentences of corpora, by id, ascending."""
    ids = sorted(set(sentence_ids))
    rows = warehouse.sql(
        "select sentence_id, text from sentences where list_contains($corpora, corpus) "
        "and sentence_id between $first and $last and sentence_id in (select unnest($ids::bigint[])) order by 1",
        {"corpora": list(corpora), "first": ids[0] if ids else 0, "last": ids[-1] if ids else 0, "ids": ids},
    )
    return dict(rows.fetchall())


def stored_corpora(warehouse: Warehouse) -> list[str]:
    """Return the names of the corpora there are."""
    return [name for (name,) in warehouse.sql("select corpus from corpora order by 1").fetchall()]


def drawn_sentences(
    warehouse: Warehouse, corpus: str, size: int, seed: int, key: str | None = None, value: str | None = None
) -> list[int]:
    """Return the ids, ascending, of a uniform sample of a corpus: the lowest hashes of seed and id.

    Drawn among sentences of at least 3 words, which every model's tokenizer makes at least 3 tokens of, and, where a
    metadata key is given, those that have this value of it. The same for every model and job.
    """
    rows = warehouse.sql(
        "select sentence_id from (select sentence_id from sentences where corpus = $corpus and n_words >= 3 "
        "and ($key is null or sentence_id in (select sentence_id from sentence_metadata "
        "where corpus = $corpus and key = $key and value = $value)) "
        "order by md5($seed || ':' || sentence_id) limit $size) order by 1",
        {"corpus": corpus, "key": key, "value": value, "seed": str(seed), "size": size},
    ).fetchall()
    return [sentence_id for (sentence_id,) in rows]
