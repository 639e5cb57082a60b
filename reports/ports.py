"""What a report needs from wherever the evidence is: a live database, or a bundle."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.entry import Entry


@dataclass(frozen=True, slots=True)
class Content:
    """A content value, or why there is none to show: not_kept, erased, withheld, unreadable or lost."""

    value: Any
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Integrity:
    """The result of a real check of some entries against the signed head."""

    checked: int
    proved: int
    """How many have an inclusion proof under the signed checkpoint."""
    pending: int
    """Appended after the last checkpoint; signed within a second while a gateway runs."""
    failures: tuple[str, ...]
    origin: str
    checkpoint_size: int | None
    key: str


class Evidence(Protocol):
    """Read access to entries and what is kept beside them."""

    @property
    def zone(self) -> str:
        """The IANA time zone in which times are written."""

    def find(self, kind: str, value: str) -> list[Entry]:
        """Return the entries linked to an identifier, in log order."""

    def find_each(self, kind: str, values: Iterable[str]) -> Mapping[str, list[Entry]]:
        """As `find`, for many identifiers of one kind at once; those that lead nowhere are left out."""

    def first(self, kind: str, value: str) -> Entry | None:
        """Return the first entry linked to an identifier."""

    def count(self, kind: str, value: str, *, since: str, last: int) -> int:
        """Return how many entries up to number `last` are linked to an identifier and not older than `since`."""

    def content(self, entry: Entry, name: str) -> Content:
        """Return the content that the entry commits to under `name`."""

    def integrity(self, entries: Sequence[Entry]) -> Integrity:
        """Check the entries that an answer tells of, in log order, against the signed head.

        What is kept for them, and the names of the people who acted, is held against what they commit to.
        """

    def size(self) -> int:
        """Return how many entries the log had when this view was taken."""
