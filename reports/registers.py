"""What registers there are beside calls, as data: shared by whoever writes them and whoever reports on them."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

from classifiers.law.duties import duties_on
from classifiers.resources import read_yaml


@cache
def registers() -> Mapping[str, Mapping[str, Any]]:
    """Return the registers by name: kind, title, fields and who may write."""
    found: dict[str, Mapping[str, Any]] = read_yaml("reports", "registers.yaml")
    return found


@cache
def by_kind() -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Return the register of each kind of entry, with its name."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, row in registers().items():
        for kind in (row["kind"], *row.get("follow_up", {}).values()):
            found[kind] = (name, row)
    return found


def in_words(row: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Say the fields of an entry in words, in the order of the register."""
    said = []
    for name, kind in row["fields"].items():
        if name in facts:
            value = facts[name]
            words = kind.get(value, value) if isinstance(kind, Mapping) else value
            said.append(f"{name.replace('_', ' ')}: {words}")
    return "; ".join(said)


def counted_by(facts: Mapping[str, Any]) -> str:
    """Say which rule told of an incident and what it counted; empty where a person did."""
    if "rule" not in facts or "seen" not in facts:
        return ""
    since = facts["since"][:16].replace("T", " ")
    return f"by the rule {facts['rule']}, which counted {facts['seen']} since {since} UTC"


def report_by(facts: Mapping[str, Any], today: str) -> tuple[str | None, str]:
    """Return the last day for a report to the authority, and what it rests on; no day where there is none to give.

    The days are those of the duty in the books (Art. 73 in the law data); whether the duty binds at all is another
    question, which the duty table answers.
    """
    duty = next(one for one in duties_on(today) if one.deadlines)
    if facts["harm"] == "unknown" or "aware_on" not in facts:
        return None, f"nobody has stated the harm and since when somebody knows of it; {duty.article} counts from then"
    if facts["harm"] == "not_serious":
        return None, "no serious incident was stated"
    days = duty.deadlines["default_days"]
    if facts["harm"] in ("widespread", "critical_infrastructure"):
        days = duty.deadlines["widespread_or_critical_infrastructure_days"]
    elif facts["harm"] == "death":
        days = duty.deadlines["death_days"]
    limited = {"unknown": "; ask first whether another law limits this duty", "no": ""}.get(
        facts["limited"], "; only breaches of fundamental rights are reported here"
    )
    if limited.startswith("; only") and facts["harm"] != "fundamental_rights":
        return None, f"{duty.article}: limited{limited}"
    aware = date.fromisoformat(facts["aware_on"])
    last = min(aware, date.max - timedelta(days=days)) + timedelta(days=days)
    return last.isoformat(), f"{duty.article}: {days} days after awareness at the latest{limited}"
