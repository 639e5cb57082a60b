"""How many entries up to a number are linked to an identifier, without counting them all again each time.

What is linked only grows at the end of the log: of every 1024 numbers in order the last one is kept, and the numbers
between two of those are read when they are asked for. A few KiB for a million entries.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

CHUNK = 1024
MAX_MARKED, MAX_CHUNKS = 1000, 256

Identifier = tuple[str, str]
Numbers = Callable[[Identifier, int, int, int], list[int]]
"""Gives the linked numbers above the second argument in order: after leaving out the third, at most the fourth."""


class Ranks:
    """Ranks over the numbers that `numbers` reads. Two threads may do the same work at once; both find the same."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._marks: dict[Identifier, tuple[int, ...]] = {}
        self._chunks: dict[tuple[Identifier, int], Sequence[int]] = {}

    def below(self, identifier: Identifier, number: int) -> int:
        """Return how many linked numbers are below `number`."""
        marks = self._marks_up_to(identifier, number)
        whole = bisect_left(marks, number)
        after = marks[whole - 1] if whole else -1
        if whole < len(marks):
            return whole * CHUNK + bisect_left(self._chunk(identifier, whole, after), number)
        return whole * CHUNK + bisect_left(self._numbers(identifier, after, 0, CHUNK), number)

    def _marks_up_to(self, identifier: Identifier, number: int) -> Sequence[int]:
        """Return the last number of each full chunk, of all that begin below `number` at least."""
        known = self._marks.get(identifier, ())
        marks = list(known)
        while not marks or marks[-1] < number:
            mark = self._numbers(identifier, marks[-1] if marks else -1, CHUNK - 1, 1)
            if not mark:
                break
            marks += mark
        if len(marks) > len(known):
            if len(self._marks) >= MAX_MARKED:
                self._marks.clear()
            self._marks[identifier] = tuple(marks)
        return marks

    def _chunk(self, identifier: Identifier, place: int, after: int) -> Sequence[int]:
        found = self._chunks.get((identifier, place))
        if found is None:
            found = self._numbers(identifier, after, 0, CHUNK)
            if len(self._chunks) >= MAX_CHUNKS:
                self._chunks.clear()
            self._chunks[identifier, place] = found
        return found
