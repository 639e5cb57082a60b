"""The calls of a pack: one line of a table each, at most 500 printed, exceptions first and then a drawn sample."""

import csv
import hashlib
import heapq
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ledger.entry import Entry
from reports.pack.words import RESULTS, decimals, served, spaced
from reports.times import UTC, clock

MAX_ROWS = 500
SAMPLE = 100
"""Calls that are drawn beside the exceptions where not all are printed."""
COLUMNS = (
    "call", "opened_at", "ended_at", "entry", "workflow", "environment", "route", "result", "served_by", "provider",
    "cost_nano_eur", "cost_state", "exception",
)  # fmt: skip
_ENDS = ("call.closed", "call.interrupted", "call.refused")


class Calls:
    """Sees entries in the order of the log. Of calls that have ended it keeps no more than is printed."""

    def __init__(self, seed: str, write: Callable[[str], object], zone: str = UTC) -> None:
        """Args:
        seed: draws the sample, as it draws the worked examples.
        zone: of the times that are printed; the complete table is in UTC.
        write: takes the lines of the complete table, CSV (RFC 4180), as they come.
        """
        self._seed, self._write, self._zone = seed, write, zone
        self._open: dict[str, dict[str, Any]] = {}
        self._exceptions: list[dict[str, Any]] = []
        self._drawn: list[tuple[int, int, dict[str, Any]]] = []
        self.number = self.exceptions = 0
        write(csv_line(COLUMNS))

    def see(self, entry: Entry) -> None:
        if not entry.call:
            return
        if entry.kind == "call.opened":
            self._open[entry.call] = _row(entry, self._zone)
            self.number += 1
        elif entry.kind in _ENDS:
            row = self._open.pop(entry.call, None)
            self.number += row is None
            self._ended(_ended(row or _row(entry, self._zone), entry))

    def _ended(self, row: dict[str, Any]) -> None:
        self._write(csv_line(row[name] for name in COLUMNS))
        if row["exception"]:
            self.exceptions += 1
            if len(self._exceptions) < MAX_ROWS:
                self._exceptions.append(row)
            return
        # the largest is the first to go: a heap of negated places
        place = -int.from_bytes(hashlib.sha256(f"{self._seed}\n{row['call']}".encode()).digest())
        push = heapq.heappush if len(self._drawn) < MAX_ROWS else heapq.heappushpop
        push(self._drawn, (place, row["entry"], row))

    def finish(self) -> tuple[dict[str, Any], ...]:
        """Return the rows to print, in the order of the log. Calls without an end are exceptions."""
        for row in self._open.values():
            self._ended(row | {"exception": "no end on record in the period"})
        room = MAX_ROWS - len(self._exceptions)
        if self.number > MAX_ROWS:
            room = min(room, SAMPLE)
        drawn = [row for _, _, row in sorted(self._drawn, key=lambda one: -one[0])[:room]]
        return tuple(sorted((*self._exceptions, *drawn), key=lambda row: int(row["entry"])))


def ended_row(entry: Entry, zone: str = UTC) -> dict[str, Any]:
    """Return the row of a call from the entry that ends it alone."""
    return _ended(_row(entry, zone), entry)


def _row(entry: Entry, zone: str = UTC) -> dict[str, Any]:
    facts = entry.facts
    return {
        "call": entry.call, "at": clock(entry.at, zone), "opened_at": entry.at if entry.kind == "call.opened" else "",
        "ended_at": "", "entry": entry.seq, "workflow": entry.workflow or "",
        "environment": facts.get("environment", ""), "route": facts.get("route_ref") or facts.get("route") or "",
        "result": RESULTS["open"], "served_by": "", "cost": "", "provider": "", "cost_nano_eur": "", "cost_state": "",
        "exception": "",
    }  # fmt: skip


def _ended(row: dict[str, Any], entry: Entry) -> dict[str, Any]:
    facts = entry.facts
    result = str(facts.get("result") or entry.kind.removeprefix("call."))
    reason = f"refused: {spaced(facts['reason_ref'])}" if entry.kind == "call.refused" else ""
    target = facts.get("served") or {}
    flags = [str(one["id"]) for one in facts.get("checks", ())]
    bound = facts.get("cost_state") == "upper_bound"
    why = [spaced(one) for one in flags] + ["cost is an upper bound"] * bound
    if result != "answered":
        why.insert(0, RESULTS.get(result, spaced(result)))
    return row | {
        "ended_at": entry.at, "ended_as": result,
        "route": row["route"] or facts.get("route_ref") or facts.get("route") or "",
        "result": reason or RESULTS.get(result, spaced(result)), "served_by": served(facts),
        "cost": _cost(facts), "provider": target.get("provider", ""), "cost_nano_eur": facts.get("cost_nano_eur", ""),
        "cost_state": facts.get("cost_state", ""), "exception": "; ".join(why),
    }  # fmt: skip


def _cost(facts: Mapping[str, Any]) -> str:
    """Write a cost with nine decimals, so that a column is aligned at the point; an upper bound is marked."""
    if "cost_nano_eur" not in facts:
        return ""
    return decimals(facts["cost_nano_eur"]) + ("*" if facts["cost_state"] == "upper_bound" else "")


def csv_line(values: Iterable[Any]) -> str:
    """Return one line of CSV. What a spreadsheet would take for a formula gets an apostrophe in front."""
    written = io.StringIO()
    safe = [
        f"'{one}" if isinstance(one, str) and one[:1] in ("=", "+", "-", "@", "\t", "\r") else one for one in values
    ]
    csv.writer(written, lineterminator="\r\n").writerow(safe)
    return written.getvalue()
