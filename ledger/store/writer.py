"""The statements of the append transaction, on the driver's own connection. The caller begins and commits.

Everything else in the store packages uses SQLAlchemy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ledger import merkle
from ledger.canonical import dump_plain, load_plain
from ledger.entry import GENESIS, Sealed
from ledger.errors import LedgerUnavailable
from ledger.links import Link
from ledger.store import tables
from ledger.store.driver import Driver

TILE = 256


class End(NamedTuple):
    """Where the next entry goes: its number and the hash it names."""

    seq: int
    last_hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends: the hash of the last leaf, the tree's right edge, and the last entry's time."""

    origin: str
    last_hash: bytes
    frontier: merkle.Frontier
    at: str

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def end(self) -> End:
        return End(self.size, self.last_hash)


class NewEntry(NamedTuple):
    """An entry with its place, ready to be stored."""

    seq: int
    id: str
    kind: str
    at: str
    data: bytes
    leaf_hash: bytes
    links: Sequence[Link]
    contents: Sealed | None


def create_head(driver: Driver, origin: str) -> None:
    """Store the head of an empty log. Its origin never changes."""
    statement = "INSERT INTO head (id, origin, size, last_hash, frontier, at) VALUES (1, ?, 0, ?, ?, '')"
    driver.execute(statement, (origin, GENESIS, b""))


def read_head(driver: Driver) -> Head:
    """Return the head.

    Raises:
        LedgerUnavailable: the database holds no log.
    """
    return _head(driver.execute(f"SELECT {_HEAD} FROM head").fetchone())


def lock_head(driver: Driver, known: Head | None, before: int = -1) -> tuple[Head, datetime | None, bytes | None]:
    """Lock the head until the transaction ends, and return it with the database's clock, where it has one.

    Whoever appends holds this lock, so there is one order of entries whatever the number of processes. On SQLite
    the transaction has locked the whole database already, and its clock is that of the machine; there the head is not
    read again when it is `known`, because nobody has written since.

    Args:
        before: the number of an entry whose leaf hash is wanted too; it is None where the entry is not stored.

    Raises:
        LedgerUnavailable: the database holds no log.
    """
    leaf = "(SELECT leaf_hash FROM entry WHERE seq = ?)"
    if not driver.is_postgresql:
        if known is not None:
            return known, None, None
        return read_head(driver), None, driver.execute(f"SELECT {leaf}", (before,)).fetchone()[0]
    statement = f"SELECT {_HEAD}, clock_timestamp(), {leaf} FROM head FOR UPDATE"
    row = driver.execute(statement, (before,)).fetchone()
    return _head(row and row[:-2]), row[-2], row[-1]


_HEAD = "origin, size, last_hash, frontier, at"


def _head(row: Sequence[Any] | None) -> Head:
    if row is None:
        raise LedgerUnavailable("the database holds no log: run `whyledger init --origin NAME`")
    origin, size, last_hash, frontier, at = row
    return Head(origin, last_hash, merkle.Frontier(size, tuple(split_hashes(frontier))), at)


def move_head(driver: Driver, old: Head, new: Head) -> None:
    """Move the head by compare-and-swap: a second writer that is here by mistake fails instead of forking the log.

    Raises:
        LedgerUnavailable: the stored head is no longer `old`.
    """
    driver.put(
        "UPDATE head SET size = ?, last_hash = ?, frontier = ?, at = ? WHERE size = ? AND last_hash = ?",
        (new.size, new.last_hash, b"".join(new.frontier.hashes), new.at, old.size, old.last_hash),
    )
    if driver.flush() != 1:
        raise LedgerUnavailable(f"another writer moved the head from {old.size}")


def insert_entries(driver: Driver, new: Sequence[NewEntry]) -> None:
    """Put entries with what they are found by and their sealed contents."""
    if not new:
        return
    driver.insert(tables.entry, [(item.seq, item.leaf_hash, item.data) for item in new])
    insert_links(driver, [link for item in new for link in item.links])
    contents = [(item.seq, item.contents.key, item.contents.ciphertext) for item in new if item.contents]
    driver.insert(tables.content, contents)


def insert_links(driver: Driver, rows: Sequence[Link]) -> None:
    """Put what entries are found by."""
    driver.insert(tables.ref, rows)


def complete_tiles(driver: Driver, low: int, high: int) -> None:
    """Store the tiles that the entries [low, high), which have been sent, complete."""
    level = 0
    while high // TILE > low // TILE:
        low, high = low // TILE, high // TILE
        for number in range(low, high):
            hashes = b"".join(_tile_hashes(driver, level, number))
            driver.execute("INSERT INTO tile (level, number, hashes) VALUES (?, ?, ?)", (level, number, hashes))
        level += 1


def _tile_hashes(driver: Driver, level: int, number: int) -> list[bytes]:
    first, end = number * TILE, (number + 1) * TILE
    if level == 0:
        rows = driver.execute("SELECT leaf_hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq", (first, end))
        return [row[0] for row in rows]
    below = driver.execute(
        "SELECT hashes FROM tile WHERE level = ? AND number >= ? AND number < ? ORDER BY number",
        (level - 1, first, end),
    )
    return [merkle.root(split_hashes(row[0])) for row in below]


def split_hashes(blob: bytes) -> list[bytes]:
    return [blob[at : at + 32] for at in range(0, len(blob), 32)]


def load_state(driver: Driver, keys: Iterable[str]) -> dict[str, Any]:
    """Return the state rows that exist for `keys`."""
    wanted = sorted(set(keys))
    found: dict[str, Any] = {}
    for at in range(0, len(wanted), 500):
        page = wanted[at : at + 500]
        condition, values = driver.among("key", page)
        for key, value in driver.execute(f"SELECT key, value FROM state WHERE {condition}", values):
            found[key] = load_plain(value)
    return found


def save_state(driver: Driver, changes: Mapping[str, Any]) -> None:
    """Put the changed rows; None deletes."""
    gone = [key for key, value in changes.items() if value is None]
    kept = [(key, dump_plain(value).decode()) for key, value in changes.items() if value is not None]
    if gone:
        condition, values = driver.among("key", gone)
        driver.put(f"DELETE FROM state WHERE {condition}", values)
    driver.insert(tables.state, kept, upsert="ON CONFLICT (key) DO UPDATE SET value = excluded.value")


def clear_projections(driver: Driver) -> None:
    """Forget everything that the entries can rebuild."""
    driver.execute("DELETE FROM ref")
    driver.execute("DELETE FROM state")


def holds(driver: Driver, seq: int, data: bytes) -> bool:
    """Tell whether the entry at `seq` is stored with exactly these bytes."""
    stored = driver.execute("SELECT bytes FROM entry WHERE seq = ?", (seq,)).fetchone()
    return stored is not None and bool(stored[0] == data)
