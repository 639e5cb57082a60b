"""Engines: one way to open a database, with the settings durability rests on."""

import contextlib
import fcntl
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event


def open_engine(path: Path) -> Engine:
    """Return an engine on the SQLite file at `path`.

    Every connection runs WAL with synchronous=FULL: under NORMAL a commit that was acknowledged may be rolled
    back by a power loss, and a checkpoint over it would then be a fork of our own making.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,  # bound values are other people's entries
        connect_args={"timeout": 10, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # this module says BEGIN itself; the driver must not
    for pragma in (
        "page_size=8192",  # first: ignored once the journal mode is set on a new file
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",  # else INSERT OR REPLACE gets past the DELETE trigger
        "cache_size=-16000",
        "wal_autocheckpoint=4000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if sys.platform == "darwin":
        connection.execute("PRAGMA fullfsync=ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def write_lock(path: Path | None) -> Iterator[None]:
    """Hold the lock file of the database: the kernel queues writers, SQLite's own busy loop lets them starve."""
    if path is None:
        yield
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
