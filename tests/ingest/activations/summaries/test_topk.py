"""The streaming top-K is exactly what a full sort gives, however the stream is cut or merged."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwh.ingest.activations.summaries.loops import COMPILED, IN_TORCH
from nwh.ingest.activations.summaries.topk import TopK

BOTH = [COMPILED, IN_TORCH]
both = pytest.mark.parametrize("loops", BOTH, ids=["compiled", "in_torch"])


def full_sort(values: np.ndarray, ordinals: np.ndarray, k: int, pole: str) -> tuple[np.ndarray, np.ndarray]:
    signed = -values if pole == "top" else values
    order = np.stack([np.lexsort((ordinals, row)) for row in signed])[:, :k]
    return np.take_along_axis(values, order, 1), ordinals[order]


def make_values(rng: np.random.Generator, neurons: int, sentences: int, ties: bool) -> np.ndarray:
    values = rng.standard_normal((neurons, sentences)).astype(np.float32)
    return np.round(values, 1) if ties else values


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([1, 3, 50, 1500]),
    n=st.integers(1, 4000),
    cuts=st.integers(1, 12),
    pole=st.sampled_from(["top", "bottom"]),
    ties=st.booleans(),
    trend=st.sampled_from([0, 1, -1]),
    loops=st.sampled_from(BOTH),
)
def test_any_stream_order_gives_the_full_sort(seed, k, n, cuts, pole, ties, trend, loops):
    rng = np.random.default_rng(seed)
    values = make_values(rng, 3, n, ties)
    if trend:
        values.sort(axis=1)
        values = np.ascontiguousarray(values[:, ::trend])
    ordinals = rng.permutation(n * 3)[:n].astype(np.int64)
    summary = TopK(3, k, pole, loops=loops)
    for part in np.array_split(np.arange(n), cuts):
        summary.update(torch.from_numpy(values[:, part]), torch.from_numpy(ordinals[part]))
    got_values, got_ordinals, _ = summary.result()
    want_values, want_ordinals = full_sort(values, ordinals, k, pole)
    np.testing.assert_array_equal(got_ordinals.numpy(), want_ordinals)
    np.testing.assert_array_equal(got_values.numpy(), want_values)


@both
def test_a_full_row_that_is_cut_for_nothing_keeps_nothing_twice(loops):
    summary = TopK(1, 2, "top", loops=loops)
    room = summary.keys.shape[1]
    values = np.zeros((1, room + 1), np.float32)
    values[0, 2], values[0, 1], values[0, room] = 9, 8, -1
    for part in np.array_split(np.arange(room + 1), 2):
        summary.update(torch.from_numpy(values[:, part]), torch.from_numpy(part))
    got_values, got_ordinals, _ = summary.result()
    assert got_values.tolist() == [[9, 8]]
    assert got_ordinals.tolist() == [[2, 1]]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([2, 40, 1200, 4000]),
    pole=st.sampled_from(["top", "bottom"]),
    loops=st.sampled_from(BOTH),
)
def test_merging_shards_in_any_order_gives_the_full_sort(seed, k, pole, loops):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5000))
    values = make_values(rng, 2, n, ties=True)
    ordinals = np.arange(n)
    shards = []
    for part in np.array_split(rng.permutation(n), 4):
        shard = TopK(2, k, pole, loops=loops)
        shard.update(torch.from_numpy(values[:, part]), torch.from_numpy(ordinals[part]))
        shards.append(shard)
    rng.shuffle(shards)
    merged = shards[0]
    for shard in shards[1:]:
        merged.merge(shard)
    got_values, got_ordinals, _ = merged.result()
    want_values, want_ordinals = full_sort(values, ordinals, k, pole)
    np.testing.assert_array_equal(got_ordinals.numpy(), want_ordinals)
    np.testing.assert_array_equal(got_values.numpy(), want_values)


@both
def test_a_merged_summary_of_few_sentences_goes_on(loops):
    rng = np.random.default_rng(3)
    values = make_values(rng, 5, 9000, ties=True)
    shards = [TopK(5, 3000, "top", loops=loops) for _ in range(2)]
    parts = [np.arange(0, 40), np.arange(40, 70), np.arange(70, 9000)]
    for shard, part in zip(shards, parts, strict=False):
        shard.update(torch.from_numpy(values[:, part]), torch.from_numpy(part))
    shards[0].merge(shards[1])
    shards[0].update(torch.from_numpy(values[:, parts[2]].copy()), torch.from_numpy(parts[2]))
    got_values, got_ordinals, _ = shards[0].result()
    want_values, want_ordinals = full_sort(values, np.arange(9000), 3000, "top")
    np.testing.assert_array_equal(got_ordinals.numpy(), want_ordinals)
    np.testing.assert_array_equal(got_values.numpy(), want_values)


@pytest.mark.parametrize("pole", ["top", "bottom"])
@pytest.mark.parametrize("with_positions", [True, False])
@pytest.mark.parametrize(
    ("loops", "then"), [(COMPILED, COMPILED), (IN_TORCH, IN_TORCH), (IN_TORCH, COMPILED), (COMPILED, IN_TORCH)]
)
def test_resuming_from_a_state_changes_nothing_and_positions_travel_along(pole, with_positions, loops, then):
    rng = np.random.default_rng(1)
    values = torch.from_numpy(make_values(rng, 4, 9000, ties=True))
    ordinals = torch.arange(9000)
    positions = (ordinals % 77).to(torch.int16).expand(4, -1)
    whole, half, resumed = (TopK(4, 100, pole, positions=with_positions, loops=of) for of in (loops, loops, then))

    def take(summary, part):
        summary.update(values[:, part], ordinals[part], positions[:, part] if with_positions else None)

    take(whole, slice(None))
    take(half, slice(4321))
    state = half.state()
    assert state["keys"].shape == (4, 100)
    resumed.restore({name: tensor.clone() for name, tensor in state.items()})
    for summary in (half, resumed):  # what was saved from goes on too
        take(summary, slice(4321, None))
        for got, want in zip(summary.result(), whole.result(), strict=True):
            assert got is want is None or torch.equal(got, want)
    if with_positions:
        assert torch.equal(whole.result()[2].long(), whole.result()[1] % 77)


@both
def test_extreme_values_keep_their_bits_and_zeros_tie(loops):
    values = torch.tensor([[0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38]])
    summary = TopK(1, 6, "top", loops=loops)
    summary.update(values, torch.arange(6))
    got, ordinals, _ = summary.result()
    assert ordinals.tolist() == [[4, 2, 0, 1, 3, 5]]
    assert got.tolist() == [[*torch.tensor([3.4e38, 1e-45, 0.0, 0.0, -1e-45, -3.4e38]).tolist()]]
