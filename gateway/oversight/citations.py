"""From a citation, or the id of something that is no call, to the entries that it names, as far as one may see them."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

from gateway.oversight.acts import time_zone
from gateway.oversight.looking import within
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry, decode, format_time
from ledger.ids import is_id
from reports.why.answer import NothingFound
from reports.why.cited import Cited, cited

_PIECE = re.compile(r"entry:(\d{1,15})(?:#(.+))?", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
_LINKED = ("key", "config", "pack", "workflow", "prompt", "incident", "alert", "hold")
_CALLED = {"config": "configuration"}
_OF_ALL = ("config.activated", "prompt.registered", "prompt.promoted")
"""What belongs to no workflow, and what every answer about a call tells of."""
REFERENCES = (
    "a call id, response id, task, subject, approval id, entry (entry:42), key id, digest of a configuration, "
    "pack id or workflow"
)
MOST = 100
NEAR = 20_000
"""Entries on each side of its time among which an entry is looked for by its id: clocks of processes differ."""


def is_citation(ref: str) -> bool:
    """Say whether this names entries, and can be no id that an application made."""
    return is_id(ref, "ent") or bool(_pieces(ref))


def cite(installation: Installation, ref: str, scope: Collection[str] | None = None) -> Cited:
    """Return the entries that a reference names: `42`, `entry:42#facts.x`, the id of an entry, key, pack and so on.

    Args:
        scope: the workflows that whoever asks may look at; None for all.

    Raises:
        NothingFound: there are none, or none that they may see.
    """
    evidence = LiveEvidence(installation, time_zone(installation))
    pieces = _pieces(ref) or ([(int(ref), "")] if re.fullmatch(r"[0-9]{1,15}", ref) else [])
    if is_id(ref, "ent"):
        pieces = [(seq, "") for seq in _number_of(installation, ref, evidence.size())]
    if pieces:
        seqs = sorted({seq for seq, _ in pieces if seq < evidence.size()})
        kind, found = "entry", installation.reader.entries(seqs)
    else:
        kind, found = _linked(ref, evidence)
    seen = [entry for entry in found if scope is None or _within(installation, entry, scope, evidence)]
    shown = {entry.seq for entry in seen[-MOST:]}
    if not seen or any(seq not in shown for seq, _ in pieces):
        raise NothingFound
    paths = [(seq, path) for seq, path in pieces if path]
    return cited(ref, _CALLED.get(kind, kind), seen[-MOST:], evidence, paths=paths, of=len(seen))


def _pieces(ref: str) -> list[tuple[int, str]]:
    """Return numbers and members that a citation names, `[entry:27#at, entry:27#facts.key]`; nothing if it is none."""
    texts = ref[1:-1] if ref.startswith("[") and ref.endswith("]") else ref
    found = [_PIECE.fullmatch(one) for one in re.split(r", *", texts)]
    return [(int(one[1]), one[2] or "") for one in found if one] if all(found) else []


def _linked(ref: str, evidence: LiveEvidence) -> tuple[str, list[Entry]]:
    if ref.isprintable():  # PostgreSQL takes no NUL in a text
        for kind in _LINKED:
            if kind == "config" and not _DIGEST.fullmatch(ref):
                continue
            if found := evidence.find(kind, ref):
                return kind, found
    return "entry", []


def _number_of(installation: Installation, entry_id: str, size: int) -> list[int]:
    """Return the number of an entry by its id, which holds the time at which it was made; nothing if there is none."""
    millisecond = int(entry_id.removeprefix("ent_").replace("-", "")[:12], 16)
    try:
        at = format_time(datetime.fromtimestamp(millisecond / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return []
    reader, needle = installation.reader, f'"id":"{entry_id}"'.encode()
    near = reader.first_at_or_after(at, size)
    for low, high in ((near, min(size, near + NEAR)), (max(0, near - NEAR), near)):
        for data in reader.raw(low, high):
            if needle in data and (entry := decode(data)).id == entry_id:
                return [entry.seq]
    return []


def _within(installation: Installation, entry: Entry, scope: Collection[str], evidence: LiveEvidence) -> bool:
    """Say whether an entry belongs to a workflow of a scope, or is told of with any call."""
    if within(entry.workflow, scope) or entry.kind in _OF_ALL or entry.facts.get("scope") == "all":
        return True
    if entry.call:
        first = evidence.first("call", entry.call)
        return first is not None and within(first.workflow, scope)
    if key := entry.facts.get("key"):
        return within((installation.reader.state(f"key:{key}") or {}).get("workflow"), scope)
    if entry.task and entry.kind.startswith("stop."):
        return any(within(one.workflow, scope) for one in evidence.find_task(entry.task) if one.call)
    return entry.facts.get("scope") in {f"workflow:{name}" for name in scope}
