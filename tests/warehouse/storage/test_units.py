"""Where a unit stands: stored, current, stale, removed, running, interrupted; and what a run may write."""

from __future__ import annotations

import json

import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.jobs import JOBS
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.manifests import Manifest
from nwh.warehouse.storage.runs import Run, unit_name
from nwh.warehouse.storage.units import units_under_way
from nwh.warehouse.upkeep.verify import verify

UNIT = {"model": "m", "checkpoint": "main", "corpus": "a"}


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse.create(tmp_path / "w")


def about(text):
    settings = json.dumps({"text_sha256": text})
    return {"source": ["here"], "n_documents": [1], "n_sentences": [1], "settings": [settings]}


def store_corpus(warehouse, text):
    """Store a corpus of one sentence as `ingest corpus` does, removing what was made of an earlier one."""
    sentence = {"sentence_id": [1], "doc_id": ["d"], "position": [0], "text": [text], "n_words": [1]}
    with warehouse.run("corpus", {"corpus": "a"}, {"corpus": "a"}, again=True) as run:
        run.write("sentences", {"corpus": "a"}, sentence)
        run.write("corpora", {"corpus": "a"}, about(text))


def store_activations(warehouse, *sites, text="one", **settings):
    with warehouse.run("activations", UNIT, {**UNIT, "sites": sites, "text_sha256": text, **settings}) as run:
        for site in sites:
            run.write(
                "activation_sample", {**UNIT, "site": site}, {"layer": [0], "sentence_id": [1], "activations": [[1.0]]}
            )
        run.write("sentence_tokens", UNIT, {"sentence_id": [1], "n_tokens": [5]})
    return run


def states(warehouse):
    return {unit.job: unit.state for unit in warehouse.units.all()}


def test_the_last_run_of_a_unit_counts_and_that_of_a_site_by_itself(warehouse):
    hidden = store_activations(warehouse, "hidden", k=1)
    both = store_activations(warehouse, "ffn", k=2)
    units = warehouse.units
    assert units.stored("activations", UNIT).run_id == both.run_id
    assert units.stored("activations", UNIT, "hidden").run_id == hidden.run_id
    assert units.stored("activations", {**UNIT, "corpus": "b"}) is None
    assert units.stored("patterns", UNIT) is None
    (listed,) = units.all()
    assert (listed.run_id, listed.unit, listed.rows) == (both.run_id, unit_name(UNIT), 2)
    wanted = {**UNIT, "text_sha256": "one", "k": 1, "sites": ["hidden", "ffn"]}
    assert units.is_current("activations", UNIT, wanted, "hidden")
    assert not units.is_current("activations", UNIT, wanted, "ffn")
    assert not units.is_current("activations", UNIT, wanted)


def test_rows_that_went_with_their_text_are_removed_and_not_current(warehouse):
    store_corpus(warehouse, "one")
    run = store_activations(warehouse, "hidden")
    assert states(warehouse) == {"corpus": "complete", "activations": "complete"}
    assert warehouse.units.is_current("activations", UNIT, run.settings)
    store_corpus(warehouse, "two")
    assert states(warehouse) == {"corpus": "complete", "activations": "removed"}
    assert warehouse.units.stored("activations", UNIT) is None
    assert not warehouse.units.is_current("activations", UNIT, run.settings, "hidden")


def replace_text_as_earlier_versions_did(warehouse, **said):
    """Store another text of the corpus, whatever was made of the earlier one."""
    later = Run(warehouse.storage, "corpus", {"corpus": "a"}, {})
    later.write("corpora", {"corpus": "a"}, about("two"))
    warehouse.tables.commit(later.run_id, lambda now, stored: Manifest(later.places, **said), later.complete)
    warehouse.refresh()


def test_rows_of_an_earlier_text_are_stale_and_not_current(warehouse):
    store_corpus(warehouse, "one")
    run = store_activations(warehouse, "hidden")
    replace_text_as_earlier_versions_did(warehouse)
    assert states(warehouse) == {"corpus": "complete", "activations": "stale"}
    assert warehouse.units.stored("activations", UNIT) is None
    assert not warehouse.units.is_current("activations", UNIT, run.settings, "hidden")


def test_verify_does_not_believe_the_last_run_that_nothing_is_stale(warehouse):
    store_corpus(warehouse, "one")
    store_activations(warehouse, "hidden")
    replace_text_as_earlier_versions_did(warehouse, nothing_stale=True)
    problems = [finding.text for finding in verify(warehouse) if finding.wrong]
    assert any(text.startswith("activations of") and "an earlier text of corpus a" in text for text in problems)


def test_a_run_under_way_and_one_that_was_interrupted(warehouse, monkeypatch):
    left = Run(warehouse.storage, "activations", {**UNIT, "corpus": "left"}, {"k": 1})
    resume_state.save(left, {"k": 1}, 3, 9)
    with warehouse.run("activations", UNIT, {"k": 1}) as run:
        resume_state.save(run, {"k": 1}, 5, 10)
        running, interrupted = units_under_way(warehouse.storage)
        assert (running.state, running.run_id, running.done, running.total) == ("running", run.run_id, 5, 10)
        assert running.unit == unit_name(UNIT)
        assert (interrupted.state, interrupted.run_id, interrupted.done) == ("interrupted", left.run_id, 3)
        assert (interrupted.obstacle, running.obstacle) == (None, None)
        leftovers = [finding.text for finding in verify(warehouse)]
        assert [text for text in leftovers if "partial result" in text] == [
            "staging/activations/model=m/checkpoint=main/corpus=left holds a partial result: the same command goes on "
            "from it, `nwh vacuum --staging` drops it"
        ]
    monkeypatch.setattr(resume_state, "library_versions", lambda: {"torch": "99"})
    (interrupted,) = units_under_way(warehouse.storage)
    assert interrupted.obstacle.startswith("that torch 2")
    assert any("that no run goes on from" in finding.text for finding in verify(warehouse))


@pytest.mark.parametrize("job", JOBS)
def test_a_run_may_write_what_its_job_declares_and_nothing_else(warehouse, job):
    declared = {*JOBS[job].writes, *(["checkpoints"] if JOBS[job].runs_model else [])}
    run = Run(warehouse.storage, job, UNIT, {})
    for relation in RELATIONS.values():
        partition = dict.fromkeys(relation.partition, "x")
        if relation.name in declared:
            with run.writer(relation.name, partition):
                pass
        else:
            with pytest.raises(UsageError, match=f"job {job} writes .*, not {relation.name}: declare it"):
                run.write(relation.name, partition, {})
