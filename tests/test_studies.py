"""The commands of docs/studies.md, as they stand there, over tiny models and texts of those names."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.ingest.demo.facts import write_prompts
from nwh.ingest.training.tiny_models import Recipe, train_tiny
from tests.conftest import made_up_documents, write_tiny_bert

STUDIES = (Path(__file__).parents[1] / "docs" / "studies.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", STUDIES, re.DOTALL) for line in block.splitlines()]
"""All lines of its blocks, in order."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    documents = [
        {"text": each["text"], "domain": each["author"], "topic": f"t{i % 4}"}
        for i, each in enumerate(made_up_documents(60))
    ]
    pl.DataFrame(documents).write_parquet(folder / "brown.parquet")
    write_tiny_bert(folder / "bert-base-uncased")
    write_prompts(folder / "all.jsonl", "mlm")
    prompts = [json.loads(line) for line in (folder / "all.jsonl").read_text().splitlines()]
    concepts = sorted({prompt["answer"] for prompt in prompts})[:3]
    some = [json.dumps(prompt) + "\n" for prompt in prompts if prompt["answer"] in concepts]
    (folder / "facts.jsonl").write_text("".join(some))
    texts = [prompt["text"].replace("[MASK]", prompt["answer"]) for prompt in prompts]
    recipe = Recipe("bert", 400, 2, 16, 2, 64, 6, 16, checkpoints=(0, 6))
    train_tiny(folder / "multiberts", texts, recipe, words=concepts)
    return folder


@pytest.mark.slow
def test_every_command_of_the_studies_runs(place, data, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr("nltk.data.path", [str(data / "nltk_data")])
    monkeypatch.setenv("NLTK_DATA", str(data / "nltk_data"))  # of processes that are started
    monkeypatch.delenv("NWH_WAREHOUSE", raising=False)
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "nwh"
        done = CliRunner().invoke(app, words)
        if done.exception:
            raise AssertionError(command) from done.exception
        if words[0] in ("sql", "show"):
            assert len(done.stdout.strip().splitlines()) > 2, command  # more than the names of columns
