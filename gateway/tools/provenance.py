"""What a person has said in a request, apart from what came from elsewhere. Pure.

Trusted are the system text and the words of a person. Results of tools, documents and files are not, also where they
stand in the turn of a person, and neither is what the model itself has said. Words that somebody pastes into a turn
of a person cannot be told from theirs.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

_SPACES = re.compile(r"\s+")
_AMOUNT = re.compile(r"\d+(?:[.,]\d+)*")
_ENGLISH, _CONTINENTAL = (
    re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?"),
    re.compile(r"(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?"),
)
_BEFORE, _BEHIND = r"(?<![\w@+/%&=-])(?<!\w[.,])", r"(?![\w@+/%&=-]|[.,:]\w)"
"""What may not touch a text that was said: `corp.co` was not where somebody wrote `corp.co.uk`."""
_PERSONS = ("user", "system", "developer", None)
"""Roles of a turn; a turn of Gemini or an item of Responses may leave it out."""
_TEXTS = ("text", "input_text")


class Said:
    """The words of persons in a request of any format, read when they are first asked for."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    @cached_property
    def words(self) -> str:
        """In one spelling: lower case, spaces as one. No two parts touch, so that nothing is found across them."""
        return "\n".join(map(_spelt, _words(self._fields)))

    @cached_property
    def amounts(self) -> frozenset[Decimal]:
        """Every number that can be read in them: 1,500.00 and 1.500,00 are one, 1,500 and 1.500 are two."""
        found = set()
        for word in _AMOUNT.findall(self.words):
            if _ENGLISH.fullmatch(word):
                found.add(Decimal(word.replace(",", "")))
            if _CONTINENTAL.fullmatch(word):
                found.add(Decimal(word.replace(".", "").replace(",", ".")))
        return frozenset(found)

    def has(self, value: str | int | float) -> bool:
        """Tell whether a text stands in them, whole and between words, or a number by its value; an empty one nowhere.

        A text with figures may be divided by spaces, as people write accounts and cards.
        """
        if isinstance(value, int | float):
            return Decimal(str(value)) in self.amounts
        wanted = _spelt(value)
        apart = " ?" if any(map(str.isdigit, wanted)) else ""
        pattern = apart.join(map(re.escape, wanted.replace(" ", "") if apart else wanted))
        return bool(wanted) and re.search(_BEFORE + pattern + _BEHIND, self.words) is not None


def _spelt(text: str) -> str:
    return _SPACES.sub(" ", text).strip().lower()


def _words(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in ("instructions", "system", "systemInstruction", "system_instruction", "prompt"):
        yield from _in_content(fields.get(name))
    if isinstance(fields.get("input"), str):
        yield fields["input"]
    for name in ("messages", "input", "contents"):
        turns = fields.get(name)
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, dict) and turn.get("role") in _PERSONS and turn.get("type") in (None, "message"):
                yield from _in_content(turn.get("content", turn))


def _in_content(content: Any) -> Iterator[str]:
    """Yield the texts of a content: itself, or its parts that are texts and nothing else."""
    if isinstance(content, dict):
        content = content.get("parts")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and part.get("type", "text") in _TEXTS and isinstance(part.get("text"), str):
            yield part["text"]
