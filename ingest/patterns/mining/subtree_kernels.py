"""Compiled loops of subtree mining: FREQT (Asai et al. 2002) and the counting of given subtrees.

A subtree is the preorder of its nodes' codes, `depth * n_labels + label`; without the last code it is a
subtree too, of which it is a rightmost extension. A subtree is held as its rightmost leaf occurrences: the
nodes where the last node of an occurrence lies. They are enough, since the ancestors of that node are the
rest of the rightmost branch.
"""

from typing import NamedTuple

import numpy as np

from nwh.ingest.compiling import compiled
from nwh.ingest.patterns.mining.supports import I32, I64, Rows, by_code, grown, is_frequent


class Nodes(NamedTuple):
    """The nodes of all trees: the arrays of `Forest`."""

    label: I32
    bounds: I64
    parent: I32
    first_child: I32
    next_sibling: I32


class Trees(NamedTuple):
    """Nodes of some trees, side by side. Links are places in these arrays, -1 for none.

    Per node: `label`, parent `up`, first child `down`, next sibling `right`, `tree`. Per tree: `gain`, what
    it adds to a packed support. `taken` (depths, nodes) is room for the extensions met: see `_count`.
    """

    label: I32
    up: I32
    down: I32
    right: I32
    tree: I32
    gain: I64
    taken: I32


@compiled(nogil=True)
def gather(nodes: Nodes, weight: I64, members: I64, max_size: int) -> Trees:
    """Return the trees `members` for subtrees of up to `max_size` nodes."""
    label, bounds, parent, first_child, next_sibling = nodes
    n = 0
    for s in members:
        n += bounds[s + 1] - bounds[s]
    label_at, tree = np.empty(n, np.int32), np.empty(n, np.int32)
    up, down, right = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    at = 0
    for i in range(len(members)):
        s, start = members[i], at
        for j in range(bounds[s], bounds[s + 1]):
            label_at[at] = label[j]
            up[at] = parent[j] + start if parent[j] >= 0 else -1
            down[at] = first_child[j] + start if first_child[j] >= 0 else -1
            right[at] = next_sibling[j] + start if next_sibling[j] >= 0 else -1
            tree[at] = i
            at += 1
    return Trees(label_at, up, down, right, tree, weight[members], np.zeros((max_size, n), np.int32))


@compiled(nogil=True)
def _nodes_by_label(trees: Trees, n_labels: int) -> tuple[I32, I32, I64]:
    """Return nodes grouped by label, in order, bounds of the groups, and packed supports of the labels."""
    nodes, bounds = by_code(trees.label, n_labels)
    support, seen_in = np.zeros(n_labels, np.int64), np.full(n_labels, -1, np.int32)
    for j in range(len(trees.label)):
        c, t = trees.label[j], trees.tree[j]
        if seen_in[c] != t:
            seen_in[c] = t
            support[c] += trees.gain[t]
    return nodes, bounds, support


@compiled(nogil=True)
def _count(
    trees: Trees,
    leaves: I32,
    depth: int,
    n_labels: int,
    mark: int,
    target: I32,
    support: I64,
    n_nodes: I32,
    seen_in: I32,
) -> None:
    """Add up supports and numbers of leaves of the extensions c with `target[c]` >= 0, at `target[c]`.

    `leaves` are the rightmost leaf occurrences of a subtree whose last node has depth `depth`. A node can
    extend several occurrences at one depth; `taken[d, node] == mark` says it was met, and then so were its
    later siblings.
    """
    for x in leaves:
        t, y = trees.tree[x], x
        z = trees.down[x]
        for d in range(depth + 1, 0, -1):
            while z >= 0 and trees.taken[d, z] != mark:
                trees.taken[d, z] = mark
                to = target[d * n_labels + trees.label[z]]
                if to >= 0:
                    n_nodes[to] += 1
                    if seen_in[to] != t:
                        seen_in[to] = t
                        support[to] += trees.gain[t]
                z = trees.right[z]
            z = trees.right[y]
            y = trees.up[y]


@compiled(nogil=True)
def _project(trees: Trees, leaves: I32, depth: int, n_labels: int, mark: int, slot: I32, into: I32) -> None:
    """Write the leaves of each extension c with `slot[c]` >= 0 to `into` from `slot[c]` on, which moves."""
    for x in leaves:
        y = x
        z = trees.down[x]
        for d in range(depth + 1, 0, -1):
            while z >= 0 and trees.taken[d, z] != mark:
                trees.taken[d, z] = mark
                c = d * n_labels + trees.label[z]
                if slot[c] >= 0:
                    into[slot[c]] = z
                    slot[c] += 1
                z = trees.right[z]
            z = trees.right[y]
            y = trees.up[y]


@compiled(nogil=True)
def mine_set(trees: Trees, n_labels: int, least: tuple[int, int], max_size: int) -> Rows:
    """Return the subtrees of the trees that are frequent: `least` are their `minimum_counts`."""
    n_codes = n_labels * max_size
    rows, supports, n_rows = np.empty((4096 + n_codes, 3), np.int32), np.empty(4096 + n_codes, np.int64), 0

    # per level (size of the subtrees less one): subtrees by their last code, their row, the bounds of their
    # leaves; and which of them is next
    prefix = np.empty((max_size, n_codes), np.int32)
    row_of = np.empty((max_size, n_codes), np.int32)
    start, stop = np.empty((max_size, n_codes), np.int32), np.empty((max_size, n_codes), np.int32)
    n_prefixes, following = np.zeros(max_size, np.int32), np.zeros(max_size, np.int32)
    by_label, bounds, support_of = _nodes_by_label(trees, n_labels)
    leaves = [by_label]  # per level; at most one per node and depth, mostly far fewer: grown on need
    for _ in range(1, max_size):
        leaves.append(np.empty(len(by_label), np.int32))
    target = np.full(n_codes, -1, np.int32)
    for c in range(n_labels):
        if is_frequent(support_of[c], least):
            rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = c, -1, 1
            supports[n_rows] = support_of[c]
            prefix[0, n_rows] = c
            row_of[0, n_rows] = n_rows
            start[0, n_rows], stop[0, n_rows] = bounds[c], bounds[c + 1]
            n_rows += 1
            for d in range(1, max_size):
                target[d * n_labels + c] = d * n_labels + c
    n_prefixes[0] = n_rows

    support, slot = np.empty(n_codes, np.int64), np.full(n_codes, -1, np.int32)
    n_nodes, seen_in = np.empty(n_codes, np.int32), np.empty(n_codes, np.int32)
    mark = 0
    level = 0 if max_size > 1 else -1
    while level >= 0:
        i = following[level]
        if i == n_prefixes[level]:
            level -= 1
            continue
        following[level] += 1
        here = leaves[level][start[level, i] : stop[level, i]]
        depth = prefix[level, i] // n_labels
        support[:] = 0
        n_nodes[:] = 0
        seen_in[:] = -1
        mark += 1
        _count(trees, here, depth, n_labels, mark, target, support, n_nodes, seen_in)
        if n_rows + n_codes > len(rows):
            rows, supports = grown(rows, supports, 2 * (n_rows + n_codes))
        deeper, found, size = level + 1, 0, 0
        for c in range(n_labels, (depth + 2) * n_labels):
            if is_frequent(support[c], least):
                rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = c, row_of[level, i], deeper + 1
                supports[n_rows] = support[c]
                prefix[deeper, found], row_of[deeper, found] = c, n_rows
                start[deeper, found] = size
                size += n_nodes[c]
                stop[deeper, found] = size
                found += 1
                n_rows += 1
        if found and deeper + 1 < max_size:
            if size > len(leaves[deeper]):
                leaves[deeper] = np.empty(size, np.int32)
            for f in range(found):
                slot[prefix[deeper, f]] = start[deeper, f]
            mark += 1
            _project(trees, here, depth, n_labels, mark, slot, leaves[deeper])
            for f in range(found):
                slot[prefix[deeper, f]] = -1
            n_prefixes[deeper], following[deeper] = found, 0
            level = deeper
    return rows[:n_rows].copy(), supports[:n_rows].copy()


@compiled(nogil=True)
def count_patterns(trees: Trees, n_labels: int, trie_code: I32, child_bounds: I64, max_size: int) -> I64:
    """Return the packed supports (P,) of all subtrees of a trie. `child_bounds` is that of `Patterns`."""
    total = np.zeros(len(trie_code), np.int64)
    n_codes = n_labels * max_size
    # per level: nodes of the trie, the bounds of their leaves; and which of them is next
    nodes = np.empty((max_size, n_codes), np.int32)
    start, stop = np.empty((max_size, n_codes), np.int32), np.empty((max_size, n_codes), np.int32)
    n_held, following = np.zeros(max_size, np.int32), np.zeros(max_size, np.int32)
    by_label, bounds, support_of = _nodes_by_label(trees, n_labels)
    leaves = [by_label]
    for _ in range(1, max_size):
        leaves.append(np.empty(len(by_label), np.int32))
    n_held[0] = child_bounds[1]
    for root in range(n_held[0]):
        c = trie_code[root]
        total[root] = support_of[c]
        nodes[0, root] = root
        start[0, root], stop[0, root] = bounds[c], bounds[c + 1]

    target, slot = np.full(n_codes, -1, np.int32), np.full(n_codes, -1, np.int32)
    support = np.empty(n_codes, np.int64)
    n_nodes, seen_in = np.empty(n_codes, np.int32), np.empty(n_codes, np.int32)
    mark = level = 0
    while level >= 0:
        i = following[level]
        if i == n_held[level]:
            level -= 1
            continue
        following[level] += 1
        node = nodes[level, i]
        low, high = child_bounds[node + 1], child_bounds[node + 2]
        here = leaves[level][start[level, i] : stop[level, i]]
        if low == high or len(here) == 0:
            continue
        depth = trie_code[node] // n_labels
        for child in range(low, high):
            target[trie_code[child]] = child - low
        n = high - low
        support[:n] = 0
        n_nodes[:n] = 0
        seen_in[:n] = -1
        mark += 1
        _count(trees, here, depth, n_labels, mark, target, support, n_nodes, seen_in)
        deeper, found, size = level + 1, 0, 0
        for child in range(low, high):
            target[trie_code[child]] = -1
            total[child] = support[child - low]
            if n_nodes[child - low] and child_bounds[child + 1] < child_bounds[child + 2]:
                slot[trie_code[child]] = start[deeper, found] = size
                nodes[deeper, found] = child
                size += n_nodes[child - low]
                stop[deeper, found] = size
                found += 1
        if found:
            if size > len(leaves[deeper]):
                leaves[deeper] = np.empty(size, np.int32)
            mark += 1
            _project(trees, here, depth, n_labels, mark, slot, leaves[deeper])
            for f in range(found):
                slot[trie_code[nodes[deeper, f]]] = -1
            n_held[deeper], following[deeper] = found, 0
            level = deeper
    return total
