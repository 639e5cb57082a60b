"""A unit: the one way to change state. Pure values; `ledger.log` runs them.

A unit names the state rows it needs and is then run under the head lock on a working copy of them. It returns the
entries to append and the rows to change, which commit together or not at all. A unit that raises fails only its own
waiter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger.entry import Draft

State = Mapping[str, Any]
"""State rows by key: JSON values; a key without a row is absent."""

Changes = Mapping[str, Any]
"""New row values by key; None deletes the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a unit decided."""

    drafts: Sequence[Draft] = ()
    changes: Changes = field(default_factory=dict)
    answer: Any = None
    """Handed to the waiter once the unit is durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A change of state, with or without entries.

    `keys` is asked with the instant of the batch, because a budget row is that of the day of the entry.
    """

    keys: Callable[[datetime], Sequence[str]]
    run: Callable[[State, datetime], Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A durable entry: it was committed before this value existed."""

    seq: int
    id: str
    kind: str
    at: str
    leaf_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A durable unit: the receipts of its entries in order, and its answer."""

    receipts: tuple[Receipt, ...]
    answer: Any
