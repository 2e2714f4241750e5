"""Does the specific effect of a concept's neurons rise while the concept is learned? Two worlds, trained here.

    python -m tests.benchmarks.bench_formation [--world facts|questions] [--steps 1200]

`facts`: the demo's planted facts and its causal model, asked in words that it was not taught. `questions`: a GPT-NeoX
of 4 layers trained on the questions of NQ-open that have an answer of one word, each followed by that answer, and asked
these same questions, without the answer: those of answers that at least 4 questions have. Printed by checkpoint, with
95 % intervals over concepts: the probability of answers, their median rank, neurons per concept, and the specific
effect of setting these to zero (below 0: it takes what the concept alone needs); then, of the concepts learned, the
rank correlation over checkpoints of probability and effect, and what forms first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from nwh.ingest.demo.facts import fact_answers, fact_sentences, fact_words, write_prompts
from nwh.ingest.demo.run import TRAINED
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.series import for_each_checkpoint
from nwh.ingest.prompts.job import PromptSettings, ingest_prompts
from nwh.ingest.training.tiny_models import Recipe, train_tiny
from nwh.warehouse import Warehouse, output
from nwh.warehouse.progress import SILENT
from tests.benchmarks.corpora import data

DATASET = "asked"
CURVES = """
with figures as (
    select step, max(n_concepts) as concepts,
        max(mean) filter (where figure = 'probability') as probability,
        max(mean) filter (where figure = 'neurons per concept') as neurons,
        max(mean) filter (where figure = 'specific effect') as effect,
        max(low) filter (where figure = 'specific effect') as low,
        max(high) filter (where figure = 'specific effect') as high
    from training_curves where coalesce(operation, 'zero') = 'zero' group by step
)
select step, concepts, round(probability, 3) as probability, median_rank, round(neurons, 1) as neurons,
    round(effect, 1) as specific_effect, round(low, 1) as low, round(high, 1) as high
from figures inner join (select step, median(median_rank) as median_rank from concept_scores group by step) using (step)
order by step
"""
TOGETHER = """
select n_concepts as learned, n_matter, round(correlation, 2) as correlation, round(low, 2) as low,
    round(high, 2) as high, median_lead, round(share_before, 2) as neurons_first, round(share_together, 2) as together,
    round(share_after, 2) as known_first
from formation_distribution where operation = 'zero'
"""


def facts(warehouse: Warehouse, folder: Path) -> Path:
    """Store the demo's held-out prompts, train the demo's causal model on its facts; return its folder."""
    write_prompts(folder / "facts.jsonl", "clm")
    ingest_prompts(warehouse, str(folder / "facts.jsonl"), DATASET)
    _, recipe = TRAINED["facts-clm"]
    train_tiny(folder / "model", list(fact_sentences()), recipe, words=fact_words(), answers=fact_answers())
    return folder / "model"


def questions(warehouse: Warehouse, folder: Path, steps: int) -> Path:
    """Store NQ-open's questions that an answer of one word has, train on them with it; return the model's folder."""
    source = data() / "prompts" / "nq_open.jsonl"
    ingest_prompts(warehouse, str(source), DATASET, PromptSettings(paraphrases=0))
    rows = warehouse.sql("select text, answer, concept from prompts").fetchall()
    kept = (0, *(round(steps * share) for share in (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1)))
    recipe = Recipe("gpt-neox", max_tokens=40, steps=steps, learning_rate=2e-3, checkpoints=kept)
    answers = sorted({answer for _, answer, _ in rows if answer.isalpha()})  # numbers are several tokens, all scored
    train_tiny(folder / "model", [f"{text} {answer}" for text, answer, _ in rows], recipe, words=answers)
    return folder / "model"


def main() -> None:
    """Train, attribute and change at each checkpoint, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=["facts", "questions"], default="questions")
    parser.add_argument("--steps", type=int, default=1200, help="of training on questions")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, warehouse = Path(place), Warehouse.create(Path(place) / "warehouse")
        model = facts(warehouse, folder) if args.world == "facts" else questions(warehouse, folder, args.steps)

        def attribute_and_change(loaded: LoadedModel) -> None:
            ingest_attributions(warehouse, loaded, DATASET, AttributionSettings(answer="all"))
            ingest_interventions(warehouse, loaded, DATASET, InterventionSettings(("zero",), negatives=10))

        for_each_checkpoint(attribute_and_change, str(model), ["all"], SILENT, head=True, device="cpu")
        for query in (CURVES, TOGETHER):
            output.write(warehouse.connection.execute(query), output.Format.table, sys.stdout.buffer)


if __name__ == "__main__":
    main()
