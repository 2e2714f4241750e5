"""Real sentences for the benchmarks, and a quick way to store them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from nwh.ingest.text.documents import read_documents
from nwh.ingest.text.sentences import id_base, punkt_splitter
from nwh.warehouse import Warehouse


def data() -> Path:
    """Return the folder with the real corpora; exit where it is missing."""
    folder = Path(os.environ.get("NWH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / "corpora").is_dir():
        raise SystemExit(f"no corpora in {folder}: set NWH_TEST_DATA")
    return folder


def brown_sentences() -> Iterator[str]:
    """Yield the sentences of Brown in order."""
    source = str(data() / "corpora" / "brown.parquet")
    splitter = punkt_splitter()
    for document in read_documents(source):
        yield from splitter.split(document)


def store_sentences(warehouse: Warehouse, corpus: str, texts: Sequence[str]) -> None:
    """Store sentences as a corpus, without a source."""
    n, unit = len(texts), {"corpus": corpus}
    with warehouse.run("corpus", unit, {}) as run:
        run.write(
            "sentences",
            unit,
            {
                "sentence_id": [id_base(corpus) + i for i in range(n)],
                "doc_id": ["benchmark"] * n,
                "position": list(range(n)),
                "text": list(texts),
                "n_words": [len(text.split()) for text in texts],
            },
        )
        settings = '{"text_sha256": "benchmark"}'
        columns = {"source": ["benchmark"], "n_documents": [1], "n_sentences": [n], "settings": [settings]}
        run.write("corpora", unit, columns)
