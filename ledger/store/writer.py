"""The statements of the append transaction. The caller holds the head lock, begins and commits."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from ledger import merkle
from ledger.entry import GENESIS, Entry, Sealed
from ledger.errors import LedgerUnavailable
from ledger.store import tables

TILE = 256


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


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry with its place, ready to be stored."""

    entry: Entry
    data: bytes
    leaf_hash: bytes
    links: tuple[tuple[str, str], ...]
    contents: tuple[Sealed, ...]


def create_head(connection: Connection, origin: str) -> None:
    """Store the head of an empty log. Its origin never changes."""
    connection.execute(insert(tables.head).values(id=1, **_row(Head(origin, GENESIS, merkle.Frontier(), ""))))


def read_head(connection: Connection) -> Head:
    row = connection.execute(select(tables.head)).one_or_none()
    if row is None:
        raise LedgerUnavailable("the database holds no log: run `whyledger init`")
    hashes = tuple(row.frontier[at : at + 32] for at in range(0, len(row.frontier), 32))
    return Head(row.origin, row.last_hash, merkle.Frontier(row.size, hashes), row.at)


def _row(head: Head) -> dict[str, Any]:
    return {
        "origin": head.origin,
        "size": head.size,
        "last_hash": head.last_hash,
        "frontier": b"".join(head.frontier.hashes),
        "at": head.at,
    }


def move_head(connection: Connection, old: Head, new: Head) -> None:
    """Move the head by compare-and-swap: a second writer that is here by mistake fails instead of forking the log.

    Raises:
        LedgerUnavailable: the stored head is no longer `old`.
    """
    moved = connection.execute(
        update(tables.head)
        .where(tables.head.c.size == old.size, tables.head.c.last_hash == old.last_hash)
        .values(**_row(new))
    )
    if moved.rowcount != 1:
        raise LedgerUnavailable(f"another writer moved the head from {old.size}")


def insert_entries(connection: Connection, new: Sequence[NewEntry]) -> None:
    """Store entries with what they are found by and their sealed contents, and every tile they complete."""
    if not new:
        return
    connection.execute(
        insert(tables.entry),
        [{"seq": item.entry.seq, "leaf_hash": item.leaf_hash, "bytes": item.data} for item in new],
    )
    refs = [{"kind": kind, "value": value, "seq": item.entry.seq} for item in new for kind, value in item.links]
    if refs:
        connection.execute(insert(tables.ref), refs)
    contents = [
        {"seq": item.entry.seq, "name": one.name, "key": one.key, "ciphertext": one.ciphertext}
        for item in new
        for one in item.contents
    ]
    if contents:
        connection.execute(insert(tables.content), contents)
    _complete_tiles(connection, new[0].entry.seq, new[-1].entry.seq + 1)


def _complete_tiles(connection: Connection, low: int, high: int) -> None:
    level = 0
    while high // TILE > low // TILE:
        low, high = low // TILE, high // TILE
        for number in range(low, high):
            hashes = _tile_hashes(connection, level, number)
            connection.execute(insert(tables.tile).values(level=level, number=number, hashes=b"".join(hashes)))
        level += 1


def _tile_hashes(connection: Connection, level: int, number: int) -> list[bytes]:
    first, end = number * TILE, (number + 1) * TILE
    if level == 0:
        at, hashes = tables.entry.c.seq, tables.entry.c.leaf_hash
        rows = connection.execute(select(hashes).where(at >= first, at < end).order_by(at))
        return [row[0] for row in rows]
    at, hashes = tables.tile.c.number, tables.tile.c.hashes
    below = select(hashes).where(tables.tile.c.level == level - 1, at >= first, at < end).order_by(at)
    return [merkle.root(split_hashes(row[0])) for row in connection.execute(below)]


def split_hashes(blob: bytes) -> list[bytes]:
    return [blob[at : at + 32] for at in range(0, len(blob), 32)]


_LOAD = select(tables.state.c.key, tables.state.c.value).where(
    tables.state.c.key.in_(bindparam("keys", expanding=True))
)


def load_state(connection: Connection, keys: Iterable[str]) -> dict[str, Any]:
    """Return the state rows that exist for `keys`."""
    wanted = sorted(set(keys))
    found: dict[str, Any] = {}
    for at in range(0, len(wanted), 500):
        for key, value in connection.execute(_LOAD, {"keys": wanted[at : at + 500]}):
            found[key] = json.loads(value)
    return found


def save_state(connection: Connection, changes: Mapping[str, Any]) -> None:
    """Store the changed rows; None deletes."""
    gone = [{"gone": key} for key, value in changes.items() if value is None]
    kept = [
        {"key": key, "value": json.dumps(value, separators=(",", ":"), sort_keys=True)}
        for key, value in changes.items()
        if value is not None
    ]
    if gone:
        connection.execute(delete(tables.state).where(tables.state.c.key == bindparam("gone")), gone)
    if kept:
        statement = upsert(tables.state)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value}),
            kept,
        )


def clear_projections(connection: Connection) -> None:
    """Forget everything that the entries can rebuild."""
    connection.execute(delete(tables.ref))
    connection.execute(delete(tables.state))


def insert_links(connection: Connection, rows: Sequence[tuple[str, str, int]]) -> None:
    """Store what entries are found by: (kind, value, seq)."""
    if rows:
        connection.execute(insert(tables.ref), [{"kind": k, "value": v, "seq": seq} for k, v, seq in rows])


def holds(connection: Connection, seq: int, data: bytes) -> bool:
    """Tell whether the entry at `seq` is stored with exactly these bytes."""
    stored = connection.execute(select(tables.entry.c.bytes).where(tables.entry.c.seq == seq)).scalar()
    return bool(stored == data)
