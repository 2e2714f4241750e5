"""Single neurons: what a few of them respond to (Oba et al. 2021, table 2), and which follow metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nwh.dashboards.report.exhibits import Content, Exhibit, Missing, Subject, only, section
from nwh.warehouse import queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.queries.shared_patterns import tables

_NEURONS, _ITEMS, _SENTENCES, _SELECTIVE = 4, 5, 5, 100
_LOOKED_AT = 3
"""Sentences asked for per sentence shown, since some have equal texts."""
_COLUMNS = ["neuron", "item", "corpus", "value", "share", "corpus_share", "lift", "q_value", "auroc", "recall"]


@section("What single neurons respond to")
def typical_neurons(subject: Subject) -> Content:
    """Yield table 2 and the strongest sentences of a few neurons of each site."""
    for extent in subject.extents:
        if chosen := _chosen(subject, extent):
            yield from (_shared_patterns(subject, extent, chosen), _strongest(subject, extent, chosen))


@section("Neurons that act like classifiers")
def selective_neurons(subject: Subject) -> Content:
    """Yield the neurons of each site that act like classifiers of metadata."""
    for extent in subject.extents:
        found = queries.report.selective_neurons(subject.warehouse, *subject.place(extent.site), _SELECTIVE)
        if not found.rows:
            yield Missing(f"No neuron of {subject.label} at {extent.site} follows metadata of the corpora.")
            continue
        yield Exhibit(
            f"selective-{extent.site}",
            f"Neurons at {extent.site} that follow metadata",
            "The commonest value of a metadata key among a neuron's top sentences, its share there (precision) and "
            "in the corpus, the share of the value's sentences that are there (recall), and the AUROC of its "
            "activation over sampled sentences of every kind, with its 95 % interval (Newcombe 2006); at most "
            f"{_SELECTIVE}, those whose interval begins highest, q at most 0.05 (view class_neurons; the "
            "classifier-like neurons of Oba et al. 2021).",
            found,
        )


def _chosen(subject: Subject, extent: Extent) -> list[Neuron]:
    """Return the neurons asked for, else one of each of a few layers: the most class-selective, or most lopsided."""
    if subject.neurons:
        return [neuron for neuron in subject.neurons if neuron.site == extent.site]
    place = subject.place(extent.site)
    found = queries.report.selective_by_layer(subject.warehouse, *place).rows
    found = found or queries.report.lopsided_by_layer(subject.warehouse, *place).rows
    n = min(_NEURONS, len(found))
    spread = [found[round(i * (len(found) - 1) / max(1, n - 1))] for i in range(n)]
    return [Neuron(*place, layer, neuron) for layer, neuron in spread]


def _shared_patterns(subject: Subject, extent: Extent, chosen: Sequence[Neuron]) -> Exhibit:
    """Return the neurons side by side, one line per part of the table; the file has a row per word, pattern …."""
    answers: list[Answer] = []
    rows: list[tuple[Any, ...]] = []
    lines: dict[str, list[str]] = {}
    for column, neuron in enumerate(chosen):
        parts = tables(subject.warehouse, neuron, extent.corpora, _ITEMS)
        metadata = queries.neurons.metadata(subject.warehouse, neuron, extent.corpora, _ITEMS, min_lift=1, max_q=0.05)
        answers += [*parts.values(), metadata]
        for item, found in {**parts, "metadata": metadata}.items():
            of_item = [(neuron.within, item, *_row(record)) for record in found.records]
            rows += of_item
            cells = lines.setdefault(item, [""] * len(chosen))
            cells[column] = "\n".join(_cell(row, len(extent.corpora) > 1) for row in of_item)
    choice = (
        "as asked for" if subject.neurons else "that are the most class-selective (else most lopsided) of a few layers"
    )
    return Exhibit(
        f"neurons-{extent.site}",
        f"What neurons at {extent.site} respond to",
        f"Neurons {choice}: typical words, sequences, subtrees and metadata of their top sentences, with the share of "
        "these sentences, the lift against the corpus and the AUROC of the activation as a detector of it, q at most "
        "0.05, the most telling (G2) first and without patterns that one above contains; parts of speech as shares of "
        "words; mean length in tokens beside the corpus's (Oba et al. 2021, table 2).",
        Answer(_COLUMNS, rows),
        shown=Answer(
            ["", *(neuron.within for neuron in chosen)],
            [(item, *of_neurons) for item, of_neurons in lines.items() if any(of_neurons)],
        ),
        of=answers,
    )


def _row(record: dict[str, Any]) -> tuple[Any, ...]:
    """Return a row of any part of table 2 in the columns that all parts share, from `corpus` on."""
    corpus = record.get("corpus")
    if "mean_tokens" in record:
        means = [record["mean_tokens"], record["corpus_mean_tokens"]]
        tokens, of_corpus = ("none" if mean is None else f"{mean:.1f}" for mean in means)
        return corpus, f"{record['pole']} {tokens}, corpus {of_corpus}", *[None] * 6
    if "key" in record:
        value = f"{record['key']} = {record['value']}"
    else:
        value = next(record[name] for name in ("word", "pattern", "class") if name in record)
    q_value = record.get("q_value", record.get("mined_q_value"))
    measured = [record.get(name) for name in ("auroc", "recall")]
    return corpus, value, record["share"], record["corpus_share"], record["lift"], q_value, *measured


def _cell(row: tuple[Any, ...], several_corpora: bool) -> str:
    _, _, corpus, value, share, _, lift, _, auroc, _ = row
    text = f"{value} ({corpus})" if corpus and several_corpora else value
    text += "" if share is None else f" {share:.1%}"
    text += "" if lift is None else f" \N{MULTIPLICATION SIGN}{lift:.3g}"
    return text if auroc is None else f"{text}, AUROC {auroc:.2f}"


def _strongest(subject: Subject, extent: Extent, chosen: Sequence[Neuron]) -> Exhibit:
    asked = (extent.corpora, "top", _LOOKED_AT * _SENTENCES)
    answers = [queries.neurons.sentences(subject.warehouse, neuron, *asked) for neuron in chosen]
    rows = [(neuron.within, *row) for neuron, of in zip(chosen, answers, strict=True) for row in of.rows]
    columns = ["neuron", *answers[0].columns]
    shown: list[tuple[Any, ...]] = []
    for neuron in chosen:
        texts = {row[-1]: row for row in reversed(rows) if row[0] == neuron.within}  # of equal texts the first
        shown += sorted(texts.values(), key=lambda row: row[1])[:_SENTENCES]
    of_corpora = ["corpus"] * (len(extent.corpora) > 1)
    return Exhibit(
        f"sentences-{extent.site}",
        f"Sentences that activate these neurons at {extent.site} most",
        f"The {_SENTENCES} sentences of highest activation of each neuron over {', '.join(extent.corpora)}, exact, "
        "equal texts once (macro top_sentences).",
        Answer(columns, rows),
        shown=only(Answer(columns, shown), "neuron", "rank", "activation", *of_corpora, "text"),
        of=answers,
    )
