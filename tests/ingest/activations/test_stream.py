"""Rows do not depend on where summaries are kept, on how sentences are cut, or on how many passes memory takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nwh.ingest.activations import device_buffer, stream
from nwh.ingest.activations.batches import groups
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.memory_plan import State, plan
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.ingest.comparison.clusters import ClusterSettings, ingest_clusters
from nwh.ingest.comparison.matches import ingest_matches
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied, write_tiny_bert

TABLES = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens"]
ROUNDED = ["mean", "std", "skewness", "kurtosis"]


@pytest.fixture
def model(tiny_bert):
    return load(str(tiny_bert), device="cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus):
    made = Warehouse.create(tmp_path_factory.mktemp("stored") / "warehouse")
    add_corpus(made, "one", 150)
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


def rows_of(warehouse, where="true"):
    return {name: warehouse.sql(f"from {name} where {where} order by all").pl() for name in TABLES}


def same(one, other, rounded=()):
    """Check that rows are equal to the last bit; those columns that are named, to 1e-9."""
    for name, frame in one.items():
        there = [column for column in rounded if column in frame.columns]
        assert frame.drop(there).equals(other[name].drop(there)), name
        for column in there:
            np.testing.assert_allclose(frame[column], other[name][column], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("aggregate", ["mean", "max", "last", "cls"])
def test_summaries_on_the_device_hold_what_those_in_main_memory_do(
    warehouse, stored, model, tmp_path, monkeypatch, aggregate
):
    settings = Settings(k=20, sample=30, aggregate=aggregate)
    ingest_activations(warehouse, model, ["one"], settings)
    monkeypatch.setattr(stream, "TOKEN_BUDGET", {"cpu": 100})  # so that many batches are of one length
    other = copied(stored, tmp_path / "other")
    ingest_activations(other, model, ["one"], settings, on_device=True)
    one, two = rows_of(warehouse), rows_of(other)
    key = ["site", "layer", "neuron", "pole", "rank"]
    a, b = (rows["neuron_topk"].sort(key) for rows in (one, two))
    assert a.select(key).equals(b.select(key))
    np.testing.assert_allclose(a["activation"], b["activation"], rtol=1e-5, atol=5e-6)
    assert (a["sentence_id"] == b["sentence_id"]).mean() > 0.999  # mean of another order of sums: near ties swap
    assert a["token_position"].is_null().all() == b["token_position"].is_null().all() == (aggregate != "max")
    for column in [*ROUNDED, "min", "max", "max_token"]:
        stats = (rows["neuron_stats"].sort("site", "layer", "neuron")[column] for rows in (one, two))
        np.testing.assert_allclose(*stats, rtol=1e-4, atol=1e-5)
    samples = (np.concatenate(rows["activation_sample"]["activations"].to_list()) for rows in (one, two))
    np.testing.assert_allclose(*samples, rtol=1e-5, atol=5e-6)
    assert one["sentence_tokens"].equals(two["sentence_tokens"])


def test_the_size_of_chunks_changes_nothing_on_the_device_and_twice_the_same_gives_the_same(
    warehouse, stored, model, tmp_path, monkeypatch
):
    settings = Settings(k=20, sample=30)
    ingest_activations(warehouse, model, ["one"], settings, on_device=True)
    again = copied(stored, tmp_path / "again")
    ingest_activations(again, model, ["one"], settings, on_device=True)
    same(rows_of(warehouse), rows_of(again))
    monkeypatch.setattr(device_buffer, "SENTENCES", 170)
    monkeypatch.setattr(device_buffer, "VALUES", 170 * 37)
    smaller = copied(stored, tmp_path / "smaller")
    ingest_activations(smaller, model, ["one"], settings, on_device=True)
    same(rows_of(warehouse), rows_of(smaller), ROUNDED)


def test_groups_end_where_lengths_change_once_they_are_half_full():
    lengths = [5] * 12 + [6] * 12
    assert list(groups(lengths, 100)) == [range(16), range(16, 24)]
    assert list(groups(lengths, 100, uniform=True)) == [range(12), range(12, 24)]
    assert list(groups(lengths, 200, uniform=True)) == [range(24)]
    assert list(groups(lengths, 100, most=7)) == [range(7), range(7, 14), range(14, 21), range(21, 24)]


def test_batches_on_the_device_are_uniform_and_in_a_drawn_order(warehouse, model, monkeypatch):
    met, real = [], stream.DeviceBuffer.for_batch

    def noted(self, batch):
        met.append(batch)
        return real(self, batch)

    monkeypatch.setattr(stream.DeviceBuffer, "for_batch", noted)
    monkeypatch.setattr(stream, "TOKEN_BUDGET", {"cpu": 100})
    ingest_activations(warehouse, model, ["one"], Settings(k=5), on_device=True)
    lengths = [batch.input_ids.shape[1] for batch in met]
    assert lengths != sorted(lengths)
    assert len(met) > 5
    assert any(batch.span is not None for batch in met)
    for batch in met:
        counted = batch.counted
        if batch.span is not None:
            assert batch.attention_mask is None
            assert counted[:, batch.span].all()
            assert counted.sum() == counted[:, batch.span].numel()
    seen = torch.cat([batch.ordinals for batch in met])
    assert len(seen.unique()) == len(seen)


@pytest.mark.parametrize("on_device", [False, True])
def test_several_passes_make_the_rows_of_one(warehouse, stored, model, tmp_path, on_device):
    settings = Settings(k=20, sample=30)
    (run,) = ingest_activations(warehouse, model, ["one"], settings, on_device=on_device)
    assert any("the state of 120 neurons takes" in note for note in run.notes)
    assert not any("passes" in note for note in run.notes)
    layer = 40 * State(20, 30, False, on_device).bytes_of_neuron
    fixed = 40 * device_buffer.SENTENCES * 100 if on_device else 2 * 24 * 2 * 20 * 60
    for room, passes in ((2, "2 passes over the corpus, for layer 0 and layers 1 to 2"), (1, "3 passes")):
        other = copied(stored, tmp_path / f"{room}")
        limit = room * layer + fixed + 1000
        (run,) = ingest_activations(other, model, ["one"], settings, on_device=on_device, memory_limit=limit)
        assert any(passes in note and "--layer" in note for note in run.notes)
        same(rows_of(warehouse), rows_of(other))
        assert other.storage.staged_places() == []
        assert [finding.text for finding in verify(other, deep=True) if finding.wrong] == []
    with pytest.raises(UsageError, match="one layer's 40 neurons at K = 20.*smaller --k"):
        limit = layer + fixed - 1000
        ingest_activations(other, model, ["one"], settings, again=True, on_device=on_device, memory_limit=limit)


def test_the_plan_counts_the_bytes_that_a_state_takes(model):
    for state in (State(700, 30, False, False), State(20_000, 7, True, True)):
        summary = LayerSummary(10, state.k, torch.arange(state.sample), state.positions)
        parts = [summary.top, summary.bottom, summary.moments, summary.histogram]
        held = [value for part in parts for value in vars(part).values() if isinstance(value, torch.Tensor)]
        taken = sum(value.nbytes for value in [*held, summary.sampled, summary.max_token])
        buffer = (2048 if state.on_device else 1024) * (6 if state.positions else 4)
        waiting = 16 * 48  # moments of blocks that wait for those beside them
        assert 10 * state.bytes_of_neuron == taken + 10 * (buffer + waiting)
    widths = {("ffn", layer): 4096 for layer in range(24)} | {("hidden", layer): 1024 for layer in range(24)}
    large = plan(widths, State(10_000, 1000, False, False), model, 16 * 10**9)  # Pythia-410M's
    assert large.passes == [list(range(12)), list(range(12, 24))]
    assert large.host <= 16 * 10**9
    smaller = int(large.note.split("--k ")[1].split(" ")[0].replace(",", ""))
    assert 1000 < smaller < 10_000
    assert len(plan(widths, State(smaller, 1000, False, False), model, 16 * 10**9).passes) == 1


def interrupted_at(monkeypatch, *places):
    """Interrupt the reading of tokens at the calls of these numbers; return where reading began each time."""
    calls, real = [], stream.CorpusTokens.read

    def read(self, start, end):
        calls.append(start)
        if len(calls) in places:
            raise KeyboardInterrupt
        return real(self, start, end)

    monkeypatch.setattr(stream.CorpusTokens, "read", read)
    return calls


@pytest.mark.parametrize("on_device", [False, True])
def test_an_interrupted_pass_goes_on_and_finished_ones_are_kept(
    warehouse, stored, model, tmp_path, monkeypatch, on_device
):
    monkeypatch.setattr(stream, "BLOCK", 128)
    monkeypatch.setattr(stream, "DEVICE_BLOCK", 128)
    settings = Settings(k=20, sample=30, aggregate="max")
    whole = copied(stored, tmp_path / "whole")
    ingest_activations(whole, model, ["one"], settings, on_device=on_device)
    calls = interrupted_at(monkeypatch, 3, 5, 8)
    state = State(20, 30, True, on_device)
    fixed = 40 * device_buffer.SENTENCES * 100 if on_device else 2 * 24 * 2 * 20 * 60
    how = {"save_every": 0, "on_device": on_device, "memory_limit": 2 * 40 * state.bytes_of_neuron + fixed}
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            ingest_activations(warehouse, model, ["one"], settings, **how)
    (run,) = ingest_activations(warehouse, model, ["one"], settings, **how)
    assert calls == [0, 128, 256, 256, 0, 0, 128, 256, 256]
    assert any(note.startswith("resumed run") for note in run.notes)
    same(rows_of(whole), rows_of(warehouse))
    assert warehouse.storage.staged_places() == []


def test_a_partial_result_of_larger_passes_than_fit_now_is_not_used(warehouse, model, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK", 128)
    interrupted_at(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        ingest_activations(warehouse, model, ["one"], Settings(k=20), save_every=0)
    limit = 40 * State(20, 1000, False, False).bytes_of_neuron + 2 * 24 * 2 * 20 * 60
    (run,) = ingest_activations(warehouse, model, ["one"], Settings(k=20), memory_limit=limit)
    assert any("had more memory, was discarded" in note for note in run.notes)


def test_nan_on_the_device_is_refused_by_name(warehouse, model, monkeypatch):
    monkeypatch.setattr(device_buffer, "VALUES", 10_000)  # some neurons of a chunk at a time
    with torch.no_grad():
        model.base.encoder.layer[1].intermediate.dense.bias[5] = torch.nan
    with pytest.raises(ModelError, match=r"ffn/1/5 is nan for sentence \d+"):
        ingest_activations(warehouse, model, ["one"], Settings(k=3), on_device=True)
    assert warehouse.sql("select count(*) from neuron_stats").fetchall() == [(0,)]


def test_some_layers_have_the_rows_that_they_have_among_all(warehouse, stored, model, tmp_path, monkeypatch):
    settings = Settings(k=20, sample=30)
    ingest_activations(warehouse, model, ["one"], settings)
    some = copied(stored, tmp_path / "some")
    ran = []
    hook = model.base.encoder.layer[2].register_forward_hook(lambda *_: ran.append(2))
    ingest_activations(some, model, ["one"], Settings(k=20, sample=30, layers=(1,)))
    hook.remove()
    assert ran == []  # what comes after the last layer is not computed
    assert some.sql("select distinct layer from neuron_stats").fetchall() == [(1,)]
    for name in ["neuron_topk", "neuron_stats", "activation_sample", "neuron_profiles", "neuron_metadata"]:
        want = warehouse.sql(f"from {name} where layer = 1 order by all").pl()
        assert want.height > 0
        assert some.sql(f"from {name} order by all").pl().equals(want), name
    assert ingest_activations(some, model, ["one"], Settings(k=20, sample=30, layers=(1,))) == []
    assert ingest_activations(warehouse, model, ["one"], Settings(k=20, sample=30, layers=(0, 2))) == []
    assert len(ingest_activations(some, model, ["one"], Settings(k=20, sample=30, layers=(1, 2)))) == 1
    assert some.sql("select distinct layer from neuron_stats order by 1").fetchall() == [(1,), (2,)]
    assert [finding.text for finding in verify(some, deep=True) if finding.wrong] == []
    with pytest.raises(UsageError, match="layers 0 to 2: there is no 3.*--layer"):
        ingest_activations(some, model, ["one"], Settings(layers=(3,)))


def test_jobs_that_read_take_the_layers_there_are(warehouse, model, tmp_path):
    other = load(str(write_tiny_bert(tmp_path / "other", seed=1)), device="cpu")
    for each in (model, other):
        ingest_activations(warehouse, each, ["one"], Settings(("hidden",), k=20, sample=30, layers=(1, 2)))
    ingest_matches(warehouse, "tiny-bert", "other")
    matched = warehouse.sql("select distinct layer, other_layer in (1, 2) from neuron_matches order by 1").fetchall()
    assert matched == [(1, True), (2, True)]
    ingest_clusters(warehouse, "tiny-bert", "main", ClusterSettings(per_neuron=3, k=(2,), groups=2, sentences=20))
    assert warehouse.sql("select distinct layer from neuron_clusters order by 1").fetchall() == [(1,), (2,)]
