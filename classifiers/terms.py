"""Names and words of a list of one's own in a text: customers, projects, places. Pure.

Words are compared without regard to case; what stands between them does not count. Forms of a word (`Müllers`) are
other words, and stand in the list if they are to be found.
"""

import re
from collections.abc import Iterable, Iterator

from classifiers.finding import Finding, without_overlaps

SHORTEST = 3
"""Characters of a term at least: shorter ones stand in any text."""
_WORD = re.compile(r"\w+")
_APART = 4
"""Characters between two words of a term at most."""


class Terms:
    """A list of terms, ready to be looked for."""

    def __init__(self, name: str, terms: Iterable[str], version: str = "") -> None:
        """Raises ValueError, with its line, for a term that is too short."""
        self.name, self.version = name, version
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for number, term in enumerate(terms, 1):
            words = tuple(one.casefold() for one in _WORD.findall(term))
            if not words:
                continue
            if sum(map(len, words)) < SHORTEST:
                raise ValueError(f"line {number} of {name} has fewer than {SHORTEST} letters: any text has it")
            self._by_first.setdefault(words[0], []).append(words)
        for known in self._by_first.values():
            known.sort(key=len, reverse=True)

    def __len__(self) -> int:
        return sum(map(len, self._by_first.values()))

    @property
    def example(self) -> str:
        """Return one of them, in small letters."""
        return " ".join(next(iter(self._by_first.values()))[0])

    def find(self, text: str) -> list[Finding]:
        """Return where they stand; of two at one place the longer."""
        return without_overlaps(self._each(text)) if self._by_first else []

    def _each(self, text: str) -> Iterator[Finding]:
        words = [(one.start(), one.end(), one[0].casefold()) for one in _WORD.finditer(text)]
        for at, (start, _, first) in enumerate(words):
            for term in self._by_first.get(first, ()):
                row = words[at : at + len(term)]
                if tuple(word for _, _, word in row) == term and _together(row):
                    yield Finding("term", self.name, start, row[-1][1])
                    break


def _together(row: list[tuple[int, int, str]]) -> bool:
    return all(after[0] - before[1] <= _APART for before, after in zip(row, row[1:], strict=False))
