"""The jobs: what each reads and writes, and the command that runs it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """Relations that a job reads and writes.

    A run may write nothing else. runs_model: whether it also writes the model's row of `checkpoints`, which belongs to
    no job. follows: whether jobs that it reads from end with it, so that its rows may go where theirs are replaced.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    runs_model: bool = False
    follows: bool = False


JOBS = {
    "corpus": Job((), ("corpora", "sentences", "sentence_metadata")),
    "annotations": Job(("sentences",), ("annotations",)),
    "activations": Job(
        ("sentences",), ("sentence_tokens", "neuron_topk", "neuron_stats", "activation_sample"), runs_model=True
    ),
    "profiles": Job(
        ("sentences", "sentence_metadata", "sentence_tokens", "neuron_topk", "activation_sample", "annotations"),
        (
            "neuron_profiles",
            "neuron_samples",
            "neuron_metadata",
            "neuron_words",
            "neuron_tag_distribution",
            "corpus_vocabulary",
        ),
        follows=True,
    ),
    "patterns": Job(("sentence_tokens", "neuron_topk", "activation_sample", "annotations"), ("neuron_patterns",)),
    "explanations": Job(
        ("sentences", "sentence_metadata", "sentence_tokens", "neuron_topk", "neuron_patterns"),
        ("explanations", "explanation_judgements"),
    ),
    "clusters": Job(("sentences", "neuron_topk", "activation_sample"), ("layer_clusters", "neuron_clusters")),
    "matches": Job(("activation_sample",), ("neuron_matches",)),
    "distances": Job(
        ("sentences", "sentence_metadata"),
        ("checkpoint_distances", "layer_distances", "neuron_distances"),
        runs_model=True,
    ),
    "fine-tune": Job(("sentences", "sentence_metadata"), (), runs_model=True),
    "prompts": Job((), ("prompts", "concepts")),
    "counts": Job(("prompts", "sentences"), ("concept_counts", "fact_counts")),
    "attributions": Job(("prompts",), ("prompt_scores", "attributions", "attribution_quality"), runs_model=True),
    "interventions": Job(("prompts", "attributions"), ("interventions",), runs_model=True),
    "ablations": Job(("prompts", "attributions"), ("ablations",), runs_model=True),
    "faithfulness": Job(("prompts", "attributions"), ("faithfulness",), runs_model=True),
    "side-effects": Job(("prompts", "attributions", "sentences"), ("side_effects",), runs_model=True),
    "weights": Job(("sentences",), ("neuron_weights",), runs_model=True),
    "published-neurons": Job((), ("published_neurons",)),
}
"""In the order in which they can run."""

SOURCES = ("corpus", "prompts")
"""Jobs whose rows everything else is made of: their new rows can say the same as the old ones."""

_CORPUS_OPTION = {"side-effects": "--neutral", "counts": "--count-in"}
"""Of jobs that do not call it `--corpus`."""


def corpora_of(unit: Mapping[str, str]) -> list[str]:
    """Return the corpora that a unit is about."""
    if "corpus" in unit:
        return [unit["corpus"]]
    return unit["scope"].split("+") if "scope" in unit else []


def exclude(one: str, unit: Mapping[str, str], other: str, other_unit: Mapping[str, str]) -> bool:
    """Return whether two runs must not go on at once: one makes the text or the prompts that the other reads."""
    for writer, written, reader, read in ((one, unit, other, other_unit), (other, other_unit, one, unit)):
        if writer not in SOURCES or reader not in JOBS or not set(JOBS[writer].writes) & set(JOBS[reader].reads):
            continue
        if writer == "corpus" and written["corpus"] in corpora_of(read):
            return True
        if writer == "prompts" and written["dataset"] == read.get("dataset"):
            return True
    return False


def command(job: str, settings: Mapping[str, Any], source_of: Callable[[str, str], str]) -> str:
    """Return the command that makes a unit anew.

    settings: those of the run that stored it. source_of: (model, checkpoint) -> where the model is loaded from.
    """
    unit = {name: value for name, value in settings.items() if isinstance(value, str)}
    words = ["nwh", "ingest", job]
    if JOBS[job].follows:
        return shlex.join(words)
    pairs = {"before": ("model_before", "checkpoint_before"), "after": ("model_after", "checkpoint_after")}
    if job == "matches":
        pairs = {"before": ("model", "checkpoint"), "after": ("other_model", "other_checkpoint")}
    if job in ("matches", "distances"):
        for option, (model, checkpoint) in pairs.items():
            name = unit[model] if job == "matches" else source_of(unit[model], unit[checkpoint])
            words += [f"--{option}", f"{name}@{unit[checkpoint]}"]
    elif "model" in unit:
        loads = JOBS[job].runs_model
        words += ["--model", source_of(unit["model"], unit["checkpoint"]) if loads else unit["model"]]
        words += ["--checkpoint", unit["checkpoint"]] if unit["checkpoint"] != "main" else []
    if corpora := corpora_of(unit):
        words += [_CORPUS_OPTION.get(job, "--corpus"), ",".join(corpora)]
    words += ["--rule", unit["rule"]] if job == "side-effects" else []
    sites = settings.get("sites") or [unit[name] for name in ("site",) if name in unit]
    words += ["--site", ",".join(sites)] if sites else []
    words += ["--rule", ",".join(settings["rules"])] if "rules" in settings else []
    words += ["--baseline", "replace"] if unit.get("baseline") == "replace" else []
    for option in ("dataset", "kind", "pole", "operation"):
        words += [f"--{option}", unit[option]] if option in unit else []
    for option in ("from", "from-json", "chat", "url", "judge", "as") if job == "explanations" else ():
        words += [f"--{option}", unit[option]] if option in unit else []
    if unit.get("annotator") == "trees":
        words += ["--trees", unit.get("source", "FILE")]
    return shlex.join(words)
