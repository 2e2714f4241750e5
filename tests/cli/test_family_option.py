"""A model that nwh does not know, described in a file: every command that loads it, and what loads it again later."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.ingest.activations import live_activations
from nwh.ingest.activations.text_activations import activations_at_tokens
from nwh.ingest.models import load
from nwh.ingest.models.families import family_from
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from tests.ingest.models.conftest import save_model, save_tokenizer

FILE = 'name = "xglm"\nmodel_types = ["xglm"]\nblocks = "layers"\ndown = "fc2"\nobjective = "clm"\n'
TEXTS = [f"word{i % 20} word{(3 * i + 1) % 20} word{(7 * i + 2) % 20} word{(i * i) % 20}" for i in range(20)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("family")
    config = {
        "model_type": "xglm", "d_model": 24, "num_layers": 2, "attention_heads": 4, "ffn_dim": 40,
        "max_position_embeddings": 40,
    }  # fmt: skip
    save_tokenizer(save_model(place / "tiny", config, "AutoModelForCausalLM"))
    (place / "xglm.toml").write_text(FILE)
    (place / "wrong.toml").write_text(FILE.replace("fc2", "fc1"))
    (place / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return place


@pytest.fixture(scope="module")
def nwh(place):
    def run(*arguments):
        words = ["--warehouse", str(place / "w"), *(text.replace("@", f"{place}/") for text in arguments)]
        done = CliRunner().invoke(app, words)
        if done.exception:
            raise done.exception
        return done.stdout

    run("ingest", "corpus", "@texts.jsonl", "--name", "texts")
    run(
        "ingest", "activations", "--model", "@tiny", "--corpus", "texts", "--k", "4", "--site", "hidden,ffn",
        "--family", "@xglm.toml",
    )  # fmt: skip
    return run


def test_without_its_file_the_model_is_refused(nwh):
    with pytest.raises(UsageError, match=r"'xglm' .*--family FILE\.toml"):
        nwh("ingest", "activations", "--model", "@tiny", "--corpus", "texts")


def test_another_file_is_another_model(nwh):
    with pytest.raises(UsageError, match=r"tiny@main is stored already, and another family .*--as"):
        nwh("ingest", "activations", "--model", "@tiny", "--corpus", "texts", "--family", "@wrong.toml")


def test_what_loads_the_model_later_finds_its_family(nwh, place):
    warehouse = Warehouse.open(str(place / "w"))
    family = family_from(place / "xglm.toml")
    neuron = Neuron("tiny", "main", "ffn", 1, 5)
    found = live_activations.token_activations(warehouse, neuron, TEXTS[:1])[0]
    expected = activations_at_tokens(load(str(place / "tiny"), family=family, device="cpu"), neuron, TEXTS[:1])[0]
    np.testing.assert_allclose(found.activations, expected.activations, rtol=1e-5)
    assert live_activations.output_tokens(warehouse, neuron, 3)
    nwh("ingest", "clusters", "--model", "tiny", "--k", "2", "--groups", "2", "--sentences", "20")
    assert json.loads(nwh("sql", "--format", "json", "select count(*) > 0 as found from neuron_clusters")) == [
        {"found": True}
    ]


def test_the_other_commands_take_the_file(nwh, place):
    prompts = [{"text": f"word1 word{i}", "answer": "word4", "concept": "c"} for i in range(5, 9)]
    (place / "clm.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    nwh("ingest", "prompts", "@clm.jsonl", "--dataset", "clm")
    nwh("ingest", "attributions", "--model", "@tiny", "--dataset", "clm", "--family", "@xglm.toml")
    nwh("ingest", "interventions", "--model", "@tiny", "--dataset", "clm", "--family", "@xglm.toml", "--negatives", "0")
    nwh("ingest", "distances", "--before", "@tiny", "--after", "@tiny", "--after-as", "twin", "--family", "@xglm.toml")
