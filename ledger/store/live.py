"""Reading a live log for the offline verifier, read-only and in one snapshot.

SQLite needs the standard library alone; PostgreSQL needs psycopg besides.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.canonical import parse
from ledger.errors import LedgerUnavailable
from ledger.merkle import fold

URL_PREFIX = "postgresql://"


@dataclass(frozen=True, slots=True)
class LiveLog:
    """One snapshot of a log: what its head row says, and its entries."""

    rows: Iterator[Any]
    origin: str
    size: int
    root: bytes
    signed: bytes | None

    def raw(self) -> Iterator[bytes]:
        """Yield the bytes of the entries in order, once."""
        return (bytes(row[0]) for row in self.rows)


def open_live(where: Path | str) -> LiveLog:
    """Open the database file, or the server at a PostgreSQL URL.

    Raises:
        LedgerUnavailable: it is not a database of a log.
    """
    connection, cursor, error = _postgresql(where) if isinstance(where, str) else _sqlite(where)
    name = "the server" if isinstance(where, str) else where
    try:
        head = connection.execute("SELECT origin, size, frontier FROM head").fetchone()
        kept = connection.execute("SELECT value FROM state WHERE key = 'checkpoint'").fetchone()
    except error as found:
        raise LedgerUnavailable(f"{name} is not the database of a log: {found}") from found
    if head is None:
        raise LedgerUnavailable(f"{name} holds no log")
    origin, size, frontier = head
    cursor.execute(f"SELECT bytes FROM entry WHERE seq < {int(size)} ORDER BY seq")
    edge = [frontier[at : at + 32] for at in range(0, len(frontier), 32)]
    signed = parse(kept[0].encode())["note"].encode() if kept else None
    return LiveLog(cursor, origin, size, fold(edge), signed)


def _sqlite(path: Path) -> tuple[Any, Any, type[Exception]]:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("BEGIN")
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"{path} is not the database of a log: {error}") from error
    return connection, connection.cursor(), sqlite3.Error


def _postgresql(url: str) -> tuple[Any, Any, type[Exception]]:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise LedgerUnavailable("a live PostgreSQL log needs psycopg: pip install 'psycopg[binary]'") from None
    try:
        connection = psycopg.connect(url)
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    except psycopg.Error as error:
        raise LedgerUnavailable(f"the server cannot be read: {error}") from error
    # A named cursor: rows stay on the server until asked for.
    return connection, connection.cursor(name="entries"), psycopg.Error
