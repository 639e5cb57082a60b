"""The list of calls, the latest first: one filter for page, API and command line, and a bounded look back."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gateway.days import instant
from gateway.economics.costs import ERRORS
from gateway.oversight.acts import time_zone
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
FIELDS = (
    "workflow", "route", "environment", "model", "key", "prompt", "task", "code", "result", "only", "from", "to"
)  # fmt: skip
ENDS = ("call.closed", "call.interrupted", "call.refused")
_WRITTEN = {kind: f'"kind":"{kind}"'.encode() for kind in ENDS}
"""How the kind stands in the bytes of an entry: what is no end of a call need not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallList:
    """A page of calls that have ended. `before` is where the next page goes on; 0 when the log is through."""

    rows: tuple[dict[str, Any], ...]
    size: int
    before: int
    older: str


def list_calls(
    installation: Installation, chosen: Mapping[str, str], scope: Collection[str] | None, before: int | None,
    *, limit: int = ROWS, look: int | None = LOOK,
) -> CallList:  # fmt: skip
    """Return the calls that fit a filter and lie within a scope of workflows, looking back from an entry.

    Args:
        chosen: by the names in `FIELDS`; what is empty restricts nothing.
        look: how many entries to look back through at most; None for all.

    Raises:
        ValueError: no day.
    """
    size, zone = installation.reader.head().size, time_zone(installation)
    first, last = _bounds(installation, chosen, size, zone)
    start = last if before is None else min(before, last)
    linked = _linked(installation, chosen)
    stop = first if look is None or linked is not None else max(first, start - look)
    rows: list[dict[str, Any]] = []
    at = stop
    for entry in _of(installation, linked, start, stop) if linked is not None else _backwards(
        installation, start, stop, chosen.get("result", "")
    ):  # fmt: skip
        if entry.kind not in ENDS or not entry.call or not within(entry.workflow, scope):
            continue
        if _fits(row := _row(entry, zone), entry.facts, chosen):
            rows.append(row)
            if len(rows) == limit:
                at = entry.seq
                break
    at = 0 if at <= first else at
    kept = {name: value for name, value in chosen.items() if value}
    return CallList(rows=tuple(rows), size=size, before=at, older=urlencode(kept | {"before": str(at)}))


def _linked(installation: Installation, chosen: Mapping[str, str]) -> list[int] | None:
    """Return the numbers of the entries of the task or the code that is asked for; None where neither is."""
    if task := chosen.get("task"):
        return installation.reader.find("task", installation.vault.pseudonym("task", task))
    if code := chosen.get("code"):
        return installation.reader.find("reason", code) if code.isprintable() else []
    return None


def _of(installation: Installation, linked: list[int], high: int, low: int) -> Iterator[Entry]:
    """Yield the given entries in [low, high), the latest first."""
    seqs = linked[bisect_left(linked, low) : bisect_left(linked, high)]
    for end in range(len(seqs), 0, -_CHUNK):
        yield from reversed(installation.reader.entries(seqs[max(0, end - _CHUNK) : end]))


def _bounds(installation: Installation, chosen: Mapping[str, str], size: int, zone: str) -> tuple[int, int]:
    """Return the first entry of the first day that is asked for, and the first after the last.

    Raises:
        ValueError: no day.
    """
    if not chosen.get("from") and not chosen.get("to"):
        return 0, size
    low, high = (instant(chosen[name], zone) if chosen.get(name) else None for name in ("from", "to"))
    return _first_since(installation, low, size) if low else 0, _first_since(installation, high, size) if high else size


def _first_since(installation: Installation, at: str, size: int) -> int:
    """Return the number of the first entry at or after an instant: entries are in the order of their times."""
    return bisect_left(range(size), at, key=lambda seq: decode(next(iter(installation.reader.raw(seq, seq + 1)))).at)


def _backwards(installation: Installation, high: int, low: int, result: str) -> Iterator[Entry]:
    """Yield the ends of calls in [low, high), the latest first."""
    wanted = [_WRITTEN["call.refused"]] if result == "refused" else list(_WRITTEN.values())
    while high > low:
        first = max(low, high - _CHUNK)
        for data in reversed(list(installation.reader.raw(first, high))):
            if any(one in data for one in wanted):
                yield decode(data)
        high = first


def _row(entry: Entry, zone: str) -> dict[str, Any]:
    """Return what is listed of a call, from the entry that ends it. `because` says what more there is to its end."""
    facts, row = entry.facts, ended_row(entry, zone)
    more = {"key": facts.get("key", ""), "prompt": facts.get("prompt", ""), "code": facts.get("reason_ref", "")}
    more |= {"model": (facts.get("served") or {}).get("model", "")}
    if entry.kind == "call.refused":
        return row | more | {"result": "refused", "because": refused_for(facts)}
    return row | more | {"because": str(row["exception"]).removeprefix(row["result"]).removeprefix("; ")}


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
    if (code := chosen.get("code")) and row["code"] != code:  # of a task, entries with any code are looked at
        return False
    return all(not chosen.get(name) or row[name] == chosen[name] for name in ("workflow", "route", "environment"))


_SAID = (
    "call", "entry", "ended_at", "workflow", "environment", "route", "code", "exception", "key", "prompt", "model",
    "provider", "cost_state",
)  # fmt: skip


def said_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a listed call as the API and `--json` say it: `result` is a word of the format, `said` plain words."""
    cost = row["cost_nano_eur"]
    said = f"{row['result']}: {row['because']}" if row["code"] else row["result"]
    ended = {"result": row["ended_as"], "said": said, "cost_nano_eur": None if cost == "" else cost}
    return {name: row[name] for name in _SAID} | ended


def results() -> list[tuple[str, str]]:
    """Return how a call can have ended, and in words."""
    return [(name, words) for name, words in RESULTS.items() if name != "open"]
