"""Job `counts`: how often a corpus holds the concepts and the facts of a data set.

Reads prompts and sentences; writes concept_counts, fact_counts. The unit is (data set, corpus). A sentence holds a
word where it stands there whole, in any case; a term of several words where they follow each other, whatever signs or
blanks are between them. Words are runs of letters, marks and digits. A fact is stated where subject and answer stand
in one sentence, neither inside the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from nwh.ingest.job import Task, made_in_blocks, run_each
from nwh.ingest.prompts.stored import stored_prompts
from nwh.ingest.text.corpus import corpus_text
from nwh.ingest.text.sentences import id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.provenance import subjects_sha256
from nwh.warehouse.storage.runs import Run

BLOCK = 200_000  # sentences between two points where a run can be resumed
_WORDS = r"regexp_extract_all(lower(nfc_normalize({})), '[\p{{L}}\p{{M}}\p{{N}}]+')"
_NORMAL = f"' ' || array_to_string({_WORDS}, '  ') || ' '"  # a blank on both sides of each word
# What is looked for: terms, each with its first word; of signs alone there is no word to find.
_WANTED = {
    "concepts": f"select place, {_NORMAL.format('concept')} as term from said",
    "facts": f"""
select
    place, {_NORMAL.format("subject")} as subject_term, {_NORMAL.format("answer")} as answer_term,
    if(length(answer_term) < length(subject_term), answer_term, subject_term) as shorter,
    if(length(answer_term) < length(subject_term), subject_term, answer_term) as longer
from stated
""",
    "terms": """
select distinct term, string_split(trim(term), '  ')[1] as first_word
from (select term from concepts union all select unnest([subject_term, answer_term]) from facts)
where trim(term) <> ''
""",
}
# A sentence is looked through for the terms that begin with one of its words.
_COUNTS = f"""
with normal as (
    select sentence_id, {_NORMAL.format("text")} as text from sentences
    where corpus = $corpus and sentence_id between $first and $last
),

words as (select sentence_id, text, unnest(list_distinct(string_split(trim(text), '  '))) as word from normal),

hits as materialized (
    select words.sentence_id, words.text, terms.term from words inner join terms on words.word = terms.first_word
    where contains(words.text, terms.term)
)

select false as is_fact, concepts.place, count(*) as n
from hits inner join concepts using (term) group by concepts.place
union all
select true, facts.place, count(*)
from hits as of_subject
inner join facts on of_subject.term = facts.subject_term
inner join hits as of_answer on of_answer.sentence_id = of_subject.sentence_id and of_answer.term = facts.answer_term
where
    not contains(facts.longer, facts.shorter)
    or contains(replace(of_subject.text, facts.longer, '|'), facts.shorter)
group by facts.place
"""


def ingest_counts(
    warehouse: Warehouse, dataset: str, corpora: Sequence[str], *, again: bool = False, progress: Progress = SILENT
) -> list[Run]:
    """Count a data set's concepts and facts in each corpus; return the runs, without corpora that are counted already.

    Facts are counted where the prompts say their subject. An interrupted run goes on from its last block of sentences.
    UsageError, before any work: no such data set or corpus.
    """
    tasks = [_task(warehouse, dataset, corpus, progress) for corpus in corpora]
    return run_each(warehouse, tasks, again=again, progress=progress)


def _task(warehouse: Warehouse, dataset: str, corpus: str, progress: Progress) -> Task:
    rows, prompts_sha256 = stored_prompts(warehouse, dataset)
    concepts = sorted({row.concept for row in rows})
    facts = warehouse.sql(
        "select distinct fact_id, concept, subject, answer from prompts where dataset = $1 and subject is not null "
        "order by all",
        [dataset],
    ).fetchall()
    n_sentences, text_sha256 = corpus_text(warehouse, corpus)
    unit = {"dataset": dataset, "corpus": corpus}
    described = {
        **unit,
        "text_sha256": text_sha256,
        "prompts_sha256": prompts_sha256,
        "subjects_sha256": subjects_sha256(facts),
        "block": BLOCK,
    }

    def work(run: Run) -> None:
        found = _count(warehouse, run, concepts, facts, n_sentences, progress)
        run.write("concept_counts", unit, {"concept": concepts, "n_sentences": found[0]})
        names = ("fact_id", "concept", "subject", "answer")
        columns = dict(zip(names, zip(*facts, strict=True), strict=True)) if facts else dict.fromkeys(names, ())
        run.write("fact_counts", unit, {**columns, "n_sentences": found[1]})
        if not facts:
            run.note(f"no prompt of {dataset} says its subject: concepts are counted, and no facts")

    return Task("counts", unit, described, work)


def _count(
    warehouse: Warehouse,
    run: Run,
    concepts: Sequence[str],
    facts: Sequence[tuple[str, ...]],
    n_sentences: int,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sentences with each concept, and with each fact."""
    corpus, name = run.unit["corpus"], "{dataset} in {corpus}".format(**run.unit)
    first, text = id_base(corpus), pa.string()
    subjects, answers = (pa.array([fact[column] for fact in facts], text) for column in (2, 3))
    with warehouse.cursor() as cursor:
        cursor.register("said", pa.table({"place": np.arange(len(concepts)), "concept": pa.array(concepts, text)}))
        cursor.register("stated", pa.table({"place": np.arange(len(facts)), "subject": subjects, "answer": answers}))
        for table, query in _WANTED.items():
            cursor.register(table, cursor.sql(query).to_arrow_table())

        def counted(ids: Sequence[int]) -> pa.Table:
            asked = {"corpus": corpus, "first": ids[0], "last": ids[-1]}
            return cursor.sql(_COUNTS, params=asked).to_arrow_table()

        tables = made_in_blocks(run, range(first, first + n_sentences), BLOCK, counted, progress, name, "sentences")
        return _sums(tables, (len(concepts), len(facts)))


def _sums(tables: Iterable[pa.Table], sizes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over blocks by place, of concepts and of facts."""
    sums = np.zeros(sizes[0], np.int64), np.zeros(sizes[1], np.int64)
    for table in tables:
        is_fact, place, n = (table[name].to_numpy() for name in ("is_fact", "place", "n"))
        for kind in (False, True):
            sums[kind][place[is_fact == kind]] += n[is_fact == kind]
    return sums
