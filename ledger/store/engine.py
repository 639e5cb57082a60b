"""Engines: one way to open a database, with the settings durability rests on.

A database is a SQLite file (a `Path`) or a PostgreSQL URL (`postgresql://ROLE:PASSWORD@HOST/NAME`).
"""

import contextlib
import fcntl
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from ledger.errors import LedgerUnavailable
from ledger.store.driver import POSTGRESQL, WAL_PAGES

Location = Path | str

STALL_SECONDS = 5
"""Whoever waits for the head longer than this is refused. A process that hangs inside a transaction on PostgreSQL
stalls the others for no longer: the server ends its session."""

_SESSION = {
    "synchronous_commit": "on",  # the server's default may be off: an acknowledged commit could then be lost
    "lock_timeout": f"{STALL_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{STALL_SECONDS}s",
    "timezone": "UTC",
}


def open_engine(where: Location) -> Engine:
    """Return an engine on a database.

    Every SQLite connection runs WAL with synchronous=FULL: under NORMAL a commit that was acknowledged may be rolled
    back by a power loss, and a checkpoint over it would then be a fork of our own making.

    Raises:
        LedgerUnavailable: a PostgreSQL URL, and the extra `postgres` is not installed.
    """
    if isinstance(where, str):
        return _open_postgresql(where)
    engine = create_engine(
        f"sqlite:///{where}",
        hide_parameters=True,  # bound values are other people's entries
        # One statement text for each number of rows: they must stay prepared.
        connect_args={"timeout": 10, "check_same_thread": False, "cached_statements": 512},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _open_postgresql(url: str) -> Engine:
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    try:
        return create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            pool_pre_ping=True,  # a server that was restarted must not fail the first read after it
            pool_size=10,
            connect_args={"options": options, "connect_timeout": 10, "application_name": "whyledger"},
        )
    except ModuleNotFoundError as error:
        raise LedgerUnavailable("PostgreSQL needs the extra: pip install 'whyledger[postgres]'") from error


def in_words(error: BaseException) -> str:
    """Return one line that says what went wrong and, where a database or a file could not be used, what to do."""
    reason = (str(getattr(error, "orig", None) or error).splitlines() or [""])[0][:200] or type(error).__name__
    if not isinstance(error, _driver_errors()):
        return reason
    if "startup parameter" in reason or "prepared statement" in reason:
        return f"{reason}; a pooler stands before the server: docs/guides/operate.md says how ours must be set"
    if "locked" in reason:
        return f"{reason}; another program holds the database: end that program"
    if any(isinstance(one, sqlite3.Error | OSError) for one in (error, getattr(error, "orig", None))):
        return f"{reason}; see that its disk has room, that this user may write there, and how many files may be open"
    return f"{reason}; see that the database server runs and takes our connections, and read its log"


def _driver_errors() -> tuple[type[Exception], ...]:
    psycopg = sys.modules.get("psycopg")
    return (SQLAlchemyError, sqlite3.Error, OSError, *((psycopg.Error,) if psycopg else ()))


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say what the driver says in our words.

    Raises:
        LedgerUnavailable: the database, or a file beside it, could not be used.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, _driver_errors()):
            raise
        raise LedgerUnavailable(f"the database cannot be used: {in_words(error)}") from error


def durability(engine: Engine) -> dict[str, Any]:
    """Return the settings that durability rests on, as the database reports them."""
    if engine.dialect.name == POSTGRESQL:
        command, names = "SHOW", ["fsync", "full_page_writes", "synchronous_commit"]
    else:
        command, names = "PRAGMA", ["synchronous", "journal_mode", "page_size", "recursive_triggers"]
    with engine.connect() as connection:
        return {name: connection.exec_driver_sql(f"{command} {name}").scalar_one() for name in names}


def synchronous_standbys(engine: Engine) -> str | None:
    """Return the setting by which commits wait for standbys, empty when they wait for none; None on SQLite."""
    if engine.dialect.name != POSTGRESQL:
        return None
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW synchronous_standby_names").scalar() or "")


def require_durable(engine: Engine) -> None:
    """Refuse a server that acknowledges commits which it has not written to disk.

    Raises:
        LedgerUnavailable: naming the setting.
    """
    lacking = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "synchronous": 0}
    for name, value in durability(engine).items():
        if lacking.get(name) == value:
            raise LedgerUnavailable(
                f"the database runs with {name}={value}: what it acknowledges can be lost. Turn it on"
            )
    if engine.dialect.name == POSTGRESQL:
        _require_session(engine)


def _require_session(engine: Engine) -> None:
    """Refuse sessions without our settings: a pooler that leaves them out would do so without a word."""
    needed = {name: value for name, value in _SESSION.items() if name != "timezone"}  # nothing promised rests on that
    asked = ", ".join(f"current_setting('{name}')" for name in needed)
    with engine.connect() as connection:
        role, *settings = connection.exec_driver_sql(f"SELECT current_user, {asked}").one()
    for (name, value), found in zip(needed.items(), settings, strict=True):
        if found != value:
            raise LedgerUnavailable(
                f"sessions run with {name}={found} and need {value}: something between us and it, such as PgBouncer, "
                f"drops it. ALTER ROLE {role} SET {name} = '{value}' (docs/guides/operate.md, Poolers)"
            )


def _configure(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # this module says BEGIN itself; the driver must not
    for pragma in (
        "page_size=8192",  # first: ignored once the journal mode is set on a new file
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",  # else INSERT OR REPLACE gets past the DELETE trigger
        "cache_size=-16000",
        f"wal_autocheckpoint={WAL_PAGES}",
        "temp_store=MEMORY",  # what undoes one statement: else each batch makes, writes and deletes a file for it
    ):
        connection.execute(f"PRAGMA {pragma}")
    if sys.platform == "darwin":
        connection.execute("PRAGMA fullfsync=ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait_for_lock(handle: int, came: "Future[int]") -> None:
    """Resolve the future with the handle once it has the lock; close it if nobody waits any more."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        error = None
    except OSError as refused:
        error = refused
    wanted = came.set_running_or_notify_cancel()
    if wanted and error is None:
        came.set_result(handle)
        return
    os.close(handle)
    if wanted:
        came.set_exception(error)


class WriteLock:
    """The lock file of a SQLite database: the kernel queues writers, SQLite's own busy loop lets them starve.

    Without a path (PostgreSQL queues writers itself) there is nothing to take.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._handle, self._held = path, -1, False

    def take(self, *, wait: bool = True) -> bool:
        """Take the lock and tell whether it was to be had; with `wait` a refusal is an error.

        Raises:
            LedgerUnavailable: it was held for `STALL_SECONDS`.
        """
        if self._path is None:
            return True
        if self._handle < 0:
            self._handle = _open_lock(self._path)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                return False
            self._queue(self._path)
        except OSError:
            self.close()
            raise
        self._held = True
        return True

    def _queue(self, path: Path) -> None:
        """Wait in the kernel's queue. It knows no time-out: a thread waits there and lets go of what comes too late."""
        came = Future[int]()
        threading.Thread(target=_wait_for_lock, args=(_open_lock(path), came), name="ledger-lock", daemon=True).start()
        try:
            handle = came.result(STALL_SECONDS)
        except TimeoutError:
            if came.cancel():
                raise LedgerUnavailable(
                    f"another process has held {path} for {STALL_SECONDS} s: see which one hangs (fuser {path}), end it"
                ) from None
            handle = came.result()
        os.close(self._handle)
        self._handle = handle

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._held:
            self._held = False
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._held = -1, False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.release()
