"""A warehouse that an earlier version made opens, is read as it is, and gets what is new from what it has."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.warehouse import Warehouse
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.jobs import JOBS
from nwh.warehouse.schema import RELATIONS

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("NWH_TEST_DATA") or ROOT.parent / "shared" / "data") / "warehouses"
EARLIER = ["at-ab9a749"]

PROFILES = set(JOBS["profiles"].writes)
OF_PROFILES = {"class_neurons", "cluster_profile", "neuron_classes", "neuron_figures", "neuron_length"}
OF_PROFILES |= {"dimension_consistency", "corpus_words"}
# Words were those of nouns, verbs and adjectives; they are of all classes, and a neuron's are stored from two sentences
# on. Whether a neuron is dead was said by its means, and is by its tokens, of which that version stored nothing. Each
# run of `profiles` is a row of `runs`.
DIFFERENT = {"sentence_words", "corpus_words", "neuron_words", "neuron_classes", "runs"}
# Views that counted what is stored now.
GONE = {"metadata_supports", "word_supports", "neuron_annotated_words", "neuron_poles", "neuron_tags"}


@pytest.fixture(scope="module", params=EARLIER)
def version(request):
    """Return the name of an earlier version that a warehouse is there of."""
    if not (DATA / f"{request.param}.tar.gz").exists():
        pytest.skip(f"no warehouses/{request.param}.tar.gz in NWH_TEST_DATA ({DATA.parent})")
    return request.param


@pytest.fixture(scope="module")
def counts(version):
    """Return relation or view -> rows, as the version that made the warehouse counted them."""
    return json.loads((DATA / f"{version}.json").read_text())


@pytest.fixture(scope="module")
def earlier(version, tmp_path_factory):
    """Return the folder of the warehouse, which no test writes to."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(DATA / f"{version}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    (made,) = (catalog.parent for catalog in folder.glob("*/nwh.duckdb"))
    return made


@pytest.fixture(scope="module")
def profiled(earlier, tmp_path_factory):
    """Return the folder of a copy that `nwh ingest profiles` has been over."""
    folder = tmp_path_factory.mktemp("profiled") / "warehouse"
    shutil.copytree(earlier, folder)
    nwh(folder, "ingest", "profiles")
    return folder


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


def files_of(warehouse, relation):
    return {uri.removeprefix(warehouse.storage.uri) for uri in warehouse.snapshot.get(relation, ())}


def test_what_an_earlier_version_stored_is_read_as_it_is(earlier, counts):
    known = RELATIONS.keys() | {question.name for question in sql_files() if question.kind == "view"}
    assert counts.keys() - known == GONE
    warehouse = Warehouse.open(str(earlier))
    there = counts.keys() - GONE - PROFILES - OF_PROFILES - DIFFERENT
    assert counted(warehouse, there) == {name: counts[name] for name in there}
    assert counted(warehouse, ["runs", *PROFILES]) == {"runs": counts["runs"], **dict.fromkeys(PROFILES, 0)}


def test_profiles_are_named_as_missing_and_made_of_what_is_there(earlier, profiled, counts):
    before = Warehouse.open(str(earlier))
    of_model = before.sql("select distinct model, checkpoint, site, corpus from neuron_topk").fetchall()
    annotated = {corpus for (corpus,) in before.sql("select distinct corpus from annotations").fetchall()}
    missing = status_of(earlier)["missing"]
    assert set(missing.values()) == {"profiles"}
    assert len(missing) == len(of_model) + sum(corpus in annotated for *_, corpus in of_model)

    assert "missing" not in status_of(profiled)
    warehouse = Warehouse.open(str(profiled))
    for name in RELATIONS.keys() - PROFILES - {"runs"}:  # no file of what was there is written anew
        assert files_of(warehouse, name) == files_of(before, name), name
    same = counts.keys() - GONE - DIFFERENT
    assert counted(warehouse, same) == {name: counts[name] for name in same}
    by_means = "select count(*) from neuron_stats where std > 0 and site = 'ffn' and max <= 0"
    n_dead = warehouse.sql(by_means).fetchall()[0][0]
    assert counted(warehouse, ["neuron_classes"]) == {"neuron_classes": counts["neuron_classes"] - n_dead}
    assert counted(warehouse, ["runs"]) == {"runs": counts["runs"] + len(missing)}
    assert nwh(profiled, "verify", "--deep").endswith("0 problems found\n")

    nwh(profiled, "ingest", "profiles")  # they are there
    assert Warehouse.open(str(profiled)).snapshot == warehouse.snapshot


def test_words_differ_by_their_classes_and_least_support_alone(profiled, counts):
    warehouse = Warehouse.open(str(profiled))
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
