"""The job's rows against the facts it stores, its counts of tokens, its classes and refusals."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from nwh.ingest.models import load
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.ingest.weights.job import ingest_weights
from nwh.ingest.weights.neuron_weights import neuron_weights
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.ingest.tiny_language_models import WORDS, save_causal, save_masked, save_t5

TEXTS = [f"we see {word} in the old city of {word}." for word in WORDS for _ in range(1 + len(word) % 4)]


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse.create(tmp_path / "warehouse")
    ingest_corpus(made, "made", "made up", lambda: [Document(f"d{i}", text, ()) for i, text in enumerate(TEXTS)])
    return made


@pytest.mark.parametrize("save", [save_masked, save_causal])
def test_rows_are_the_facts(warehouse, tmp_path, save):
    model = load(str(save(tmp_path / "model")), head=True, device="cpu")
    run = ingest_weights(warehouse, model, "made")
    ids = Counter(token for text in TEXTS for token in model.tokenizer(text, add_special_tokens=False)["input_ids"])
    counts = torch.tensor([ids[token] for token in range(len(model.tokenizer))])
    assert run.settings["corpus"] == "made"
    for layer, found in enumerate(neuron_weights(model, 10, counts)):
        rows = warehouse.sql(
            "select read_norm, gate_norm, write_norm, read_cosine, logit_variance, null_share, frequency_correlation, "
            "top_tokens, bottom_tokens from neuron_weights where layer = $1 order by neuron",
            [layer],
        ).fetchall()
        assert len(rows) == 24
        for neuron, row in enumerate(rows):
            names = ("read_norm", "write_norm", "read_cosine", "logit_variance", "null_share", "frequency_correlation")
            assert [row[0], *row[2:7]] == pytest.approx(
                [getattr(found, name)[neuron].item() for name in names], rel=1e-5
            )
            assert row[1] is None
            for stored, tokens in ((row[7], found.top[neuron]), (row[8], found.bottom[neuron])):
                texts = [model.tokenizer.decode([token]) for token in tokens.tolist()]
                assert [a for a, b in zip(stored, texts, strict=True) if "\N{REPLACEMENT CHARACTER}" not in b] == [
                    b for b in texts if "\N{REPLACEMENT CHARACTER}" not in b
                ]
    assert ingest_weights(warehouse, model, "made") is None
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]
    with pytest.raises(UsageError, match="weights of .* would be of an earlier text of corpus made"):
        ingest_corpus(warehouse, "made", "made up", lambda: [Document("d", "another text of the old city", ())])


def test_without_a_corpus_nothing_follows_frequency(warehouse, tmp_path):
    model = load(str(save_masked(tmp_path / "model")), head=True, device="cpu")
    with torch.no_grad():
        model.module.bert.encoder.layer[0].output.dense.weight[:, 3] = 0
    ingest_weights(warehouse, model)
    query = "select count(*), count(frequency_correlation), count(read_cosine), count(null_share) from neuron_weights"
    assert warehouse.sql(query).fetchall() == [(48, 0, 47, 47)]
    assert warehouse.sql("select count(*) from neuron_classes where class = 'token frequency'").fetchall() == [(0,)]


def test_wrong_use(warehouse, tmp_path):
    model = load(str(save_masked(tmp_path / "model")), head=True, device="cpu")
    with pytest.raises(UsageError, match="no corpus 'brown'"):
        ingest_weights(warehouse, model, "brown")
    t5 = load(str(save_t5(tmp_path / "t5")), head=True, device="cpu")
    with pytest.raises(UsageError, match="neurons of t5@main do not write to a vocabulary"):
        ingest_weights(warehouse, t5)
    assert warehouse.sql("select count(*) from checkpoints").fetchall() == [(0,)]
