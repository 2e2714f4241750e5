"""What was run: the model, its text, its prompts, and the runs with their settings and versions."""

from __future__ import annotations

from nwh.dashboards.report.exhibits import Exhibit, Missing, Section, Subject, only
from nwh.warehouse import queries

_CHECKPOINT = ("checkpoint", "step", "family", "objective", "n_layers", "d_model", "d_ffn", "n_parameters", "source")
_SHOWN = ("job", "unit", "k", "aggregate", "rows", "seconds", "dtype", "device", "nwh", "torch", "transformers")


def what_was_run(subject: Subject) -> Section:
    """Return tables of checkpoints, corpora, data sets and runs."""
    warehouse, model = subject.warehouse, subject.model
    checkpoints = queries.report.checkpoints(warehouse, model)
    corpora = queries.report.corpora(warehouse, model, subject.checkpoint)
    datasets = queries.report.datasets(warehouse, model)
    content: list[Exhibit | Missing] = [
        Exhibit(
            "checkpoints",
            f"Checkpoints of {model}",
            "Where each checkpoint is from and what it is made of; the file has its revision, vocabulary and a hash of "
            "its weights, by which the same ones are known (relation checkpoints).",
            checkpoints,
            shown=only(checkpoints, *_CHECKPOINT),
        ),
        Exhibit(
            "corpora",
            f"Text that {subject.label} read",
            "Sentences are those of the corpus; counted are those of at least 3 tokens, which figures are about "
            "(relation corpora, view corpus_sizes).",
            corpora,
        )
        if corpora.rows
        else subject.no_activations,
    ]
    if datasets.rows:
        about = "Prompts whose answer is a concept, and how many checkpoints were asked them (relation prompts)."
        content.append(Exhibit("datasets", f"Prompts that {model} answered", about, datasets))
    runs = queries.report.runs(warehouse, model)
    if runs.rows:
        about = (
            "The last run of each job on each unit: k sentences kept per neuron and pole, how tokens are aggregated to "
            "a sentence's activation, rows, seconds; the file has every setting and version (relation runs)."
        )
        content.append(Exhibit("runs", "Runs behind this report", about, runs, shown=only(runs, *_SHOWN)))
    return Section("What was run", content)
