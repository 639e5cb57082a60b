"""A text as a renderer reads it, with the place of each character in what was written. Pure."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WRITTEN = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?|\\[!-/:-@\[-`{-~]")
"""References to characters (HTML), and punctuation behind a backslash (CommonMark)."""


@dataclass(frozen=True, slots=True)
class Read:
    """`text` as it is read. Character n of it was written from `starts[n]` up to `ends[n]`, in code points."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Return where a piece of what is read stands in what was written."""
        return self.starts[start], self.ends[end - 1]


def read(text: str) -> Read:
    """Return a text with its references to characters and its backslashes resolved, once."""
    if "&" not in text and "\\" not in text:
        return Read(text, range(len(text)), range(1, len(text) + 1))
    characters, starts, ends = [], [], []
    for piece, start, end in _pieces(text):
        for character in piece:
            characters.append(character)
            starts.append(start)
            ends.append(end)
    return Read("".join(characters), starts, ends)


def _pieces(text: str) -> Iterator[tuple[str, int, int]]:
    place = 0
    for found in _WRITTEN.finditer(text):
        yield from ((text[at], at, at + 1) for at in range(place, found.start()))
        said, place = found[0], found.end()
        yield (said[1:] if said.startswith("\\") else html.unescape(said)), found.start(), place
    yield from ((text[at], at, at + 1) for at in range(place, len(text)))
