"""What patterns are mined from: which corpora and annotator, how many top sentences, and whether all is there.

Every question is answered before any mining, so that wrong use is refused at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest.scope import Scope, read_scope
from nwh.ingest.stored import kept_sentences, site_sizes, source_run
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.progress import SILENT, Progress

KINDS = ("word", "tag", "tree")


@dataclass(frozen=True)
class PatternScope(Scope):
    """Whose patterns are mined, of which pole, and from whose annotations.

    kinds: those that were asked for, or that the annotator has. annotations: by corpus, the run that stored them.
    """

    pole: str
    annotator: str
    kinds: tuple[str, ...]
    annotations: dict[str, str | None]


def read_scopes(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    *,
    sites: Sequence[str] = (),
    corpora: Sequence[str] = (),
    pole: str = "top",
    kinds: Sequence[str] = (),
    annotator: str | None = None,
    progress: Progress = SILENT,
) -> list[PatternScope]:
    """Return a scope for each site; empty lists stand for all that there is.

    Raises UsageError for a site, corpus or annotator without what is needed, naming the command that makes it,
    and where several annotators could be meant.
    """

    def read(site: str) -> PatternScope:
        kept = kept_sentences(warehouse, model, checkpoint, site, pole, corpora)
        chosen, of_kinds = _annotator(warehouse, list(corpora) or sorted(kept), bool(corpora), kinds, annotator)
        if left := sorted(set(kept) - set(of_kinds)) if not corpora else []:
            progress.note(f"{', '.join(left)} left out of the scope: no annotations by {chosen}")
        has_trees = all(of_kinds.values())
        if not kinds and not has_trees:
            progress.note(f"no subtrees are mined: annotator {chosen} made no trees")
        scope = read_scope(warehouse, model, checkpoint, site, {corpus: kept[corpus] for corpus in sorted(of_kinds)})
        if len(set(scope.limits.values())) > 1:
            said = ", ".join(f"{corpus} {k:,}" for corpus, k in scope.limits.items())
            progress.note(f"sentences kept per neuron differ ({said}): the top {scope.k:,} are exact")
        units = {corpus: {"corpus": corpus, "annotator": chosen} for corpus in scope.corpora}
        return PatternScope(
            **vars(scope),
            pole=pole,
            annotator=chosen,
            kinds=tuple(kinds) or (KINDS if has_trees else KINDS[:2]),
            annotations={of: source_run(warehouse, "annotations", unit, site) for of, unit in units.items()},
        )

    sizes = site_sizes(warehouse, model, checkpoint, sites)
    return [read(site) for site in sites or sizes]


def _annotator(
    warehouse: Warehouse, corpora: list[str], all_needed: bool, kinds: Sequence[str], wanted: str | None
) -> tuple[str, dict[str, bool]]:
    """Return the annotator to use and, for each corpus that has it, whether it made trees there."""
    found: dict[str, dict[str, bool]] = {}
    for corpus, annotator, trees in warehouse.sql(
        "select corpus, annotator, count(tree_kind) > 0 from annotations where list_contains($1, corpus) "
        "group by corpus, annotator order by annotator, corpus",
        [corpora],
    ).fetchall():
        found.setdefault(annotator, {})[corpus] = trees
    made = "; ".join(f"{name}: {', '.join(of)}" for name, of in found.items())
    if wanted is not None:
        found = {name: of for name, of in found.items() if name == wanted}
    bare = [corpus for corpus in corpora if not any(corpus in of for of in found.values())]
    if bare and (all_needed or len(bare) == len(corpora)):
        by = f" by {wanted}" if wanted else ""
        raise UsageError(
            f"corpus {bare[0]!r} has no annotations{by} (there are {made or 'none'}): "
            f"`nwh ingest annotations --corpus {bare[0]}` makes them"
        )
    if all_needed:
        found = {name: of for name, of in found.items() if len(of) == len(corpora)}
    if "tree" in kinds:
        without = list(found)
        found = {name: of for name, of in found.items() if all(of.values())}
        if without and not found:
            raise UsageError(
                f"annotator {' and '.join(without)} made no trees of {', '.join(corpora)}: `nwh ingest annotations "
                f"--corpus {','.join(corpora)} --parser spacy` (or link-grammar, corenlp) makes them"
            )
    if len(found) != 1:
        what = "several annotators have annotated" if found else "no annotator has annotated all of"
        raise UsageError(
            f"{what} {', '.join(corpora)} ({made}): patterns of one scope need one annotator, name it with "
            "--annotator, or give the corpora it has annotated with --corpus"
        )
    return next(iter(found.items()))


def read_sentences(
    warehouse: Warehouse, scope: PatternScope, columns: Sequence[str]
) -> tuple[NDArray[np.int64], pa.Table]:
    """Return the ids, ascending, and columns of annotations of the scope's sentences that counted for the model.

    UsageError where one that counted has no annotation.
    """
    listed = "".join(f", annotations.{name}" for name in columns)
    table = warehouse.sql(
        f"select sentence_tokens.sentence_id, annotations.sentence_id is null as bare{listed} from sentence_tokens "
        "left join annotations on sentence_tokens.sentence_id = annotations.sentence_id "
        "and annotations.annotator = $annotator and list_contains($corpora, annotations.corpus) "
        "where model = $model and checkpoint = $checkpoint and list_contains($corpora, sentence_tokens.corpus) "
        "order by 1",
        {name: getattr(scope, name) for name in ("model", "checkpoint", "corpora", "annotator")},
    ).to_arrow_table()
    if bare := sum(table["bare"].to_pylist()):
        raise UsageError(
            f"{bare:,} sentences of {scope.name} have no annotation by {scope.annotator}: "
            f"`nwh ingest annotations --corpus {','.join(scope.corpora)}` again"
        )
    return table["sentence_id"].to_numpy(), table.drop_columns(["bare"])
