"""Many machines: the commands of docs/many-machines.md as they stand there, and a node of Ray that is killed.

Two local nodes of Ray, a real S3 server.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand

from nwh.cli.activations import activations
from nwh.cli.state import State
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import Bar, Progress
from nwh.warehouse.storage.staged_shards import staged_shards
from tests import object_store
from tests.conftest import copied, made_up_documents
from tests.forked import nwh

PAGE = Path(__file__).parents[1] / "docs" / "many-machines.md"
TABLES = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens"]
PLACE = "activations/model=tiny-bert/checkpoint=main/corpus=one/site=ffn+hidden"


@pytest.fixture(scope="module")
def ray_nodes(s3_server):
    """Return a Ray of two local nodes with a CPU each, the second of them, and the address for clients; or skip."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    small = {"num_cpus": 1, "object_store_memory": 100_000_000}
    port = object_store.free_port()
    quick = ("initial_delay_ms", "period_ms")
    seen_soon = {f"health_check_{name}": 1000 for name in quick} | {"health_check_failure_threshold": 3}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment(s3_server).items():
            patch.setenv(name, value)
        patch.setenv("RAY_worker_niceness", "0")  # else the tests beside these leave them little
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        alone = {"include_dashboard": False, "include_log_monitor": False}
        of_head = {**small, **alone, "_system_config": seen_soon, "ray_client_server_port": port}
        made = cluster_utils.Cluster(initialize_head=True, head_node_args=of_head)
        try:
            other = made.add_node(**small)
            made.wait_for_nodes()
            yield made, other, f"ray://127.0.0.1:{port}"
        finally:
            made.shutdown()


def blocks():
    """Return language and text of each block of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def run(script, folder, **variables):
    """Let a shell read a script; what it would start as `nwh` is run here, by processes that start quickly."""
    environment = {**os.environ, **variables}
    note = "nwh() { printf '%s\\0' \"$@\" >> calls; printf '\\n' >> calls; }\n"
    (folder / "calls").write_bytes(b"")
    subprocess.run(["bash", "-eu", "-c", note + script], cwd=folder, env=environment, check=True)
    calls = (folder / "calls").read_bytes().decode().removesuffix("\n")
    for call in calls.split("\0\n"):
        arguments = call.removesuffix("\0").split("\0")
        done = nwh(arguments, folder, environment)
        assert done.returncode == 0, (arguments, done.stderr.decode())


def rows(place, k):
    warehouse = Warehouse.open(place)
    assert warehouse.sql("select max(rank) from neuron_topk").fetchall() == [(k,)]
    assert warehouse.storage.staged_places() == []
    return {name: warehouse.sql(f"from {name} order by all").pl() for name in TABLES}


@pytest.mark.slow
def test_the_commands_of_the_page(s3, tmp_path, tiny_bert, ray_nodes, monkeypatch):
    import yaml

    source = tmp_path / "brown.jsonl"
    source.write_text("".join(json.dumps(document) + "\n" for document in made_up_documents(1800)))  # two blocks
    folder = str(tmp_path / "w")
    for name, value in {"NWH_WAREHOUSE": folder, "MODEL": tiny_bert, "SOURCE": source, "BUCKET": s3}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("RAY", ray_nodes[2])
    ran = set()
    for language, text in blocks():
        if language == "yaml":
            job = yaml.safe_load(text)["spec"]
            (container,) = job["template"]["spec"]["containers"]
            for i in range(job["completions"]):
                run(container["args"][0], tmp_path, JOB_COMPLETION_INDEX=str(i))
            rows(f"{s3}/lake", 100)
            ran.add("kubernetes")
        elif "SLURM" in text:
            first, last = map(int, re.search(r"--array=(\d+)-(\d+)", text).groups())
            for i in range(first, last + 1):
                run(text, tmp_path, SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_COUNT=str(last))
            rows(folder, 100)
            ran.add("slurm")
        else:
            assert language == "sh"
            run(text, tmp_path)
            ran |= {word for word in ("--shard", "--merge", "--on") if word in text}
            if "--merge" in text:
                rows(folder, 1000)
    assert ran == {"--shard", "--merge", "slurm", "kubernetes", "--on"}
    ingest = 'nwh ingest corpus "$SOURCE" --name brown; nwh ingest activations --model "$MODEL" --k 1000'
    run(f"nwh init; {ingest}", tmp_path, NWH_WAREHOUSE=str(tmp_path / "plain"))
    there = rows(f"{s3}/lake", 1000)
    for name, frame in rows(tmp_path / "plain", 1000).items():
        assert frame.equals(there[name]), name


def ingest(warehouse, model, **options):
    context = typer.Context(TyperCommand("nwh"), obj=State(warehouse.storage.uri, quiet=True))
    activations(context=context, model=str(model), corpus=["one"], k=50, sample=20, device="cpu", **options)


def everything(warehouse):
    found = Warehouse.open(warehouse.storage.uri)
    return {name: found.sql(f"from {name} order by all").pl() for name in [*TABLES, "checkpoints", "neuron_profiles"]}


def running(warehouse):
    held = warehouse.storage.locks.held()
    return {name: holder for name, holder in held.items() if "shards/" in holder.get("place", "")}


class Interrupting(Progress):
    """Interrupts once a shard is done."""

    @contextmanager
    def bar(self, task, total, unit, done=0):
        class Interrupt(Bar):
            def advance(self, amount):
                raise KeyboardInterrupt

        yield Interrupt()


@pytest.mark.slow
def test_an_interrupt_and_a_killed_node_lose_nothing(ray_nodes, tmp_path, tiny_bert, add_corpus, monkeypatch):
    made, other, _ = ray_nodes
    warehouse = Warehouse.create(tmp_path / "w")
    add_corpus(warehouse, "one", 6000)  # four blocks
    whole = copied(warehouse.storage.uri, tmp_path / "whole")
    ingest(whole, tiny_bert)

    with monkeypatch.context() as patch:
        patch.setattr(State, "progress", Interrupting())
        with pytest.raises(KeyboardInterrupt):
            ingest(warehouse, tiny_bert, on=made.address, shards=4)
    done = staged_shards(warehouse.storage, PLACE)
    assert 1 <= len(done) <= 2
    assert {shard.n for shard in done} == {4}
    assert Warehouse.open(warehouse.storage.uri).sql("select count(*) from neuron_stats").fetchall() == [(0,)]
    until = time.monotonic() + 60
    while running(warehouse) and time.monotonic() < until:
        time.sleep(0.1)
    assert running(warehouse) == {}  # what ran is ended

    killed = []

    def kill():
        """Hold each process that runs a shard until both nodes have one; then kill a node, and let the rest go on."""
        held = set()
        try:
            while len(held) < 2 and time.monotonic() < until + 120:
                for pid in {holder["pid"] for holder in running(warehouse).values()} - held:
                    os.kill(pid, signal.SIGSTOP)
                    held.add(pid)
                time.sleep(0.01)
            killed.append(len(staged_shards(warehouse.storage, PLACE)))
            made.remove_node(other, allow_graceful=False)
        finally:
            for pid in held:
                with suppress(ProcessLookupError):  # it went with its node
                    os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=kill)
    thread.start()
    ingest(warehouse, tiny_bert, on=made.address)  # in four, as it was begun
    thread.join()
    assert killed[0] < 4
    for name, frame in everything(whole).items():
        assert frame.equals(everything(warehouse)[name]), name
    assert warehouse.storage.staged_places() == []


def test_without_ray_it_says_how_to_get_it_and_nothing_of_it_is_imported(tmp_path, tiny_bert, monkeypatch):
    warehouse = Warehouse.create(tmp_path / "w")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'nwh\[ray\]'"):
        ingest(warehouse, tiny_bert, on="ray")
    with pytest.raises(UsageError, match="leave out --shard"):
        ingest(warehouse, tiny_bert, on="ray", shard="1/2")


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "nobody"])
def test_where_no_ray_answers_it_says_so_at_once(tmp_path, tiny_bert, address):
    pytest.importorskip("ray")
    on = address.format(object_store.free_port())
    with pytest.raises(UsageError, match=f"no Ray at --on {on}: |--on nobody names no Ray"):
        ingest(Warehouse.create(tmp_path / "w"), tiny_bert, on=on)
