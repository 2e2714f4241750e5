"""Study A's table 2 for one neuron: typical words, word and tag sequences, subtrees, parts of speech, length.

Queries for pages and `nwh show neuron`; each is filtered to the neuron. Words, parts of speech and length are per
corpus, sequences and subtrees per scope, as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, cast

from nwh.warehouse.neuron import Neuron
from nwh.warehouse.queries import closed_patterns
from nwh.warehouse.queries.answers import OF_CORPORA, OF_NEURON, Answer, ask
from nwh.warehouse.warehouse import Warehouse

CLASSES = ("noun", "verb", "adjective")
TITLES = {"word": "word sequences", "tag": "tag sequences", "tree": "subtrees"}
"""Kinds of patterns, and how their parts of the table begin."""
MOST_ROWS = 50
"""Rows of each part of the table that pages ask for."""
FOLDED = 6
"""Patterns asked for per pattern shown, for those that others contain to be folded."""


def mined_over(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> list[tuple[str, str]]:
    """Return the scopes within these corpora whose patterns are stored for the neuron, the widest first.

    Each with the annotator whose words, tags or trees were mined.
    """
    query = (
        f"select distinct scope, annotator, length(scope) from neuron_patterns where {OF_NEURON} "
        "and list_has_all($corpora, string_split(scope, '+')) order by 3 desc, 1, 2"
    )
    found = ask(warehouse, query, neuron, corpora)
    return [(str(scope), str(annotator)) for scope, annotator, _ in found.rows]


def annotator_of(warehouse: Warehouse, corpora: Sequence[str]) -> str | None:
    """Return the annotator of most of these corpora; null where none is annotated."""
    annotated = (unit for corpus in corpora for unit in warehouse.partitions("annotations", {"corpus": corpus}))
    names = sorted(unit["annotator"] for unit in annotated)
    return max(names, key=names.count) if names else None


def typical_words(
    warehouse: Warehouse,
    neuron: Neuron,
    corpora: Sequence[str],
    annotator: str,
    limit: int,
    *,
    pole: str = "top",
    min_support: float = 0.03,
    max_q: float = 0.05,
) -> Answer:
    """Return a neuron's typical words, `limit` of each class (CLASSES), those that tell most (highest G2) first.

    Typical: in at least `min_support` of the pole's sentences of a corpus and at least three of them, more often
    than elsewhere, with a q-value of at most `max_q`. Of forms that differ in case alone the most telling has the row,
    `also` names the others.
    """
    return ask(
        warehouse,
        f"with typical as (select * from neuron_words where {OF_CORPORA} and pole = $pole and annotator = $annotator "
        "and list_contains($classes, class) and support >= greatest(3, $min_support * k) and lift > 1 "
        "and q_value <= $max_q), "
        "forms as (select list(typical order by g2 desc, word) as of_word from typical "
        "group by class, corpus, lower(word)), "
        "best as (select unnest(of_word[1]), [form.word for form in of_word[2:]] as also from forms) "
        "select class, corpus, word, also, support, documents, support / k as share, "
        "corpus_support / n_sentences as corpus_share, support / corpus_support as recall, lift, g2, q_value, auroc, "
        "auroc_bound(auroc, sample_support, n_sampled - sample_support, -1.96) as auroc_low, "
        "auroc_bound(auroc, sample_support, n_sampled - sample_support, 1.96) as auroc_high from best "
        "qualify row_number() over (partition by class order by g2 desc, corpus, word) <= $limit "
        "order by g2 desc, corpus, word",
        neuron,
        corpora,
        annotator=annotator,
        classes=list(CLASSES),
        pole=pole,
        min_support=min_support,
        max_q=max_q,
        limit=limit,
    )


def patterns(
    warehouse: Warehouse,
    neuron: Neuron,
    scope: str,
    kind: str,
    limit: int,
    *,
    pole: str = "top",
    min_length: int = 2,
    min_lift: float = 1,
    max_q: float = 0.05,
) -> Answer:
    """Return a neuron's patterns of a kind (TITLES) over a scope, those that tell most (highest mined_g2) first.

    `min_lift` and `max_q` are of the first half too, so that the held-out shares are of sentences that chose nothing.
    """
    return ask(
        warehouse,
        "select pattern_text as pattern, support, support / k as share, "
        "corpus_support / n_sentences as corpus_share, support / corpus_support as recall, lift, mined_g2, "
        "mined_q_value, heldout_share, heldout_others_share, auroc, auroc_low, auroc_high "
        f"from mined_patterns where {OF_NEURON} and scope = $scope and kind = $kind and pole = $pole "
        "and length >= $min_length and mined_lift > $min_lift and mined_q_value <= $max_q "
        "order by mined_g2 desc, length desc, pattern limit $limit",
        **neuron.params,
        scope=scope,
        kind=kind,
        pole=pole,
        min_length=min_length,
        min_lift=min_lift,
        max_q=max_q,
        limit=limit,
    )


def texts_of_pole(
    warehouse: Warehouse, neuron: Neuron, scope: str, kind: str, annotator: str, *, pole: str = "top"
) -> Answer:
    """Return the document and the words, tags or tree of each of a neuron's sentences over a scope, as they are mined.

    Columns: document (CORPUS/DOC_ID) and items, the words or tags of words with a letter or digit, or tree.
    """
    of_words = {"word": "each[1]", "tag": "each[2]"}.get(kind)
    items = (
        "tree"
        if of_words is None
        else (f"[{of_words} for each in list_zip(words, tags) if regexp_matches(each[1], '[\\p{{L}}\\p{{N}}]')]")
    )
    query = (
        f"with ranked as (select corpus, sentence_id, row_number() over (order by if(pole = 'top', -activation, "
        f"activation), sentence_id) as place from neuron_topk where {OF_CORPORA} and pole = $pole), "
        f"mined as (select k from neuron_patterns where {OF_NEURON} and scope = $scope and kind = $kind "
        "and pole = $pole limit 1) "
        f"select corpus || '/' || doc_id as document, {items} as items from ranked "
        "inner join sentences using (corpus, sentence_id) inner join annotations using (corpus, sentence_id) "
        "where annotator = $annotator and place <= (select k from mined)"
    )
    return ask(warehouse, query, neuron, scope.split("+"), scope=scope, kind=kind, annotator=annotator, pole=pole)


def tag_distribution(
    warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], annotator: str, *, pole: str = "top"
) -> Answer:
    """Return the shares of the word classes (noun, verb …) among the words of a neuron's sentences, per corpus."""
    query = (
        "select corpus, class, sum(share) as share, sum(corpus_share) as corpus_share, "
        f"sum(share) / sum(corpus_share) as lift from neuron_tag_distribution "
        f"where {OF_CORPORA} and pole = $pole and annotator = $annotator "
        "group by corpus, class order by corpus, share desc, class"
    )
    return ask(warehouse, query, neuron, corpora, annotator=annotator, pole=pole)


def mean_length(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> Answer:
    """Return the mean length of a neuron's sentences beside the corpus's, one row per corpus and pole."""
    query = (
        "select corpus, pole, k, mean_tokens, corpus_mean_tokens, mean_words, corpus_mean_words from neuron_profiles "
        f"where {OF_CORPORA} order by corpus, pole desc"
    )
    return ask(warehouse, query, neuron, corpora)


def directly(warehouse: Warehouse, question: Callable[..., Any], *arguments: Any) -> Any:
    """Ask a question where nothing keeps or times answers."""
    return question(warehouse, *arguments)


def parts(
    warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], limit: int, asked: Callable[..., Any] = directly
) -> dict[str, Callable[[], Answer]]:
    """Return how to ask for each part of the table, `limit` rows of it; parts that nothing is stored for are left out.

    Of sequences and subtrees FOLDED times as many, for `closed_patterns.fold`.

    asked(warehouse, question, *arguments): how a page that keeps and times its answers asks.
    """
    mined = asked(warehouse, mined_over, neuron, corpora)[:1]
    annotator = mined[0][1] if mined else annotator_of(warehouse, corpora)
    found: dict[str, Callable[[], Answer]] = {}

    @cache
    def words_found() -> Answer:
        return cast(Answer, asked(warehouse, typical_words, neuron, corpora, annotator, limit))

    def of_class(name: str) -> Answer:
        return words_found().part("class", name)

    if annotator is not None:
        found |= {f"{name}s": partial(of_class, name) for name in CLASSES}
    for scope, _ in mined:
        for kind, title in TITLES.items():
            found[f"{title} ({scope})"] = partial(asked, warehouse, patterns, neuron, scope, kind, FOLDED * limit)
    if annotator is not None:
        found["parts of speech"] = partial(asked, warehouse, tag_distribution, neuron, corpora, annotator)
    return found


def tables(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str], limit: int) -> dict[str, Answer]:
    """Return the whole table, `limit` rows of each part, closed patterns alone, the mean length last."""
    found = {title: ask_for() for title, ask_for in parts(warehouse, neuron, corpora, limit).items()}
    for title, kind in {
        name: kind for name in found for kind, start in TITLES.items() if name.startswith(start)
    }.items():
        found[title] = closed_patterns.folded(found[title], kind, limit)
    return {**found, "mean length": mean_length(warehouse, neuron, corpora)}
