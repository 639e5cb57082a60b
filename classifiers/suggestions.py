"""Questions that a text makes worth asking, with the words that made them so. It never answers a question.

Words in, words out: no number is computed, nothing is weighed, and nothing here is read by the classifier.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from classifiers.law.records import vocabulary
from classifiers.resources import read_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A question that the text makes worth asking, and the words of the text that did."""

    fact: str
    question: str
    words: tuple[str, ...]


@cache
def _patterns() -> Mapping[str, tuple[tuple[re.Pattern[str], ...], ...]]:
    """Return for each fact its rows, each a pattern for every group of words that must be there."""
    return {
        fact: tuple(tuple(_beginning(row[group]) for group in ("words", "and") if group in row) for row in rows)
        for fact, rows in read_yaml("classifiers", "suggestions.yaml").items()
    }


def _beginning(words: Sequence[Any]) -> re.Pattern[str]:
    whole = [re.escape(word[1:]) for word in map(str, words) if word.startswith("=")]
    begun = [re.escape(word) for word in map(str, words) if not word.startswith("=")]
    parts = [rf"(?:{'|'.join(whole)})s?\b"] * bool(whole) + [rf"(?:{'|'.join(begun)})[\w-]*"] * bool(begun)
    return re.compile(rf"\b(?:{'|'.join(parts)})", re.IGNORECASE)


def suggest(text: str) -> tuple[Suggestion, ...]:
    """Return the questions that a description, a prompt or names of tools make worth asking, in the law's order."""
    found = {fact: tuple(_hits(rows, text)) for fact, rows in _patterns().items()}
    return tuple(
        Suggestion(fact=name, question=fact.question, words=tuple(dict.fromkeys(found[name])))
        for name, fact in vocabulary().items()
        if found.get(name)
    )


def _hits(rows: Sequence[Sequence[re.Pattern[str]]], text: str) -> Iterator[str]:
    for groups in rows:
        hits = [pattern.search(text) for pattern in groups]
        if all(hits):
            yield from (hit.group() for hit in hits if hit)
