"""Words and tags of corpora at hand: what each sentence has of them, read once and kept as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nwh.warehouse.kept import files, kept
from nwh.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from nwh.warehouse.neurons import Neuron

_OF_CORPUS = "corpus = $corpus and annotator = $annotator"
_MOST_SENTENCES = 1_000_000
"""Of a corpus whose words are kept; those of as many take about 100 MB."""


@dataclass(frozen=True)
class Kind:
    """Words or tags: the views that count them, over the corpus, by sentence and over a neuron's sentences.

    question: the view that compares the last with the first; QUESTION_against does so for tables with their columns.
    key: columns that tell two of them apart. of_sentence: how often a sentence has one. amount: its sum over a
    neuron's sentences. tested: whether each is compared with the corpus, so that poles whose sentences all tie have
    none; else they are the parts of a whole, and those that a neuron's sentences lack count too.
    """

    question: str
    corpus_view: str
    sentence_view: str
    neuron_view: str
    key: tuple[str, ...]
    of_sentence: str
    amount: str
    tested: bool

    def source(self, tables: Mapping[str, pa.Table]) -> str:
        """Return what a query selects from for the rows of `question`: of tables at hand (`of_neuron`) if any."""
        if not tables:
            return self.question
        return f"{self.question}_against('{self.neuron_view}_at_hand', '{self.corpus_view}_at_hand')"


WORDS = Kind("neuron_words", "corpus_words", "sentence_words", "word_supports", ("class", "word"), "1", "support", True)
TAGS = Kind("neuron_tag_distribution", "corpus_tags", "sentence_tags", "neuron_tags", ("tag",), "words", "words", False)


@dataclass(frozen=True)
class Counted:
    """What the S sentences of a corpus have, n in all.

    rows: those of the corpus's view. sentence_ids: [S], ascending. starts: [S + 1], where each sentence's begin.
    codes: [n], places in `rows`. amounts: [n], how often the sentence has it.
    """

    rows: pa.Table
    sentence_ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    codes: NDArray[np.int32]
    amounts: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        arrays = (self.rows, self.sentence_ids, self.starts, self.codes, self.amounts)
        return sum(int(each.nbytes) for each in arrays)

    def totals(self, sentence_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often some sentences have each of `rows`, together."""
        import numpy as np

        places = np.flatnonzero(np.isin(self.sentence_ids, sentence_ids, assume_unique=True))
        lengths = self.starts[places + 1] - self.starts[places]
        first = np.repeat(self.starts[places] - np.cumsum(lengths) + lengths, lengths)
        own = first + np.arange(len(first))
        totals = np.bincount(self.codes[own], self.amounts[own], self.rows.num_rows)
        return totals.astype(np.int64)


def counted(warehouse: Warehouse, kind: Kind, unit: dict[str, str]) -> Counted | None:
    """Return what a corpus's sentences have; null where these are too many to keep.

    unit: model, checkpoint (whose sentences count), corpus and annotator.
    """
    read = (uri for relation in ("annotations", "sentence_tokens") for uri in files(warehouse, relation, unit))
    return kept((kind.corpus_view, *unit.values(), *read), partial(_read, warehouse, kind, unit))


def _read(warehouse: Warehouse, kind: Kind, unit: dict[str, str]) -> Counted | None:
    import numpy as np
    import pyarrow as pa

    where = " and ".join(f"{name} = ${name}" for name in unit)
    key = ", ".join(kind.key)
    of_corpus = {name: unit[name] for name in ("corpus", "annotator")}
    with warehouse.cursor() as cursor:
        n = cursor.sql(f"select count(*) from annotations where {_OF_CORPUS}", params=of_corpus).fetchall()[0][0]
        if n > _MOST_SENTENCES:
            return None
        rows = cursor.sql(
            f"select * from {kind.corpus_view} where {where} order by {key}", params=unit
        ).to_arrow_table()
        cursor.register("coded", rows.select(kind.key).append_column("code", pa.array(np.arange(rows.num_rows))))
        found = cursor.sql(
            f"select sentence_id, code::integer as code, {kind.of_sentence}::integer as amount "
            f"from {kind.sentence_view} inner join coded using ({key}) "
            f"where {_OF_CORPUS} order by sentence_id",
            params=of_corpus,
        ).fetchnumpy()
    sentence_ids, starts = np.unique(found["sentence_id"], return_index=True)
    return Counted(rows, sentence_ids, np.append(starts, len(found["code"])), found["code"], found["amount"])


def of_neuron(
    warehouse: Warehouse, kind: Kind, neuron: Neuron, corpora: Sequence[str], annotator: str, pole: str
) -> dict[str, pa.Table]:
    """Return a neuron's rows of `kind.neuron_view` and the rows of `kind.corpus_view` to compare them with.

    By the names of these views and `_at_hand`; empty where a corpus has too many sentences, so that the views are left.
    """
    import pyarrow as pa

    place = {"model": neuron.model, "checkpoint": neuron.checkpoint, "annotator": annotator}
    query = (
        "select corpus, sentence_id, activation from neuron_topk where model = $model and checkpoint = $checkpoint "
        "and site = $site and layer = $layer and neuron = $neuron and pole = $pole and list_contains($corpora, corpus)"
    )
    with warehouse.cursor() as cursor:
        params = {**neuron.params, "pole": pole, "corpora": list(corpora)}
        topk = cursor.sql(query, params=params).fetchnumpy()
    found = []
    for corpus in corpora:
        counts = counted(warehouse, kind, {**place, "corpus": corpus})
        if counts is None:
            return {}
        here = topk["corpus"] == corpus
        constant = {**neuron.params, "pole": pole, "corpus": corpus, "annotator": annotator}
        found.append(_of_corpus(kind, counts, topk["sentence_id"][here], topk["activation"][here], constant))
    views = (f"{kind.neuron_view}_at_hand", f"{kind.corpus_view}_at_hand")
    return {name: pa.concat_tables(tables) for name, tables in zip(views, zip(*found, strict=True), strict=True)}


def _of_corpus(
    kind: Kind,
    counts: Counted,
    sentence_ids: NDArray[np.int64],
    activations: NDArray[np.float32],
    constant: dict[str, Any],
) -> tuple[pa.Table, pa.Table]:
    import numpy as np
    import pyarrow as pa

    totals = counts.totals(sentence_ids)
    if kind.tested:
        constant = {**constant, "k": len(sentence_ids)}
        if not len(activations) or activations.max() == activations.min():
            totals[:] = 0
    places = np.flatnonzero(totals)
    rows = counts.rows.take(pa.array(places))
    columns = {name: pa.repeat(pa.scalar(value), len(places)) for name, value in constant.items()}
    columns |= {name: rows[name] for name in kind.key} | {kind.amount: pa.array(totals[places])}
    return pa.table(columns), rows if kind.tested else counts.rows
