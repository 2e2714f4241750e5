"""What is shown beside a held-out score is chosen without the held-out half: patterns of pure noise have 0.5."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.patterns.rows import Miner, by_text
from nwh.ingest.sample import Sample
from nwh.warehouse import Warehouse

SENTENCES, K, NEURONS = 8000, 500, 60
NOTHING = Sample(np.empty(0, np.int64), np.empty(0), np.empty((0, NEURONS), np.float32))
WORDS = {"common": (0.02, 500), "at the threshold": (0.01, 500)}  # share of the sentences, number


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Return patterns of neurons whose top sentences, and whose words, are drawn at random."""
    draw = np.random.default_rng(5)
    words: list[list[str]] = [[] for _ in range(SENTENCES)]
    for name, (share, n) in WORDS.items():
        for i in range(n):
            for sentence in np.flatnonzero(draw.random(SENTENCES) < share):
                words[sentence].append(f"{name.replace(' ', '')}{i}")
    texts = pa.table({"words": pa.array(words, pa.list_(pa.string()))})
    miner = Miner(
        "word", "top", np.arange(SENTENCES) + (77 << 32), texts, Rules(min_support=0.01, max_length=1), threads=1
    )
    sets = [draw.choice(SENTENCES, K, replace=False) for _ in range(NEURONS)]
    made = Warehouse.create(tmp_path_factory.mktemp("noise"))
    unit = {"model": "m", "checkpoint": "main", "site": "ffn", "scope": "a", "kind": "word", "pole": "top"}
    with made.run("test", unit, {}) as run, run.writer("neuron_patterns", unit) as writer:
        for batch in miner.rows(0, np.arange(NEURONS), sets, NOTHING):
            rows = by_text(batch)
            writer.write(rows.append_column("annotator", pa.repeat("x", rows.num_rows)))
    return made


def far_from_chance(rows: pl.DataFrame) -> float:
    """Return how many standard errors the mean of the neurons' mean scores is above 0.5."""
    of_neurons = rows.group_by("neuron").agg(pl.col("heldout_auroc").mean())["heldout_auroc"].to_numpy()
    return float((of_neurons.mean() - 0.5) / (of_neurons.std(ddof=1) / np.sqrt(len(of_neurons))))


def test_the_ten_patterns_of_a_neuron_that_tell_most_tell_nothing_of_the_other_half(warehouse):
    query = (
        "from {} where {} is not null qualify row_number() over (partition by neuron order by {} desc, pattern) <= 10"
    )
    chosen = warehouse.sql(query.format("mined_patterns", "mined_g2", "mined_g2")).pl()
    assert chosen.height == 10 * NEURONS
    assert abs(far_from_chance(chosen)) < 3.5
    # chosen on all sentences, as before, the same noise seems to hold
    whole = warehouse.sql(query.format("neuron_patterns", "heldout_auroc", "g2")).pl()
    assert far_from_chance(whole) > 6


def test_nor_do_those_that_are_frequent(warehouse):
    rare = "pattern_text like 'atthethreshold%'"
    chosen = warehouse.sql(f"from mined_patterns where {rare}").pl()
    assert abs(far_from_chance(chosen)) < 3.5
    in_both = warehouse.sql(f"from mined_patterns where {rare} and support >= 0.01 * k").pl()
    assert far_from_chance(in_both) > 6  # so rows that are frequent in the first half alone have to be there


def test_patterns_of_the_whole_top_are_all_stored_whichever_half_they_are_in(warehouse):
    stored = warehouse.sql("from neuron_patterns").pl()
    frequent, chosen = pl.col("support") >= 0.01 * pl.col("k"), pl.col("mined_support") >= 0.01 * pl.col("mined_k")
    assert stored.filter(~(frequent | chosen)).is_empty()
    assert stored.filter(frequent != pl.col("q_value").is_not_null()).is_empty()
    assert stored.filter(chosen != pl.col("mined_q_value").is_not_null()).is_empty()
    assert stored.filter(~chosen, pl.col("heldout_auroc").is_not_null()).is_empty()
    assert stored.filter(frequent & ~chosen).height > 1000
    assert stored.filter(~frequent & chosen).height > 1000
