"""The commands of docs/many-machines.md, run as they stand there: two local Ray nodes, a real S3 server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from nwh.warehouse import Warehouse
from tests.conftest import made_up_documents
from tests.forked import nwh

PAGE = Path(__file__).parents[1] / "docs" / "many-machines.md"
TABLES = ["neuron_topk", "neuron_stats", "activation_sample", "sentence_tokens"]


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
    source.write_text("".join(json.dumps(document) + "\n" for document in made_up_documents(2400)))  # two blocks
    folder = str(tmp_path / "w")
    for name, value in {"NWH_WAREHOUSE": folder, "MODEL": tiny_bert, "SOURCE": source, "BUCKET": s3}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("RAY", ray_nodes[0].address)
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
