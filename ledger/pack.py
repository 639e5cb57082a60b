"""What `pack.json` says, and how it is recomputed from entries: counts, the drawing of examples, the pack's id.

Used by whoever writes a pack and by the verifier, over the same entries. Standard library only.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ledger.canonical import canonicalize
from ledger.checkpoint import Checkpoint
from ledger.entry import Entry, b64
from ledger.errors import BundleInvalid

SCHEMA = "whyledger.pack/1"
EXAMPLES = 3
_ENDS = ("call.closed", "call.interrupted")


def pack_id(checkpoint: Checkpoint, scope: dict[str, Any], *, at: str, seed: str, contents: bool) -> str:
    """Return the id of a pack: the digest of everything it is a function of."""
    inputs = {
        "at": at,
        "catalogue": SCHEMA,
        "checkpoint": b64(hashlib.sha256(checkpoint.text().encode()).digest()),
        "contents": contents,
        "scope": scope,
        "seed": seed,
    }
    return b64(hashlib.sha256(canonicalize(inputs)).digest())


def seed_of(seed: str, checkpoint: Checkpoint) -> str:
    """Return the auditor's seed, or the checkpoint's root when none was given."""
    return seed or b64(checkpoint.root)


class Tally:
    """Counts over the entries of a range, one pass, in log order."""

    def __init__(self, workflow: str | None) -> None:
        self._workflow = workflow
        self._kinds: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()
        self._opened: set[str] = set()
        self._ended: set[str] = set()
        self._calls: dict[str, None] = {}

    def see(self, entry: Entry) -> None:
        """Count one entry."""
        self._kinds[entry.kind] += 1
        if self._workflow is not None and entry.workflow != self._workflow:
            return
        noun, _, participle = entry.kind.partition(".")
        if noun == "call":
            self._call(entry, participle)
        elif entry.kind in ("override.recorded", "approval.decided"):
            approved = "approve" in (entry.facts.get("action"), entry.facts.get("decision"))
            self._numbers["approvals" if approved else "overrides"] += 1
        elif entry.kind == "stop.engaged":
            self._numbers["stops"] += 1

    def _call(self, entry: Entry, participle: str) -> None:
        if participle in ("opened", "closed", "refused", "interrupted"):
            self._numbers[participle] += 1
        if participle in ("opened", "refused") and entry.call:
            self._calls[entry.call] = None
        if participle == "opened" and entry.call:
            self._opened.add(entry.call)
        if entry.kind in _ENDS:
            self._ended.add(entry.call or "")
            self._numbers["cost_nano_eur"] += _whole(entry.facts.get("cost_nano_eur"))
            self._numbers["upper_bound"] += entry.facts.get("cost_state") == "upper_bound"

    def counts(self) -> dict[str, Any]:
        """Return the `counts` member."""
        names = (
            "opened", "closed", "refused", "interrupted", "approvals", "overrides", "stops", "cost_nano_eur",
            "upper_bound",
        )  # fmt: skip
        return {name: self._numbers[name] for name in names} | {
            "entries": self._kinds.total(),
            "kinds": dict(sorted(self._kinds.items())),
            "open_at_end": len(self._opened - self._ended),
        }

    def examples(self, seed: str) -> list[str]:
        """Draw the worked examples."""
        return draw(self._calls, seed)


def draw(calls: Iterable[str], seed: str) -> list[str]:
    """Return the first calls in the order of SHA-256 over seed, newline, call id."""
    return sorted(calls, key=lambda call: hashlib.sha256(f"{seed}\n{call}".encode()).digest())[:EXAMPLES]


def _whole(value: Any) -> int:
    """Return an amount; one that is missing counts as 0.

    Raises:
        BundleInvalid: it is no amount: a text must not hide one.
    """
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise BundleInvalid("the cost of a call is not a whole number of at least 0")
    return value
