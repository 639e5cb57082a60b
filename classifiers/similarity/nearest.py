"""The nearest of a bounded number of vectors, by brute force: 0.4 ms for ten thousand, and no index that can be wrong.

A partition holds what may answer for each other: one workflow of one tenant under one prompt, one model and one set of
tools. Rows of different partitions never meet. Nothing here reads a clock: whoever asks says what time it is.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classifiers.similarity.extra import library

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]

FIRST_ROWS = 8
LENGTH_TOLERANCE = 1e-3
Row = tuple[Hashable, Hashable]
"""A partition and a key in it."""


@dataclass(frozen=True, slots=True)
class Match:
    """A row that is near, and how near it is."""

    key: Hashable
    similarity: float
    """Cosine, from -1 to 1 but for rounding."""


class Nearest:
    """Vectors of length one, by partition and key. Not for several threads at once."""

    def __init__(self, *, width: int, rows: int, partitions: int, seconds: float) -> None:
        """Make an empty store.

        Args:
            width: numbers in a vector.
            rows: of a partition at most; a further one takes the place of the one that was used or added the longest
                time ago. A partition of 10,000 rows of 384 numbers takes 15 MB, and up to twice that while it grows.
            partitions: at most; a further one takes the place of the one that was used or added to the longest ago.
            seconds: after which a row is no longer found, counted from when it was added.

        Raises:
            ValueError: one of them is not positive.
            ExtraMissing: numpy is not installed.
        """
        library("numpy")
        if min(width, rows, partitions) < 1 or not seconds > 0:
            raise ValueError("width, rows, partitions and seconds must be positive")
        self._width, self._rows, self._most, self._seconds = width, rows, partitions, seconds
        self._partitions: dict[Hashable, _Partition] = {}

    def __len__(self) -> int:
        """Return how many rows are kept, those included that are too old to be found."""
        return sum(len(one.rows) for one in self._partitions.values())

    def add(self, partition: Hashable, key: Hashable, vector: "ArrayLike", *, at: float) -> tuple[Row, ...]:
        """Keep a vector; one under the same key is replaced.

        Args:
            partition: what the row belongs to.
            key: what `nearest` returns, unique in the partition.
            vector: shape (width,), of length one.
            at: seconds since any fixed moment, the same one for all calls.

        Returns:
            The rows that left: too old ones of the partition, and those that had to make room.

        Raises:
            ValueError: the vector has another shape or length, or numbers that are none.
        """
        checked = _checked(vector, self._width)
        left = [(partition, one) for one in self._outdated(partition, at)]
        there = self._partitions.pop(partition, None) or _Partition(self._width)
        if key not in there.rows and len(there.rows) >= self._rows:
            left.append((partition, there.longest_unused()))
        for _, gone in left:
            there.remove(gone)
        there.put(key, checked, at)
        if len(self._partitions) >= self._most:
            other = next(iter(self._partitions))
            left += [(other, one) for one in self._partitions.pop(other).rows]
        self._partitions[partition] = there
        return tuple(left)

    def nearest(self, partition: Hashable, vector: "ArrayLike", count: int, *, at: float) -> tuple[Match, ...]:
        """Return at most `count` rows of a partition, the nearest first; of rows as near, the one added first.

        Raises:
            ValueError: as `add`.
        """
        checked = _checked(vector, self._width)
        there = self._partitions.get(partition)
        return there.nearest(checked, count, at - self._seconds) if there and count > 0 else ()

    def best(self, partition: Hashable, vector: "ArrayLike", *, at: float) -> Match | None:
        """Return the nearest row of a partition, None where there is none. Errors as `nearest`."""
        return next(iter(self.nearest(partition, vector, 1, at=at)), None)

    def use(self, partition: Hashable, key: Hashable) -> None:
        """Note that a row served, so that others leave before it. A row that is not there is no error."""
        there = self._partitions.get(partition)
        if there and key in there.rows:
            there.rows[key] = there.rows.pop(key)
            self._partitions[partition] = self._partitions.pop(partition)

    def remove(self, where: Callable[[Hashable, Hashable], bool]) -> tuple[Row, ...]:
        """Remove and return the rows for which `where(partition, key)` holds."""
        left = [(name, key) for name, there in self._partitions.items() for key in there.rows if where(name, key)]
        for name, key in left:
            self._partitions[name].remove(key)
        self._partitions = {name: there for name, there in self._partitions.items() if there.rows}
        return tuple(left)

    def _outdated(self, partition: Hashable, at: float) -> Iterator[Hashable]:
        there = self._partitions.get(partition)
        return there.outdated(at - self._seconds) if there else iter(())


class _Partition:
    """Rows of a matrix without gaps: where one leaves, the last one moves in."""

    vectors: "Floats"
    added: "NDArray[np.float64]"
    """When each row was added."""
    order: "NDArray[np.int64]"
    """How many rows had been added before it."""

    def __init__(self, width: int) -> None:
        np = library("numpy")
        self.vectors = np.zeros((FIRST_ROWS, width), np.float32)
        self.added, self.order = np.zeros(FIRST_ROWS), np.zeros(FIRST_ROWS, np.int64)
        self.keys: list[Hashable] = []
        self.rows: dict[Hashable, int] = {}
        """The row of each key, the one that was not used for the longest time first."""
        self.count = 0

    def put(self, key: Hashable, vector: "Floats", at: float) -> None:
        if key in self.rows:
            self.remove(key)
        row = len(self.keys)
        if row == len(self.vectors):
            self._grow()
        self.vectors[row], self.added[row], self.order[row] = vector, at, self.count
        self.keys.append(key)
        self.rows[key] = row
        self.count += 1

    def _grow(self) -> None:
        np = library("numpy")
        self.vectors, self.added, self.order = (
            np.concatenate([one, np.zeros_like(one)]) for one in (self.vectors, self.added, self.order)
        )

    def remove(self, key: Hashable) -> None:
        row, moved = self.rows.pop(key), self.keys.pop()
        if row < (last := len(self.keys)):
            for one in (self.vectors, self.added, self.order):
                one[row] = one[last]
            self.keys[row], self.rows[moved] = moved, row

    def longest_unused(self) -> Hashable:
        return next(iter(self.rows))

    def outdated(self, since: float) -> Iterator[Hashable]:
        return (self.keys[row] for row in (self.added[: len(self.keys)] <= since).nonzero()[0])

    def nearest(self, vector: Any, count: int, since: float) -> tuple[Match, ...]:
        np = library("numpy")
        found = (self.added[: len(self.keys)] > since).nonzero()[0]
        similar = (self.vectors[: len(self.keys)] @ vector)[found]
        if count < len(similar):
            near = similar >= np.partition(similar, -count)[-count]
            found, similar = found[near], similar[near]
        ranks = np.lexsort((self.order[found], -similar))[:count]
        return tuple(Match(self.keys[found[rank]], float(similar[rank])) for rank in ranks)


def _checked(vector: "ArrayLike", width: int) -> "Floats":
    np = library("numpy")
    found = np.asarray(vector, np.float32)
    if found.shape != (width,) or not abs(float(np.linalg.norm(found)) - 1) <= LENGTH_TOLERANCE:
        raise ValueError(f"a vector has {width} numbers and length one")
    return found  # type: ignore[no-any-return]
