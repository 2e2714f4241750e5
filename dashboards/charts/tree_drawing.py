"""Subtrees as drawings: nested lists whose lines the style sheet draws, so that they take the page's colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_PART = re.compile(r"[()]|[^ \t\r\n\f\v()]+")  # as `ingest.mining.trees` splits: U+00A0 stays in a word
_DEEPEST = 40

Node = tuple[str, list["Node"]]
"""A label and the nodes below it."""


def draw(bracketed: str) -> str:
    """Return a tree such as `(NP (DT) (NN))` as HTML, its labels as text; what is no tree, as it stands."""
    tree = parse(bracketed)
    return f'<ul class="nwh-tree">{_node(tree)}</ul>' if tree else f"<code>{escape(bracketed)}</code>"


def draw_all(trees: Iterable[tuple[str, str]]) -> str:
    """Return drawings of (bracketed text, caption) as HTML, one after another."""
    figures = "".join(
        f"<figure>{draw(tree)}<figcaption>{escape(caption)}</figcaption></figure>" for tree, caption in trees
    )
    return f'<div class="nwh-trees">{figures}</div>'


def parse(bracketed: str) -> Node | None:
    """Return the tree of a bracketed text; null where it is not one tree, or deeper than anyone could look at."""
    roots: list[Node] = []
    above: list[Node] = []
    labelled = True
    for part in _PART.findall(bracketed):
        if part == "(":
            node: Node = ("", [])
            (above[-1][1] if above else roots).append(node)
            above.append(node)
            labelled = False
        elif part == ")":
            if not above:
                return None
            above.pop()
            labelled = True
        elif labelled:
            if not above:
                return None
            above[-1][1].append((part, []))  # a word below its tag
        else:
            labelled = True
            parent = above[-2][1] if len(above) > 1 else roots
            parent[-1] = above[-1] = (part, above[-1][1])
        if len(above) > _DEEPEST:
            return None
    return roots[0] if len(roots) == 1 and not above else None


def _node(node: Node) -> str:
    label, below = node
    children = "".join(map(_node, below))
    return f"<li><span>{escape(label)}</span>{f'<ul>{children}</ul>' if children else ''}</li>"
