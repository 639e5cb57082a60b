"""The writer: every change of state in the main database passes through here, one batch at a time.

A process has one `Log` with one thread and one connection. The thread takes all waiting units (group commit),
locks the head, loads the state rows of all of them once, runs them in order on a working copy, stores what they
decided, moves the head by compare-and-swap, commits, and only then wakes the waiters. So:

* what `append` returns is durable;
* a unit that raises fails only its own waiter; a commit that fails fails the batch, and nothing of it is kept;
* when it is not known whether a commit happened (a crash report from the database), the stored bytes are looked
  up before anybody is told anything.

After a crash on any line the database holds whole batches or nothing of them; nobody was woken for the rest.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Engine

from ledger import merkle
from ledger.entry import encode, format_time, links, parse_time
from ledger.errors import LedgerUnavailable
from ledger.store import writer
from ledger.store.driver import Driver, WriteConnection
from ledger.store.engine import write_lock
from ledger.unit import Receipt, Unit, Written

MAX_BATCH = 256


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    done: "Future[Written]"
    new: tuple[writer.NewEntry, ...] = ()
    answer: Any = None


class Log:
    """The single writer of this process on one log; several processes may each have one."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime], lock: Path | None = None) -> None:
        """Open the writer.

        Args:
            engine: the main database, migrated and initialised.
            clock: the current instant, timezone-aware, for a database without a clock of its own. Entries take the
                later of the clock and the last entry's time.
            lock: a lock file that the writers of several processes queue on (SQLite).
        """
        self._engine = engine
        self._clock = clock
        self._lock = lock
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closed = threading.Event()
        self._connection: WriteConnection | None = None  # the thread's own; opened with the first batch
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit) -> "Future[Written]":
        """Hand a unit over without waiting; the future resolves when it is durable or has failed.

        Raises:
            LedgerUnavailable: the log is closed.
        """
        if self._closed.is_set():
            raise LedgerUnavailable("the log is closed")
        waiting = _Waiting(unit, Future())
        waiting.done.set_running_or_notify_cancel()  # a waiter that leaves does not undo what it asked for
        self._queue.put(waiting)
        return waiting.done

    def append(self, unit: Unit) -> Written:
        """Run a unit and return when it is durable.

        Raises:
            LedgerUnavailable: it was not committed.
            Exception: whatever the unit itself raised.
        """
        return self.submit(unit).result()

    def close(self) -> None:
        """Commit what waits, then stop the thread."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            batch = [] if first is None else [first]
            stop = first is None
            while len(batch) < MAX_BATCH:
                try:
                    waiting = self._queue.get_nowait()
                except Empty:
                    break
                if waiting is None:
                    stop = True
                else:
                    batch.append(waiting)
            if batch:
                self._settle(batch)
            if stop:
                self._drop_connection()
                return

    def _settle(self, batch: list[_Waiting]) -> None:
        """Commit a batch and wake its waiters, whatever happens."""
        ran: list[_Waiting] = []
        try:
            self._commit(batch, ran)
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiters must hear of it and the thread go on
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            unavailable = LedgerUnavailable(f"the ledger could not commit: {reason}")
            unavailable.__cause__ = error
            self._drop_connection()
            for waiting in batch:
                if waiting in ran and self._is_stored(waiting):
                    _resolve(waiting)
                elif not waiting.done.done():
                    waiting.done.set_exception(unavailable)
            return
        for waiting in ran:
            _resolve(waiting)

    def _commit(self, batch: list[_Waiting], ran: list[_Waiting]) -> None:
        with write_lock(self._lock):
            connection = self._connection = self._connection or WriteConnection(self._engine)
            connection.begin()
            try:
                self._run_units(connection, batch, ran)
                connection.commit()
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is the one to tell; the connection is dropped
                    connection.rollback()
                raise

    def _drop_connection(self) -> None:
        """Let go of the connection: after a failure the next batch starts on a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.drop()

    def _run_units(self, connection: Driver, batch: list[_Waiting], ran: list[_Waiting]) -> None:
        old, clock = writer.lock_head(connection)
        at_text = max(format_time(clock or self._clock()), old.at)  # the clock may jump back; the log does not
        at = parse_time(at_text)
        working = writer.load_state(connection, [key for one in batch for key in one.unit.keys(at)])
        head, changes, new = old, dict[str, Any](), list[writer.NewEntry]()
        for waiting in batch:
            try:
                step = waiting.unit.run(working, at)
                moved, entries = _place(head, step.drafts, at_text)
            except Exception as error:  # noqa: BLE001 - the unit's own error belongs to its own waiter
                waiting.done.set_exception(error)
                continue
            head, waiting.new, waiting.answer = moved, entries, step.answer
            new += entries
            for key, value in step.changes.items():
                changes[key] = value
                if value is None:
                    working.pop(key, None)
                else:
                    working[key] = value
            ran.append(waiting)
        writer.insert_entries(connection, new)
        writer.save_state(connection, changes)
        if head != old:
            writer.move_head(connection, old, head)

    def _is_stored(self, waiting: _Waiting) -> bool:
        """Tell whether the entries of a unit are in the database after a commit whose outcome is unknown."""
        if not waiting.new:
            return False
        first = waiting.new[0]
        try:
            connection = WriteConnection(self._engine)
        except Exception:  # noqa: BLE001 - whatever keeps us from seeing it, it is not known to be there
            return False
        try:
            with write_lock(self._lock):
                connection.begin()
                writer.lock_head(
                    connection
                )  # a server may still be finishing what we lost sight of: it holds this lock
                return writer.holds(connection, first.seq, first.data)
        except Exception:  # noqa: BLE001
            return False
        finally:
            connection.drop()


def _place(head: writer.Head, drafts: Any, at: str) -> tuple[writer.Head, tuple[writer.NewEntry, ...]]:
    """Give drafts their places after `head`; returns the moved head and the entries."""
    placed: list[writer.NewEntry] = []
    for draft in drafts:
        data = encode(draft, log=head.origin, seq=head.size, prev=head.last_hash, at=at)
        leaf = merkle.leaf_hash(data)
        placed.append(writer.NewEntry(head.size, draft.id, draft.kind, at, data, leaf, links(draft), draft.contents))
        head = replace(head, last_hash=leaf, frontier=head.frontier.extend([leaf]), at=at)
    return head, tuple(placed)


def _resolve(waiting: _Waiting) -> None:
    receipts = tuple(
        Receipt(seq=one.seq, id=one.id, kind=one.kind, at=one.at, leaf_hash=one.leaf_hash) for one in waiting.new
    )
    waiting.done.set_result(Written(receipts=receipts, answer=waiting.answer))
