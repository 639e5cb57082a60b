"""Reading a live SQLite log with the standard library alone, for the offline verifier. Read-only."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.canonical import parse
from ledger.errors import LedgerUnavailable
from ledger.merkle import fold


@dataclass(frozen=True, slots=True)
class LiveLog:
    """One snapshot of a log: what its head row says, and its entries."""

    connection: sqlite3.Connection
    origin: str
    size: int
    root: bytes
    signed: bytes | None

    def raw(self) -> Iterator[bytes]:
        rows = self.connection.execute("SELECT bytes FROM entry WHERE seq < ? ORDER BY seq", (self.size,))
        return (row[0] for row in rows)


def open_live(path: Path) -> LiveLog:
    """Open the database file read-only, in one snapshot.

    Raises:
        LedgerUnavailable: it is not a database of a log.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("BEGIN")
        head = connection.execute("SELECT origin, size, frontier FROM head").fetchone()
        kept = connection.execute("SELECT value FROM state WHERE key = 'checkpoint'").fetchone()
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"{path} is not the database of a log: {error}") from error
    if head is None:
        raise LedgerUnavailable(f"{path} holds no log")
    origin, size, frontier = head
    edge = [frontier[at : at + 32] for at in range(0, len(frontier), 32)]
    signed = parse(kept[0].encode())["note"].encode() if kept else None
    return LiveLog(connection, origin, size, fold(edge), signed)
