"""The driver's own connection, for the few statements that run for every call.

Through SQLAlchemy's expression layer one append took twice the CPU (`make bench`). The statements are the same text
for both databases, with `?` for a value; what differs between them is in this module and in `ledger.store.engine`.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Integer, LargeBinary, PoolProxiedConnection, Table, Text

from ledger.errors import LedgerUnavailable

POSTGRESQL = "postgresql"
MOST_ROWS = 64
"""In one statement of SQLite, where each number of rows is a prepared statement of its own that stays in memory."""
BUSY_MILLISECONDS = 10_000
WAL_PAGES = 4000
"""How long SQLite's write-ahead log grows before a commit that may do so copies it into the database."""
_ARRAYS: dict[type[Any], str] = {BigInteger: "bigint[]", Integer: "integer[]", LargeBinary: "bytea[]", Text: "text[]"}


class Busy(Exception):
    """Another connection writes just now."""


@lru_cache(maxsize=256)
def _for_psycopg(statement: str) -> str:
    """Write `?` as psycopg does, for a value sent in binary: an array of entries takes longer to write as text than the
    server takes to store it."""
    return statement.replace("?", "%b")


@lru_cache(maxsize=512)
def _insert(table: Table, size: int, upsert: str) -> str:
    row = f"({','.join('?' * len(table.columns))})"
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES {','.join([row] * size)} {upsert}"


@lru_cache(maxsize=256)
def _together(statements: tuple[str, ...]) -> str:
    """Return one statement of PostgreSQL that does what these do; its result is that of the last one."""
    *before, last = statements
    named = ", ".join(f"change_{number} AS ({one})" for number, one in enumerate(before))
    return f"WITH {named} {last}" if named else last


@lru_cache(maxsize=16)
def _insert_arrays(table: Table, upsert: str) -> str:
    arrays = ", ".join(f"?::{_ARRAYS[type(column.type)]}" for column in table.columns)
    return f"INSERT INTO {table.name} ({_names(table)}) SELECT * FROM unnest({arrays}) {upsert}"


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


class Driver:
    """One DB-API connection. Errors are the driver's own; whoever holds the connection decides what they mean."""

    def __init__(self, raw: Any, dialect: str) -> None:
        self._raw = raw
        self.is_postgresql = dialect == POSTGRESQL
        self._put: list[tuple[str, Sequence[Any]]] = []
        self._touched = 0

    @classmethod
    def of(cls, connection: Connection) -> "Driver":
        """Return the driver's side of a connection that SQLAlchemy manages."""
        return cls(connection.connection.driver_connection, connection.dialect.name)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement and return its cursor."""
        return self._raw.execute(_for_psycopg(statement) if self.is_postgresql else statement, values)

    def put(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Make a change that no later one up to the next `flush` builds on: PostgreSQL gets them in one round trip."""
        if self.is_postgresql:
            self._put.append((statement, values))
        else:
            self._touched = self._raw.execute(statement, values).rowcount

    def flush(self) -> int:
        """Send what was put; returns how many rows the last change touched."""
        if self._put:
            put, self._put = self._put, []
            text = _together(tuple([statement for statement, _ in put]))
            self._touched = self.execute(text, list(chain.from_iterable([values for _, values in put]))).rowcount
        return self._touched

    def insert(self, table: Table, rows: Sequence[Sequence[Any]], *, upsert: str = "") -> None:
        """Put rows (values in the order of the table's columns), many in one statement: each statement is a wait for
        the interpreter's lock (SQLite) or a round trip (PostgreSQL)."""
        if self.is_postgresql:
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                self.put(_insert_arrays(table, upsert), columns)
            return
        for at in range(0, len(rows), MOST_ROWS):
            page = rows[at : at + MOST_ROWS]
            self.put(_insert(table, len(page), upsert), list(chain.from_iterable(page)))

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the condition that `column` is one of `values`, and what to bind to it."""
        if self.is_postgresql:  # one text for every length, so that the server's prepared statement is found again
            return f"{column} = ANY(?)", (list(values),)
        return f"{column} IN ({','.join('?' * len(values))})", values


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Driver]:
    """Yield the driver's side of a pooled connection to read with, and give it back.

    What SQLAlchemy adds to each connection costs more than the small statements that `why` sends by the dozen.
    """
    pooled = engine.raw_connection()
    try:
        yield Driver(pooled.driver_connection, engine.dialect.name)
    finally:
        pooled.close()


def _file_of(engine: Engine) -> str | None:
    name = engine.url.database
    return name if engine.dialect.name != POSTGRESQL and name and name != ":memory:" else None


def _place_of(path: str | None) -> tuple[int, int] | None:
    """Return where a database file is on its disk.

    Raises:
        LedgerUnavailable: it is not there; opening it would make an empty one.
    """
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError as error:
        raise LedgerUnavailable(f"{path} is missing: {error.strerror}") from error
    return found.st_dev, found.st_ino


class WriteConnection(Driver):
    """The connection of a writer: begins, commits, and is given back."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._path = engine, _file_of(engine)
        self._place = _place_of(self._path)
        self._pooled: PoolProxiedConnection = engine.raw_connection()
        super().__init__(self._pooled.driver_connection, engine.dialect.name)
        self._version = -1
        self._copies_wal = True
        if not self.is_postgresql:
            self._raw.execute("PRAGMA busy_timeout=0")

    def require_in_place(self) -> None:
        """Look whether SQLite's file is still the one that was opened: a process keeps writing to a moved one.

        Raises:
            LedgerUnavailable: it was moved or replaced. The next connection is to what is there now.
        """
        if self._path is not None and _place_of(self._path) != self._place:
            self._engine.dispose()
            raise LedgerUnavailable(f"{self._path} was replaced while this process ran")

    def begin(self, *, wait: bool) -> None:
        """Begin to write. SQLite locks the database here; on PostgreSQL locking the head row does.

        Raises:
            Busy: another program holds the database, and we shall not wait.
        """
        if self.is_postgresql:  # psycopg begins with the first statement
            return
        try:
            self._raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            if not wait:
                raise Busy from error
            self._begin_patiently()

    def _begin_patiently(self) -> None:
        self._raw.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        try:
            self._raw.execute("BEGIN IMMEDIATE")
        finally:
            self._raw.execute("PRAGMA busy_timeout=0")

    def others_wrote(self) -> bool:
        """Tell whether another connection may have written since this was last asked in a transaction."""
        if self.is_postgresql:
            return True
        before = self._version
        (self._version,) = self._raw.execute("PRAGMA data_version").fetchone()
        return before != self._version

    def let_copy_wal(self, allowed: bool) -> None:
        """Say whether commits may copy SQLite's write-ahead log into the database: that takes longer than a flush."""
        if self._copies_wal != allowed and not self.is_postgresql:
            self._raw.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES if allowed else 0}")
            self._copies_wal = allowed

    def commit(self) -> None:
        """Make the transaction durable: returns after the flush to disk."""
        if self._put:
            raise RuntimeError("a change was put and not sent")
        self._raw.commit()

    def wait_for_standby(self) -> None:
        """Wait until all that this transaction has seen is on a synchronous standby, where there is one: what can be
        seen after a restart of the server need not be."""
        if self.is_postgresql:
            self._raw.commit()

    def rollback(self) -> None:
        self._raw.rollback()

    def drop(self) -> None:
        """Close the connection for good: after a failure nothing of it is used again."""
        self._pooled.invalidate()
