"""What was made of text, prompts, weights or rows that are replaced goes with them, and is never shown with the new.

The warehouse is one that version ab9a749 has made: every relation filled by its job.
"""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest

from nwh.ingest.profiles.job import ingest_profiles
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import BusyError, UsageError
from nwh.warehouse.jobs import JOBS
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage.manifests import Manifest
from nwh.warehouse.storage.runs import Run
from nwh.warehouse.upkeep.status import status
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied

ACTIVATIONS = ["sentence_tokens", "neuron_topk", "neuron_stats", "activation_sample"]
OF_ACTIVATIONS = ["neuron_patterns", "layer_clusters", "neuron_clusters", "neuron_matches"]
DISTANCES = ["checkpoint_distances", "layer_distances", "neuron_distances"]
OF_WORDS = ["neuron_words", "neuron_tag_distribution", "corpus_vocabulary"]
PROFILES = ["neuron_profiles", "neuron_samples", "neuron_metadata", *OF_WORDS]
OF_TEXT = ["annotations", *ACTIVATIONS, *OF_ACTIVATIONS, *DISTANCES, *PROFILES]
OF_PROMPTS = ["prompt_scores", "attributions", "attribution_quality", "interventions"]
LATER = [
    "ablations",
    "faithfulness",
    "side_effects",
    "neuron_weights",
    "concept_counts",
    "fact_counts",
    "explanations",
    "explanation_judgements",
]  # which that version did not know: tested with their jobs
MADE_OF_NOTHING_STORED = ["runs", "checkpoints", "corpora", "sentences", "sentence_metadata", "prompts", "concepts"]
MADE_OF_NOTHING_STORED += ["published_neurons"]

NEW = "Entirely new text stands here now."
BERT = "model = 'tiny-bert' and checkpoint = 'step100'"


def test_every_relation_is_made_by_one_job_and_tested_here():
    """A new relation must be put into JOBS, and into one of the lists above."""
    written = [relation for job in JOBS.values() for relation in job.writes]
    assert sorted([*written, "runs", "checkpoints"]) == sorted(RELATIONS)
    assert {relation for job in JOBS.values() for relation in job.reads} <= set(written)
    assert sorted([*OF_TEXT, *OF_PROMPTS, *LATER, *MADE_OF_NOTHING_STORED]) == sorted(RELATIONS)


@pytest.fixture(scope="module")
def stored(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    shutil.unpack_archive(data / "warehouses" / "at-ab9a749.tar.gz", folder)
    ingest_profiles(Warehouse.open(folder / "old-house"))
    return folder / "old-house"


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "w")


@pytest.fixture(scope="module")
def unchanged(stored, tmp_path_factory):
    """Return the warehouse as it was: no test writes to it."""
    return copied(stored, tmp_path_factory.mktemp("unchanged") / "w")


@pytest.fixture(scope="module")
def replaced(stored, tmp_path_factory):
    """Return the warehouse with another text of corpus `reviews` and other prompts of `facts-mlm`."""
    made = copied(stored, tmp_path_factory.mktemp("replaced") / "w")
    replace_text(made, again=True)
    replace_prompts(made, tmp_path_factory.mktemp("prompts"), again=True)
    return made


def replace_text(warehouse, again=False, text=NEW):
    ingest_corpus(warehouse, "reviews", "here", lambda: [Document("d0", text)], again=again)


def replace_prompts(warehouse, folder, again=False, answers=("Paris",)):
    rows = [{"text": "The capital is [MASK].", "answer": answer} for answer in answers]
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest_prompts(warehouse, str(path), "facts-mlm", PromptSettings(paraphrases=0), again=again)


def count(warehouse, relation, where="true"):
    return warehouse.sql(f"select count(*) from {relation} where {where}").fetchall()[0][0]


def counts(warehouse):
    return {relation: count(warehouse, relation) for relation in RELATIONS}


def settings_of(warehouse, job, unit):
    query = "select settings from runs where job = $1 and unit = $2"
    return json.loads(warehouse.sql(query, [job, unit]).fetchall()[0][0])


def commit_as_earlier_versions_did(warehouse, relation, partition, rows, job="corpus"):
    """Replace a partition whatever depends on it."""
    run = Run(warehouse.storage, job, partition, {})
    run.write(relation, partition, rows)
    warehouse.tables.commit(run, lambda now, stored: Manifest(run.places))
    warehouse.publish_catalog()


def make_mixture(warehouse, text=NEW):
    """Give `reviews` a text of one sentence under what was made of its earlier text."""
    row = {"source": ["here"], "n_documents": [1], "n_sentences": [1], "settings": ['{"text_sha256": "other"}']}
    first = warehouse.sql("select min(sentence_id) from sentences where corpus = 'reviews'").fetchall()[0][0]
    sentence = {"sentence_id": [first], "doc_id": ["d"], "position": [0], "text": [text], "n_words": [5]}
    commit_as_earlier_versions_did(warehouse, "sentences", {"corpus": "reviews"}, sentence)
    commit_as_earlier_versions_did(warehouse, "corpora", {"corpus": "reviews"}, row)


# -- corpora ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", OF_TEXT)
def test_another_text_takes_what_was_made_of_the_earlier_one_with_it(unchanged, replaced, relation):
    of_other = "corpus = 'other'" if "corpus" in RELATIONS[relation].partition else "false"
    assert count(unchanged, relation) > count(unchanged, relation, of_other)
    assert count(replaced, relation) == count(unchanged, relation, of_other)
    assert replaced.scan(relation).collect().height == count(unchanged, relation, of_other)


def test_nothing_is_wrong_after_that_and_the_runs_say_what_was_removed(replaced):
    assert [finding.text for finding in verify(replaced) if finding.wrong] == []
    notes = replaced.sql("select unnest(notes) from runs where job in ('corpus', 'prompts')").fetchall()
    assert any(
        "removed, for they were of an earlier text of corpus reviews: annotations of" in note for (note,) in notes
    )
    columns, rows = status(replaced)
    states = {(row[1], row[2]): row[0] for row in rows}
    assert states["activations", "model=tiny-bert/checkpoint=step100/corpus=reviews"] == "removed"
    assert states["activations", "model=tiny-bert/checkpoint=step100/corpus=other"] == "complete"
    assert columns[0] == "state"


def test_another_text_is_refused_without_again_and_nothing_changes(warehouse):
    before, unused = counts(warehouse), warehouse.tables.unused_files()
    with pytest.raises(UsageError, match=r"annotations of .* an earlier text of corpus reviews .*--again"):
        replace_text(warehouse)
    after = Warehouse.open(warehouse.storage.uri)
    assert counts(after) == before
    assert after.tables.unused_files() == unused


def test_a_text_that_differs_at_its_end_alone_is_refused_too(warehouse, add_corpus):
    """Blocks are compared as they come; of sentences that are missing only the whole text tells."""
    rows = warehouse.sql("select doc_id, text from sentences where corpus = 'other' order by sentence_id").fetchall()
    before = counts(warehouse)
    with pytest.raises(UsageError, match="an earlier text of corpus other"):
        ingest_corpus(warehouse, "other", "here", lambda: [Document(*row) for row in rows[:-1]])
    assert counts(Warehouse.open(warehouse.storage.uri)) == before


def test_a_removed_unit_is_not_stored_when_the_text_comes_back(warehouse):
    replace_text(warehouse, again=True)
    text = warehouse.sql("select settings ->> 'text_sha256' from corpora where corpus = 'reviews'").fetchall()[0][0]
    unit = {"model": "m", "checkpoint": "main", "corpus": "reviews"}
    settings = {**unit, "sites": ["hidden"], "text_sha256": text}
    with warehouse.run("activations", unit, settings) as run:
        tokens = {"sentence_id": [1], "n_tokens": [3]}
        run.write("sentence_tokens", unit, tokens)
    assert warehouse.units.stored("activations", unit).settings == settings
    replace_text(warehouse, again=True, text="Now for something else.")
    assert warehouse.units.stored("activations", unit) is None
    replace_text(warehouse, again=True)
    assert warehouse.units.stored("activations", unit) is None


def test_readers_see_the_old_or_the_new(warehouse):
    """A reader who opens the warehouse while a text is replaced sees no row of the old with a sentence of the new."""
    query = (
        "select (select count(*) from neuron_topk where corpus = 'reviews'), "
        f"(select count(*) from sentences where text = '{NEW}')"
    )
    old = count(warehouse, "neuron_topk", "corpus = 'reviews'")
    stop, seen, errors = threading.Event(), set(), []

    def read():
        while not stop.is_set():
            try:
                seen.add(Warehouse.open(warehouse.storage.uri).sql(query).fetchall()[0])
            except Exception as error:  # shown by the assertion
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    replace_text(Warehouse.open(warehouse.storage.uri), again=True)
    stop.set()
    reader.join()
    seen.add(Warehouse.open(warehouse.storage.uri).sql(query).fetchall()[0])
    assert errors == []
    assert seen <= {(old, 0), (0, 1)}
    assert (0, 1) in seen


# -- prompts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", OF_PROMPTS)
def test_other_prompts_take_what_was_made_of_the_earlier_ones_with_them(unchanged, replaced, relation):
    assert count(unchanged, relation, "dataset = 'facts-mlm'") > 0
    assert count(replaced, relation, "dataset = 'facts-mlm'") == 0
    of_others = "dataset = 'facts-clm'"
    assert count(replaced, relation, of_others) == count(unchanged, relation, of_others) > 0


def test_other_prompts_are_refused_without_again_and_the_same_are_free(warehouse, tmp_path):
    before = counts(warehouse)
    with pytest.raises(UsageError, match=r"attributions of .* earlier prompts of data set facts-mlm .*--again"):
        replace_prompts(warehouse, tmp_path)
    assert counts(Warehouse.open(warehouse.storage.uri)) == before
    rows = warehouse.sql(
        "select text, answer, concept, fact_id, objective from prompts where dataset = 'facts-mlm' order by prompt_id"
    ).pl()
    path = tmp_path / "same.jsonl"
    rows.write_ndjson(path)
    ingest_prompts(warehouse, str(path), "facts-mlm", PromptSettings(paraphrases=0))
    assert {**counts(warehouse), "runs": before["runs"]} == before
    assert [finding.text for finding in verify(warehouse) if finding.wrong] == []


# -- annotations, activations, attributions, weights --------------------------------------------------------------

ANNOTATED = {"corpus": "reviews", "annotator": "nltk"}
ACTIVATED = {"model": "tiny-bert", "checkpoint": "step100", "corpus": "reviews"}
ATTRIBUTED = {"model": "tiny-bert", "checkpoint": "step100", "dataset": "facts-mlm"}


def where(partition):
    return " and ".join(f"{name} = '{value}'" for name, value in partition.items())


MADE_ANEW = {
    "annotations": (
        ANNOTATED,
        ["annotations"],
        {},
        {"neuron_patterns": "true", **dict.fromkeys(OF_WORDS, where(ANNOTATED))},
    ),
    "activations": (
        {**ACTIVATED, "site": "hidden"},
        ["neuron_topk", "neuron_stats", "activation_sample"],
        {"sites": ["hidden"]},
        {
            **dict.fromkeys(OF_ACTIVATIONS, "site = 'hidden'"),
            **dict.fromkeys(PROFILES, where({**ACTIVATED, "site": "hidden"})),
        },
    ),
    "attributions": (
        ATTRIBUTED,
        ["prompt_scores", "attributions", "attribution_quality"],
        {"floor": 0.1},
        {"interventions": BERT},
    ),
}


def make_anew(warehouse, job, again, read=lambda: None):
    """Store the rows of a unit again, by a run of other settings."""
    partition, relations, settings, _ = MADE_ANEW[job]
    unit = {name: value for name, value in partition.items() if name != "site"}
    before = settings_of(warehouse, job, "/".join(f"{name}={value}" for name, value in unit.items()))
    rows = {}
    for relation in relations:
        equal = [pl.col(name) == value for name, value in partition.items()]
        rows[relation] = warehouse.scan(relation).filter(*equal).drop(list(partition)).collect().to_arrow()
    with warehouse.run(job, unit, {**before, **settings}, again=again) as run:
        read()
        for relation in relations:
            run.write(relation, partition, rows[relation])


@pytest.mark.parametrize("job", MADE_ANEW)
def test_rows_made_anew_take_what_was_made_of_them_with_them(warehouse, job):
    before, lost = counts(warehouse), MADE_ANEW[job][3]
    gone = {relation: count(warehouse, relation, where) for relation, where in lost.items()}
    assert all(gone.values())
    with pytest.raises(UsageError, match=f"earlier {job} .*--again"):
        make_anew(warehouse, job, again=False, read=lambda: pytest.fail("it is refused before any work"))
    assert counts(Warehouse.open(warehouse.storage.uri)) == before
    make_anew(warehouse, job, again=True)
    after = {**counts(warehouse), "runs": before["runs"]}
    assert after == {relation: n - gone.get(relation, 0) for relation, n in before.items()}
    assert [finding.text for finding in verify(warehouse) if finding.wrong] == []


def test_a_checkpoint_with_other_weights_takes_all_with_it(warehouse):
    asked = "select * exclude (model, checkpoint) from checkpoints where model = 'tiny-bert' and checkpoint = 'step100'"
    other = warehouse.sql(asked).pl().with_columns(weights_sha256=pl.lit("other")).to_arrow()
    unit = {"model": "tiny-bert", "checkpoint": "step100"}
    with pytest.raises(UsageError, match="other weights of tiny-bert@step100"), warehouse.run("x", unit, {}) as run:
        run.write("checkpoints", unit, other)
    with warehouse.run("x", unit, {}, again=True) as run:
        run.write("checkpoints", unit, other)
    for relation in [*ACTIVATIONS, *OF_PROMPTS, "neuron_patterns", "layer_clusters", "neuron_clusters"]:
        assert count(warehouse, relation, BERT) == 0, relation
    assert count(warehouse, "neuron_matches") == count(warehouse, "checkpoint_distances") == 0
    assert count(warehouse, "neuron_topk", "checkpoint = 'step0'") > 0
    assert count(warehouse, "annotations") > 0


# -- at the same time ---------------------------------------------------------------------------------------------


def test_text_and_prompts_do_not_change_under_a_run_that_reads_them(warehouse, tmp_path):
    with warehouse.run("activations", ACTIVATED, {}, locks=[{**ACTIVATED, "site": "ffn"}], again=True) as run:
        run.write("sentence_tokens", ACTIVATED, {"sentence_id": [], "n_tokens": []})
        with pytest.raises(BusyError, match=rf"run {run.run_id} .*activations/.*corpus=reviews"):
            replace_text(warehouse, again=True)
        replace_prompts(warehouse, tmp_path, again=True)
    with warehouse.run("prompts", {"dataset": "facts-clm"}, {}) as run:
        unit = {**ATTRIBUTED, "model": "tiny-neox", "dataset": "facts-clm"}
        with pytest.raises(BusyError, match=run.run_id), warehouse.run("attributions", unit, {}):
            pytest.fail("its prompts are being replaced")


def test_a_run_whose_input_was_replaced_meanwhile_stores_nothing(warehouse):
    unit = {"model": "tiny-bert", "checkpoint": "step100", "site": "ffn", "scope": "reviews", "kind": "word"}
    unit |= {"pole": "top"}
    settings = settings_of(warehouse, "patterns", "/".join(f"{name}={value}" for name, value in unit.items()))
    rows = warehouse.scan("neuron_patterns").filter(**unit).drop(list(unit)).collect().to_arrow()
    with (
        pytest.raises(BusyError, match=r"patterns of .* earlier annotations .*run the command again"),
        warehouse.run("patterns", unit, settings) as run,
    ):
        run.write("neuron_patterns", unit, rows)
        make_anew(Warehouse.open(warehouse.storage.uri), "annotations", again=True)
    after = Warehouse.open(warehouse.storage.uri)
    assert count(after, "neuron_patterns") == 0
    assert run.run_id not in str(list(after.storage.data_files("neuron_patterns")))


# -- a mixture that an earlier version has made ----------------------------------------------------------------------


@pytest.mark.parametrize("published", [True, False])
def test_a_mixture_is_not_shown(warehouse, published):
    old = {
        relation: count(warehouse, relation, "corpus = 'other'")
        for relation in ["annotations", *ACTIVATIONS, *PROFILES]
    }
    make_mixture(warehouse)
    if not published:
        Path(warehouse.storage.catalog).unlink()
    shown = Warehouse.open(warehouse.storage.uri)
    for relation in OF_TEXT:
        assert count(shown, relation) == old.get(relation, 0), relation
        assert shown.scan(relation).collect().height == old.get(relation, 0), relation
    assert count(shown, "sentences", "corpus = 'reviews'") == 1


def test_verify_and_status_name_a_mixture_and_the_way_out(warehouse):
    make_mixture(warehouse)
    problems = [finding.text for finding in verify(Warehouse.open(warehouse.storage.uri)) if finding.wrong]
    for job in ("annotations", "activations", "patterns", "clusters", "matches", "distances"):
        assert any(text.startswith(f"{job} of ") and "an earlier text of corpus reviews" in text for text in problems)
    assert any("`nwh ingest annotations --corpus reviews`" in text for text in problems)
    assert any(
        "`nwh ingest matches --before tiny-bert@step0 --after tiny-bert@step100 --corpus reviews --site ffn`" in text
        for text in problems
    )
    states = {(row[1], row[2]): row[0] for row in status(warehouse)[1]}
    assert states["activations", "model=tiny-bert/checkpoint=step100/corpus=reviews"] == "stale"
    assert states["activations", "model=tiny-bert/checkpoint=step100/corpus=other"] == "complete"


def test_verify_names_earlier_prompts_and_earlier_runs(warehouse):
    rows = warehouse.scan("prompts").filter(dataset="facts-mlm").collect().drop("dataset").head(3).to_arrow()
    commit_as_earlier_versions_did(warehouse, "prompts", {"dataset": "facts-mlm"}, rows, job="prompts")
    rows = warehouse.scan("annotations").collect().drop("corpus", "annotator").to_arrow()
    commit_as_earlier_versions_did(warehouse, "annotations", ANNOTATED, rows, job="annotations")
    problems = [finding.text for finding in verify(Warehouse.open(warehouse.storage.uri)) if finding.wrong]
    for job in ("attributions", "interventions"):
        assert any(
            text.startswith(f"{job} of") and "earlier prompts of data set facts-mlm" in text for text in problems
        )
    assert any(text.startswith("patterns of") and "earlier annotations (corpus=reviews" in text for text in problems)


def test_a_mixture_is_mended_by_making_its_units_again(warehouse):
    make_mixture(warehouse)
    warehouse = Warehouse.open(warehouse.storage.uri)
    settings = settings_of(warehouse, "annotations", "corpus=reviews/annotator=nltk") | {"text_sha256": "other"}
    row = {"words": [["a"]], "tags": [["DT"]], "tree": [None], "tree_kind": [None]}
    with warehouse.run("annotations", ANNOTATED, settings) as run:
        first = warehouse.sql("select sentence_id from sentences where corpus = 'reviews'").fetchall()[0][0]
        run.write("annotations", ANNOTATED, {"sentence_id": [first], **row})
    assert count(warehouse, "annotations") == 1
    assert count(warehouse, "neuron_topk", "corpus = 'reviews'") == 0
    problems = [finding.text for finding in verify(warehouse) if finding.wrong]
    assert problems
    assert not any(text.startswith("annotations of") for text in problems)
