"""A task is done once; and the list of jobs, their functions and their commands are the same list."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from nwh.cli.app import INGEST
from nwh.ingest.job import Task, are_stored, run_each, run_once
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.jobs import JOBS
from nwh.warehouse.schema import RELATIONS
from tests.conftest import Noting

UNIT = {"corpus": "a", "annotator": "by-hand"}
FUNCTIONS = {
    "corpus": "text.corpus.ingest_corpus",
    "annotations": "annotation.job.ingest_annotations",
    "activations": "activations.job.ingest_activations",
    "profiles": "profiles.job.ingest_profiles",
    "patterns": "patterns.job.ingest_patterns",
    "explanations": "explanations.job.ingest_explanations",
    "clusters": "comparison.clusters.ingest_clusters",
    "matches": "comparison.matches.ingest_matches",
    "distances": "comparison.distances.ingest_distances",
    "fine-tune": "training.fine_tune.fine_tune",
    "prompts": "prompts.job.ingest_prompts",
    "counts": "prompts.counts.ingest_counts",
    "attributions": "knowledge.attributions.ingest_attributions",
    "interventions": "knowledge.interventions.ingest_interventions",
    "ablations": "knowledge.ablations.ingest_ablations",
    "faithfulness": "knowledge.faithfulness.ingest_faithfulness",
    "side-effects": "knowledge.side_effects.ingest_side_effects",
    "weights": "weights.job.ingest_weights",
    "published-neurons": "knowledge.published_neurons.ingest_published_neurons",
}


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "w")


def task(words, **settings):
    def work(run):
        row = {"sentence_id": [1], "words": [[words]], "tags": [["NN"]], "tree": [None], "tree_kind": [None]}
        run.write("annotations", UNIT, row)

    return Task("annotations", UNIT, {**UNIT, **settings}, work)


def words(warehouse):
    return warehouse.sql("select words from annotations").fetchall()


def test_what_is_stored_with_these_settings_is_left_alone(warehouse):
    notes = Noting()
    assert run_once(warehouse, task("first", seed=(1, 2)), progress=notes) is not None
    assert run_once(warehouse, task("second", seed=(1, 2)), progress=notes) is None
    assert words(warehouse) == [(["first"],)]
    assert notes.notes == ["a/by-hand is stored with these settings already; --again repeats it"]
    assert run_once(warehouse, task("third", seed=[1, 2]), again=True) is not None
    assert words(warehouse) == [(["third"],)]
    assert run_once(warehouse, task("fourth", seed=[1, 3])) is not None
    assert words(warehouse) == [(["fourth"],)]


def test_a_failure_leaves_what_was_stored(warehouse):
    run_once(warehouse, task("first"))

    def fail(run):
        task("second").work(run)
        raise UsageError("no")

    with pytest.raises(UsageError):
        run_once(warehouse, Task("annotations", UNIT, {"other": 1}, fail))
    assert words(warehouse) == [(["first"],)]
    assert list(warehouse.storage.locks.held()) == []


def test_a_task_can_say_itself_what_is_stored(warehouse):
    first = task("first")
    asked = Task(first.job, first.unit, first.settings, first.work, is_stored=lambda: True)
    assert run_each(warehouse, [asked]) == []
    assert words(warehouse) == []
    assert [run.unit for run in run_each(warehouse, [asked, first])] == [UNIT]
    assert words(warehouse) == [(["first"],)]


def test_all_tasks_are_stored_or_the_user_hears_nothing(warehouse):
    notes = Noting()
    run_once(warehouse, task("first"))
    assert not are_stored(warehouse, [task("first"), task("first", seed=3)], notes)
    assert notes.notes == []
    assert are_stored(warehouse, [task("first")], notes)
    assert len(notes.notes) == 1


def test_every_job_has_a_function_and_a_command():
    assert list(FUNCTIONS) == list(JOBS)
    for path in FUNCTIONS.values():
        module, _, function = f"nwh.ingest.{path}".rpartition(".")
        assert callable(getattr(importlib.import_module(module), function)), path
    # lists that others published come with `nwh ingest attributions --from-json`
    assert list(INGEST) == [job for job in JOBS if job != "published-neurons"]


def test_every_run_of_ingest_is_of_a_job_of_the_list():
    used = set()
    for path in Path(importlib.import_module("nwh.ingest").__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("Task", "task_beside") or name.endswith("warehouse.run"):
                # a job that a function is given: by one that has it from this list
                assert isinstance(node.args[0], (ast.Constant, ast.Attribute, ast.Name)), (path, node.lineno)
                used |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    assert used == {*JOBS, "upgrade"}  # which writes its row of `runs` alone


def test_every_relation_is_written_by_one_job():
    written = [relation for job in JOBS.values() for relation in job.writes]
    assert sorted(written) == sorted(RELATIONS.keys() - {"runs", "checkpoints"})
    assert {relation for job in JOBS.values() for relation in job.reads} <= RELATIONS.keys()
