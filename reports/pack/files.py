"""The tables of a pack as files of its bundle: the machine-readable twin of its sections, and an index of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from classifiers.law.records import data
from ledger.canonical import canonicalize
from reports.pack.calls import csv_line
from reports.pack.controls import catalogue, query_of
from reports.pack.duty_table import DutyRow
from reports.pack.facts import PackFacts
from reports.pack.report import Report
from reports.pack.systems import System

_FILES = {
    "calls": ("18", "every call that ended in the period, or has no end in it"),
    "classification": ("4", "confirmed classes, worked out again from their answers"),
    "custody": ("19", "what was taken from where"),
    "duties": ("6", "duties, and what the records show of each"),
    "gaps": ("7", "what was not recorded, or not as it should have been"),
    "law-data": ("21", "version and sources of the law data"),
    "metrics": ("12", "results, costs, days, refusals and flags, counted"),
    "oversight": ("10", "approvals, overrides and other acts of people"),
    "queries": ("9", "the conditions of the tests of controls"),
    "register": ("11, 13 to 16", "what people put on record beside calls"),
    "sampling": ("18", "population, seed, and what was drawn"),
    "systems": ("3", "workflows as declared and as seen"),
    "tests": ("9", "tests of controls: population, exceptions, result"),
    "withheld": ("18", "contents that this pack would quote and does not have"),
}
"""Section of the document, and what a file holds."""


def files_of(
    said: Mapping[str, Any], facts: PackFacts, report: Report, calls: str, withheld: Sequence[Mapping[str, Any]]
) -> dict[str, bytes]:
    """Return the tables by the names of their files, with an index of them.

    Args:
        said: what pack.json says, but for the digests of these files.
        calls: the complete table of calls, CSV.
        withheld: `seq`, `name` and `why` of contents that this pack does not have.
    """
    told = {**_of_facts(said, facts), **_of_report(report), "withheld": list(withheld)}
    found = {f"report/{name}.json": canonicalize(value) + b"\n" for name, value in told.items()}
    found["report/calls.csv"] = calls.encode()
    rows = {f"report/{name}.json": len(value) if isinstance(value, list) else 1 for name, value in told.items()}
    rows["report/calls.csv"] = facts.number_of_calls
    head = ("file", "section", "holds", "rows", "sha256")
    lines = [head, *(_indexed(name, rows[name], found[name]) for name in sorted(found))]
    return found | {"report/index.csv": "".join(map(csv_line, lines)).encode()}


def _indexed(name: str, rows: int, content: bytes) -> tuple[str, str, str, int, str]:
    stem = name.removeprefix("report/").partition(".")[0]
    section, holds = _FILES["register" if stem.startswith("register-") else stem]
    return name, section, holds, rows, hashlib.sha256(content).hexdigest()


def _of_facts(said: Mapping[str, Any], facts: PackFacts) -> dict[str, Any]:
    return {
        "custody": {
            "log": said["log"], "size": said["size"], "range": said["range"], "made_at": said["at"],
            "contents_opened": said["contents"],
        },
        "gaps": list(facts.gaps),
        "metrics": {
            "results": [{"result": name, "calls": count} for name, count in facts.results],
            "models": [
                {"model": name, "calls": count, "cost_nano_eur": nano, "at_an_upper_bound": bounded}
                for name, count, _, nano, bounded in facts.models
            ],
            "days": [{"day": day, "calls": count} for day, count in facts.days],
            "refusals": [{"reason": code, "entries": count} for code, _, count in facts.refusals],
            "flags": [{"check": name, "calls": count} for name, count in facts.flags],
        },
        "oversight": {
            "approvals": [_decided(one) for one in facts.approvals], "number_of_approvals": facts.number_of_approvals,
            "overrides": [_decided(one) for one in facts.overrides], "number_of_overrides": facts.number_of_overrides,
            "acts": [_decided(one) for one in facts.acts], "number_of_acts": facts.number_of_acts,
        },
        "sampling": {
            "seed": said["seed"], "examples": said["examples"], "population": facts.number_of_calls,
            "exceptions": facts.number_of_exceptions, "printed": [row["call"] for row in facts.calls],
        },
    }  # fmt: skip


def _decided(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an act without the texts that it quotes: they stand in disclosures.jsonl."""
    return {name: row[name] for name in ("at", "seq", "call", "person", "action", "what") if name in row}


def _of_report(report: Report) -> dict[str, Any]:
    return {
        "classification": {name: asdict(page) for name, page in report.classes.items()},
        "duties": [_duty(row) for row in report.duties],
        "law-data": {
            "version": report.law.version, "digest": report.law.digest, "checked_on": report.law.checked_on,
            "recheck_by": report.law.recheck_by, "day": report.day, "stale": report.stale,
            "sources": data()[0]["sources"]["sources"],
        },
        "queries": [{"id": row["id"], "query": query_of(row)} for row in catalogue()],
        "systems": [_system(one) for one in report.systems],
        "tests": [
            {"id": one.id, "population": one.population, "exceptions": one.exceptions, "result": one.result,
             "query": one.query, "named": list(one.named)}
            for one in report.tests
        ],
    } | {f"register-{name}": list(rows) for name, rows in report.kept.items()}  # fmt: skip


def _duty(row: DutyRow) -> dict[str, Any]:
    duty = row.duty
    return {
        "id": duty.id, "article": duty.article, "bearer": list(duty.bearer), "status": row.status,
        "reason": row.reason, "concerns": list(row.concerns), "records": dict(row.records),
        "starts": dict(duty.starts), "source": {"id": duty.source.id, "locus": duty.source.locus},
        "cannot_prove": duty.cannot_prove,
    }  # fmt: skip


def _system(one: System) -> dict[str, Any]:
    return {
        "name": one.name, "declared": dict(one.declared), "calls": one.calls, "models": dict(one.models),
        "results": dict(one.results), "tools": dict(one.tools), "tier": one.tier, "released": one.released,
        "undeclared_models": one.undeclared_models,
    }  # fmt: skip
