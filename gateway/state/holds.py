"""Holds: what may neither be swept nor erased until a named person lifts them. Pure.

hold:<id>               its scope, why and since when; none once it is lifted
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.entry import Draft, Entry

SCOPE = ("workflow", "task", "sub", "call")
REASONS = {
    "incident": "an incident", "litigation": "a dispute", "authority_order": "an order of an authority",
}  # fmt: skip


def hold_row(hold: str) -> str:
    """Name the row of a hold."""
    return f"hold:{hold}"


def changes_of_hold(item: Draft | Entry, _state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a hold that is placed or lifted does to the rows."""
    facts = item.facts
    if item.kind == "hold.lifted":
        return {hold_row(facts["hold_ref"]): None}
    row: dict[str, Any] = {name: getattr(item, name) for name in SCOPE if getattr(item, name) is not None}
    row |= {name: facts[name] for name in ("from", "to", "ends", "reason", "incident_ref") if name in facts}
    return {hold_row(facts["hold_ref"]): row | {"placed_at": facts["placed_at"]}}


def holds_entry(row: Mapping[str, Any], entry: Draft | Entry, at: str) -> bool:
    """Tell whether a hold is on an entry.

    Args:
        at: the instant of the entry.
    """
    if any(name in row and row[name] != getattr(entry, name) for name in SCOPE):
        return False
    return bool(row.get("from", "") <= at[:10] <= row.get("to", "9999"))


def held_by(rows: Mapping[str, Mapping[str, Any]], entry: Draft | Entry, at: str) -> list[str]:
    """Return the ids of the holds that are on an entry."""
    return [name.removeprefix("hold:") for name, row in rows.items() if holds_entry(row, entry, at)]


def holds_subject(rows: Iterable[Mapping[str, Any]], subject: str) -> bool:
    """Tell whether something of a person may be under a hold: one that names another person is not on them."""
    return any(row.get("sub", subject) == subject for row in rows)
