"""Templates to HTML. Everything is escaped; templates see values, never rows."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from classifiers.law.records import data
from classifiers.risk import DISCLAIMER
from ledger.amounts import counted, eur, eur_short
from reports.pack.words import soft
from reports.scorecard.card import money
from reports.templates import environment
from reports.times import clock
from reports.why.answer import BOUNDARY
from reports.why.members import label
from reports.why.words import ENDED

SHORT = 140
"""Characters of an answer that are shown before one asks for more."""


@cache
def _environment() -> Environment:
    return environment(
        "gateway.console", money=money, eur=eur, eur_short=eur_short, utc=clock, cited=cited, shortly=shortly,
        counted=counted, ended=ENDED.get, soft=soft, member=member,
    )  # fmt: skip


def cited(facts: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return each entry that facts stand in once, with the members, and where it opens under `/why/`."""
    found: dict[str, list[str]] = {}
    for fact in facts:
        seq, _, path = fact.removeprefix("entry:").partition("#")
        found.setdefault(seq, []).append(path)
    return [(seq, ", ".join(filter(None, paths)), _place(seq, paths)) for seq, paths in found.items()]


def _place(seq: str, paths: Iterable[str]) -> str:
    """Write a citation for an address: `entry:42%23act,entry:42%23facts.action`."""
    return quote(",".join(f"entry:{seq}#{path}" if path else f"entry:{seq}" for path in paths), safe=":,/")


def member(fact: str) -> str:
    """Name the member of an entry that a fact cites: `entry:42#facts.reason_ref`, reason (entry 42)."""
    seq, _, path = fact.removeprefix("entry:").partition("#")
    steps = [one for one in path.replace("/", ".").split(".") if one]
    return f"{' '.join(map(label, steps[1:] or steps))} (entry {seq})"


def shortly(text: str) -> tuple[str, str]:
    """Return what fits on a line or two of an answer, and what there is more of it."""
    first, _, rest = text.partition("\n")
    if len(first) <= SHORT:
        return first, rest
    cut = first.rfind(" ", 0, SHORT)
    return f"{first[: cut if cut > 0 else SHORT]} \u2026", text


def page(template: str, /, **values: Any) -> str:
    """Return a page from its template."""
    fixed = {"boundary": BOUNDARY, "note": DISCLAIMER, "standing_line": data()[0]["sources"]["standing_line"]}
    return _environment().get_template(f"{template}.html.j2").render(**fixed, **values)


@cache
def stylesheet() -> bytes:
    return files("gateway.console").joinpath("static/console.css").read_bytes()
