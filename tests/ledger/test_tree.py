"""The tree over a stored log gives what all the leaves give, while the log grows, and reads what is new only."""

import hashlib
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle
from ledger.store import tree
from ledger.store.tree import Tree
from ledger.store.writer import TILE

LEAVES = [hashlib.sha256(number.to_bytes(4)).digest() for number in range(70_000)]


class Stored:
    """The three statements of the tree, answered from a list."""

    def __init__(self) -> None:
        self.size = 0
        self.rows = 0

    def __call__(self, statement: str, values: Sequence[Any]) -> list[Any]:
        found = self._found(statement, values)
        self.rows += len(found)
        return found

    def _found(self, statement: str, values: Sequence[Any]) -> list[Any]:
        if "FROM entry" in statement:
            first, end = values
            return [(leaf,) for leaf in LEAVES[first : min(end, self.size)]]
        level, first, end = values if len(values) == 3 else (*values, values[1] + 1)
        span = TILE ** (level + 1)
        return [(b"".join(self._row(level, number)),) for number in range(first, min(end, self.size // span))]

    def _row(self, level: int, number: int) -> list[bytes]:
        first = number * TILE
        if level == 0:
            return LEAVES[first : first + TILE]
        return [merkle.root(self._row(level - 1, below)) for below in range(first, first + TILE)]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=5), st.data())
def test_roots_and_paths_are_those_of_all_the_leaves(growth: list[int], data: st.DataObject) -> None:
    stored = Stored()
    found, kept, tree.MAX_ROWS = Tree(stored), tree.MAX_ROWS, 2
    try:
        for more in growth:
            stored.size += more
            leaves, index = LEAVES[: stored.size], data.draw(st.integers(0, stored.size - 1))
            assert found.subtree(0, stored.size) == merkle.root(leaves)
            assert found.frontier(stored.size) == merkle.Frontier.of(leaves)
            path = merkle.inclusion_path(found.subtree, stored.size, index)
            assert path == merkle.inclusion_proof(leaves, index)
    finally:
        tree.MAX_ROWS = kept


def test_of_a_tree_that_grew_only_the_new_rows_are_read() -> None:
    stored = Stored()
    stored.size = 250 * TILE + 7
    found = Tree(stored)
    assert found.subtree(0, stored.size) == merkle.root(LEAVES[: stored.size])
    for _ in range(8):  # over the end of a row of rows
        before, stored.size = stored.rows, stored.size + TILE
        assert found.subtree(0, stored.size) == merkle.root(LEAVES[: stored.size])
        assert stored.rows - before <= 12


def test_a_log_that_lacks_entries_has_no_root_that_leads_anywhere() -> None:
    stored = Stored()
    stored.size = 300
    found = Tree(stored)
    assert found.subtree(0, 400) != merkle.root(LEAVES[:400])
    stored.size = 400  # found missing once, not for ever
    assert found.subtree(0, 400) == merkle.root(LEAVES[:400])
