"""`nwh plan` from the command line."""

from __future__ import annotations

import json

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from nwh.cli import app
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError


def plan(*arguments):
    done = CliRunner().invoke(app, [*arguments])
    if done.exception:
        raise done.exception
    return json.loads(done.stdout)


def test_activations_for_several_machines(tmp_path, tiny_bert, add_corpus):
    add_corpus(Warehouse.create(tmp_path / "w"), "one", 60)
    options = ("--model", str(tiny_bert), "--corpus", "one", "--device", "cpu", "--k", "20", "--format", "json")
    begin = ("--warehouse", str(tmp_path / "w"), "plan", "activations")
    (found,) = plan(*begin, *options, "--rate", "30", "--machines", "3")
    assert found["seconds"] == pytest.approx(found["units"] / 30, abs=0.1)
    assert found["seconds_on_3"] == pytest.approx(found["units"] / 90, abs=0.1)
    assert not Warehouse.open(tmp_path / "w").sql("select 1 from runs where job = 'activations'").fetchall()
    as_named = plan(*begin, *options, "--rate", "30", "--site", "ffn", "--layer", "1")
    assert plan(*begin, *options, "--rate", "30", "--site", "blocks.1.mlp.hook_post") == as_named != [found]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("study-a", "--rate", "0"), "--rate must be above 0, not 0"),
        (("study-b", "--machines", "0"), "--machines must be at least 1"),
        (("study-a", "--seconds", "-1"), "--seconds must be above 0"),
        (("study-b", "--checkpoints", "some"), "'some' is not known: use shown or all"),
    ],
)
def test_refusals_come_first(arguments, said):
    with pytest.raises(UsageError, match=said):
        plan("plan", *arguments)


@pytest.mark.parametrize("job", ["activations", "attributions", "interventions"])
def test_what_a_job_takes_its_plan_takes(job):
    commands = get_command(app).commands
    taken, planned = (
        {name for parameter in commands[verb].commands[job].params for name in parameter.opts}
        for verb in ("ingest", "plan")
    )
    of_running = {"--again", "--verbose", "--from-json", "--shard", "--merge", "--on", "--shards"}
    assert taken - of_running <= planned
