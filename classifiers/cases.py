"""Cases to classify, as a file gives them, and results as lines of JSON. Nothing here reads or writes files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from classifiers.facts import FactsInvalid, day
from classifiers.law.records import Law
from classifiers.risk import DISCLAIMER, Classification, classify

FIELDS = ("id", "description", "facts", "answers_complete", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of answers to classify. `answers_complete` is false unless a person says otherwise."""

    id: str
    facts: Mapping[str, Any]
    answers_complete: bool
    at: str
    description: str = ""
    ignored: tuple[str, ...] = ()
    """Members that are none of a case's; a description is read by people only."""


def read_cases(text: str, *, today: str) -> list[Case]:
    """Read a JSON array, or JSON Lines, of cases.

    Raises:
        FactsInvalid: it cannot be used; the message says where.
    """
    cases = [_case(row, number, today) for number, row in enumerate(_rows(text), 1)]
    if not cases:
        raise FactsInvalid("there is no case in it")
    return cases


def _rows(text: str) -> list[Any]:
    try:
        if text.lstrip().startswith("["):
            return list(json.loads(text, object_pairs_hook=_unique))
        return [json.loads(line, object_pairs_hook=_unique) for line in text.split("\n") if line.strip()]
    except FactsInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise FactsInvalid(f"neither a JSON array nor JSON Lines of cases: {str(error)[:200]}") from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise FactsInvalid(f"given twice: {', '.join(twice)}")
    return found


def _case(row: Any, number: int, today: str) -> Case:
    if not isinstance(row, dict):
        raise FactsInvalid(f"case {number} is no object with id, facts, answers_complete and at")
    name = str(row.get("id", number))
    facts, complete = row.get("facts", {}), row.get("answers_complete", False)
    if not isinstance(facts, dict):
        raise FactsInvalid(f"case {name}: facts is no object")
    if not isinstance(complete, bool):
        raise FactsInvalid(f"case {name}: answers_complete is true or false, not {complete!r}")
    at = today if row.get("at") is None else day(row["at"], f"case {name}: at")
    return Case(
        id=name, facts=facts, answers_complete=complete, at=at, description=str(row.get("description", "")),
        ignored=tuple(sorted(set(row) - set(FIELDS))),
    )  # fmt: skip


def classified(cases: Sequence[Case], *, draft: bool = True) -> Iterator[tuple[Case, Classification]]:
    """Classify each case.

    Raises:
        FactsInvalid: an answer outside the vocabulary; the message names the case.
    """
    for case in cases:
        try:
            yield case, classify(case.facts, complete=case.answers_complete, at=case.at, draft=draft)
        except FactsInvalid as error:
            raise FactsInvalid(f"case {case.id}: {error}") from None


def as_json(case: Case, result: Classification, law: Law) -> dict[str, Any]:
    """Return a result with the day it was asked for and the law it was worked out from."""
    said = asdict(result)
    data = {"version": law.version, "digest": law.digest, "checked_on": law.checked_on, "draft_guidance": law.draft}
    return {"id": case.id} | said | {"at": case.at, "law": data, "note": DISCLAIMER}
