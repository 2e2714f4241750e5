"""Tokenizers of more tokens than the embedding has rows, as fine-tunes that added a `[PAD]` have them."""

from __future__ import annotations

import pytest
import torch

from nwh.ingest.activations.batches import SentenceCounts, batches
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.text_activations import activations_at_tokens
from nwh.ingest.comparison.sentence_vectors import sentence_vectors
from nwh.ingest.knowledge.reading import read_prompts
from nwh.ingest.models import forward, load
from nwh.ingest.prompts.stored import PromptRow
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.ingest.training.classifier import Classifier, encode
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from tests.ingest.models.conftest import BY_NAME, VOCABULARY, save_model, save_tokenizer

TEXTS = ["word1 word2 word3", "word4 word5 word6 word7 word8 word9"]
REFUSED = (
    rf"token '<new>' \(id {VOCABULARY + 1}\) of 'word1 <new>.* has no row .* {VOCABULARY + 2} tokens and the "
    rf"embedding {VOCABULARY} rows"
)


@pytest.fixture(params=["gpt2", "llama", "bert-gelu", "roberta-gelu"])
def model(request, tmp_path):
    """A model whose tokenizer got `[PADDED]` (its pad token) and `<new>`, and whose embedding did not."""
    from transformers import AutoTokenizer

    case = BY_NAME[request.param]
    save_model(tmp_path, case.config, case.head)
    save_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_special_tokens({"pad_token": "[PADDED]"})
    tokenizer.add_tokens("<new>")
    tokenizer.save_pretrained(tmp_path)
    loaded = load(str(tmp_path), head=True, device="cpu", name="tuned")
    assert loaded.tokenizer.pad_token_id == loaded.checkpoint.vocab_size == VOCABULARY
    return loaded


def test_padded_sentences_are_as_if_alone(model):
    (together,) = batches(model, range(2), TEXTS, 1000, False, SentenceCounts(2))
    assert together.attention_mask is not None
    found = forward(model, together.input_ids, together.attention_mask)
    for row, text in enumerate(TEXTS):
        (alone,) = batches(model, [0], [text], 1000, False, SentenceCounts(1))
        expected = forward(model, alone.input_ids)[0]
        assert torch.allclose(found[row, : len(expected)], expected, atol=1e-5)
    neuron = Neuron("tuned", "main", "ffn", 1, 3)
    both = activations_at_tokens(model, neuron, TEXTS)
    singly = [activations_at_tokens(model, neuron, [text])[0] for text in TEXTS]
    for one, other in zip(both, singly, strict=True):
        assert one.activations == pytest.approx(other.activations, abs=1e-5)
    assert sentence_vectors(model, TEXTS)[0] == pytest.approx(sentence_vectors(model, TEXTS[:1])[0], abs=1e-5)
    classifier = Classifier(model, 2, 0.0).eval()
    read = encode(model, TEXTS, 32)
    assert torch.allclose(classifier(read)[0], classifier(read[:1])[0], atol=1e-5)


def test_a_token_of_the_text_without_a_row_is_refused(model):
    text = "word1 <new> word2 word3"
    for refused in (
        lambda: list(batches(model, range(2), [*TEXTS[:1], text], 1000, False, SentenceCounts(2))),
        lambda: activations_at_tokens(model, Neuron("tuned", "main", "ffn", 1, 3), [text]),
        lambda: encode(model, [text], 32),
        lambda: sentence_vectors(model, [text]),
    ):
        with pytest.raises(UsageError, match=REFUSED):
            refused()
    objective = model.checkpoint.objective
    prompt = f"{text} [MASK]" if objective == "mlm" else text
    with pytest.raises(UsageError, match=REFUSED):
        read_prompts(model, [PromptRow(0, objective, "word5", prompt, "word5")], min_prompts=1)


def test_a_job_refuses_it_before_its_first_batch(model, tmp_path, monkeypatch):
    warehouse = Warehouse.create(tmp_path / "warehouse")
    documents = [Document(str(i), text) for i, text in enumerate([*TEXTS, "word1 <new> word2 word3"])]
    ingest_corpus(warehouse, "c", "lines", lambda: iter(documents))
    monkeypatch.setattr("nwh.ingest.activations.stream.forward", lambda *_: pytest.fail("the model ran"))
    with pytest.raises(UsageError, match=REFUSED):
        ingest_activations(warehouse, model, ["c"], Settings(k=3))
    assert warehouse.sql("select job from runs").fetchall() == [("corpus",)]
