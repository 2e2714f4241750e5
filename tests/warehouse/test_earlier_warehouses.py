"""A warehouse that an earlier version made opens, is read as it is, and gets what is new from what it has."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.warehouse import Warehouse
from nwh.warehouse.questions import questions
from nwh.warehouse.schema import RELATIONS

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("NWH_TEST_DATA") or ROOT.parent / "shared" / "data") / "warehouses"
EARLIER = ["at-ab9a749"]

PROFILES = {"neuron_profiles", "neuron_metadata", "neuron_words", "neuron_tag_distribution"}
OF_PROFILES = {"class_neurons", "cluster_profile", "neuron_classes", "neuron_figures", "neuron_length"}
OF_PROFILES |= {"dimension_consistency"}
# Words were those of nouns, verbs and adjectives; they are of all classes, and a neuron's are stored from two sentences
# on. Each run of `profiles` is a row of `runs`.
DIFFERENT = {"sentence_words", "corpus_words", "neuron_words", "runs"}
# Views that counted what is stored now.
GONE = {"metadata_supports", "word_supports", "neuron_annotated_words", "neuron_poles", "neuron_tags"}


@pytest.fixture(params=EARLIER)
def counts(request):
    """Return relation or view -> rows, as the version that made the warehouse counted them."""
    if not (DATA / f"{request.param}.tar.gz").exists():
        pytest.skip(f"no warehouses/{request.param}.tar.gz in NWH_TEST_DATA ({DATA.parent})")
    return json.loads((DATA / f"{request.param}.json").read_text())


@pytest.fixture
def folder(request, counts, tmp_path):
    with tarfile.open(DATA / f"{request.node.callspec.params['counts']}.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    (made,) = (catalog.parent for catalog in tmp_path.glob("*/nwh.duckdb"))
    return made


def nwh(folder, *arguments):
    done = CliRunner().invoke(app, ["--warehouse", str(folder), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def status_of(folder):
    """Return {state: {unit: job}} as `nwh status` says."""
    found = {}
    for row in json.loads(nwh(folder, "status", "--format", "json")):
        found.setdefault(row["state"], {})[row["unit"]] = row["job"]
    return found


def counted(warehouse, names):
    return {name: warehouse.sql(f"select count(*) from {name}").fetchall()[0][0] for name in names}


def test_what_an_earlier_version_stored_is_read_as_it_is(folder, counts):
    known = RELATIONS.keys() | {question.name for question in questions() if question.kind == "view"}
    assert counts.keys() - known == GONE
    warehouse = Warehouse.open(str(folder))
    there = counts.keys() - GONE - PROFILES - OF_PROFILES - DIFFERENT
    assert counted(warehouse, there) == {name: counts[name] for name in there}
    assert counted(warehouse, ["runs", *PROFILES]) == {"runs": counts["runs"], **dict.fromkeys(PROFILES, 0)}


def test_profiles_are_named_as_missing_and_made_of_what_is_there(folder, counts):
    before = Warehouse.open(str(folder))
    of_model = before.sql("select distinct model, checkpoint, site, corpus from neuron_topk").fetchall()
    annotated = {corpus for (corpus,) in before.sql("select distinct corpus from annotations").fetchall()}
    missing = status_of(folder)["missing"]
    assert set(missing.values()) == {"profiles"}
    assert len(missing) == len(of_model) + sum(corpus in annotated for *_, corpus in of_model)

    nwh(folder, "ingest", "profiles")
    assert "missing" not in status_of(folder)
    warehouse = Warehouse.open(str(folder))
    for name in RELATIONS.keys() - PROFILES - {"runs"}:  # no file of what was there is written anew
        assert warehouse.snapshot.get(name) == before.snapshot.get(name), name
    same = counts.keys() - GONE - DIFFERENT
    assert counted(warehouse, same) == {name: counts[name] for name in same}
    assert counted(warehouse, ["runs"]) == {"runs": counts["runs"] + len(missing)}
    assert nwh(folder, "verify", "--deep").endswith("0 problems found\n")

    nwh(folder, "ingest", "profiles")
    assert Warehouse.open(str(folder)).snapshot == warehouse.snapshot


def test_words_differ_by_their_classes_and_least_support_alone(folder, counts):
    nwh(folder, "ingest", "profiles")
    warehouse = Warehouse.open(str(folder))
    found = warehouse.sql(
        "with poles as (select model, checkpoint, site, corpus, layer, neuron, pole, count(*) as k from neuron_topk "
        "group by all having max(activation) > min(activation)), "
        "counted as (select model, checkpoint, site, corpus, annotator, layer, neuron, pole, class, word, "
        "any_value(k) as k, count(*) as support from neuron_topk "
        "inner join poles using (model, checkpoint, site, corpus, layer, neuron, pole) "
        "inner join sentence_words using (corpus, sentence_id) group by all) "
        "select count(*) filter (where class in ('noun', 'verb', 'adjective')), "
        "count(*) filter (where support >= greatest(2, 0.01 * k)) from counted"
    ).fetchall()
    assert found == [(counts["neuron_words"], *counted(warehouse, ["neuron_words"]).values())]
