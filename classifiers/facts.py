"""The closed vocabulary of the questionnaire, and the answers that a file gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

UNKNOWN = "unknown"
UNDETERMINED = "undetermined"
"""The class, or its first day, while open answers decide it."""
Answer = bool | str | frozenset[str] | None


class FactsInvalid(ValueError):
    """An answer uses a key or value outside the vocabulary; the message names it and what is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One question about an element. Its answers are `values`; a set holds any of them, a date is a day or nothing."""

    name: str
    group: str
    type: str
    question: str
    source: str
    assumed: Answer
    values: Mapping[str, str]

    def read(self, given: Any) -> Answer:
        """Return the answer in the form that conditions are held against.

        Raises:
            FactsInvalid: it is none of the possible answers.
        """
        if self.type == "set_of" and isinstance(given, list) and all(isinstance(one, str) for one in given):
            if strange := sorted(set(given) - set(self.values)):
                raise FactsInvalid(f"{self.name}: {', '.join(strange)} is not one of {', '.join(self.values)}")
            return frozenset(given)
        if self.type == "yes_no" and isinstance(given, bool):
            return given
        if self.type == "one_of" and isinstance(given, str) and given in self.values:
            return given
        if self.type == "date" and (given is None or _is_day(given)):
            return given  # type: ignore[no-any-return]
        raise FactsInvalid(f"{self.name}: {given!r} is no answer; {self._possible()}, or {UNKNOWN}")

    def said(self, answer: Any) -> str:
        """Write an answer, in the form that a file gives it, as the question offers it."""
        if answer == UNKNOWN:
            return "not known"
        if isinstance(answer, bool):
            return "yes" if answer else "no"
        if isinstance(answer, list):
            return "; ".join(self.values.get(one, one) for one in answer) or "none of them"
        return "no day" if answer is None else self.values.get(answer, str(answer))

    def _possible(self) -> str:
        return {
            "yes_no": "write true or false",
            "one_of": f"write one of {', '.join(self.values)}",
            "set_of": f"write a list of {', '.join(self.values)}",
            "date": "write a day like 2026-08-02, or null",
        }[self.type]


def _is_day(given: Any) -> bool:
    try:
        return isinstance(given, str) and date.fromisoformat(given).isoformat() == given
    except ValueError:
        return False


def day(given: Any, name: str) -> str:
    """Return a day as it was written.

    Raises:
        FactsInvalid: it is no day of the calendar.
    """
    if not _is_day(given):
        raise FactsInvalid(f"{name}: {given!r} is no day; write one like 2026-11-28")
    return str(given)


def answered(vocabulary: Mapping[str, Fact], given: Mapping[str, Any], *, complete: bool) -> dict[str, Answer]:
    """Return the known answers; what is missing from them is unknown.

    Args:
        complete: a person answers for the list: what is not listed has the answer that the vocabulary assumes.

    Raises:
        FactsInvalid: a key or value outside the vocabulary.
    """
    if strange := sorted(set(map(str, given)) - set(vocabulary)):
        raise FactsInvalid(f"not in the vocabulary: {', '.join(strange)}")
    known = {name: vocabulary[name].read(value) for name, value in given.items() if value != UNKNOWN}
    if not complete:
        return known
    assumed = {name: fact.assumed for name, fact in vocabulary.items() if name not in given}
    return assumed | known
