"""Reading a live log for the offline verifier, without writing to it.

SQLite needs the standard library alone; PostgreSQL needs psycopg besides.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.canonical import parse
from ledger.errors import LedgerUnavailable
from ledger.merkle import fold
from ledger.verify_contents import Row

URL_PREFIX = "postgresql://"


@dataclass(frozen=True, slots=True)
class LiveLog:
    """What the head row of a log says, and a way to its entries and what is kept beside them.

    May be taken along to another process.
    """

    where: Path | str
    origin: str
    size: int
    root: bytes
    signed: bytes | None

    def read(self, first: int, end: int) -> list[bytes]:
        """Return the bytes of the entries with first <= seq < end that are stored, in order."""
        within = f"seq >= {int(first)} AND seq < {int(end)}"
        found = _rows(self.where, f"SELECT bytes FROM entry WHERE {within} ORDER BY seq")
        return [bytes(row[0]) for row in found]

    def rows(self, first: int, end: int) -> list[Row]:
        """Return which contents are kept for the entries with first <= seq < end, in order.

        Raises:
            LedgerUnavailable: the contents cannot be read; so `ciphertexts` and `strays`.
        """
        within = f"seq >= {int(first)} AND seq < {int(end)}"
        found = self._contents(f"SELECT seq, key, length(ciphertext) FROM content WHERE {within} ORDER BY seq")
        return [Row(int(seq), str(key), int(length or 0)) for seq, key, length in found]

    def ciphertexts(self, first: int, end: int) -> dict[int, bytes]:
        """Return the ciphertexts that are kept for the same, by number; what is no bytes counts as empty."""
        within = f"seq >= {int(first)} AND seq < {int(end)}"
        found = self._contents(f"SELECT seq, ciphertext FROM content WHERE {within}")
        return {seq: bytes(data) if isinstance(data, bytes | memoryview) else b"" for seq, data in found}

    def strays(self, size: int) -> list[int]:
        """Return some numbers of contents outside the first `size` entries that belong to no later entry either."""
        found = self._contents(
            f"SELECT seq FROM content WHERE (seq < 0 OR seq >= {int(size)}) "
            "AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.seq = content.seq) ORDER BY seq LIMIT 5"
        )
        return [row[0] for row in found]

    def _contents(self, statement: str) -> list[Any]:
        try:
            return _rows(self.where, statement)
        except Exception as found:  # noqa: BLE001 - a driver's own, of which psycopg's may not be installed
            raise LedgerUnavailable(f"contents cannot be read: {str(found).splitlines()[0]}") from found


def open_live(where: Path | str) -> LiveLog:
    """Open the database file, or the server at a PostgreSQL URL.

    What is appended meanwhile is no part of it: entries up to its size never change.

    Raises:
        LedgerUnavailable: it is not a database of a log.
    """
    name = "the server" if isinstance(where, str) else where
    _close()  # the file may be another one by now
    _connection(where)
    try:
        # One statement, so that both are of one moment.
        heads = _rows(
            where, "SELECT origin, size, frontier, (SELECT value FROM state WHERE key = 'checkpoint') FROM head"
        )
    except Exception as found:
        raise LedgerUnavailable(f"{name} is not the database of a log: {found}") from found
    if not heads:
        raise LedgerUnavailable(f"{name} holds no log")
    origin, size, frontier, kept = heads[0]
    edge = [frontier[at : at + 32] for at in range(0, len(frontier), 32)]
    signed = parse(kept.encode())["note"].encode() if kept else None
    return LiveLog(where, origin, size, fold(edge), signed)


_open: dict[Path | str, Any] = {}
"""The connection of this process, if it has one: there is one at a time."""


def _connection(where: Path | str) -> Any:
    """Return a connection of this process that only reads."""
    if where not in _open:
        _close()
        _open[where] = _postgresql(where) if isinstance(where, str) else _sqlite(where)
    return _open[where]


def _rows(where: Path | str, statement: str) -> list[Any]:
    """Return the rows of a statement. On a server each is a transaction that may only read: a setting of the session
    would stay with a pooler's connection, and the next program that gets it could not write."""
    connection = _connection(where)
    if not isinstance(where, str):
        return list(connection.execute(statement))
    with connection.transaction():
        return list(connection.execute(statement))


def _close() -> None:
    while _open:
        _open.popitem()[1].close()


def _sqlite(path: Path) -> Any:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"{path} is not the database of a log: {error}") from error


def _postgresql(url: str) -> Any:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise LedgerUnavailable("a live PostgreSQL log needs psycopg: pip install 'psycopg[binary]'") from None
    try:
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        connection.read_only = True  # of each transaction
    except psycopg.Error as error:
        raise LedgerUnavailable(f"the server cannot be read: {error}") from error
    return connection
