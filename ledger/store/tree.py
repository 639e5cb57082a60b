"""The Merkle tree over the stored log, read row by row: 256 hashes of one level (C2SP tlog-tiles) and their subtrees.

A full row is stored as a tile. What is in a row never changes, it only grows at the right edge of the tree, so rows are
kept at hand and what came after is read when it is asked for.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ledger import merkle
from ledger.store.writer import TILE, split_hashes

_HEIGHT = TILE.bit_length() - 1
MAX_ROWS, MAX_ROOTS = 64, 50_000
"""How many rows of leaves, as many above them, and roots that somebody asked for are kept at hand."""

Levels = list[list[bytes]]
Rows = dict[tuple[int, int], Levels]


class Tree:
    """Roots of subtrees. Two threads may do the same work at once; both find the same."""

    def __init__(self, rows_of: Callable[[str, Sequence[Any]], list[Any]]) -> None:
        self._rows_of = rows_of
        self._leaves: Rows = {}
        self._above: Rows = {}  # apart, because one that is not full yet takes long to make
        self._roots: dict[tuple[int, int], bytes] = {}

    def subtree(self, low: int, high: int) -> bytes:
        """Return the root over the leaves [low, high)."""
        return merkle.fold([self._perfect(start, end) for start, end in merkle.perfect_spans(low, high)])

    def frontier(self, size: int) -> merkle.Frontier:
        """Return the right edge of the tree over the first `size` leaves."""
        return merkle.Frontier(size, tuple(self._perfect(low, high) for low, high in merkle.perfect_spans(0, size)))

    def _perfect(self, low: int, high: int) -> bytes:
        """Return the root of a perfect subtree: 2**n leaves from a multiple of 2**n on."""
        known = self._roots.get((low, high))
        if known is None:
            known = self._root(low, high)
            if len(self._roots) >= MAX_ROOTS:
                self._roots.clear()
            if known != merkle.EMPTY_ROOT:
                self._roots[low, high] = known
        return known

    def _root(self, low: int, high: int) -> bytes:
        level, height = divmod((high - low).bit_length() - 1, _HEIGHT)
        number, first = divmod(low >> _HEIGHT * level, TILE)
        row = self._kept(level).get((level, number), [[]])
        if len(row[0]) < first + (1 << height):
            row = self._keep(level, number, [*row[0], *self._read(level, number, len(row[0]))])
        place = first >> height
        complete = height < len(row) and place < len(row[height])
        return row[height][place] if complete else merkle.EMPTY_ROOT  # of a log that lacks entries: it leads nowhere

    def _kept(self, level: int) -> Rows:
        return self._above if level else self._leaves

    def _keep(self, level: int, number: int, hashes: list[bytes]) -> Levels:
        rows = self._kept(level)
        if len(rows) >= MAX_ROWS:
            rows.clear()
        row = rows[level, number] = merkle.levels(hashes)
        return row

    def _read(self, level: int, number: int, known: int) -> list[bytes]:
        """Return the hashes of a row but for the first `known`: leaves at level 0, roots of full rows above."""
        if not known:
            tile = "SELECT hashes FROM tile WHERE level = ? AND number = ?"
            for row in self._rows_of(tile, (level, number)):
                return split_hashes(row[0])
        first, end = number * TILE + known, (number + 1) * TILE
        if level == 0:
            leaves = "SELECT leaf_hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
            return [row[0] for row in self._rows_of(leaves, (first, end))]
        below = "SELECT hashes FROM tile WHERE level = ? AND number >= ? AND number < ? ORDER BY number"
        return [merkle.root(split_hashes(row[0])) for row in self._rows_of(below, (level - 1, first, end))]
