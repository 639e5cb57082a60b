"""The list of calls, the latest first: a filter that an address holds, and a bounded look back for each page."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.oversight.looking import within
from gateway.store.installation import Installation
from ledger.entry import Entry, decode
from reports.pack.calls import ended_row
from reports.pack.words import RESULTS

ROWS = 50
LOOK = 20_000
"""Entries that one page looks back through at most."""
_CHUNK = 500
FIELDS = ("workflow", "route", "environment", "result", "only")
ENDS = ("call.closed", "call.interrupted", "call.refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallList:
    """A page of calls that have ended. `before` is where the next page goes on; 0 when the log is through."""

    rows: tuple[dict[str, Any], ...]
    size: int
    before: int
    older: str


def list_calls(
    installation: Installation, chosen: Mapping[str, str], scope: Collection[str] | None, before: int | None
) -> CallList:
    """Return the calls that fit a filter and lie within a scope of workflows, looking back from an entry."""
    size = installation.reader.head().size
    start = size if before is None else min(before, size)
    rows: list[dict[str, Any]] = []
    at = start
    for entry in _backwards(installation, start, max(0, start - LOOK)):
        at = entry.seq
        if entry.kind not in ENDS or not entry.call or not within(entry.workflow, scope):
            continue
        if _fits(row := ended_row(entry), chosen):
            rows.append(row)
            if len(rows) == ROWS:
                break
    else:
        at = max(0, start - LOOK)
    kept = {name: value for name, value in chosen.items() if value}
    return CallList(rows=tuple(rows), size=size, before=at, older=urlencode(kept | {"before": str(at)}))


def _backwards(installation: Installation, high: int, low: int) -> Iterator[Entry]:
    while high > low:
        first = max(low, high - _CHUNK)
        yield from (decode(data) for data in reversed(list(installation.reader.raw(first, high))))
        high = first


def _fits(row: Mapping[str, Any], chosen: Mapping[str, str]) -> bool:
    if chosen.get("only") == "exceptions" and not row["exception"]:
        return False
    if (wanted := chosen.get("result")) and row["ended_as"] != wanted:
        return False
    return all(not chosen.get(name) or row[name] == chosen[name] for name in ("workflow", "route", "environment"))


def results() -> list[tuple[str, str]]:
    """Return how a call can have ended, and in words."""
    return [(name, words) for name, words in RESULTS.items() if name != "open"]
