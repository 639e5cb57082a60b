"""The list of calls, the latest first: a filter that an address holds, and a bounded look back for each page."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.days import instant
from gateway.economics.costs import ERRORS
from gateway.oversight.acts import active_configuration, time_zone
from gateway.oversight.looking import within
from gateway.store.installation import Installation
from ledger.entry import Entry, decode
from reports.pack.calls import ended_row
from reports.pack.words import RESULTS
from reports.why.words import refused_for

ROWS = 50
LOOK = 20_000
"""Entries that one page looks back through at most."""
_CHUNK = 500
FIELDS = ("workflow", "route", "environment", "model", "key", "prompt", "result", "only", "from", "to")
ENDS = ("call.closed", "call.interrupted", "call.refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallList:
    """A page of calls that have ended. `before` is where the next page goes on; 0 when the log is through."""

    rows: tuple[dict[str, Any], ...]
    size: int
    before: int
    older: str


def list_calls(
    installation: Installation, chosen: Mapping[str, str], scope: Collection[str] | None, before: int | None,
    *, look: int = LOOK, most: int = ROWS,
) -> CallList:  # fmt: skip
    """Return the calls that fit a filter and lie within a scope of workflows, looking back from an entry."""
    size = installation.reader.head().size
    first, last = _bounds(installation, chosen, size)
    start = last if before is None else min(before, last)
    stop = max(first, start - look)
    zone = time_zone(installation)
    rows: list[dict[str, Any]] = []
    at = start
    for entry in _backwards(installation, start, stop):
        at = entry.seq
        if entry.kind not in ENDS or not entry.call or not within(entry.workflow, scope):
            continue
        if _fits(row := ended_row(entry, zone), entry.facts, chosen):
            because = refused_for(entry.facts) if entry.kind == "call.refused" else ""
            rest = str(row["exception"]).removeprefix(row["result"]).removeprefix("; ")
            rows.append(row | ({"result": "refused", "because": because} if because else {"because": rest}))
            if len(rows) == most:
                break
    else:
        at = stop
    at = 0 if at <= first else at
    kept = {name: value for name, value in chosen.items() if value}
    return CallList(rows=tuple(rows), size=size, before=at, older=urlencode(kept | {"before": str(at)}))


def _bounds(installation: Installation, chosen: Mapping[str, str], size: int) -> tuple[int, int]:
    """Return the first entry of the first day that is asked for, and the first after the last.

    Raises:
        ValueError: no day.
    """
    if not chosen.get("from") and not chosen.get("to"):
        return 0, size
    zone = active_configuration(installation)[0].organisation.time_zone
    low, high = (instant(chosen[name], zone) if chosen.get(name) else None for name in ("from", "to"))
    return _first_since(installation, low, size) if low else 0, _first_since(installation, high, size) if high else size


def _first_since(installation: Installation, at: str, size: int) -> int:
    """Return the number of the first entry at or after an instant: entries are in the order of their times."""
    return bisect_left(range(size), at, key=lambda seq: decode(next(iter(installation.reader.raw(seq, seq + 1)))).at)


def _backwards(installation: Installation, high: int, low: int) -> Iterator[Entry]:
    while high > low:
        first = max(low, high - _CHUNK)
        yield from (decode(data) for data in reversed(list(installation.reader.raw(first, high))))
        high = first


def _fits(row: Mapping[str, Any], facts: Mapping[str, Any], chosen: Mapping[str, str]) -> bool:
    if chosen.get("only") == "exceptions" and not row["exception"]:
        return False
    if chosen.get("only") == "errors" and row["ended_as"] not in ERRORS:
        return False
    if any(chosen.get(name) and facts.get(name) != chosen[name] for name in ("key", "prompt")):
        return False
    served = facts.get("served") or {}
    names = (served.get("model"), f"{served.get('provider')} {served.get('model')}")
    if chosen.get("model") and chosen["model"] not in names:
        return False
    if (wanted := chosen.get("result")) and row["ended_as"] != wanted:
        return False
    return all(not chosen.get(name) or row[name] == chosen[name] for name in ("workflow", "route", "environment"))


def results() -> list[tuple[str, str]]:
    """Return how a call can have ended, and in words."""
    return [(name, words) for name, words in RESULTS.items() if name != "open"]
