"""Names and words of a list of one's own in a text: customers, projects, places. Pure.

Words are compared without regard to case; what stands between them does not count. Forms of a word (`Müllers`) are
other words, and stand in the list if they are to be found.
"""

import re
from collections.abc import Iterable, Iterator

from classifiers.finding import Finding, without_overlaps

SHORTEST = 3
"""Characters of a term at least: shorter ones stand in any text."""
LONGEST = 20
"""Words of a term at most."""
_WORD = re.compile(r"\w+")
_APART = 4
"""Characters between two words of a term at most."""


class Terms:
    """A list of terms, ready to be looked for."""

    def __init__(self, name: str, terms: Iterable[str], version: str = "") -> None:
        """Raises ValueError, with its line, for a term that is too short."""
        self.name, self.version = name, version
        self._by_first: dict[str, dict[int, set[tuple[str, ...]]]] = {}
        """By the first word and how many there are, the longest first."""
        for number, term in enumerate(terms, 1):
            words = tuple(one.casefold() for one in _WORD.findall(term))
            if not words:
                continue
            if sum(map(len, words)) < SHORTEST:
                raise ValueError(f"line {number} of {name} has fewer than {SHORTEST} letters: any text has it")
            if len(words) > LONGEST:
                raise ValueError(f"line {number} of {name} has more than {LONGEST} words")
            self._by_first.setdefault(words[0], {}).setdefault(len(words), set()).add(words)
        for first, known in self._by_first.items():
            self._by_first[first] = dict(sorted(known.items(), reverse=True))

    def __len__(self) -> int:
        return sum(len(terms) for known in self._by_first.values() for terms in known.values())

    @property
    def example(self) -> str:
        """Return one of them, in small letters."""
        known = next(iter(self._by_first.values()))
        return " ".join(min(next(iter(known.values()))))

    def find(self, text: str) -> list[Finding]:
        """Return where they stand; of two at one place the longer."""
        return without_overlaps(self._each(text)) if self._by_first else []

    def _each(self, text: str) -> Iterator[Finding]:
        words = [(one.start(), one.end(), one[0].casefold()) for one in _WORD.finditer(text)]
        for at, (start, _, first) in enumerate(words):
            for length, terms in self._by_first.get(first, {}).items():
                row = words[at : at + length]
                if tuple([word for _, _, word in row]) in terms and _together(row):
                    yield Finding("term", self.name, start, row[-1][1])
                    break


def _together(row: list[tuple[int, int, str]]) -> bool:
    return all(after[0] - before[1] <= _APART for before, after in zip(row, row[1:], strict=False))
