"""Documents with their classes: what a classifier can learn from a corpus's metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError

_TRAIN_SHARE = 0.8
_PARTS = {"train": "train", "training": "train", "test": "test"}

_Found = tuple[list[int], list[str]]
"""A document's classes by index, and its values of the key that splits, lower case."""


@dataclass(frozen=True)
class DocumentClasses:
    """Which document has which classes, and what it is for.

    names: the classes, in order. train, test: doc_id -> classes by index, in the order of the corpus.
    several: whether a document has more than one. notes: what was left out.
    """

    names: list[str]
    train: dict[str, list[int]]
    test: dict[str, list[int]]
    several: bool
    notes: list[str]


def read_classes(
    warehouse: Warehouse, corpus: str, label: str, split: str | None, min_documents: int, seed: int
) -> DocumentClasses:
    """Return the values of metadata key `label` that at least `min_documents` documents have, and these documents.

    split: key whose values `train` (or `training`) and `test`, in any case, say what a document is for; where it is
    null, 80 % are drawn to train on. UsageError for an unknown key, fewer than two classes, or no document to train
    or to test on.
    """
    _check_keys(warehouse, corpus, {"--label": label, "--split": split})
    rows = warehouse.sql(
        "with chosen as (select sentence_id, key, value from sentence_metadata "
        "where corpus = $corpus and (key = $label or key = $split)) "
        "select doc_id, list(distinct value order by value) filter (where key = $label), "
        "list(distinct lower(value)) filter (where key = $split) "
        "from sentences left join chosen using (sentence_id) where corpus = $corpus "
        "group by doc_id order by min(sentence_id)",
        {"corpus": corpus, "label": label, "split": split},
    ).fetchall()
    counts = Counter(value for _, values, _ in rows for value in values or ())
    names = sorted(value for value, n in counts.items() if n >= min_documents)
    if len(names) < 2:
        raise UsageError(
            f"{len(names)} values of {label} in {corpus} have at least {min_documents:,} documents, and a classifier "
            "needs two: lower --min-documents, or name another key with --label"
        )
    place = {name: i for i, name in enumerate(names)}
    found: dict[str, _Found] = {
        doc_id: (indexes, splits or [])
        for doc_id, values, splits in rows
        if (indexes := [place[value] for value in values or () if value in place])
    }
    parts = _drawn(list(found), seed) if split is None else _stored(found)
    rare, unlabelled, unused = len(counts) - len(names), len(rows) - len(found), len(found) - len(parts)
    notes = {
        f"{rare:,} values of {label} have fewer than {min_documents:,} documents and are no classes": rare,
        f"{unlabelled:,} documents have none of the classes and were left out": unlabelled,
        f"{unused:,} documents are neither train nor test by {split} and were left out": unused,
    }
    documents: dict[str, dict[str, list[int]]] = {"train": {}, "test": {}}
    for doc_id, part in parts.items():
        documents[part][doc_id] = found[doc_id][0]
    for part, of_part in documents.items():
        if not of_part:
            values = ", ".join(sorted({value for _, splits in found.values() for value in splits}))
            why = f"{split} is {values or 'never given'}" if split else f"there are {len(found)} with a class"
            raise UsageError(f"{corpus} has no documents to {part} on: {why}; name another key with --split")
    several = any(len(found[doc_id][0]) > 1 for doc_id in parts)
    return DocumentClasses(names, **documents, several=several, notes=[note for note, n in notes.items() if n])


def _check_keys(warehouse: Warehouse, corpus: str, options: Mapping[str, str | None]) -> None:
    keys = warehouse.sql(
        "select distinct key from sentence_metadata where corpus = $1 order by key", [corpus]
    ).fetchall()
    for option, key in options.items():
        if key is not None and (key,) not in keys:
            known = ", ".join(name for (name,) in keys) or "none"
            raise UsageError(f"corpus {corpus} has no metadata key {key!r}: {option} can be one of {known}")


def _stored(documents: Mapping[str, _Found]) -> dict[str, str]:
    """Return doc_id -> train or test of the documents whose metadata say one of them and not both."""
    parts = {doc_id: {_PARTS[value] for value in found[1] if value in _PARTS} for doc_id, found in documents.items()}
    return {doc_id: part.pop() for doc_id, part in parts.items() if len(part) == 1}


def _drawn(doc_ids: Sequence[str], seed: int) -> dict[str, str]:
    """Return doc_id -> train for 80 % of the documents, test for the others."""
    order = np.random.default_rng(seed).permutation(len(doc_ids))
    train = set(order[: round(_TRAIN_SHARE * len(doc_ids))].tolist())
    return {doc_id: "train" if i in train else "test" for i, doc_id in enumerate(doc_ids)}
