"""A corpus's token ids, made once for each tokenizer and window and kept: a model's checkpoints share them.

An Arrow file in the warehouse's cache that jobs map into memory. `nwh vacuum` removes those whose text is gone.
"""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from nwh.ingest.activations.tokenised import Tokenised, tokenise
from nwh.ingest.models import LoadedModel
from nwh.ingest.text.corpus import corpus_text, texts_by_block
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.cache import TOKENS

_ROWS = 4096  # sentences of a record batch
_VERSION = 1
_SCHEMA = pa.schema({"ids": pa.large_list(pa.int32()), "special": pa.large_list(pa.bool_()), "truncated": pa.bool_()})


class CorpusTokens:
    """The token ids of a corpus's sentences, by ordinal, read a stretch at a time; a context manager."""

    def __init__(self, source: Any, first: int = 0) -> None:
        """Read from an open file that begins with the sentence of ordinal `first`."""
        self._source = source
        self._first = first
        self._reader = ipc.open_file(source)

    def __enter__(self) -> CorpusTokens:
        return self

    def __exit__(self, *error: object) -> None:
        self._source.close()

    def read(self, start: int, end: int) -> Tokenised:
        """Return the sentences of ordinals `start` to `end` - 1, or to the last there is."""
        parts = []
        start, end = start - self._first, end - self._first
        for number in range(start // _ROWS, min(-(-end // _ROWS), self._reader.num_record_batches)):
            first = number * _ROWS
            batch = self._reader.get_batch(number)
            parts.append(batch.slice(max(0, start - first), min(end - first, len(batch)) - max(0, start - first)))
        return _joined(parts)


def corpus_tokens(
    warehouse: Warehouse, model: LoadedModel, corpus: str, ordinals: range | None = None, progress: Progress = SILENT
) -> CorpusTokens:
    """Return a corpus's token ids as the model reads them, making and keeping them where they are not kept yet.

    ordinals: of the sentences that are read, all if null; those of a part are kept in a file of their own.
    UsageError for an unknown corpus, for a token without a row in the embedding; StorageError for a missing sentence.
    """
    n_sentences, text_sha256 = corpus_text(warehouse, corpus)
    cache, name = warehouse.storage.cache, f"{TOKENS}/{text_sha256}/{tokenizer_sha256(model)}"
    whole = range(n_sentences)
    ordinals = whole if ordinals is None or cache.holds(f"{name}.arrow") else ordinals
    name += ".arrow" if ordinals == whole else f"-{ordinals.start}-{ordinals.stop}.arrow"
    if not cache.holds(name):
        with progress.bar(f"{corpus} tokens", len(ordinals), "sentences") as bar:

            def write(stream: Any) -> None:
                with ipc.new_file(stream, _SCHEMA) as writer:
                    for texts in texts_by_block(warehouse, corpus, _ROWS, ordinals):
                        tokens = tokenise(model, texts)
                        writer.write_batch(_record_batch(tokens))
                        bar.advance(len(tokens))

            cache.keep(name, write)
    return CorpusTokens(cache.open(name), ordinals.start)


def tokenizer_sha256(model: LoadedModel) -> str:
    """Return the hash of all that decides how a model's tokenizer cuts a text: its definition, version and window."""
    definition = json.loads(model.tokenizer.backend_tokenizer.to_str())
    for left_by_calls in ("truncation", "padding"):
        definition.pop(left_by_calls, None)
    kind = type(model.tokenizer).__name__
    parts = [_VERSION, kind, model.window, version("tokenizers"), version("transformers"), definition]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _record_batch(tokens: Tokenised) -> pa.RecordBatch:
    offsets = pa.array(tokens.offsets)
    lists = [pa.LargeListArray.from_arrays(offsets, pa.array(values)) for values in (tokens.ids, tokens.special)]
    return pa.record_batch([*lists, pa.array(tokens.truncated)], schema=_SCHEMA)


def _joined(parts: list[pa.RecordBatch]) -> Tokenised:
    table = pa.Table.from_batches(parts, _SCHEMA)
    ids = table["ids"].combine_chunks()
    offsets = ids.offsets.to_numpy()
    return Tokenised(
        ids.flatten().to_numpy(),
        table["special"].combine_chunks().flatten().to_numpy(zero_copy_only=False),
        offsets - offsets[0],
        table["truncated"].to_numpy(),
    )
