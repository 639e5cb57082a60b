"""Holding the contents that are kept beside a log against what its entries commit to, page by page.

That every entry with commitments has contents, and no other, shows without a key. What the contents are shows only to
whoever holds the key store: opening comes in as a function, so that an auditor's program needs no key store.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from ledger.disclosure import require_committed
from ledger.entry import Entry, Sealed
from ledger.errors import DisclosureInvalid, LedgerError

NAMED = 5
"""So many failures are named; the others are counted."""
BATCH = 8 * 1024 * 1024
"""Bytes of ciphertexts that are read together, if one alone is not longer."""

Opening = Callable[[Entry, Sealed], Mapping[str, str] | None]
"""Returns the disclosures that are sealed for an entry, by name, or None when their key was destroyed; a `LedgerError`
says why they do not open."""


class Row(NamedTuple):
    """Contents of one entry as they are stored, without the ciphertext."""

    seq: int
    key: str
    length: int


class Kept(Protocol):
    """Contents beside a log, which may be taken along to another process. What cannot be read is a `LedgerError`."""

    def rows(self, first: int, end: int) -> Sequence[Row]:
        """Return what is kept for the entries with first <= seq < end, in order."""

    def ciphertexts(self, first: int, end: int) -> Mapping[int, bytes]:
        """Return the ciphertexts of the same, by number."""

    def strays(self, size: int) -> Sequence[int]:
        """Return some numbers of contents outside the first `size` entries that belong to no later entry either."""


class Found(NamedTuple):
    """What comes of the contents of some entries."""

    kept: int = 0
    """Entries that commit to contents, with something kept for them."""
    erased: int = 0
    """How many of them cannot be opened because their key was destroyed."""
    wrong: int = 0
    named: tuple[str, ...] = ()
    """The first failures, in words."""

    def __add__(self, other: "Found") -> "Found":  # type: ignore[override]
        named = (*self.named, *other.named)[:NAMED]
        return Found(self.kept + other.kept, self.erased + other.erased, self.wrong + other.wrong, named)


NOTHING = Found()


def _failing(where: str, why: object) -> Found:
    return Found(wrong=1, named=(f"{where}: {why}",))


def check_page(entries: Sequence[Entry], first: int, kept: Kept, opening: Opening | None) -> Found:
    """Hold the contents that are kept for consecutive entries, which begin with number `first`, against them."""
    committing = {entry.seq: entry for entry in entries if entry.c}
    end = first + len(entries)
    try:
        rows = kept.rows(first, end)
        found = _presence(committing, [row.seq for row in rows])
        found += _one_key_each(committing, rows)
        for batch in _batches(rows) if opening else ():
            found += _opened(committing, batch, kept, opening)
    except LedgerError as error:
        return _failing(f"entries {first} to {end - 1}", error)
    return found


def _presence(committing: Mapping[int, Entry], numbers: Sequence[int]) -> Found:
    there = set(numbers)
    found = Found(kept=len(there & committing.keys()))
    for seq in sorted(committing.keys() - there):
        found += _failing(f"entry {seq}", "it commits to contents, and none are stored")
    for seq in sorted(there - committing.keys()):
        found += _failing(f"entry {seq}", "contents are stored, and it commits to none")
    if len(numbers) > len(there):
        found += _failing(f"entries {min(there)} to {max(there)}", "contents are stored twice")
    return found


def _one_key_each(committing: Mapping[int, Entry], rows: Sequence[Row]) -> Found:
    """Look whether all contents of a subject name one key: a pseudonym is made with the key, so it has one only.

    Else whoever writes the name of a key that does not exist beside an entry makes its contents pass for erased.
    """
    found, known = NOTHING, dict[str, Row]()
    for row in rows:
        if (entry := committing.get(row.seq)) and entry.sub:
            other = known.setdefault(entry.sub, row)
            if other.key != row.key:
                found += _failing(
                    f"entry {row.seq}", f"contents name another key than those of entry {other.seq} of one subject"
                )
    return found


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows in turn, so many together as are read in one go."""
    batch, length = list[Row](), 0
    for row in rows:
        if batch and length + row.length > BATCH:
            yield batch
            batch, length = [], 0
        batch.append(row)
        length += row.length
    if batch:
        yield batch


def _opened(committing: Mapping[int, Entry], batch: Sequence[Row], kept: Kept, opening: Opening | None) -> Found:
    found = NOTHING
    ciphertexts = kept.ciphertexts(batch[0].seq, batch[-1].seq + 1)
    for row in batch:
        if opening and (entry := committing.get(row.seq)):
            found += _one(entry, Sealed(row.key, ciphertexts.get(row.seq, b"")), opening)
    return found


def _one(entry: Entry, sealed: Sealed, opening: Opening) -> Found:
    try:
        disclosures = opening(entry, sealed)
        if disclosures is None:
            return Found(erased=1)
        require_committed(disclosures, entry.c)
    except LedgerError as error:
        return _failing(f"entry {entry.seq}", error)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # Hostile bytes must end in a verdict, whatever they trip over.
        return _failing(f"entry {entry.seq}", f"malformed: {type(error).__name__}")
    return NOTHING


def require_sound(found: Found, size: int, kept: Kept) -> str:
    """Return in words what was found for a whole log of `size` entries.

    Raises:
        DisclosureInvalid: naming the first entries whose contents are not what they commit to.
    """
    for seq in kept.strays(size):
        found += _failing(f"entry {seq}", "contents are stored, and there is no such entry")
    if found.wrong:
        more = f"; and {found.wrong - len(found.named)} more" if found.wrong > len(found.named) else ""
        raise DisclosureInvalid("; ".join(found.named) + more)
    erased = f"; {found.erased} are erased: their keys are not in the key store" if found.erased else ""
    return f"the contents of {found.kept - found.erased} entries open and are what these commit to{erased}"
