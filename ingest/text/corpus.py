"""Job `corpus`: a source of documents becomes sentences with metadata.

Reads a file, folder or data set; writes corpora, sentences, sentence_metadata. The unit is the corpus.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import sha256
from typing import Any

from nwh.ingest.text.documents import Document, Documents
from nwh.ingest.text.sentences import MAX_SENTENCES, check_base, id_base, punkt_splitter
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, StorageError, UsageError
from nwh.warehouse.names import check_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.replacing import dependents, refused
from nwh.warehouse.storage.runs import Run

_ROWS = 20_000  # sentences written at a time


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
    with warehouse.run("corpus", {"corpus": name}, described, again=again, progress=progress) as run:
        splitter = punkt_splitter()
        if isinstance(documents, Documents) and documents.left_out:
            names = ",".join(documents.left_out)
            run.note(f"columns of {source} that are not kept: {names} (--metadata {names} keeps them)")
        writing = _Writing(run, name, None if again else _Earlier(warehouse, name))
        with writing, progress.bar(name, None, "documents") as bar:
            for document in documents:
                writing.add(document, splitter.split(document))
                bar.advance(1)
        if not writing.n_sentences:
            raise SourceError(f"{source} has no sentence: every document is empty")
        run.write(
            "corpora",
            {"corpus": name},
            {
                "source": [source],
                "n_documents": [writing.n_documents],
                "n_sentences": [writing.n_sentences],
                "settings": [
                    json.dumps({**run.settings, **splitter.settings, "text_sha256": writing.digest.hexdigest()})
                ],
            },
        )
    return run


class _Writing:
    """Rows of sentences and sentence_metadata, buffered; a context manager around their writers."""

    def __init__(self, run: Run, corpus: str, earlier: _Earlier | None) -> None:
        self.run = run
        self.corpus = corpus
        self.earlier = earlier
        self.base = id_base(corpus)
        self.n_documents = 0
        self.n_sentences = 0
        self.digest = sha256()
        self._sentences: list[tuple[Any, ...]] = []
        self._metadata: list[tuple[str, int, str]] = []

    def __enter__(self) -> _Writing:
        self._stack = ExitStack()
        unit = {"corpus": self.corpus}
        self._sentence_writer = self._stack.enter_context(self.run.writer("sentences", unit))
        self._metadata_writer = self._stack.enter_context(self.run.writer("sentence_metadata", unit))
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self._flush()
        self._stack.__exit__(kind, error, trace)

    def add(self, document: Document, sentences: list[str]) -> None:
        """Append a document; one without sentences is not counted."""
        if not sentences:
            return
        self.digest.update(json.dumps([document.doc_id, sentences, document.metadata]).encode())
        for position, text in enumerate(sentences):
            sentence_id = self.base + self.n_sentences
            self._sentences.append((sentence_id, document.doc_id, position, text, len(text.split())))
            self._metadata += [(key, sentence_id, value) for key, value in document.metadata]
            self.n_sentences += 1
        self.n_documents += 1
        if self.n_sentences >= MAX_SENTENCES:
            raise SourceError(f"corpus {self.corpus} has 2**32 sentences or more: split it into several corpora")
        if len(self._sentences) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        names = ("sentence_id", "doc_id", "position", "text", "n_words")
        if self._sentences:
            if self.earlier:
                self.earlier.check(self._sentences)
            self._sentence_writer.write(dict(zip(names, zip(*self._sentences, strict=True), strict=True)))
        if self._metadata:
            self._metadata.sort()
            columns = zip(*self._metadata, strict=True)
            self._metadata_writer.write(dict(zip(("key", "sentence_id", "value"), columns, strict=True)))
        self._sentences, self._metadata = [], []


class _Earlier:
    """The text that a corpus has, and what was made of it."""

    def __init__(self, warehouse: Warehouse, corpus: str) -> None:
        self.warehouse = warehouse
        self.corpus = corpus
        self.dependents = dependents(warehouse.provenance, corpus)

    def check(self, sentences: list[tuple[Any, ...]]) -> None:
        """Raise UsageError where sentences differ from those stored under their ids and something was made of these."""
        if not self.dependents:
            return
        stored = self.warehouse.sql(
            "select sentence_id, doc_id, position, text from sentences where corpus = $1 "
            "and sentence_id between $2 and $3 order by 1",
            [self.corpus, sentences[0][0], sentences[-1][0]],
        ).fetchall()
        if stored != [sentence[:4] for sentence in sentences]:
            raise refused(self.dependents)


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
