"""Random rows of prompts, scores, attributions and interventions, as the jobs would store them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import scipy.stats

from nwh.warehouse import Warehouse

LAYERS, WIDTH = 3, 5
STEPS = {
    "bert": {"step20": 20, "step0": 0, "step9": 9, "step100": 100, "main": None},
    "solo": {"main": None},
    "untrained": {"step0": 0, "step1": 1},
}
CONCEPTS = [f"c{i:02}" for i in range(26)]
HOOKS = {"hidden_hooks": None, "ffn_hooks": None}
CONCEPTS[6] = "<i>c06</i> **x** $y$"


class Rows:
    """Rows by (model, checkpoint, dataset). Prompt: dataset -> id -> concept."""

    def __init__(self, seed: int = 0) -> None:
        random = Random(seed)
        self.prompts: dict[str, dict[int, str]] = {"a": {}, "b": {}}
        for base, (dataset, concepts) in zip((100, 900), (("a", CONCEPTS), ("b", CONCEPTS[:7])), strict=True):
            ids = iter(range(base, base + 800))
            self.prompts[dataset] = {next(ids): c for c in concepts for _ in range(random.randint(1, 5))}
        self.frequency = {
            dataset: {c: random.choice([None, 1.5, 2.0, 3.25, 4.0, 4.5, 5.0, 6.0]) for c in sorted(set(of.values()))}
            for dataset, of in self.prompts.items()
        }
        counted = Random(seed + 1)
        self.counts = {d: {c: counted.randint(0, 9) for c in known} for d, known in self.frequency.items()}
        self.scores: dict[tuple[str, str, str], dict[int, tuple[float, int]]] = {}
        self.attributions: dict[tuple[str, str, str], list[tuple[int, str, int, int, float]]] = {}
        self.interventions: dict[tuple[str, str, str], dict[str, list[tuple]]] = {}
        for model, steps in STEPS.items():
            for checkpoint, step in steps.items():
                for dataset, of in self.prompts.items():
                    if (model, dataset) != ("solo", "b"):
                        self._unit(random, (model, checkpoint, dataset), step, of)

    def _unit(self, random: Random, unit: tuple[str, str, str], step: int | None, of: dict[int, str]) -> None:
        model, checkpoint, _ = unit
        # one concept did not run at one checkpoint, and a few prompts did not run anywhere
        ran = [i for i, c in of.items() if i % 17 and (checkpoint, c) != ("step9", "c03")]
        top = 40 if model == "untrained" else 25 if step in (0, None) else 14
        self.scores[unit] = {i: (random.random(), random.randint(1, top)) for i in ran}
        rows = []
        for prompt in ran:
            if model == "untrained" or random.random() < 0.1:
                continue  # no attribution at all
            usual = Random(f"{model}{of[prompt]}").sample(range(LAYERS * WIDTH), 6)
            values = {n: random.randint(0, 20) / 20 for n in usual[: 3 + (step or 0) // 9]}
            values |= {n: random.randint(-2, 12) / 20 for n in random.sample(range(LAYERS * WIDTH), 3)}
            if random.random() < 0.1:
                values = dict.fromkeys(values, 0.0)  # a prompt whose answer nothing contributes to
            floor = 0.05 * max(values.values())
            rows += [(prompt, of[prompt], *divmod(n, WIDTH), v) for n, v in values.items() if v >= floor]
        self.attributions[unit] = sorted(rows)
        self.interventions[unit] = {} if model == "untrained" else self._changes(random, of, ran)

    def _changes(self, random: Random, of: dict[int, str], ran: list[int]) -> dict[str, list[tuple]]:
        found = defaultdict(list)
        for operation in ("zero", "double"):
            for concept in sorted({of[i] for i in ran}):
                others = random.sample([i for i in ran if of[i] != concept], 3)
                for prompt in [i for i in ran if of[i] == concept] + others:
                    polarity = "positive" if of[prompt] == concept else "negative"
                    for arm in ("contributing", "random"):
                        before = 0.0 if concept == "c05" or random.random() < 0.1 else random.random()
                        ranks = random.randint(1, 6), random.randint(1, 6)
                        row = (concept, prompt, polarity, arm, 4, 0.2, 0.5, before, random.random(), *ranks)
                        found[operation].append(row)
        return found

    def write(self, folder: Path) -> Warehouse:
        """Write all rows through the runs of a new warehouse."""
        made = Warehouse.create(folder)
        with made.run("knowledge", {"model": "all"}, {}) as run:
            for dataset, of in self.prompts.items():
                names = ("prompt_id", "objective", "concept", "text", "answer", "fact_id", "paraphrase_of", "subject")
                rows = [(i, "mlm", c, f"<b>it</b> is **[MASK]** {i}", c, f"f{i}", None, None) for i, c in of.items()]
                run.write("prompts", {"dataset": dataset}, columns(names, rows))
                known = self.frequency[dataset]
                rows = [(c, list(of.values()).count(c), f, f and "given") for c, f in sorted(known.items())]
                names = ("concept", "n_prompts", "frequency", "frequency_source")
                run.write("concepts", {"dataset": dataset}, columns(names, rows))
                place = {"dataset": dataset, "corpus": "text"}
                run.write("concept_counts", place, columns(("concept", "n_sentences"), self.counts[dataset].items()))
            for model, steps in STEPS.items():
                for checkpoint, step in steps.items():
                    run.write("checkpoints", {"model": model, "checkpoint": checkpoint}, described(step))
            for unit, scores in self.scores.items():
                place = dict(zip(("model", "checkpoint", "dataset"), unit, strict=True))
                rows = [(i, *score) for i, score in scores.items()]
                run.write("prompt_scores", place, columns(("prompt_id", "probability", "rank"), rows))
                # of another rule, which nothing here is about, the same neurons the other way round
                decoys = [
                    (*row[:2], LAYERS - 1 - row[2], WIDTH - 1 - row[3], row[4]) for row in self.attributions[unit]
                ]
                by_rule = {"adaptive": self.attributions[unit], "relp": decoys}
                names = ("rule", "prompt_id", "layer", "evaluations", "max_attribution", "completeness_error")
                rows = [
                    (rule, i, 0, 5, max((row[4] for row in kept if row[0] == i), default=0.0), None)
                    for rule, kept in by_rule.items()
                    for i in scores
                ]
                run.write("attribution_quality", place, columns(names, rows))
                if rows := [(rule, *row) for rule, kept in by_rule.items() for row in kept]:
                    names = ("rule", "prompt_id", "concept", "layer", "neuron", "attribution")
                    run.write("attributions", place, columns(names, rows))
                for operation, rows in self.interventions[unit].items():
                    rows = [("adaptive", *row) for row in rows] + [("relp", *row[:-3], 0.5, 3, 4) for row in rows]
                    names = ("rule", "concept", "prompt_id", "polarity", "arm", "n_neurons", "t", "p")
                    names += ("p_before", "p_after", "rank_before", "rank_after")
                    run.write("interventions", {**place, "operation": operation}, columns(names, rows))
        return made


def columns(names, rows):
    """Return rows as name -> values."""
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def described(step):
    """Return the one row of a checkpoint."""
    values = {
        "series": "m",
        "seed": None,
        "step": step,
        "source": "here",
        "revision": None,
        "family": "bert",
        "objective": "mlm",
    }
    values |= {
        "n_layers": LAYERS,
        "d_model": 4,
        "d_ffn": WIDTH,
        "vocab_size": 50,
        "n_parameters": 9,
        "family_description": None,
    }
    return {name: [value] for name, value in {**values, **HOOKS, "weights_sha256": "0"}.items()}


def spearman(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return the rank correlation and its two-sided p-value: over all orders of up to 7, else from Student's t."""
    exact = scipy.stats.spearmanr(x, y)
    if len(x) > 7:
        return exact
    ranks, others = scipy.stats.rankdata(x), scipy.stats.rankdata(y) - (len(y) + 1) / 2
    orders = scipy.stats.permutation_test(
        [ranks],
        lambda ordered, axis: abs((ordered * others).sum(axis)),
        vectorized=True,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )
    return exact.statistic, orders.pvalue
