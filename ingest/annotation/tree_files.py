"""Job `annotations` from a file of bracketed trees, gold or parsed elsewhere: words, tags and trees as they are.

Reads the file and the sentences; writes annotations. Where the corpus does not exist, job `corpus` makes it first: one
sentence per tree, its leaves joined by blanks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from nwh.ingest.annotation.trees import Tree, clean, read_trees
from nwh.ingest.job import Task, run_once
from nwh.ingest.profiles.job import ingest_profiles
from nwh.ingest.text.corpus import corpus_text, stored_corpora, texts_by_block
from nwh.ingest.text.formats.lines import File, lines, uncompressed
from nwh.ingest.text.sentences import check_base, id_base, normalize
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.names import check_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

ANNOTATOR = "trees"
_ROWS = 5000  # written at a time
_PENN = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"'}
_ESCAPED = re.compile("|".join(map(re.escape, _PENN)))


def ingest_trees(
    warehouse: Warehouse, corpus: str, file: Path, *, again: bool = False, progress: Progress = SILENT
) -> Run | None:
    """Store the trees of a file as annotations of a corpus, making the corpus where it does not exist.

    Trees are cleaned (function tags, indices, empty elements) and matched with the corpus's sentences in order, white
    space and the spelling of brackets and quotation marks aside. Returns the run; null where this file's trees are
    stored already, unless `again`. Raises SourceError naming the line for malformed brackets, tree and sentence where
    they disagree, and for a file without trees or that cannot be read; UsageError for one that is not there.
    """
    check_name("corpus", corpus)
    if not file.is_file():
        raise UsageError(f"no file {file}: name a file of bracketed trees, such as wsj.mrg")
    stored = warehouse.sql("select settings ->> 'text_sha256' from corpora where corpus = $1", [corpus]).fetchall()
    if not stored:
        check_base("corpus", "sentence", corpus, stored_corpora(warehouse))
        _make_corpus(warehouse, corpus, file, progress)
    _, text_sha256 = corpus_text(warehouse, corpus)
    unit = {"corpus": corpus, "annotator": ANNOTATOR}
    digest = sha256(file.read_bytes()).hexdigest()
    settings = {**unit, "source": str(file), "source_sha256": digest, "text_sha256": text_sha256}

    def match(run: Run) -> None:
        matched = _matched(warehouse, corpus, file, _trees(file, run))
        with run.writer("annotations", unit) as writer, progress.bar(file.name, None, "trees") as bar:
            while block := list(islice(matched, _ROWS)):
                writer.write(_annotation_rows(block))
                bar.advance(len(block))

    run = run_once(warehouse, Task("annotations", unit, settings, match), again=again, progress=progress)
    ingest_profiles(warehouse, corpora=[corpus], progress=progress)
    return run


def _make_corpus(warehouse: Warehouse, corpus: str, file: Path, progress: Progress) -> None:
    unit = {"corpus": corpus}
    with warehouse.run("corpus", unit, {**unit, "source": str(file), "format": "trees"}, progress=progress) as run:
        digest, n, trees = sha256(), 0, _trees(file)
        with run.writer("sentences", unit) as sentences:
            while block := [tree for _, tree in islice(trees, _ROWS)]:
                rows = _sentence_rows(block, uncompressed(file).stem, id_base(corpus) + n, n)
                sentences.write(rows)
                digest.update("".join(f"{text}\n" for text in rows["text"]).encode())
                n += len(block)
        if not n:
            raise SourceError(f"{file} has no tree: a file of bracketed trees such as `( (S (NP (DT The) …` is needed")
        run.note(f"corpus {corpus} was made from the leaves of {n:,} trees")
        settings = json.dumps({**run.settings, "text_sha256": digest.hexdigest()})
        row = {"source": str(file), "n_documents": 1, "n_sentences": n, "settings": settings}
        run.write("corpora", unit, {name: [value] for name, value in row.items()})
        run.write("sentence_metadata", unit, {"sentence_id": [], "key": [], "value": []})


def _trees(file: Path, run: Run | None = None) -> Iterator[tuple[int, Tree]]:
    """Yield (line, cleaned tree) of a file; trees of nothing but empty elements are counted in a note of the run."""
    empty = 0
    for line, tree in read_trees((text for _, text in lines(File(file, file.name))), str(file)):
        if cleaned := clean(tree):
            yield line, cleaned
        else:
            empty += 1
    if empty and run:
        run.note(f"{empty:,} trees of {file.name} have no word but empty elements and were left out")


def _matched(
    warehouse: Warehouse, corpus: str, file: Path, trees: Iterator[tuple[int, Tree]]
) -> Iterator[tuple[int, str, Tree]]:
    """Yield (sentence_id, sentence, tree) of a corpus that exists; SourceError where they do not match."""
    texts = chain.from_iterable(texts_by_block(warehouse, corpus))
    for n, (text, found) in enumerate(zip_longest(texts, trees), 1):
        if text is None:
            raise SourceError(
                f"{file} has more trees than corpus {corpus} has sentences ({n - 1:,}): the tree of line {found[0]} "
                "has none. Give another --corpus to make one from the trees"
            )
        sentence_id = id_base(corpus) + n - 1
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


def _letters(text: str) -> str:
    """Return what must agree between a sentence and the leaves of its tree."""
    plain = _ESCAPED.sub(lambda found: _PENN[found[0]], text).replace("\\/", "/").replace("\\*", "*")
    return "".join(normalize("".join(plain.split())).split())


def _annotation_rows(block: list[tuple[int, str, Tree]]) -> dict[str, Any]:
    return {
        "sentence_id": [sentence_id for sentence_id, _, _ in block],
        "words": [tree.words for _, _, tree in block],
        "tags": [tree.tags for _, _, tree in block],
        "tree": [tree.to_bracketed() for _, _, tree in block],
        "tree_kind": ["constituency"] * len(block),
    }


def _sentence_rows(trees: list[Tree], doc_id: str, first_id: int, first: int) -> dict[str, Any]:
    return {
        "sentence_id": list(range(first_id, first_id + len(trees))),
        "doc_id": [doc_id] * len(trees),
        "position": list(range(first, first + len(trees))),
        "text": [" ".join(tree.words) for tree in trees],
        "n_words": [len(tree.words) for tree in trees],
    }
