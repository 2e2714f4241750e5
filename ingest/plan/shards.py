"""What sharing a pass over a corpus costs beside the model: staging a shard, and merging it with the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from nwh.ingest.activations.buffer import Place
from nwh.ingest.activations.memory_plan import State
from nwh.ingest.activations.resume import Reached, restored, save_pass, state_of
from nwh.ingest.activations.shards import side_by_side, threads_for
from nwh.ingest.activations.summaries.layer import LayerSummary
from nwh.warehouse.shard import Shard
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.runs import Run

_NEURONS = 256  # that are tried
_SHARDS = 3  # of which the first is only read
_PLACE = ("ffn", 0)


@dataclass(frozen=True)
class ShardCost:
    """Seconds to stage a shard on the machine that ran it, and to merge it on the one that stores; bytes staged."""

    stage: float
    merge: float
    bytes: int


def shard_cost(widths: Mapping[Place, int], state: State) -> ShardCost:
    """Return what each shard of at least K sentences costs, from some neurons' random activations in a local folder.

    widths: neurons of each place. state: decides the size of a neuron's state.
    """
    n, share = max(state.k, 1), sum(widths.values()) / _NEURONS
    random = torch.Generator().manual_seed(0)

    def fresh(_: Place = _PLACE) -> LayerSummary:
        return LayerSummary(_NEURONS, state.k, torch.arange(state.sample), state.positions)

    with TemporaryDirectory() as folder:
        storage, taken, places = Storage(folder), 0.0, []
        for i in range(_SHARDS):
            run = Run(storage, "plan", {"corpus": "random"}, {}, shard=Shard(i + 1, _SHARDS))
            values, summary = torch.randn(_NEURONS, n, generator=random), fresh()
            positions = torch.zeros(values.shape, dtype=torch.int16) if state.positions else None
            summary.update(values, torch.arange(i * n, (i + 1) * n), positions)
            summary.end_block(i)
            places.append(run.place)
            began = time.monotonic()
            save_pass(run, {}, {_PLACE: summary}, Reached([[0]], 0, 1, 1))
            taken += time.monotonic() - began
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())

        def merged(place: Place) -> LayerSummary:
            whole = restored(fresh(), storage, places[0], _PLACE)
            for other in places[1:]:
                whole.merge_state(state_of(storage, other, _PLACE))
            return whole

        merged(_PLACE)  # what is loaded once
        at_once = min(len(widths), threads_for(widths, state))
        began = time.monotonic()
        list(side_by_side(merged, [("ffn", layer) for layer in range(at_once)], at_once))
        merging = (time.monotonic() - began) / at_once
    return ShardCost(taken / _SHARDS * share, merging / _SHARDS * share, int(size / _SHARDS * share))
