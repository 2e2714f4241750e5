"""Patterns without what others say already: one that a more telling pattern contains is folded below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from nwh.warehouse.queries.answers import Answer

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
        else:
            stack[-1][0] = part
    root: Tree = stack[0][1][0]
    return root
