"""Answers of the questionnaire as an address holds them, and back. The page keeps nothing: its address is the draft."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from classifiers.facts import UNKNOWN, Fact, FactsInvalid

Given = Sequence[tuple[str, str]]
NONE = "-"
"""None of the values of a set, or no day: an answer that somebody gives, not the absence of one."""


def read_answers(vocabulary: Mapping[str, Fact], given: Given) -> dict[str, Any]:
    """Return the answers that an address gives.

    Raises:
        FactsInvalid: one is outside the vocabulary.
    """
    texts: dict[str, list[str]] = {}
    for name, value in given:
        if name not in vocabulary:
            raise FactsInvalid(f"there is no question {name[:80]}")
        texts.setdefault(name, []).append(value)
    answers = {
        name: _read(vocabulary[name], told) for name, values in texts.items() if (told := [*filter(None, values)])
    }
    for name, value in answers.items():
        if value != UNKNOWN:
            vocabulary[name].read(value)
    return answers


def _read(fact: Fact, told: list[str]) -> Any:
    """Return the answer of one question. A form that says nothing is no answer, and does not come here."""
    if UNKNOWN in told:
        return UNKNOWN
    if fact.type == "set_of":
        return sorted({value for value in told if value != NONE})
    if fact.type == "date":
        return None if NONE in told else told[-1]
    if fact.type == "yes_no":
        return {"true": True, "false": False}.get(told[-1], told[-1])
    return told[-1]


def as_given(answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return answers as the fields of an address: the inverse of `read_answers`."""
    return [(name, value) for name, answer in answers.items() for value in _values(answer)]


def _values(answer: Any) -> Iterable[str]:
    if isinstance(answer, list):
        return answer or [NONE]
    if isinstance(answer, bool):
        return ["true" if answer else "false"]
    return [NONE if answer is None else answer]
