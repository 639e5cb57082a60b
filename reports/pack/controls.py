"""Tests of controls: each over its whole population, with the criterion in plain words and the query by digest."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from classifiers.resources import read_yaml
from ledger.entry import Entry, b64

NAMED = 5
"""Entries of exceptions that are named; all are counted."""


@dataclass(slots=True, kw_only=True)
class Tested:
    """One control and what came of its test. A test without population has no result."""

    id: str
    control: str
    passes: str
    fails: str
    query: str
    """Digest of the condition that was run, base64url."""
    population: int = 0
    exceptions: int = 0
    named: tuple[int, ...] = ()

    @property
    def result(self) -> str:
        if not self.population:
            return "not run: nothing to test in the period"
        return "exception" if self.exceptions else "passed"


@cache
def catalogue() -> tuple[Mapping[str, Any], ...]:
    return tuple(read_yaml("reports.pack", "controls.yaml")["controls"])


def query_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a control that a machine runs."""
    return {name: row[name] for name in ("population", "exception")}


class Controls:
    """Runs every test over the entries it sees."""

    def __init__(self, workflow: str | None) -> None:
        self._workflow = workflow
        self.tests = [
            Tested(id=row["id"], control=row["control"], passes=row["passes"], fails=row["fails"], query=_digest(row))
            for row in catalogue()
        ]

    def see(self, entry: Entry) -> None:
        if self._workflow is not None and entry.workflow not in (self._workflow, None):
            return
        for row, test in zip(catalogue(), self.tests, strict=True):
            if not matches(row["population"], entry):
                continue
            test.population += 1
            if matches(row["exception"], entry):
                test.exceptions += 1
                test.named = (*test.named, entry.seq)[:NAMED]


def matches(condition: Mapping[str, Any], entry: Entry) -> bool:
    """Say whether an entry fulfils a condition of the catalogue."""
    facts = entry.facts
    if "kind" in condition and entry.kind not in condition["kind"]:
        return False
    if any(facts.get(name) not in values for name, values in condition.get("facts", {}).items()):
        return False
    if "not_passed" in condition and condition["not_passed"] in facts.get("passed", ()):
        return False
    if "lacks" in condition and condition["lacks"] in entry.c:
        return False
    return "check" not in condition or any(
        condition["check"] in ("any", one["id"]) and one["verdict"] in condition["verdict"]
        for one in facts.get("checks", ())
    )


def _digest(row: Mapping[str, Any]) -> str:
    return b64(hashlib.sha256(json.dumps(query_of(row), sort_keys=True).encode()).digest())
