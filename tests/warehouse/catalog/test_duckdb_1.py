"""`nwh.duckdb` in DuckDB 1.4: every view and macro gives the rows that DuckDB 2 gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.schema import RELATIONS
from tests.sql import knowledge_rows
from tests.sql import layer_rows as across_rows

PAIR = ", ".join(f"'{name}'" for name in across_rows.PAIR)
NEURON = "'base', 'main', 'hidden', {}, {}"
CALLS = {
    "acquisition_at": "3",
    "attributions_of": "'relp'",
    "attributed_by": "'relp'",
    "auroc_bound": "0.75, 9, 40, 1.96",
    "bootstrap_interval": "[1.0, 2, 4, 9], 4, 5",
    "bootstrap_means": "[1.0, 2, 4, 9], 2",
    "cluster_profile_at": "0.05, 1.5",
    "consistency_at": "0.3, by_rule := 'relp'",
    "correlation_p": "0.5, 12",
    "dimension_consistency_of": "'mean'",
    "erfc_fit": "0.5",
    "explained_neurons": "'king'",
    "formation_at": "0.3, by_rule := 'relp'",
    "formation_distribution_at": "0.3, 15",
    "g2_p": "4.5",
    "hidden_knowledge_at": "0.3, 0.4",
    "interventions_of": "by_rule := 'relp'",
    "knowledge_neuron_persistence_at": "'last', 0.2, 0.5",
    "knowledge_neuron_stability_at": "'last', 0.2, 0.5",
    "knowledge_neurons_at": "0.3, 0.5",
    "log_likelihood_ratio": "3, 10, 20, 100",
    "moved_neurons": f"{PAIR}, 'news', 5",
    "neuron_classes_at": "detector_share := 0.4",
    "neuron_figures_of": "'mean'",
    "neuron_overlap": f"{PAIR}, 3",
    "neuron_overlap_at": f"{PAIR}, 3, 0.9",
    "neuron_overlap_weights": "3, 0.9",
    "observed_term": "3, 10, 20, 100",
    "overlapping_neurons": f"{NEURON.format(1, 1)}, 3",
    "overlapping_neurons_at": f"{NEURON.format(0, 0)}, 3, 0.9",
    "pattern_neurons": "'word', 'it'",
    "random_bits": "12345",
    "rank_biased_overlap": "2, 4, 0.9, 0.5, 0.25",
    "rank_change_of": "null",
    "rank_correlation_p": "0.5, [1, 2.5, 2.5, 4], [1, 2, 3, 4]",
    "rank_orders": "",
    "rank_tails": "",
    "relative_change_distribution_of": "'relp'",
    "relative_change_of": "'relp'",
    "rule_agreement_at": "5",
    "rule_agreement_distribution_at": "5",
    "selected_attributions_at": "0.3",
    "selected_sets_at": "0.3",
    "similar_neurons": f"{NEURON.format(1, 1)}, 3",
    "specific_effect_of": "'relp'",
    "tag_class": "'NNS'",
    "without_skewness": "2.1, 0.6",
    "training_curves_of": "'relp'",
    "top_sentences": "['news', 'tweets'], 3",
    "wilson_bound": "3, 10, -1.96",
}
"""Arguments of each macro."""

SCRIPT = """
import duckdb, json, sys
def plain(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return value if value is None or isinstance(value, (int, str)) else str(value)
found = {}
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    connection.execute("set threads = 1; set memory_limit = '1GB'")
    if duckdb.__version__[0] == "2":  # which is wrong about windows: see catalog.py
        connection.execute("set disabled_optimizers = 'partitioned_execution,window_self_join'")
    for name, query in json.load(sys.stdin).items():
        try:
            rows = connection.execute(query).fetchall()
            found[name] = sorted(json.dumps(plain(row)) for row in rows)
        except duckdb.Error as error:
            found[name] = str(error)
print(json.dumps([duckdb.__version__, found]))
"""


def asked(files: dict[str, Path], queries: dict[str, str], path: str = ""):
    """Return the version and the answers of the DuckDB in a folder, else of this environment."""
    environment = {**os.environ, **({"PYTHONPATH": path} if path else {})}
    answers = {}
    for label, file in files.items():
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, file],
            input=json.dumps(queries),
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        version, answers[label] = json.loads(done.stdout)
    return version, answers


@pytest.fixture(scope="module")
def earlier() -> str:
    """Return a folder with DuckDB 1.4, installed once; skip where no package index can be reached."""
    folder = Path(tempfile.gettempdir(), f"nwh-tests-{os.getuid()}-duckdb-1.4")
    if not (folder / "duckdb").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "duckdb==1.4.*"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"DuckDB 1.4 cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return str(folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("earlier")
    across_rows.write_with_sample(place / "across")
    knowledge_rows.Rows().write(place / "knowledge")
    return {name: place / name / "nwh.duckdb" for name in ("across", "knowledge")}


def test_every_view_and_macro_gives_the_same_rows(files, earlier):
    kinds = {question.name: question for question in sql_files()}
    queries = {name: f"from {name}" for name in RELATIONS}
    queries |= {name: f"from {name}" for name, question in kinds.items() if question.kind == "view"}
    for name, arguments in CALLS.items():
        queries[name] = f"{'from' if kinds[name].is_table else 'select'} {name}({arguments})"
    assert {name for name, question in kinds.items() if question.kind == "macro"} == set(CALLS)
    now, right = asked(files, queries)
    before, found = asked(files, queries, earlier)
    assert (now[:2], before[:4]) == ("2.", "1.4.")
    failed = {name: answer for answers in right.values() for name, answer in answers.items() if isinstance(answer, str)}
    assert failed == {}
    for label in files:
        assert {n: found[label][n] for n in queries if found[label][n] != right[label][n]} == {}
    answered = {name for answers in right.values() for name, answer in answers.items() if answer}
    assert len(answered) > 60


def test_a_window_takes_in_no_file_that_the_statement_leaves_out(files):
    """DuckDB 2.0.0 makes a join of such a window, in which the other side reads the files of all models."""
    from nwh.warehouse import Warehouse

    warehouse = Warehouse.open(files["across"].parent)
    one = "model = 'base' and checkpoint = 'main' and site = 'hidden' and layer = 0 and neuron = 0 and rank <= 3"
    window = f"select distinct corpus, max(activation) over (partition by corpus) from {{}} where {one}"
    warehouse.connection.execute("create temp table copied as from neuron_topk")
    right = warehouse.sql(window.format("copied")).fetchall()
    assert sorted(warehouse.sql(window.format("neuron_topk")).fetchall()) == sorted(right)
    assert warehouse.sql(f"from overlapping_neurons({NEURON.format(0, 0)}, 3)").fetchall() == []  # its sentences tie
