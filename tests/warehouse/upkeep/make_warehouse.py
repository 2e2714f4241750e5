"""Makes a small warehouse with every relation filled by its job, packed, with the rows of each relation and view.

For tests of later versions: `python -m tests.warehouse.upkeep.make_warehouse version-2` writes `version-2.tar.gz` and
`version-2.json` into `warehouses/` here. Models and text are made up; what they are does not matter to those tests.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.annotation.tree_files import ingest_trees
from nwh.ingest.comparison.clusters import ClusterSettings, ingest_clusters
from nwh.ingest.comparison.distances import ingest_distances
from nwh.ingest.comparison.matches import ingest_matches
from nwh.ingest.explanations.halves import ExplanationSettings
from nwh.ingest.explanations.job import ingest_explanations
from nwh.ingest.knowledge.ablations import AblationSettings, ingest_ablations
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.faithfulness import FaithfulnessSettings, ingest_faithfulness
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.knowledge.published_neurons import ingest_published_neurons
from nwh.ingest.knowledge.side_effects import SideEffectSettings, ingest_side_effects
from nwh.ingest.models import load
from nwh.ingest.patterns.job import ingest_patterns
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.prompts.counts import ingest_counts
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.ingest.weights.job import ingest_weights
from nwh.warehouse import Warehouse
from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.schema import RELATIONS
from nwh.warehouse.storage import runs
from tests.ingest.patterns.trees import write_trees
from tests.ingest.tiny_language_models import CITIES, COUNTRIES, save_masked

HERE = Path(__file__).parent / "warehouses"
MODEL, CHECKPOINTS, CORPUS, DATASET = "masked", ("step0", "step100"), "made", "cities"
TEMPLATES = ["[MASK] is the capital of {}", "the capital of {} is [MASK]", "we see [MASK] in {}", "old [MASK] in {}"]


def fill(warehouse: Warehouse, folder: Path) -> None:
    """Run every job; models and other files that they read go into `folder`."""
    trees = write_trees(folder / "made.mrg", 60)
    ingest_trees(warehouse, CORPUS, trees)  # makes the corpus, without metadata: its text again, with a document each
    texts = warehouse.sql("select text from sentences order by sentence_id").fetchall()
    random = Random(0)
    documents = [
        Document(f"d{i}", text, (("author", random.choice(["ann", "bob"])),)) for i, (text,) in enumerate(texts)
    ]
    ingest_corpus(warehouse, CORPUS, "made up", lambda: documents, again=True)
    ingest_trees(warehouse, CORPUS, trees)
    for seed, label in enumerate(CHECKPOINTS):
        save_masked(folder / MODEL / label, seed)
    models = [load(str(folder / MODEL), label, head=True, device="cpu") for label in CHECKPOINTS]
    for model in models:
        ingest_activations(warehouse, model, [CORPUS], Settings(k=10, sample=20))
    last = CHECKPOINTS[-1]
    ingest_patterns(warehouse, MODEL, last, Rules(0.5, max_length=2), sites=["hidden"])
    ingest_explanations(warehouse, MODEL, last, ExplanationSettings(3, 3), sites=["hidden"])
    ingest_clusters(warehouse, MODEL, last, ClusterSettings(k=(2, 3), groups=3), sites=["hidden"], device="cpu")
    ingest_matches(warehouse, *(f"{MODEL}@{label}" for label in CHECKPOINTS), sites=["hidden"])
    ingest_distances(warehouse, *models, [CORPUS])
    facts = zip(CITIES, COUNTRIES, strict=True)
    prompts = [
        {"text": text.format(country), "answer": city, "subject": country, "fact_id": city}
        for city, country in facts
        for text in TEMPLATES
    ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    ingest_prompts(warehouse, str(folder / "prompts.jsonl"), DATASET, PromptSettings(paraphrases=0))
    ingest_counts(warehouse, DATASET, [CORPUS])
    for model in models:
        ingest_attributions(warehouse, model, DATASET, AttributionSettings(("riemann", "gradient"), 4))
        ingest_interventions(warehouse, model, DATASET, InterventionSettings(negatives=2))
        ingest_ablations(warehouse, model, DATASET, AblationSettings(best=5, prompts=6))
        ingest_faithfulness(warehouse, model, DATASET, FaithfulnessSettings(prompts=4))
        ingest_side_effects(warehouse, model, DATASET, CORPUS, SideEffectSettings(sentences=5))
        ingest_weights(warehouse, model, CORPUS)
    (folder / "published.json").write_text(json.dumps({"paris": [[0, 1], [1, 2]], "rome": [[1, 3]]}))
    published = str(folder / "published.json")
    ingest_published_neurons(warehouse, published, model=MODEL, checkpoint=last, dataset="published")


def counts(warehouse: Warehouse) -> dict[str, int]:
    """Return relation or view -> rows."""
    names = [*RELATIONS, *(file.name for file in sql_files() if file.kind == "view")]
    return {name: warehouse.sql(f"select count(*) from {name}").fetchall()[0][0] for name in sorted(names)}


def make(name: str) -> None:
    """Write the warehouse and its counts."""
    runs._origin = dict  # on which machine is nobody's business
    with TemporaryDirectory() as folder:
        place = Path(folder) / "warehouse"
        warehouse = Warehouse.create(place)
        fill(warehouse, Path(folder))
        found = counts(warehouse)
        if empty := [relation for relation in RELATIONS if not found[relation]]:
            sys.exit(f"nothing in {', '.join(empty)}")
        with tarfile.open(HERE / f"{name}.tar.gz", "w:gz") as packed:
            packed.add(place, name, filter=_anonymous)
    (HERE / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what a warehouse makes anew, and who made the files."""
    if member.name.split("/")[1:2] in (["nwh.duckdb"], ["locks"], ["staging"], ["cache"]):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make(sys.argv[1])
