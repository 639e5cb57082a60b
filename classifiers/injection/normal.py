"""A text in one spelling: forms (NFKC) and case folded, invisible characters gone, digits all one. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
"""Characters that no reader sees and that split words: soft hyphens, joiners, marks of direction, tags."""
_DIGITS = str.maketrans("123456789", "000000000")
_SPACES = re.compile(r"\s+")
_ASCII = "".join(" " if chr(one).isspace() else chr(one).lower().translate(_DIGITS) for one in range(128)).encode()
_ASCII += bytes(128)
"""The same of ASCII, where a table of bytes is ten times as fast."""


def normal(text: str) -> str:
    """Return a text in one spelling, to be compared and never to be shown."""
    return "".join(piece for piece, _ in _pieces(text)) if _is_rare(text) else _plain(text)


def places_in(text: str, places: Sequence[int]) -> list[int]:
    """Return where in a text the characters stand that are at some places of its one spelling, which are in order.

    What is behind the end gives the length of the text.
    """
    found: list[int] = []
    passed = 0
    for piece, at in _pieces(text) if places else ():
        passed += len(piece)
        while len(found) < len(places) and passed > places[len(found)]:
            found.append(at)
    return found + [len(text)] * (len(places) - len(found))


def _plain(text: str) -> str:
    if text.isascii():
        plain = text.encode().translate(_ASCII).decode()
        return _SPACES.sub(" ", plain) if "  " in plain else plain
    return _SPACES.sub(" ", text.lower().translate(_DIGITS))


def _is_rare(text: str) -> bool:
    """Tell whether characters change one by one: the others are folded at once, which is far cheaper."""
    return not text.isascii() and (not unicodedata.is_normalized("NFKC", text) or bool(_INVISIBLE.search(text)))


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """Yield each character in its one spelling, with its place; white space in a row is one space."""
    in_space = False
    for at, character in enumerate(text):
        piece = _plain(unicodedata.normalize("NFKC", _INVISIBLE.sub("", character)))
        if piece.startswith(" ") and in_space:
            piece = piece[1:]
        if piece:
            in_space = piece.endswith(" ")
            yield piece, at
