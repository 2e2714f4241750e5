"""`nwh verify` names each kind of damage; a test for each does the damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus, tiny_bert):
    """Return the folder of a whole warehouse, to be copied."""
    made = Warehouse.create(tmp_path_factory.mktemp("stored") / "w")
    add_corpus(made, "one", 40)
    ingest_activations(made, load(str(tiny_bert), device="cpu"), ["one"], Settings(("hidden",), k=4, sample=60))
    return made.storage.uri


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "w")


def problems(warehouse, deep=False):
    return [finding.text for finding in verify(Warehouse.open(warehouse.storage.uri), deep=deep) if finding.wrong]


def file_of(warehouse, relation) -> Path:
    return Path(warehouse.snapshot[relation][0])


def replace_rows(warehouse, relation, unit, change):
    """Write a unit's rows again, changed."""
    rows = warehouse.scan(relation).collect().drop(list(unit))
    with warehouse.run("test", {"x": "y"}, {}) as run:
        run.write(relation, unit, change(rows).to_arrow())


SITE = {"model": "tiny-bert", "checkpoint": "main", "site": "hidden", "corpus": "one"}


def test_a_whole_warehouse_has_no_problem(warehouse):
    assert problems(warehouse, deep=True) == []


def test_missing_cut_and_corrupt_files(warehouse):
    file_of(warehouse, "neuron_stats").unlink()
    topk = file_of(warehouse, "neuron_topk")
    topk.write_bytes(topk.read_bytes()[:-100])
    sample = file_of(warehouse, "activation_sample")
    content = bytearray(sample.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = bytes(500)  # of the activations, which no quick check reads
    sample.write_bytes(content)
    found = problems(warehouse)
    assert any(text.startswith("neuron_stats: file") and "cannot be read" in text for text in found)
    assert any(text.startswith("neuron_topk: file") and "cannot be read" in text for text in found)
    assert not any(text.startswith("activation_sample: file") for text in found)
    assert any(text.startswith("activation_sample: file") for text in problems(warehouse, deep=True))


def test_a_file_with_other_rows_than_counted(warehouse):
    import pyarrow.parquet as pq

    path = file_of(warehouse, "sentence_metadata")
    pq.write_table(pq.ParquetFile(path).read().slice(1), path)
    assert any("sentence_metadata: file" in text and "its run counted" in text for text in problems(warehouse))


def test_a_file_written_again_by_hand(warehouse):
    import pyarrow.parquet as pq

    path = file_of(warehouse, "sentences")
    pq.write_table(pq.ParquetFile(path).read(), path)
    assert any("sentences: file" in text and "bytes, its run wrote" in text for text in problems(warehouse))


def test_any_byte_of_a_page_that_is_another(warehouse):
    path = file_of(warehouse, "activation_sample")
    whole = path.read_bytes()
    for place in (len(whole) // 5, len(whole) // 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert any(text.startswith("activation_sample: file") for text in problems(warehouse, deep=True)), place


def test_figures_that_two_relations_hold(warehouse):
    import polars as pl

    def more(column):
        return lambda rows: rows.with_columns(pl.col(column) + (pl.col("neuron") == 5).cast(rows.schema[column]))

    replace_rows(warehouse, "neuron_stats", SITE, more("max"))
    assert any(text.startswith("neuron_stats: extremes of tiny-bert/main") for text in problems(warehouse, deep=True))
    replace_rows(warehouse, "neuron_stats", SITE, more("n"))
    found = problems(warehouse, deep=True)
    assert any(text.startswith("neuron_stats: numbers of sentences of tiny-bert/main") for text in found)
    # of prompt 1 the second layer is below what is kept, of prompt 2 nothing is above 0; the last of 3 has lost its own
    unit = {"model": "tiny-bert", "checkpoint": "main", "dataset": "d"}
    with warehouse.run("test", {"x": "y"}, {}) as run:
        quality = {"rule": ["adaptive"] * 6, "prompt_id": [1, 1, 2, 2, 3, 3], "layer": [0, 1] * 3}
        quality |= {"max_attribution": [0.5, 0.02, -1, 0, 0.5, 0.25], "evaluations": [1] * 6}
        run.write("attribution_quality", unit, {**quality, "completeness_error": [None] * 6})
        kept = {"rule": [None, None], "prompt_id": [1, 3], "concept": ["a"] * 2, "layer": [0, 0], "neuron": [1, 1]}
        run.write("attributions", unit, {**kept, "attribution": [0.5, 0.5]})
    found = [text for text in problems(warehouse, deep=True) if text.startswith("attribution_quality: highest")]
    assert found == [
        "attribution_quality: highest attributions of tiny-bert/main/d/adaptive/3/1 are not those of attributions"
    ]


def test_gaps_in_ranks_and_repeated_keys(warehouse):
    import polars as pl

    replace_rows(warehouse, "neuron_topk", SITE, lambda rows: rows.filter(pl.col("rank") != 2))
    replace_rows(warehouse, "sentences", {"corpus": "one"}, lambda rows: pl.concat([rows, rows.head(1)]))
    found = problems(warehouse)
    assert any(text.startswith("neuron_topk: ranks of tiny-bert/main/hidden/one/") for text in found)
    assert any(text.startswith("sentences: key") and "more than once" in text for text in found)


def test_references_to_what_is_not_there(warehouse):
    replace_rows(warehouse, "sentences", {"corpus": "one"}, lambda rows: rows.head(5))
    assert any("have a sentence_id that sentences lacks" in text for text in problems(warehouse))


def test_the_same_text_again_is_no_change(warehouse, add_corpus):
    stored = warehouse.sql("select count(*) from neuron_topk").fetchall()
    add_corpus(warehouse, "one", 40)
    assert problems(warehouse) == []
    assert warehouse.sql("select count(*) from neuron_topk").fetchall() == stored
    with pytest.raises(UsageError, match="an earlier text of corpus one"):
        add_corpus(warehouse, "one", 41)


def test_two_checkpoints_with_the_same_weights(warehouse, tiny_bert):
    twin = load(str(tiny_bert), name="twin", device="cpu")
    ingest_activations(warehouse, twin, ["one"], Settings(("hidden",), k=4))
    found = list(verify(warehouse))
    assert any("tiny-bert@main, twin@main have the same weights" in finding.text for finding in found)
    assert not any(finding.wrong for finding in found)  # two names of one checkpoint are no damage


def test_leftovers_are_named_but_not_wrong(warehouse, monkeypatch, tiny_bert):
    from nwh.ingest.activations import stream

    monkeypatch.setattr(stream, "BLOCK", 20)
    real = stream.CorpusTokens.read

    def interrupted(self, start, end):
        if start:
            raise KeyboardInterrupt
        return real(self, start, end)

    monkeypatch.setattr(stream.CorpusTokens, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model = load(str(tiny_bert), device="cpu")
        ingest_activations(warehouse, model, ["one"], Settings(("ffn",), k=4), save_every=0)
    findings = [finding for finding in verify(warehouse) if not finding.wrong]
    assert any("staging/activations/model=tiny-bert" in finding.text for finding in findings)
    assert problems(warehouse) == []
    assert warehouse.vacuum(0, staging=True)
    assert not any("staging" in finding.text for finding in verify(warehouse))
