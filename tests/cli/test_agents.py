"""`nwh mcp` as an agent uses it: a process, its standard input and output, the official client."""

from __future__ import annotations

import json
import os
import sys

import anyio
import pytest

from nwh.cli.agents import server
from nwh.warehouse.errors import UsageError


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory, add_corpus, tiny_bert):
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load
    from nwh.warehouse import Warehouse

    made = Warehouse.create(tmp_path_factory.mktemp("agents") / "w")
    add_corpus(made, "one", 60)
    ingest_activations(made, load(str(tiny_bert), device="cpu"), ["one"], Settings(k=9, sample=10))
    return made


def called(client_of, *calls):
    """Return (is_error, content) of tools that the official client calls one after the other."""
    from mcp import Client

    async def main():
        async with Client(client_of) as client:
            tools = sorted(tool.name for tool in (await client.list_tools()).tools)
            found = [await client.call_tool(name, arguments) for name, arguments in calls]
            return tools, [
                (bool(result.is_error), result.structured_content or result.content[0].text) for result in found
            ]

    return anyio.run(main)


def test_an_agent_asks_over_standard_input_and_output(warehouse):
    pytest.importorskip("mcp", reason="pip install nwh[mcp] to run this test")
    from mcp import StdioServerParameters

    command = ["-c", "from nwh.cli import main; main()", "--warehouse", warehouse.storage.uri, "mcp"]
    tools, found = called(
        StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ)),
        ("schema", {}),
        ("schema", {"name": "top_sentences"}),
        ("sql", {"statement": "select count(*) as n from neuron_topk"}),
        ("view", {"name": "top_sentences", "arguments": [["one"], 2], "max_rows": 3}),
        ("neuron", {"name": "tiny-bert/ffn/1/3", "k": 2}),
        ("view", {"name": "attributed_by"}),
        ("sql", {"statement": "copy (select 1) to '/tmp/x.csv'"}),
        ("sql", {"statement": "from read_text('/etc/hostname')"}),
        ("neuron", {"name": "tiny-bert/ffn/1/99"}),
        ("view", {"name": "neuron_topk; drop view x"}),
    )
    assert tools == ["neuron", "schema", "sql", "view"]
    contents = [content for _, content in found]
    assert [wrong for wrong, _ in found] == [False] * 6 + [True] * 4
    assert {"neuron_topk", "class_neurons", "top_sentences"} <= set(contents[0])
    assert list(contents[1]["arguments"]) == ["corpora", "k"]
    n = warehouse.sql("select count(*) as n from neuron_topk").fetchall()[0][0]
    assert contents[2] == {"rows": [{"n": n}], "cut": False}
    assert contents[3]["cut"]
    assert [set(row) >= {"rank", "text"} for row in contents[3]["rows"]] == [True] * 3
    wanted = warehouse.sql(
        "select text from neuron_sentences where site = 'ffn' and layer = 1 and neuron = 3 and pole = 'top' "
        "and rank <= 2 order by rank"
    ).fetchall()
    assert [(row["text"],) for row in contents[4]["top sentences"]] == wanted
    assert contents[4]["neuron"]["name"] == "tiny-bert@main/ffn/1/3"
    assert contents[5] == {"rows": [], "cut": False}
    assert "takes one statement that reads" in contents[6]
    assert "disabled by configuration" in contents[7]
    assert "has layers 0 to 2 with neurons 0 to 23" in contents[8]
    assert "no relation, view or macro" in contents[9]
    json.dumps(contents)


def test_too_many_rows_are_refused(warehouse):
    pytest.importorskip("mcp", reason="pip install nwh[mcp] to run this test")
    made = server(warehouse.storage.uri)
    _, found = called(made, ("sql", {"statement": "select 1", "max_rows": 1001}))
    assert found == [(True, "Error executing tool sql: max_rows must be from 1 to 1000, not 1001")]


def test_without_the_package_one_is_told_what_to_install(warehouse, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(UsageError, match=r"pip install 'nwh\[mcp\]'"):
        server(warehouse.storage.uri)
