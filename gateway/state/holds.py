"""Holds: what may neither be swept nor erased until a named person lifts them. Pure.

hold:<id>               its scope, why and since when; none once it is lifted
"""

from collections.abc import Mapping
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
