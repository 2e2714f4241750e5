"""Jobs that work in blocks, shared: by prompts, concepts, sentences or neurons; the rows are those of one run."""

from __future__ import annotations

import json
from random import Random

import pytest

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.annotation import job as annotation
from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.knowledge import attributions, interventions
from nwh.ingest.knowledge.attributions import AttributionSettings
from nwh.ingest.knowledge.interventions import InterventionSettings
from nwh.ingest.models import load
from nwh.ingest.patterns import job as patterns
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.shard import MERGE, Shard
from nwh.warehouse.storage.staged_blocks import StagedBlocks
from tests.conftest import copied
from tests.ingest.activations.test_bounded import Trivial
from tests.ingest.patterns.trees import write_trees
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, save_masked

TEMPLATES = ["[MASK] is the capital of {}", "the capital of {} is [MASK]", "we see [MASK] in {}", "old [MASK] in {}"]
N = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(str(save_masked(tmp_path_factory.mktemp("models") / "masked")), head=True, device="cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory, model):
    """Return the folder of a warehouse with what the jobs read, to be copied."""
    folder = tmp_path_factory.mktemp("stored")
    made = Warehouse.create(folder / "warehouse")
    ingest_trees(made, "one", write_trees(folder / "one.mrg", 60))
    ingest_activations(made, model, ["one"], Settings(("hidden",), k=10, sample=5))
    facts = zip(CITIES, COUNTRIES, strict=True)
    prompts = [{"text": text.format(country), "answer": city} for city, country in facts for text in TEMPLATES]
    lines = [json.dumps(prompt) + "\n" for prompt in prompts]
    (folder / "prompts.jsonl").write_text("".join(lines))
    for dataset in ("cities", "others"):
        ingest_prompts(made, str(folder / "prompts.jsonl"), dataset, PromptSettings(paraphrases=0))
    attributions.ingest_attributions(made, model, "cities", AttributionSettings(("riemann",), 4))
    return made.storage.uri


def annotate(warehouse, model, **how):
    return [annotation.ingest_annotations(warehouse, "one", Trivial("t", "t", None, None, "note"), processes=1, **how)]


def attribute(warehouse, model, **how):
    settings = AttributionSettings(("riemann", "gradient"), 4)
    return [attributions.ingest_attributions(warehouse, model, "others", settings, **how)]


def intervene(warehouse, model, **how):
    settings = InterventionSettings(("zero",), negatives=2, rules=("riemann",))
    return interventions.ingest_interventions(warehouse, model, "cities", settings, **how)


def mine(warehouse, model, **how):
    return patterns.ingest_patterns(
        warehouse, "masked", "main", Rules(0.5, max_length=2), kinds=["word"], annotator="trees", **how
    )


JOBS = {
    annotate: (annotation, 17, ["annotations"]),
    attribute: (attributions, 3, ["attributions", "attribution_quality", "prompt_scores"]),
    intervene: (interventions, 8, ["interventions"]),
    mine: (patterns, 5, ["neuron_patterns"]),
}


@pytest.mark.parametrize("ingest", JOBS, ids=lambda job: job.__name__)
def test_shards_make_the_rows_of_one_run(stored, model, tmp_path, monkeypatch, ingest):
    module, block, relations = JOBS[ingest]
    monkeypatch.setattr(module, "BLOCK", block)
    whole, shared = copied(stored, tmp_path / "whole"), copied(stored, tmp_path / "shared")
    saved, save = [], StagedBlocks.save

    def noted(self, name, batches, size):
        saved.append((self._run.shard, name))
        save(self, name, batches, size)

    monkeypatch.setattr(StagedBlocks, "save", noted)
    ingest(whole, model)
    names = {name for _, name in saved}
    assert len(names) >= N
    saved.clear()
    with pytest.raises(UsageError, match="no shard of"):
        ingest(Warehouse.open(shared.storage.uri), model, shard=MERGE)
    runs = []
    for i in Random(block).sample([1, 2, 2, 3], 4):  # one of them twice
        runs += [run for run in ingest(Warehouse.open(shared.storage.uri), model, shard=Shard(i, N)) if run is not None]
    assert len(runs) == 1
    assert sorted(name for _, name in saved) == sorted(names)  # each once
    assert {shard.n for shard, _ in saved} == {N}
    after = Warehouse.open(shared.storage.uri)
    for relation in relations:
        want = whole.sql(f"from {relation} order by all").pl()
        assert want.height > 0
        assert after.sql(f"from {relation} order by all").pl().equals(want), relation
    assert after.storage.staged_places() == []
    assert [run for run in ingest(after, model, shard=MERGE) if run is not None] == []
