"""Warehouses that earlier versions made open, are read as they are, and get what is new from what they have.

There is one in `warehouses/` here of each version, made by `make_warehouse`, and one of before there were versions in
NWH_TEST_DATA.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from functools import cache
from pathlib import Path
from random import SystemRandom

import pytest
from typer.testing import CliRunner

from nwh.cli import app
from nwh.ingest.upgrade import missing, upgrade
from nwh.warehouse import Warehouse
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.jobs import JOBS
from nwh.warehouse.schema import RELATIONS, SCHEMA_VERSION
from nwh.warehouse.storage.staged_blocks import StagedBlocks
from nwh.warehouse.storage.tables import Tables
from nwh.warehouse.upkeep.verify import verify
from tests.forked import forked

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent / "warehouses"
DATA = Path(os.environ.get("NWH_TEST_DATA") or ROOT.parent / "shared" / "data") / "warehouses"
FIRST = "at-ab9a749"
ARCHIVES = [DATA / f"{FIRST}.tar.gz", *sorted(HERE.glob("*.tar.gz"))]

PROFILES = set(JOBS["profiles"].writes)
OF_PROFILES = {"class_neurons", "cluster_profile", "neuron_classes", "neuron_figures", "neuron_length"}
OF_PROFILES |= {"dimension_consistency", "corpus_words"}
WITH_RULES = {"attributions", "interventions"}
DERIVED = {
    *PROFILES,
    "neuron_patterns",
    "runs",
    *JOBS["attributions"].writes,
    *WITH_RULES,
}  # relations that an upgrade may write anew
# Archive -> relations and views that count otherwise now, and those that are none any more.
# at-ab9a749: words were those of nouns, verbs and adjectives; they are of all classes, and a neuron's are stored from
# two sentences on. Whether a neuron is dead was said by its means, and is by its tokens, of which that version stored
# nothing. Patterns were those frequent among all sentences; those that are in the first half alone came to them, and p
# of rare ones became exact, by which clusters' profiles are chosen.
DIFFERENT = {FIRST: {"sentence_words", "corpus_words", "neuron_words", "neuron_classes", "neuron_patterns", "runs"}}
DIFFERENT[FIRST] |= {"cluster_profile"}
DIFFERENT["version-2"] = {"runs"}  # those of the upgrade, which says of attributions by which rule they are
GONE = {FIRST: {"metadata_supports", "word_supports", "neuron_annotated_words", "neuron_poles", "neuron_tags"}}


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda archive: archive.name.removesuffix(".tar.gz"))
def archive(request):
    return unless_there(request.param)


def unless_there(archive):
    if not archive.exists():
        pytest.skip(f"no warehouses/{archive.name} in NWH_TEST_DATA ({DATA.parent})")
    return archive


def name_of(archive):
    return archive.name.removesuffix(".tar.gz")


def counts_of(archive):
    """Return relation or view -> rows, as the version that made the warehouse counted them."""
    return json.loads(archive.with_name(f"{name_of(archive)}.json").read_text())


def unpacked(archive, folder):
    shutil.unpack_archive(archive, folder)
    (made,) = (runs.parent for runs in folder.glob("*/runs"))
    return made


@pytest.fixture(scope="module")
def unpack(tmp_path_factory):
    """Return archive -> the folder of its warehouse, which no test writes to."""
    return cache(lambda archive: unpacked(archive, tmp_path_factory.mktemp("earlier")))


@pytest.fixture(scope="module")
def upgrade_of(unpack, tmp_path_factory):
    """Return archive -> the folder of a copy that `nwh upgrade` has been over."""

    def make(archive):
        folder = tmp_path_factory.mktemp("upgraded") / "warehouse"
        shutil.copytree(unpack(archive), folder)
        nwh(folder, "upgrade")
        return folder

    return cache(make)


@pytest.fixture(scope="module")
def earlier(archive, unpack):
    return unpack(archive)


@pytest.fixture(scope="module")
def upgraded(archive, upgrade_of):
    return upgrade_of(archive)


@pytest.fixture(scope="module")
def first(unpack):
    """Return the folder of the warehouse of before there were versions."""
    return unpack(unless_there(ARCHIVES[0]))


@pytest.fixture(scope="module")
def first_upgraded(upgrade_of):
    return upgrade_of(unless_there(ARCHIVES[0]))


def nwh(folder, *arguments):
    done = CliRunner().invoke(app, ["--warehouse", str(folder), *arguments])
    assert done.exit_code == 0, done.output
    return done


def counted(warehouse, names):
    return {name: warehouse.sql(f"select count(*) from {name}").fetchall()[0][0] for name in names}


def files_of(warehouse, relation):
    return {uri.removeprefix(warehouse.storage.uri) for uri in warehouse.snapshot.get(relation, ())}


# -- each archive ---------------------------------------------------------------------------------------------------


def test_what_was_stored_is_read_as_it_is(archive, earlier):
    name, counts = name_of(archive), counts_of(archive)
    known = RELATIONS.keys() | {file.name for file in sql_files() if file.kind == "view"}
    assert counts.keys() - known == GONE.get(name, set())
    warehouse = Warehouse.open(earlier)
    there = counts.keys() & known
    if name == FIRST:
        there -= (PROFILES | OF_PROFILES | DIFFERENT[FIRST]) - {"runs", "neuron_patterns"}
        assert counted(warehouse, PROFILES) == dict.fromkeys(PROFILES, 0)
    assert counted(warehouse, there) == {name: counts[name] for name in there}
    assert [finding.text for finding in verify(warehouse, deep=True) if finding.wrong] == []


def test_an_upgrade_makes_what_is_new_and_nothing_else(archive, earlier, upgraded):
    name, counts, before = name_of(archive), counts_of(archive), Warehouse.open(earlier)
    warehouse = Warehouse.open(upgraded)
    assert warehouse.version == SCHEMA_VERSION
    assert missing(warehouse) == []
    for relation in RELATIONS.keys() - (DERIVED if before.version < SCHEMA_VERSION else set()):
        assert files_of(warehouse, relation) == files_of(before, relation), relation
    same = counts.keys() - GONE.get(name, set()) - DIFFERENT.get(name, set())
    assert counted(warehouse, same) == {name: counts[name] for name in same}
    assert [finding.text for finding in verify(warehouse, deep=True) if finding.wrong] == []

    assert "nothing to do" in nwh(upgraded, "upgrade").stderr
    assert not upgrade(warehouse)
    assert Warehouse.open(upgraded).snapshot == warehouse.snapshot


def test_attributions_say_by_which_rule_they_are_after_an_upgrade(unpack, upgrade_of):
    rules, asked = {}, "select concept, layer, neuron from knowledge_neurons_at(0.2, 0.5{}) order by all"
    found = {}
    for moment, folder in (("before", unpack), ("after", upgrade_of)):
        warehouse = Warehouse.open(folder(HERE / "version-2.tar.gz"))
        rules[moment] = {name: warehouse.sql(f"select distinct rule from {name}").fetchall() for name in WITH_RULES}
        found[moment] = [warehouse.sql(asked.format(rule)).fetchall() for rule in ("", ", 'riemann'")]
        changes = warehouse.sql("select rule, count(*) from interventions_of() group by 1").fetchall()
        assert changes == [("riemann", warehouse.sql("select count(*) from interventions").fetchall()[0][0])]
        assert warehouse.sql("from attributions_of('adaptive')").fetchall() == []
    assert rules == {
        "before": {name: [(None,)] for name in WITH_RULES}, "after": {name: [("riemann",)] for name in WITH_RULES}
    }  # fmt: skip
    assert found["before"] == found["after"]
    assert found["after"][0] == found["after"][1] != []


# -- the one of before there were versions ----------------------------------------------------------------------------


def test_status_says_what_is_missing_and_the_command(first, first_upgraded):
    warehouse = Warehouse.open(first)
    assert warehouse.version == 1
    of_model = warehouse.sql("select distinct model, checkpoint, site, corpus from neuron_topk").fetchall()
    annotated = {corpus for (corpus,) in warehouse.sql("select distinct corpus from annotations").fetchall()}
    mined = warehouse.sql("select distinct model, checkpoint, site, scope, kind, pole from neuron_patterns").fetchall()
    said = nwh(first, "status", "--format", "json")
    jobs = [row["job"] for row in json.loads(said.stdout) if row["state"] == "missing"]
    assert sorted(set(jobs)) == ["attributions", "interventions", "patterns", "profiles", "upgrade"]
    assert jobs.count("profiles") == len(of_model) + sum(corpus in annotated for *_, corpus in of_model)
    assert jobs.count("patterns") == len(mined) == 4
    assert "is of version 1" in said.stderr
    assert f"`nwh upgrade` has brought it to version {SCHEMA_VERSION}" in said.stderr

    said = nwh(first_upgraded, "status", "--format", "json")
    rows = json.loads(said.stdout)
    assert {row["state"] for row in rows} == {"complete"}
    assert ("upgrade", f"version={SCHEMA_VERSION}") in {(row["job"], row["unit"]) for row in rows}
    # only the model knows it
    assert f"max_token is null in {len(of_model)} units" in said.stderr
    assert "version 1:" not in said.stderr


def test_patterns_are_mined_again_by_their_own_rules(first, first_upgraded):
    before, after = Warehouse.open(first), Warehouse.open(first_upgraded)
    columns = "model, checkpoint, site, scope, layer, neuron, kind, pole, pattern, length, support, k, corpus_support, "
    columns += "n_sentences, lift, g2, mined_support, annotator"
    frequent = f"select {columns} from neuron_patterns where q_value is not null order by all"
    assert after.sql(frequent).pl().equals(before.sql(frequent).pl())
    assert counted(before, ["mined_patterns"]) == {"mined_patterns": 0}
    assert after.sql("select count(*) from neuron_patterns where mined_k is null").fetchall() == [(0,)]
    # what is frequent in the first half, counted here
    assert after.sql(
        "select count(*) from neuron_patterns "
        "where (mined_support >= ceil(0.1 * mined_k)) != (mined_q_value is not null)"
    ).fetchall() == [(0,)]
    settings = "select settings ->> 'min_support', settings ->> 'neurons' from runs where job = 'patterns' order by all"
    assert set(after.sql(settings).fetchall()) == set(before.sql(settings).fetchall())


def test_words_differ_by_their_classes_and_least_support_alone(first_upgraded):
    warehouse = Warehouse.open(first_upgraded)
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
    assert found == [(counts_of(ARCHIVES[0])["neuron_words"], *counted(warehouse, ["neuron_words"]).values())]


def test_dead_neurons_are_not_told_where_only_a_model_could_tell_them(first_upgraded):
    warehouse, before = Warehouse.open(first_upgraded), counts_of(ARCHIVES[0])["neuron_classes"]
    by_means = "select count(*) from neuron_stats where std > 0 and site = 'ffn' and max <= 0"
    n_dead = warehouse.sql(by_means).fetchall()[0][0]
    assert counted(warehouse, ["neuron_classes"]) == {"neuron_classes": before - n_dead}


def upgrade_and_die(uri, opens, blocks):
    """Upgrade, and be killed before the runs are looked at for the nth time or with so many blocks staged."""

    def until_death(function, times, first=False):
        def call(*arguments):
            nonlocal times
            times -= 1
            if not times and first:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments)
            if not times:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    Tables._open_runs = until_death(Tables._open_runs, opens, first=True)
    StagedBlocks.save = until_death(StagedBlocks.save, blocks)
    upgrade(Warehouse.open(uri))


def partitions(warehouse):
    """Return rows of each unit of what an upgrade writes."""
    found = {}
    for relation in (*PROFILES, "neuron_patterns"):
        unit = ", ".join(RELATIONS[relation].partition)
        rows = warehouse.sql(f"select {unit}, count(*) from {relation} group by all").fetchall()
        found |= {(relation, *row[:-1]): row[-1] for row in rows}
    return found


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_readers_see_the_old_or_the_new(first, first_upgraded, tmp_path):
    uri = str(shutil.copytree(first, tmp_path / "killed"))
    old, new = partitions(Warehouse.open(first)), partitions(Warehouse.open(first_upgraded))
    stop, problems, versions = threading.Event(), [], []

    def read():
        while not stop.wait(0.8):
            try:
                warehouse = Warehouse.open(uri)
                seen = partitions(warehouse)
                problems.extend(unit for unit, n in seen.items() if n not in (old.get(unit), new.get(unit)))
                problems.extend(unit for unit in old if unit not in seen)
                versions.append(warehouse.version)
            except Exception as error:
                problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    chance = SystemRandom()
    # how often runs are looked at first, some 7 times by each run; the last is killed when it has mined, before it has
    # stored that
    moments = [(7, 0), (30, 0), (chance.randrange(3, 25), 0), (0, 1), (0, 2)]
    print(moments)
    try:
        for moment in moments:
            process = forked.Process(target=upgrade_and_die, args=(uri, *moment))
            process.start()
            process.join()
            assert process.exitcode == -signal.SIGKILL
            assert Warehouse.open(uri).version == 1
        assert Warehouse.open(uri).storage.staged_places()
        assert upgrade(Warehouse.open(uri))
    finally:
        stop.set()
        reader.join()
    assert problems == []
    assert set(versions) <= {1, SCHEMA_VERSION}
    assert len(versions) > 3
    assert versions == sorted(versions)
    killed, undisturbed = Warehouse.open(uri), Warehouse.open(first_upgraded)
    for relation in (*PROFILES, "neuron_patterns"):
        assert (
            killed.sql(f"from {relation} order by all")
            .pl()
            .equals(undisturbed.sql(f"from {relation} order by all").pl())
        ), relation
    assert missing(killed) == []
    assert [finding.text for finding in verify(killed, deep=True) if finding.wrong] == []
