"""The command line as a user meets it: a process, its output, its exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import typer

from nwh.cli import app, main
from nwh.warehouse.catalog.dictionary import data_dictionary
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import check_name, scope_of, short_name, split_list, step_of
from tests import forked


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def environment(place):
    return {**os.environ, "NWH_WAREHOUSE": str(place / "w"), "COLUMNS": "100"}


@pytest.fixture(scope="module")
def nwh(place, environment):
    """Return a function that runs `nwh` on a warehouse of its own."""

    def run(*arguments: str, stdin: str = "", binary: bool = False, code: int = 0):
        done = forked.nwh(arguments, place, environment, stdin.encode())
        if not binary:
            done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    return run


@pytest.fixture(scope="module")
def filled(nwh, place, tiny_bert):
    from tests.conftest import made_up_documents

    text = "".join(json.dumps(document) + "\n" for document in made_up_documents(80))
    (place / "docs.jsonl").write_text(text)
    nwh("init")
    nwh("ingest", "corpus", "docs.jsonl", "--name", "made", "--metadata", "author,tag=tags")
    done = nwh(
        "ingest", "activations", "--model", str(tiny_bert), "--corpus", "made", "--k", "8", "--site", "hidden,ffn"
    )
    assert done.stdout == ""
    assert "fewer than 3 tokens" in done.stderr
    return nwh


def test_every_command_has_help_with_an_example(nwh):
    def walk(command, name):
        for below, each in getattr(command, "commands", {}).items():
            yield from walk(each, f"{name} {below}".strip())
        if not hasattr(command, "commands"):
            yield name, " ".join(command.help.split())

    found = dict(walk(typer.main.get_command(app), ""))
    assert len(found) >= 20
    assert [n for n, text in found.items() if not re.search(rf"Example: nwh (--\w+ \S+ )?{n}\b", text)] == []
    assert "Example: nwh sql" in " ".join(nwh("sql", "--help").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["sql", "--format", "parquet"], 0), (["sql", "select nothing from nowhere"], 2), (["--help"], 0)],
)
def test_a_process_of_its_own_does_the_same(filled, place, environment, arguments, code):
    """Other tests fork a process that has imported already what commands import."""
    query = "select corpus, text from sentences order by all"
    command = [sys.executable, "-m", "nwh", *arguments]
    alone = subprocess.run(command, input=query.encode(), capture_output=True, cwd=place, env=environment, check=False)
    also = filled(*arguments, stdin=query, binary=True, code=code)
    assert (alone.returncode, alone.stderr) == (code, also.stderr)
    assert alone.stdout.replace(b"python -m nwh", b"nwh") == also.stdout


def test_formats_keep_numbers_lists_and_nulls(filled):
    query = (
        "select 9007199254740993 as big, 0.1::double as small, [1, null] as list, null as none, "
        "'nan'::double as nan, 'a\"b\nc,' as text, {'x': 1} as struct, date '2024-01-02' as day"
    )
    want = {"big": 9007199254740993, "small": 0.1, "list": [1, None], "none": None, "nan": None}
    want |= {"text": 'a"b\nc,', "struct": {"x": 1}, "day": "2024-01-02"}
    assert json.loads(filled("sql", query, "--format", "json").stdout) == [want]
    assert json.loads(filled("sql", query, "--format", "jsonl").stdout) == want
    row = next(csv.DictReader(io.StringIO(filled("sql", query, "--format", "csv").stdout)))
    assert row["big"] == "9007199254740993"
    assert row["text"] == 'a"b\nc,'
    assert row["none"] == ""
    table = pq.read_table(io.BytesIO(filled("sql", query, "--format", "parquet", binary=True).stdout))
    assert table["big"].to_pylist() == [9007199254740993]
    assert table["list"].to_pylist() == [[1, None]]
    assert json.loads(filled("sql", "select 1 where false", "--format", "json").stdout) == []
    assert "9007199254740993" in filled("sql", query).stdout


def test_a_query_from_a_file_and_from_standard_input(filled, place):
    (place / "q.sql").write_text("select 40 + 2 as answer")
    assert json.loads(filled("sql", "q.sql", "--format", "json").stdout) == [{"answer": 42}]
    assert json.loads(filled("sql", "--format", "json", stdin="select 1 as one").stdout) == [{"one": 1}]


def test_unsafe_lifts_the_limits(filled, place):
    assert "--unsafe" in filled("sql", "copy (select 1 as a) to 'x.csv'", code=2).stderr
    filled("sql", "copy (select 1 as a) to 'x.csv'", "--unsafe")
    assert (place / "x.csv").read_text() == "a\n1\n"


def test_show_neuron_and_tokens(filled):
    shown = filled("show", "neuron", "tiny-bert/ffn/1/7", "--k", "3").stdout
    assert "statistics of tiny-bert@main/ffn/1/7" in shown
    found = json.loads(filled("show", "neuron", "tiny-bert@main/hidden/2/15", "--k", "3", "--format", "json").stdout)
    best = json.loads(
        filled(
            "sql",
            "select text, activation from neuron_sentences where site = 'hidden' and layer = 2 and neuron = 15 "
            "and pole = 'top' and rank <= 3 order by rank",
            "--format",
            "json",
        ).stdout
    )
    assert [row["text"] for row in found["top sentences"]] == [row["text"] for row in best]
    tokens = json.loads(filled("show", "tokens", "tiny-bert/hidden/2/15", best[0]["text"], "--format", "json").stdout)
    counted = [row["activation"] for row in tokens if row["token"] not in ("[CLS]", "[SEP]")]
    assert sum(counted) / len(counted) == pytest.approx(best[0]["activation"], rel=1e-4)


def test_export(filled, place):
    filled("export", "class_neurons", "classes.parquet")
    n = json.loads(filled("sql", "select count(*) as n from class_neurons", "--format", "json").stdout)[0]["n"]
    assert pq.read_table(place / "classes.parquet").num_rows == n > 0
    filled("export", "corpora", "corpora.csv")
    assert next(csv.DictReader((place / "corpora.csv").open()))["corpus"] == "made"
    assert "no relation or view 'nothing'" in filled("export", "nothing", "x.csv", code=2).stderr
    assert "x.xlsx" in filled("export", "corpora", "x.xlsx", code=2).stderr


def test_status_and_verify(filled):
    rows = json.loads(filled("status", "--format", "json").stdout)
    jobs = ["corpus", "activations", "profiles", "profiles"]  # of two sites
    assert [(row["state"], row["job"]) for row in rows] == [("complete", job) for job in jobs]
    assert filled("verify", "--deep").stdout.endswith("0 problems found\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ingest", "corpus", "missing.csv", "--name", "x"], 2, "missing.csv"),
        (["ingest", "corpus", "docs.jsonl", "--name", ".hidden"], 2, "'.hidden' is not allowed"),
        (["ingest", "corpus", "docs.jsonl", "--name", "x", "--text", "body"], 2, "no column 'body'"),
        (["ingest", "activations", "--model", "docs.jsonl", "--corpus", "made"], 2, "docs.jsonl"),
        (["ingest", "activations", "--model", "package:no-such-package", "--corpus", "made"], 2, "no-such-package"),
        (["ingest", "activations", "--model", "TINY", "--corpus", "other"], 2, "no corpus 'other'"),
        (["ingest", "activations", "--model", "TINY", "--site", "mlp"], 2, "site 'mlp'"),
        (["ingest", "activations", "--model", "TINY", "--device", "tpu"], 2, "tpu"),
        (["show", "neuron", "tiny-bert/ffn/x/7"], 2, "MODEL[@CHECKPOINT]/SITE/LAYER/NEURON"),
        (["show", "neuron", "tiny-bert/ffn/1/7000"], 2, "no neuron"),
        (["--warehouse", "nowhere", "status"], 1, "nwh init"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_errors_are_one_line_with_the_object_and_an_exit_code(filled, tiny_bert, arguments, code, message):
    done = filled(*[str(tiny_bert) if argument == "TINY" else argument for argument in arguments], code=code)
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    if done.stderr.startswith("error:"):
        assert len(done.stderr.splitlines()) == 1


def test_debug_gives_the_traceback(filled):
    assert "Traceback" in filled("--debug", "sql", "select nothing", code=1).stderr


def test_quiet_says_nothing(filled):
    assert filled("--quiet", "ingest", "corpus", "docs.jsonl", "--name", "again").stderr == ""


def test_the_committed_data_dictionary_is_up_to_date():
    committed = Path(__file__).parents[2] / "docs" / "data-dictionary.md"
    assert committed.read_text() == data_dictionary(), "run `nwh docs > docs/data-dictionary.md`"


def test_names():
    assert split_list(["a, b", "c", "a"]) == ["a", "b", "c"]
    assert split_list(None) == []
    assert [
        short_name(reference) for reference in ("EleutherAI/pythia-70m", "package:x-y", "./A Model/", "x/M.gguf")
    ] == [
        "pythia-70m",
        "x-y",
        "a-model",
        "m",
    ]
    steps = {"step143000": 143_000, "step_20k": 20_000, "main": None, "1000": 1000, "2m": 2_000_000, "v2-step5": 5}
    assert {label: step_of(label) for label in steps} == steps
    assert scope_of(["b", "a", "b"]) == "a+b"
    for name in ("", ".x", "a/b", "a b", "ä"):
        with pytest.raises(UsageError):
            check_name("corpus", name)


@pytest.mark.parametrize("unsafe", [[], ["--unsafe"]])
def test_a_slow_query_draws_nothing_among_its_rows(filled, unsafe):
    shown = filled("sql", "select current_setting('enable_progress_bar') as shown", "--format", "jsonl", *unsafe)
    assert json.loads(shown.stdout) == {"shown": False}


def test_the_optimizers_that_are_wrong_about_windows_are_off(filled):
    # 384 neurons x 10,000 ranks in one file showed the first: too much for a test. The second: test_duckdb_1.py.
    found = filled("sql", "select current_setting('disabled_optimizers') as off", "--format", "jsonl")
    assert set(json.loads(found.stdout)["off"].split(",")) == {"partitioned_execution", "window_self_join"}


def test_versions_and_device(nwh):
    lines = dict(line.split(" ", 1) for line in nwh("--version").stdout.splitlines())
    assert list(lines) == ["nwh", "duckdb", "torch", "transformers", "device"]
    assert lines["duckdb"] == duckdb.__version__
    assert lines["device"].split(":")[0] in ("cpu", "cuda", "mps")


def test_an_account_without_a_home_gets_one(monkeypatch):
    def nowhere(cls):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(nowhere))
    monkeypatch.setattr(sys, "argv", ["nwh", "--help"])
    monkeypatch.setenv("HOME", "before")
    with pytest.raises(SystemExit):
        main()
    assert os.environ["HOME"] == "/"


def test_explanations_of_every_source(filled, place):
    published = {"modelId": "m", "layer": "1", "index": "3", "description": "words of cats"}
    (place / "published.jsonl").write_text(json.dumps(published) + "\n")
    model = ("ingest", "explanations", "--model", "tiny-bert", "--site", "ffn")
    filled(*model, "--layer", "1", "--neuron", "2,3", "--examples", "4", "--judged", "3")
    filled(*model, "--from-json", "published.jsonl")
    query = "select source, neuron, n_top, auroc is not null as judged from neuron_explanations order by all"
    assert json.loads(filled("sql", query, "--format", "json").stdout) == [
        {"source": "neuronpedia", "neuron": 3, "n_top": 4, "judged": True},
        {"source": "template", "neuron": 2, "n_top": 3, "judged": True},
        {"source": "template", "neuron": 3, "n_top": 3, "judged": True},
    ]
    shown = json.loads(filled("show", "neuron", "tiny-bert/ffn/1/3", "--format", "json").stdout)
    assert {row["source"] for row in shown["explanations"]} == {"neuronpedia", "template"}
    for wrong, said in (
        (["--from", "url", "--chat", "m"], "--from url needs --url"),
        (["--from-json", "published.jsonl", "--layer", "3"], "is read whole"),
    ):
        done = filled(*model, *wrong, code=2)
        assert said in done.stderr
        assert done.stderr.count("error:") == 1
