"""The driver's own connection, for the few statements that run for every call.

Through SQLAlchemy's expression layer one append took twice the CPU (`make bench`). The statements are the same text
for both databases, with `?` for a value; what differs between them is in this module and in `ledger.store.engine`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection

POSTGRESQL = "postgresql"


@lru_cache(maxsize=256)
def _with_percent(statement: str) -> str:
    return statement.replace("?", "%s")


_SIZES = (128, 32, 8, 2, 1)


@lru_cache(maxsize=64)
def _insert(table: str, columns: str, size: int, upsert: str) -> str:
    row = f"({', '.join('?' * (columns.count(',') + 1))})"
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * size)} {upsert}"


class Driver:
    """One DB-API connection. Errors are the driver's own; whoever holds the connection decides what they mean."""

    def __init__(self, raw: Any, dialect: str) -> None:
        self._raw = raw
        self.is_postgresql = dialect == POSTGRESQL

    @classmethod
    def of(cls, connection: Connection) -> "Driver":
        """Return the driver's side of a connection that SQLAlchemy manages."""
        return cls(connection.connection.driver_connection, connection.dialect.name)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement and return its cursor."""
        return self._raw.execute(_with_percent(statement) if self.is_postgresql else statement, values)

    def insert(self, table: str, columns: str, rows: Sequence[Sequence[Any]], *, upsert: str = "") -> None:
        """Insert rows, many in one statement.

        Each statement is one wait for the interpreter's lock (SQLite) or one round trip (PostgreSQL), so that this is
        what decides how long a batch takes while the event loop is busy. The numbers of rows are few, so that the
        texts are few and stay prepared.
        """
        at = 0
        for size in _SIZES:
            while len(rows) - at >= size:
                values = [value for row in rows[at : at + size] for value in row]
                self.execute(_insert(table, columns, size, upsert), values)
                at += size

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the condition that `column` is one of `values`, and what to bind to it."""
        if self.is_postgresql:  # one text for every length, so that the server's prepared statement is found again
            return f"{column} = ANY(?)", (list(values),)
        return f"{column} IN ({','.join('?' * len(values))})", values


class WriteConnection(Driver):
    """The connection of a writer: begins, commits, and is given back."""

    def __init__(self, engine: Engine) -> None:
        self._pooled: PoolProxiedConnection = engine.raw_connection()
        super().__init__(self._pooled.driver_connection, engine.dialect.name)

    def begin(self) -> None:
        """Begin to write. SQLite locks the database here; on PostgreSQL locking the head row does."""
        if not self.is_postgresql:  # psycopg begins with the first statement
            self._raw.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable: returns after the flush to disk."""
        self._raw.commit()

    def rollback(self) -> None:
        self._raw.rollback()

    def drop(self) -> None:
        """Close the connection for good: after a failure nothing of it is used again."""
        self._pooled.invalidate()
