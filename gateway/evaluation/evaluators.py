"""Evaluators that count what can be counted: nobody can talk them round. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.configuration.evaluation import Evaluator
from ledger.amounts import counted

VERDICTS = ("correct", "partial", "incorrect")
"""In the order of the rubric: a weighted kappa takes it from here."""


class Case(NamedTuple):
    """What was asked and what was said, as text, and the tools that were called."""

    asked: str
    said: str
    tools: tuple[str, ...]


class Score(NamedTuple):
    """A verdict and why; `unscored` where none could be given."""

    verdict: str
    reason: str


def count(one: Evaluator, case: Case) -> Score:
    """Return the score of an evaluator that needs no judge; one that fails on an answer leaves it unscored."""
    try:
        return _KINDS[one.kind](one, case)
    except Exception as error:  # noqa: BLE001 - it must not hold up the others
        return Score("unscored", f"the evaluator failed: {type(error).__name__}")


def _json_schema(one: Evaluator, case: Case) -> Score:
    from jsonschema import Draft202012Validator

    try:
        value = json.loads(case.said)
    except (ValueError, RecursionError) as error:
        return Score("incorrect", f"the answer is no JSON: {str(error)[:120]}")
    found = Draft202012Validator(dict(one.json_schema or {})).iter_errors(value)
    wrong = sorted(found, key=lambda error: list(map(str, error.path)))
    if wrong:
        place = "/".join(map(str, wrong[0].path)) or "the answer"
        return Score(
            "incorrect", f"{counted(len(wrong), 'place')} against the schema, first {place}: rule {wrong[0].validator}"
        )
    return Score("correct", "the answer keeps to the schema")


def _citation(one: Evaluator, case: Case) -> Score:
    before, after = map(re.escape, one.marks)
    cited = list(dict.fromkeys(re.findall(rf"{before}([^\n]{{1,80}}?){after}", case.said)))
    if not cited:
        return Score("incorrect", "the answer cites nothing")
    missing = [name for name in cited if name not in case.asked]
    if not missing:
        return Score("correct", f"{counted(len(cited), 'citation')}, each in what the model was given")
    said = f"{len(missing)} of {counted(len(cited), 'citation')} not in what the model was given"
    return Score("partial" if len(missing) < len(cited) else "incorrect", said)


def _expected_tools(one: Evaluator, case: Case) -> Score:
    wanted, called = set(one.tools), set(case.tools)
    said = f"called {counted(len(called), 'tool')}, {len(called & wanted)} of the {len(wanted)} that are expected"
    if called == wanted:
        return Score("correct", said)
    return Score("partial" if called & wanted else "incorrect", said)


def _forbidden_words(one: Evaluator, case: Case) -> Score:
    text = case.said.casefold()
    found = [
        number
        for number, word in enumerate(one.words, start=1)
        if re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text)
    ]
    if found:
        return Score(
            "incorrect", f"{counted(len(found), 'forbidden word')}, the first is number {found[0]} of the list"
        )
    return Score("correct", "no forbidden word")


_KINDS: Mapping[str, Callable[[Evaluator, Case], Score]] = {
    "json_schema": _json_schema, "citation": _citation, "expected_tools": _expected_tools,
    "forbidden_words": _forbidden_words,
}  # fmt: skip


def called_tools(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the granted tools that a call ended with."""
    listed: Sequence[Mapping[str, Any]] = facts["tool_calls"]
    return tuple(str(one["name"]) for one in listed if one["granted"] and not one.get("output_format"))
