"""What a process remembers of the log, so that a database that went back is noticed while the process runs.

A failover to a standby that was behind, a restored backup, a lagging replica behind a pooler: the head row is then no
continuation of what was acknowledged. Each writer holds every head that it locks against the last end that it made
durable itself. Whoever finds a contradiction writes the row `halt`, which every writer of every process reads in each
transaction, so that all of them stop at once. `gap.declared` deletes it: a person has decided to go on.

What other processes wrote is not remembered: an entry that can be seen need not have reached a standby yet, and its
own writer remembers it once it was acknowledged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import LogWentBack
from ledger.store.writer import End, Head
from ledger.unit import GAP, HALT

ROWS = frozenset({HALT, GAP})
WHAT_TO_DO = (
    "No call is opened and nothing is signed. Put the newer database back; if it is lost, an admin goes on from here, "
    "on record, with `whyledger recover --as PERSON --reason TEXT`"
)


@dataclass(slots=True)
class Memory:
    """The last end that this process made durable, and the last declared gap that it knows of."""

    end: End | None = None
    gap: Any = None

    def finding(self, head: Head, leaf_before: bytes | None, rows: Mapping[str, Any]) -> str:
        """Return in what a locked head contradicts what is remembered; empty when it does not.

        Args:
            leaf_before: the hash of the stored entry before the remembered end, where it had to be looked up.
            rows: the state rows; a gap declared since makes the database right, and what was remembered is forgotten.
        """
        if self.end is not None and rows.get(GAP) != self.gap:
            self.end = None
        self.gap = rows.get(GAP)
        if self.end is None or head.end == self.end:
            return ""
        if head.size < self.end.seq:
            return f"the database ends at {head.size} entries, but {self.end.seq} were durable"
        if head.size == self.end.seq or leaf_before != self.end.last_hash:
            return f"entry {self.end.seq - 1} of the database is not the one that was durable"
        return ""


def halted(row: Mapping[str, Any]) -> LogWentBack:
    """Return the error of a unit that a halted log refuses."""
    return LogWentBack(f"the database went back: {row['finding']}. {WHAT_TO_DO}")
