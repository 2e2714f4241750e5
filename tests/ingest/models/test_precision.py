"""float32 means float32 while a job runs, whatever the process had chosen, and what was chosen comes back."""

from __future__ import annotations

import json

import pytest
import torch

from nwh.ingest.activations import stream
from nwh.ingest.activations.job import Settings, activations_are_stored, ingest_activations
from nwh.ingest.models import load
from nwh.ingest.models.series import for_each_checkpoint
from nwh.warehouse import Warehouse


@pytest.fixture
def chosen():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(("dtype", "want"), [("float32", "highest"), ("tf32", "high"), ("bfloat16", "highest")])
def test_the_job_multiplies_as_it_says(tmp_path, tiny_bert, add_corpus, monkeypatch, chosen, dtype, want):
    warehouse = Warehouse.create(tmp_path / "warehouse")
    add_corpus(warehouse, "one", 20)
    met, real = set(), stream.forward

    def forward(*arguments):
        met.add((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return real(*arguments)

    monkeypatch.setattr(stream, "forward", forward)
    model = load(str(tiny_bert), device="cpu", dtype=dtype)
    (run,) = ingest_activations(warehouse, model, ["one"], Settings(k=3))
    assert met == {(want, dtype == "tf32")}
    assert torch.get_float32_matmul_precision() == "medium"
    assert torch.backends.cudnn.allow_tf32
    said = warehouse.sql("select settings ->> 'dtype', versions ->> 'dtype' from runs where job = 'activations'")
    assert said.fetchall() == [(dtype, dtype)]
    assert json.loads(json.dumps(run.settings))["dtype"] == dtype


def test_jobs_over_checkpoints_multiply_so_too_and_tf32_is_another_run(tmp_path, tiny_bert, add_corpus, chosen):
    warehouse = Warehouse.create(tmp_path / "warehouse")
    add_corpus(warehouse, "one", 20)
    met = []

    def work(model):
        met.append((torch.get_float32_matmul_precision(), model.dtype, model.tf32))
        ingest_activations(warehouse, model, ["one"], Settings(k=3))

    for dtype in ("tf32", "tf32", "float32"):
        for_each_checkpoint(
            work,
            str(tiny_bert),
            [],
            is_stored=lambda known: activations_are_stored(warehouse, known, ["one"], Settings(k=3)),
            device="cpu",
            dtype=dtype,
        )
    assert met == [("high", torch.float32, True), ("highest", torch.float32, False)]
    assert torch.get_float32_matmul_precision() == "medium"
