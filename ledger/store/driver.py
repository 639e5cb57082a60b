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

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for many rows: one round trip where the driver can."""
        with_marks = _with_percent(statement) if self.is_postgresql else statement
        self._raw.cursor().executemany(with_marks, rows)

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
