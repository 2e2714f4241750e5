"""Token ids are made once for a tokenizer, window and text, and go with the text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nwh.ingest.activations import corpus_tokens as cached
from nwh.ingest.activations.corpus_tokens import corpus_tokens, tokenizer_sha256
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.ingest.text.corpus import texts_by_block
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError
from tests.conftest import write_tiny_bert


@pytest.fixture
def model(tiny_bert):
    return load(str(tiny_bert), device="cpu")


@pytest.fixture
def warehouse(tmp_path, add_corpus):
    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 60)
    return made


def files(warehouse):
    return sorted(path for path in Path(warehouse.storage.uri, "cache").rglob("*") if path.is_file())


@pytest.mark.parametrize("rows", [4096, 7])
def test_a_stretch_is_what_the_tokenizer_says(warehouse, model, monkeypatch, rows):
    monkeypatch.setattr(cached, "_ROWS", rows)
    texts = [text for block in texts_by_block(warehouse, "one") for text in block]
    with corpus_tokens(warehouse, model, "one") as tokens:
        for start, end in ((0, len(texts)), (3, 20), (7, 14), (13, 10_000)):
            part = tokens.read(start, end)
            assert len(part) == len(texts[start:end])
            for i, text in enumerate(texts[start:end]):
                alone = model.tokenizer(text, truncation=True, max_length=model.window, return_special_tokens_mask=True)
                where = slice(part.offsets[i], part.offsets[i + 1])
                assert part.ids[where].tolist() == alone["input_ids"]
                assert part.special[where].astype(int).tolist() == alone["special_tokens_mask"]
                whole = model.tokenizer(text)["input_ids"]
                assert part.truncated[i] == (len(whole) > model.window)
            assert part.truncated.any() or end - start < 60
            assert part.n_tokens.tolist() == [
                int((~part.special[a:b]).sum()) for a, b in zip(part.offsets, part.offsets[1:], strict=False)
            ]
            np.testing.assert_array_equal(part.lengths, np.diff(part.offsets))


def test_checkpoints_share_them_and_another_tokenizer_or_window_does_not(warehouse, model, tmp_path, monkeypatch):
    ingest_activations(warehouse, model, ["one"], Settings(k=3))
    (file,) = files(warehouse)
    other = load(str(write_tiny_bert(tmp_path / "other", seed=1)), device="cpu")
    other.tokenizer(["a cat"], truncation=True, max_length=3, padding=True)  # calls leave traces in a tokenizer
    with monkeypatch.context() as patch:
        patch.setattr(cached, "tokenise", lambda *_: pytest.fail("tokenised twice"))
        ingest_activations(warehouse, other, ["one"], Settings(k=3))
    assert files(warehouse) == [file]
    assert tokenizer_sha256(replace(other, window=20)) != tokenizer_sha256(other)
    other.tokenizer.add_tokens(["king of"])
    assert tokenizer_sha256(other) != tokenizer_sha256(model)
    assert warehouse.storage.staged_places() == []


def test_vacuum_removes_those_of_texts_that_are_gone_and_what_is_half_written(warehouse, model, add_corpus):
    ingest_activations(warehouse, model, ["one"], Settings(k=3))
    (kept,) = files(warehouse)
    half = kept.with_suffix(".arrow.0.part")
    half.write_bytes(b"half")
    assert warehouse.vacuum(168) == [f"cache/tokens/{kept.parent.name}/{half.name}"]
    assert files(warehouse) == [kept]
    add_corpus(warehouse, "one", 50, seed=4, again=True)
    assert f"cache/tokens/{kept.parent.name}/{kept.name}" in warehouse.vacuum(168)
    assert files(warehouse) == []


def test_what_fails_leaves_no_file(warehouse, model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cached, "tokenise", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            corpus_tokens(warehouse, model, "one")
    assert files(warehouse) == []


def test_a_corpus_with_a_hole_is_refused(warehouse, model):
    from nwh.ingest.text.sentences import id_base

    with warehouse.run("corpus", {"corpus": "holes"}, {}) as run:
        ids = [id_base("holes"), id_base("holes") + 2]
        columns = {"doc_id": ["d"] * 2, "position": [0, 1], "text": ["a cat sees ."] * 2, "n_words": [4] * 2}
        run.write("sentences", {"corpus": "holes"}, {"sentence_id": ids, **columns})
        about = {"source": ["s"], "n_documents": [1], "n_sentences": [3], "settings": ['{"text_sha256": "h"}']}
        run.write("corpora", {"corpus": "holes"}, about)
    with pytest.raises(StorageError, match="sentences 0 to 2 of corpus holes are not all"):
        corpus_tokens(warehouse, model, "holes")
