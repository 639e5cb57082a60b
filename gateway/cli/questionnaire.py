"""The questionnaire on the command line: it asks only what can still change the result, and resumes from its file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from classifiers.cases import Case, read_cases
from classifiers.facts import UNKNOWN, Fact, FactsInvalid
from classifiers.law.records import Law, law_on
from classifiers.risk import classify

GIVE_UP = ("", "q")
NOT_KNOWN = "?"


def asked(file: Path, workflow: str, *, today: str) -> Case:
    """Ask what is still open, write each answer to the file at once, and return the case.

    Raises:
        FactsInvalid: the file holds something else than the answers of one workflow.
    """
    case = _kept(file, workflow, today)
    law = law_on(case.at)
    while question := _next(case, law):
        answer = _ask(question)
        if answer is None:
            break
        case = replace(case, facts={**case.facts, question.name: answer}, answers_complete=False)
        _keep(file, case)
    return case


def _kept(file: Path, workflow: str, today: str) -> Case:
    if not file.exists():
        return Case(id=workflow, facts={}, answers_complete=False, at=today)
    cases = read_cases(file.read_text("utf-8"), today=today)
    if len(cases) != 1 or cases[0].id != workflow:
        raise FactsInvalid(f"{file} does not hold the answers of {workflow} and of nothing else")
    return replace(cases[0], at=today)  # the day is that of whoever asks now, not of whoever began


def _keep(file: Path, case: Case) -> None:
    said = {
        "id": case.id,
        "description": case.description,
        "facts": case.facts,
        "answers_complete": case.answers_complete,
        "at": case.at,
    }
    beside = file.with_name(file.name + ".new")
    beside.write_text(json.dumps(said) + "\n", "utf-8")
    beside.replace(file)


def _next(case: Case, law: Law) -> Fact | None:
    """Return the first question, in the order of the law, that matters and was not put yet."""
    ask = classify(case.facts, complete=case.answers_complete, at=case.at).ask
    return next((fact for name, fact in law.facts.items() if name in ask and name not in case.facts), None)


def _ask(fact: Fact) -> Any:
    """Put one question until the answer is one of those possible. `None`: stop here and go on later."""
    typer.echo(f"\n{fact.question}  [{fact.source}]")
    for line in _choices(fact):
        typer.echo(f"  {line}")
    while True:
        given = typer.prompt("", default="", show_default=False, prompt_suffix="> ").strip()
        if given in GIVE_UP:
            return None
        try:
            return UNKNOWN if given == NOT_KNOWN else _written(fact, given)
        except (FactsInvalid, KeyError, ValueError):
            typer.echo(f"  that is none of these; {NOT_KNOWN} if nobody knows, q to go on later", err=True)


def _choices(fact: Fact) -> Iterator[str]:
    for number, (_, words) in enumerate(fact.values.items(), 1):
        yield f"{number}  {words}"
    how = {"set_of": "numbers with commas, 0 for none", "yes_no": "y or n", "date": "a day like 2026-08-02, or none"}
    yield f"{how.get(fact.type, 'a number')}; {NOT_KNOWN} not known; q go on later"


def _written(fact: Fact, given: str) -> Any:
    """Return what a file says for what was typed."""
    names = dict(enumerate(fact.values, 1))
    if fact.type == "yes_no":
        return {"y": True, "yes": True, "n": False, "no": False}[given.lower()]
    if fact.type == "one_of":
        return names[int(given)]
    if fact.type == "set_of":
        return [names[number] for number in map(int, given.split(",")) if number]
    return fact.read(None if given.lower() == "none" else given)
