"""`--on ray` on two local nodes: interrupted, a node killed, and in the end the rows of one process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import typer
from typer.core import TyperCommand

from nwh.cli.activations import activations
from nwh.cli.state import State
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import Bar, Progress
from nwh.warehouse.storage.staged_shards import staged_shards
from tests.conftest import copied

TABLES = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens", "checkpoints", "neuron_profiles"]
PLACE = "activations/model=tiny-bert/checkpoint=main/corpus=one/site=ffn+hidden"


def ingest(warehouse, model, **options):
    context = typer.Context(TyperCommand("nwh"), obj=State(warehouse.storage.uri, quiet=True))
    activations(context, str(model), corpus=["one"], k=50, sample=20, device="cpu", **options)


def rows(warehouse):
    found = Warehouse.open(warehouse.storage.uri)
    return {name: found.sql(f"from {name} order by all").pl() for name in TABLES}


def running(warehouse):
    held = warehouse.storage.held_locks()
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
    made, other = ray_nodes
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
    for name, frame in rows(whole).items():
        assert frame.equals(rows(warehouse)[name]), name
    assert warehouse.storage.staged_places() == []


def test_without_ray_it_says_how_to_get_it_and_nothing_of_it_is_imported(tmp_path, tiny_bert, monkeypatch):
    warehouse = Warehouse.create(tmp_path / "w")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'nwh\[ray\]'"):
        ingest(warehouse, tiny_bert, on="ray")
    with pytest.raises(UsageError, match="leave out --shard"):
        ingest(warehouse, tiny_bert, on="ray", shard="1/2")
