"""Job `annotations` from a file of bracketed trees, gold or parsed elsewhere: words, tags and trees as they are.

Reads the file, and the sentences where the corpus exists; writes annotations, and corpora and sentences where it
does not: one sentence per tree, its leaves joined by blanks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from nwh.ingest.corpus import stored_corpora
from nwh.ingest.formats.lines import File, lines, uncompressed
from nwh.ingest.mining.trees import Tree, clean, read_trees
from nwh.ingest.profiles.job import ingest_profiles
from nwh.ingest.sentences import check_base, corpus_base, normalize
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.names import check_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.runs import Run

ANNOTATOR = "trees"
_ROWS = 5000  # written at a time
_PENN = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"'}
_ESCAPED = re.compile("|".join(map(re.escape, _PENN)))


def ingest_trees(warehouse: Warehouse, corpus: str, file: Path, *, progress: Progress = SILENT) -> Run:
    """Store the trees of a file as annotations of a corpus, making the corpus where it does not exist.

    Trees are cleaned (function tags, indices, empty elements) and matched with the corpus's sentences in order,
    white space and the spelling of brackets and quotation marks aside. Raises SourceError naming the line for
    malformed brackets, tree and sentence where they disagree, and for a file without trees or that cannot be
    read; UsageError for one that is not there.
    """
    check_name("corpus", corpus)
    if not file.is_file():
        raise UsageError(f"no file {file}: name a file of bracketed trees, such as wsj.mrg")
    stored = warehouse.sql("select settings ->> 'text_sha256' from corpora where corpus = $1", [corpus]).fetchall()
    if not stored:
        check_base("corpus", "sentence", corpus, stored_corpora(warehouse))
    unit = {"corpus": corpus, "annotator": ANNOTATOR}
    settings = {**unit, "source": str(file), "text_sha256": stored[0][0] if stored else None}
    with warehouse.run("annotations", unit, settings, progress=progress) as run:
        trees = _trees(file, run)
        rows = _matched(warehouse, corpus, file, trees) if stored else _made(corpus, trees)
        _write(run, unit, rows, file, makes_corpus=not stored, progress=progress)
    ingest_profiles(warehouse, corpora=[corpus], progress=progress)
    return run


def _trees(file: Path, run: Run) -> Iterator[tuple[int, Tree]]:
    """Yield (line, cleaned tree) of a file; trees of nothing but empty elements are counted in a note."""
    empty = 0
    for line, tree in read_trees((text for _, text in lines(File(file, file.name))), str(file)):
        if cleaned := clean(tree):
            yield line, cleaned
        else:
            empty += 1
    if empty:
        run.note(f"{empty:,} trees of {file.name} have no word but empty elements and were left out")


def _made(corpus: str, trees: Iterator[tuple[int, Tree]]) -> Iterator[tuple[int, str, Tree]]:
    """Yield (sentence_id, sentence, tree) of a corpus made from the trees."""
    for i, (_, tree) in enumerate(trees):
        yield corpus_base(corpus) + i, " ".join(tree.words), tree


def _matched(
    warehouse: Warehouse, corpus: str, file: Path, trees: Iterator[tuple[int, Tree]]
) -> Iterator[tuple[int, str, Tree]]:
    """Yield (sentence_id, sentence, tree) of a corpus that exists; SourceError where they do not match."""
    sentences = _sentences(warehouse, corpus)
    for n, (sentence, found) in enumerate(zip_longest(sentences, trees), 1):
        if sentence is None:
            raise SourceError(
                f"{file} has more trees than corpus {corpus} has sentences ({n - 1:,}): the tree of line {found[0]} "
                "has none. Give another --corpus to make one from the trees"
            )
        sentence_id, text = sentence
        if found is None:
            raise SourceError(
                f"{file} has {n - 1:,} trees, corpus {corpus} more sentences: sentence {sentence_id} ({text!r}) has "
                "none. Give another --corpus to make one from the trees"
            )
        line, tree = found
        leaves = " ".join(tree.words)
        if _letters(leaves) != _letters(text):
            raise SourceError(
                f"{file}, line {line}: the leaves of the tree ({leaves!r}) are not sentence {sentence_id} of corpus "
                f"{corpus} ({text!r}): trees and sentences must be in the same order, one each"
            )
        yield sentence_id, text, tree


def _sentences(warehouse: Warehouse, corpus: str) -> Iterator[tuple[int, str]]:
    with warehouse.cursor() as cursor:
        cursor.execute("select sentence_id, text from sentences where corpus = $1 order by 1", [corpus])
        while rows := cursor.fetchmany(_ROWS):
            yield from rows


def _letters(text: str) -> str:
    """Return what must agree between a sentence and the leaves of its tree."""
    plain = _ESCAPED.sub(lambda found: _PENN[found[0]], text).replace("\\/", "/").replace("\\*", "*")
    return "".join(normalize("".join(plain.split())).split())


def _write(
    run: Run,
    unit: dict[str, str],
    rows: Iterator[tuple[int, str, Tree]],
    file: Path,
    *,
    makes_corpus: bool,
    progress: Progress,
) -> None:
    of_corpus = {"corpus": unit["corpus"]}
    digest, n = sha256(), 0
    with ExitStack() as stack:
        annotations = stack.enter_context(run.writer("annotations", unit))
        sentences = stack.enter_context(run.writer("sentences", of_corpus)) if makes_corpus else None
        bar = stack.enter_context(progress.bar(file.name, None, "trees"))
        while block := list(islice(rows, _ROWS)):
            annotations.write(_annotation_rows(block))
            if sentences:
                sentences.write(_sentence_rows(block, uncompressed(file).stem, n))
                for _, text, _ in block:
                    digest.update(f"{text}\n".encode())
            n += len(block)
            bar.advance(len(block))
        if not n:
            raise SourceError(f"{file} has no tree: a file of bracketed trees such as `( (S (NP (DT The) …` is needed")
    if makes_corpus:
        run.settings["text_sha256"] = digest.hexdigest()
        run.note(f"corpus {unit['corpus']} was made from the leaves of {n:,} trees")
        corpus = {"source": str(file), "n_documents": 1, "n_sentences": n, "settings": json.dumps(run.settings)}
        run.write("corpora", of_corpus, {name: [value] for name, value in corpus.items()})


def _annotation_rows(block: list[tuple[int, str, Tree]]) -> dict[str, Any]:
    return {
        "sentence_id": [sentence_id for sentence_id, _, _ in block],
        "words": [tree.words for _, _, tree in block],
        "tags": [tree.tags for _, _, tree in block],
        "tree": [tree.to_bracketed() for _, _, tree in block],
        "tree_kind": ["constituency"] * len(block),
    }


def _sentence_rows(block: list[tuple[int, str, Tree]], doc_id: str, first: int) -> dict[str, Any]:
    return {
        "sentence_id": [sentence_id for sentence_id, _, _ in block],
        "doc_id": [doc_id] * len(block),
        "position": list(range(first, first + len(block))),
        "text": [text for _, text, _ in block],
        "n_words": [len(tree.words) for _, _, tree in block],
    }
