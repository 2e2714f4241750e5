"""Runs of several seeds: which there are, what each is called, and that they are one series."""

import shutil

import pytest

from nwh.ingest.models import resolve
from nwh.ingest.models.references import list_checkpoints
from nwh.ingest.models.seeds import one_of_each_seed, series_and_seed
from nwh.ingest.models.series import for_each_checkpoint
from nwh.warehouse.errors import UsageError
from nwh.warehouse.schema import RELATIONS

MULTIBERTS = "google/multiberts-seed_{seed:3}-step_{checkpoint}"


def test_a_seed_is_part_of_the_name_and_not_of_the_series():
    source = resolve(MULTIBERTS, "20k")
    assert (source.location, source.model) == ("google/multiberts-seed_3-step_20k", "multiberts-seed_3")
    assert (source.series, source.seed, source.step) == ("multiberts", 3, 20_000)
    assert resolve(source.source, source.checkpoint) == source
    named = resolve("lab/run{seed:4}", "step1", name="bert")
    assert (named.model, named.series, named.seed) == ("bert-seed_4", "bert", 4)
    assert resolve(named.source, "step1", name=named.model).model == named.model
    # where a reference does not say it, its name may
    source = resolve("EleutherAI/pythia-14m-seed1", "step512")
    assert (source.model, source.series, source.seed) == ("pythia-14m-seed1", "pythia-14m", 1)
    assert (resolve("gpt2").series, resolve("gpt2").seed) == ("gpt2", None)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("a/b-{seed}", "runs of several seeds"),
        ("a/b-{seed:1,2}", "runs of several seeds"),
    ],
)
def test_one_model_is_of_one_seed(reference, words):
    with pytest.raises(UsageError, match=words):
        resolve(reference, "main")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("a/b-{seed:1,x}", "'x' is not a seed"),
        ("a/{seed:1}-{seed:2}", "more than one"),
    ],
)
def test_seeds_that_are_none(reference, words):
    with pytest.raises(UsageError, match=words):
        one_of_each_seed(reference)


def test_all_seeds_are_those_there_are(tmp_path, monkeypatch):
    for seed in (0, 10, 2):
        (tmp_path / f"bert-{seed}" / "step5").mkdir(parents=True)
    (tmp_path / "bert-old").mkdir()
    wanted = [f"{tmp_path}/bert-{{seed:{seed}}}/{{checkpoint}}" for seed in (0, 2, 10)]
    assert one_of_each_seed(f"{tmp_path}/bert-{{seed}}/{{checkpoint}}") == wanted
    assert one_of_each_seed("a/b-{seed:7, 5}") == ["a/b-{seed:7}", "a/b-{seed:5}"]
    with pytest.raises(UsageError, match="no run of any seed"):
        one_of_each_seed(f"{tmp_path}/gpt-{{seed}}/{{checkpoint}}")
    there = [f"google/multiberts-seed_{seed}-step_{step}k" for seed in (1, 0) for step in (20, 40)]
    there.append("google/multiberts-seed_9")
    monkeypatch.setattr(
        "nwh.ingest.models.hub.repositories", lambda prefix: [each for each in there if each.startswith(prefix)]
    )
    found = one_of_each_seed("google/multiberts-seed_{seed}-step_{checkpoint}")
    assert [list_checkpoints(each) for each in found] == [["20k", "40k"]] * 2
    assert found[1] == "google/multiberts-seed_{seed:1}-step_{checkpoint}"


def test_every_seed_and_checkpoint_is_worked_on(tmp_path, tiny_bert):
    for seed in (0, 1):
        shutil.copytree(tiny_bert, tmp_path / f"run-{seed}" / "step5")
    seen = []
    for_each_checkpoint(lambda model: seen.append(model.checkpoint), f"{tmp_path}/run-{{seed}}", ["all"], device="cpu")
    assert [(row.model, row.series, row.seed, row.step) for row in seen] == [
        ("run-0", "run", 0, 5),
        ("run-1", "run", 1, 5),
    ]
    assert all(resolve(row.source, row.checkpoint).location == f"{tmp_path}/run-{row.seed}/step5" for row in seen)


def test_what_a_name_says_is_the_same_in_sql():
    """Rows of earlier versions have neither column: views read them from the name."""
    import duckdb

    names = ["multiberts-seed_3", "pythia-14m-seed1", "seed_4", "bert-SEED-7-big", "gpt2", "seedling", "x-seed2b"]
    columns = {column.name: column.absent for column in RELATIONS["checkpoints"].columns}
    query = f"select {columns['series']}, {columns['seed']} from (select unnest($1) as model)"
    assert duckdb.execute(query, [names]).fetchall() == [series_and_seed(name) for name in names]
    assert series_and_seed("bert-SEED-7-big") == ("bert-big", 7)
