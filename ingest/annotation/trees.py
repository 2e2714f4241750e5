"""Penn-bracketed trees: read as a stream, cleaned, written.

`( (S (NP-SBJ-1 (DT The) (NN jury)) (VP (VBD met))))` is one tree; `NP-SBJ-1` is a label, `jury` a word.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nwh.warehouse.errors import SourceError

EMPTY = "-NONE-"  # Penn's label of an empty element (a trace), which is no word of the sentence
ROOT = "ROOT"  # stands for a root without label that has several children
# A no-break space (U+00A0) and its kin do not end a word: CoreNLP and treebanks write `3 1/2` as one with it.
_BLANKS = r" \t\r\n\f\v"
_TOKEN = re.compile(rf"[()]|[^{_BLANKS}()]+")
_HEADER = "*x*"  # begins each line of the notice at the top of a Penn Treebank file
_CUT = re.compile(r"(?<=[^-=])[-=].*")


@dataclass(frozen=True)
class Tree:
    """A tree in preorder: of each node its text, its depth (the root's is 0), whether the text is a word.

    A word is a child of the label over it; only labels have children.
    """

    text: tuple[str, ...]
    depth: tuple[int, ...]
    is_word: tuple[bool, ...]

    @property
    def words(self) -> list[str]:
        """The leaves, from left to right."""
        return [text for text, is_word in zip(self.text, self.is_word, strict=True) if is_word]

    @property
    def tags(self) -> list[str]:
        """The label directly over each word: its part of speech in a Penn tree."""
        labels: list[str] = []  # of the nodes on the way from the root
        tags = []
        for text, depth, is_word in zip(self.text, self.depth, self.is_word, strict=True):
            del labels[depth:]
            if is_word:
                tags.append(labels[-1])
            labels.append(text)
        return tags

    def to_bracketed(self) -> str:
        """Return the tree on one line, as `(NP (DT The) (NN jury))`."""
        out: list[str] = []
        n_open = 0
        for text, depth, is_word in zip(self.text, self.depth, self.is_word, strict=True):
            out.append(")" * (n_open - depth))
            out.append(" " if out[1:] else "")
            out.append(text if is_word else f"({text}")
            n_open = depth if is_word else depth + 1
        return "".join(out) + ")" * n_open


def read_trees(lines: Iterable[str], source: str) -> Iterator[tuple[int, Tree]]:
    """Yield (number of the line where it begins, from 1; tree) for each bracketed tree, one at a time.

    The root's label may be missing and is then "". Raises SourceError, naming `source` and the line, for
    brackets that do not match, a label missing inside a tree, words outside brackets, and a tree without a
    word. The notice at the top of a Penn Treebank file is passed over.
    """
    text: list[str] = []
    depth: list[int] = []
    is_word: list[bool] = []
    level = number = start = 0
    after_open = False

    def bad(what: str, line: int) -> SourceError:
        return SourceError(f"{source}, line {line}: {what}; correct the brackets there")

    for number, line in enumerate(lines, 1):
        if not level and line.startswith(_HEADER):
            continue
        for token in _TOKEN.findall(line):
            if token == "(":
                if after_open:
                    if level > 1:
                        raise bad("a bracket opens where a label should stand", number)
                    text.append("")
                    depth.append(0)
                    is_word.append(False)
                if not level:
                    start = number
                level += 1
                after_open = True
            elif token == ")":
                if not level:
                    raise bad("a bracket closes that was not opened", number)
                if after_open:
                    raise bad("empty brackets" if level > 1 else "an empty tree", number)
                level -= 1
                if not level:
                    if not any(is_word):
                        raise bad("an empty tree: it has no word", start)
                    yield start, Tree(tuple(text), tuple(depth), tuple(is_word))
                    text, depth, is_word = [], [], []
            elif not level:
                raise bad(f"{token!r} stands outside brackets", number)
            else:
                text.append(token)
                depth.append(level - 1 if after_open else level)
                is_word.append(not after_open)
                after_open = False
    if level:
        raise bad(f"the tree that begins here is not closed by the end of the file (line {number})", start)


def parse_tree(bracketed: str) -> Tree:
    """Return the one tree of a text such as `to_bracketed` writes; SourceError if it is not exactly one."""
    trees = [tree for _, tree in read_trees(bracketed.split("\n"), f"tree {bracketed[:60]!r}")]
    if len(trees) != 1:
        raise SourceError(f"{len(trees)} trees in {bracketed[:60]!r}: give one bracketed tree")
    return trees[0]


def clean(tree: Tree) -> Tree | None:
    """Return the tree without what is no phrase or word of the sentence; None if nothing remains.

    Function tags and indices are cut (`NP-SBJ-1` and `NP=2` become `NP`; `-LRB-` is a whole label), empty
    elements (`-NONE-`) and phrases left without a word are removed, and so is a root without label; one with
    several children is named ROOT.
    """
    nodes = list(zip(tree.text, tree.depth, tree.is_word, strict=True))
    kept: list[tuple[str, int, bool]] = []  # from right to left: a phrase is kept once something below it is
    below = -1  # depth of the node kept last
    for i in range(len(nodes) - 1, -1, -1):
        text, depth, is_word = nodes[i]
        if is_word and nodes[i - 1] == (EMPTY, depth - 1, False):
            continue
        if is_word or depth == below - 1:
            kept.append((text if is_word else label_of(text), depth, is_word))
            below = depth
    kept.reverse()
    if not kept:
        return None
    if kept[0][0] == "":
        if sum(depth == 1 for _, depth, _ in kept) > 1 or kept[1][2]:
            kept[0] = (ROOT, 0, False)
        else:
            kept = [(text, depth - 1, is_word) for text, depth, is_word in kept[1:]]
    texts, depths, are_words = zip(*kept, strict=True)
    return Tree(texts, depths, are_words)


def cleaned(bracketed: str) -> str | None:
    """Return a parser's tree, cleaned, on one line; None if it is none, or nothing remains of it."""
    try:
        tree = clean(parse_tree(bracketed))
    except SourceError:
        return None
    return tree.to_bracketed() if tree else None


def label_of(label: str) -> str:
    """Return a Penn label without function tags and indices.

    >>> label_of("NP-SBJ-1"), label_of("NP=2"), label_of("-LRB-"), label_of("PRP$")
    ('NP', 'NP', '-LRB-', 'PRP$')
    """
    return label if label.startswith("-") else _CUT.sub("", label)


def escape(word: str) -> str:
    """Return a word as a leaf of a bracketed tree: its brackets as Penn writes them, its blanks as `_`.

    >>> escape("("), escape(":)"), escape("cat")
    ('-LRB-', ':-RRB-', 'cat')
    """
    return re.sub(f"[{_BLANKS}]+", "_", word.replace("(", "-LRB-").replace(")", "-RRB-"))
