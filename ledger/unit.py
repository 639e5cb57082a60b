"""A unit: the one way to change state. Pure values; `ledger.log` runs them.

A unit names the state rows it needs and is then run under the head lock on a working copy of them. It returns the
entries to append and the rows to change, which commit together or not at all. A unit that raises fails only its own
waiter.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.entry import NOTHING, Draft

State = Mapping[str, Any]
"""State rows by key: JSON values; a key without a row is absent."""

Changes = Mapping[str, Any]
"""New row values by key; None deletes the row."""


HALT, GAP = "halt", "gap"
"""State rows: why nothing may be written, and the last loss that a person declared (`ledger.continuity`)."""


class Step(NamedTuple):
    """What a unit decided."""

    drafts: Sequence[Draft] = ()
    changes: Changes = NOTHING
    answer: Any = None
    """Handed to the waiter once the unit is durable."""


class Unit(NamedTuple):
    """A change of state, with or without entries.

    `keys` is asked with the instant of the batch, because a budget row is that of the day of the entry.
    """

    keys: Callable[[datetime], Sequence[str]]
    run: Callable[[State, datetime], Step]
    mends: bool = False
    """It runs although the log is halted: it is what a person goes on with."""


class Receipt(NamedTuple):
    """A durable entry: it was committed before this value existed."""

    seq: int
    id: str
    kind: str
    at: str
    leaf_hash: bytes


class Written(NamedTuple):
    """A durable unit: the receipts of its entries in order, and its answer."""

    receipts: tuple[Receipt, ...]
    answer: Any
