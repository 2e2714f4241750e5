"""Patterns without what others say already: one that a more telling pattern contains is folded below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from nwh.warehouse.queries.answers import Answer

_SAME = 0.8
_PART = re.compile(r"[()]|[^ ()]+")
Tree = tuple[str, tuple["Tree", ...]]
"""A label and the subtrees below it."""


def fold(patterns: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the patterns that no earlier one contains, in their order, each with those that it does as `contains`.

    patterns: rows with `pattern`, the most telling first and of equals the longest. kind: `word`, `tag` or `tree`.
    A sequence contains another whose items it has in that order, a subtree one that stands somewhere in it.
    """
    heads: list[dict[str, Any]] = []
    read: list[Any] = [_tree(row["pattern"]) if kind == "tree" else row["pattern"].split(" ") for row in patterns]
    within: Callable[[Any, Any], bool] = _within if kind == "tree" else _subsequence
    above: list[Any] = []
    for row, parts in zip(patterns, read, strict=True):
        holder = next((i for i, head in enumerate(above) if within(parts, head)), None)
        if holder is None:
            heads.append({**row, "contains": []})
            above.append(parts)
        else:
            heads[holder]["contains"].append(row["pattern"])
    return heads


def folded(answer: Answer, kind: str, limit: int) -> Answer:
    """Return the first `limit` rows of an answer that `fold` leaves, with a column `contains`."""
    rows = fold(answer.records, kind)[:limit]
    return Answer([*answer.columns, "contains"], [tuple(row.values()) for row in rows])


def told_apart(patterns: Sequence[dict[str, Any]], kind: str, texts: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Return the patterns that other sentences have than an earlier one, each with the `documents` of its sentences.

    patterns: as `fold` leaves them; one whose sentences are nearly those of an earlier one (four fifths of what either
    has are common) is added to that one's `contains`. texts: document and items, or tree (bracketed, null for none), of
    each sentence of the neuron's.
    """
    if kind == "tree":
        parsed = [tree and _tree(tree) for _, tree in texts]
        found = [
            {i for i, tree in enumerate(parsed) if tree and _within(_tree(row["pattern"]), tree)} for row in patterns
        ]
    else:
        items = [row["pattern"].split(" ") for row in patterns]
        found = [{i for i, (_, words) in enumerate(texts) if _subsequence(of, words)} for of in items]
    heads: list[dict[str, Any]] = []
    above: list[set[int]] = []
    for row, having in zip(patterns, found, strict=True):
        holder = next((i for i, own in enumerate(above) if len(own & having) >= _SAME * len(own | having)), None)
        if holder is None:
            heads.append({**row, "documents": len({texts[i][0] for i in having})})
            above.append(having)
        else:
            heads[holder]["contains"] += [row["pattern"], *row["contains"]]
    return heads


def _subsequence(items: Sequence[str], of: Sequence[str]) -> bool:
    rest = iter(of)
    return all(item in rest for item in items)


def _within(tree: Tree, of: Tree) -> bool:
    return _at_root(tree, of) or any(_within(tree, below) for below in of[1])


def _at_root(tree: Tree, of: Tree) -> bool:
    return tree[0] == of[0] and _in_order(tree[1], of[1])


def _in_order(children: Sequence[Tree], of: Sequence[Tree]) -> bool:
    """Return whether some of the trees `of` hold the children at their roots, one each, in their order."""
    rest = iter(of)
    return all(any(_at_root(child, other) for other in rest) for child in children)


def _tree(bracketed: str) -> Tree:
    """Return a stored subtree, `(NP (DT) (NN))`."""
    stack: list[list[Any]] = [["", []]]
    for part in _PART.findall(bracketed):
        if part == "(":
            stack.append(["", []])
        elif part == ")":
            label, below = stack.pop()
            stack[-1][1].append((label, tuple(below)))
        elif not stack[-1][0]:
            stack[-1][0] = part
        else:
            stack[-1][1].append((part, ()))  # a word below its tag
    root: Tree = stack[0][1][0]
    return root
