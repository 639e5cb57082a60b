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

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from sqlalchemy import Engine

from ledger import merkle
from ledger.entry import Draft, encode, format_time, links, parse_time
from ledger.errors import LedgerUnavailable
from ledger.store import writer
from ledger.store.driver import Driver, WriteConnection
from ledger.store.engine import in_words, write_lock
from ledger.unit import Receipt, Unit, Written

MAX_BATCH = 256
CROWD = range(4, 32)
GATHER_SECONDS = 0.002
"""After a batch of that many units the next one waits this long for company: each batch has a price of its own, and
under load the wait costs less than it saves. Larger batches come by themselves."""
FIND_OUT_SECONDS = 10.0
"""How long the writer tries to see what became of a commit that was cut, before it tells the waiters that it failed."""


class Handed(asyncio.Future[Written]):
    """What a unit comes to, for a coroutine. A waiter that leaves does not undo what it asked for: cancelling the task
    that awaits this takes effect when the unit has been committed or has failed."""

    def cancel(self, msg: Any = None) -> bool:
        return False


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    done: "Future[Written] | Handed"
    loop: asyncio.AbstractEventLoop | None = None
    """Where `done` must be set; None: anywhere."""
    new: list[writer.NewEntry] = field(default_factory=list)
    answer: Any = None
    error: Exception | None = None


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
        self._in_doubt = False
        self._connection: WriteConnection | None = None  # the thread's own; opened with the first batch
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit) -> "Future[Written]":
        """Hand a unit over without waiting; the future resolves when it is durable or has failed.

        Raises:
            LedgerUnavailable: the log is closed.
        """
        done = Future[Written]()
        done.set_running_or_notify_cancel()  # a waiter that leaves does not undo what it asked for
        self._put(_Waiting(unit, done))
        return done

    def hand_over(self, unit: Unit) -> Handed:
        """As `submit`, from the thread of an event loop and for it. Awaits nothing: safe in a task that is cancelled.

        All units of a batch are woken by one call into their loop.

        Raises:
            LedgerUnavailable: the log is closed.
        """
        loop = asyncio.get_running_loop()
        done = Handed(loop=loop)
        self._put(_Waiting(unit, done, loop))
        return done

    def _put(self, waiting: _Waiting) -> None:
        if self._closed.is_set():
            raise LedgerUnavailable("the log is closed")
        self._queue.put(waiting)

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
        batch: list[_Waiting] = []
        while True:
            first = self._queue.get()
            if first is not None and len(batch) in CROWD:
                time.sleep(GATHER_SECONDS)
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
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiters must hear of it and the thread go on
            unavailable = LedgerUnavailable(f"the ledger could not commit: {in_words(error)}")
            unavailable.__cause__ = error
            self._drop_connection()
            if not self._in_doubt or not self._find_out(batch):
                for waiting in batch:
                    waiting.error = waiting.error or unavailable
        _wake(batch)

    def _commit(self, batch: list[_Waiting]) -> None:
        self._in_doubt = False
        with write_lock(self._lock):
            connection = self._connection = self._connection or WriteConnection(self._engine)
            connection.begin()
            try:
                self._run_units(connection, batch)
                self._in_doubt = True  # from here on a failure does not tell what the database did
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

    def _run_units(self, connection: Driver, batch: list[_Waiting]) -> None:
        old, clock = writer.lock_head(connection)
        at_text = max(format_time(clock or self._clock()), old.at)  # the clock may jump back; the log does not
        at = parse_time(at_text)
        working = writer.load_state(connection, [key for one in batch for key in one.unit.keys(at)])
        end, changes, new = _End(old.size, old.last_hash), dict[str, Any](), list[writer.NewEntry]()
        for waiting in batch:
            waiting.new, waiting.answer, waiting.error = [], None, None
            try:
                step = waiting.unit.run(working, at)
                moved, waiting.new = _place(end, step.drafts, old.origin, at_text)
            except Exception as error:  # noqa: BLE001 - the unit's own error belongs to its own waiter
                waiting.error = error
                continue
            end, waiting.answer = moved, step.answer
            new += waiting.new
            for key, value in step.changes.items():
                changes[key] = value
                if value is None:
                    working.pop(key, None)
                else:
                    working[key] = value
        writer.insert_entries(connection, new)
        writer.save_state(connection, changes)
        if new:
            frontier = old.frontier.extend([one.leaf_hash for one in new])
            writer.move_head(connection, old, writer.Head(old.origin, end.last_hash, frontier, at_text))

    def _find_out(self, batch: list[_Waiting]) -> bool:
        """Tell whether a batch whose commit failed is stored; waits a while for a database that is being restarted."""
        deadline = time.monotonic() + FIND_OUT_SECONDS
        while (stored := self._is_stored(batch)) is None and time.monotonic() < deadline:
            time.sleep(0.2)
        return bool(stored)

    def _is_stored(self, batch: list[_Waiting]) -> bool | None:
        """Tell whether a batch is in the database, all of it or nothing; None when the database cannot be seen."""
        first = next((one for waiting in batch for one in waiting.new), None)
        if first is None:
            return False
        try:
            connection = WriteConnection(self._engine)
        except Exception:  # noqa: BLE001 - whatever keeps us from seeing it, it is not known to be there
            return None
        try:
            with write_lock(self._lock):
                connection.begin()
                # A server may still be finishing what we lost sight of: it holds this lock.
                writer.lock_head(connection)
                return writer.holds(connection, first.seq, first.data)
        except Exception:  # noqa: BLE001
            return None
        finally:
            connection.drop()


class _End(NamedTuple):
    """Where the next entry goes."""

    seq: int
    last_hash: bytes


def _place(end: _End, drafts: Sequence[Draft], origin: str, at: str) -> tuple[_End, list[writer.NewEntry]]:
    """Give drafts their places from `end` on; returns the moved end and the entries."""
    placed: list[writer.NewEntry] = []
    seq, last = end
    for draft in drafts:
        data = encode(draft, log=origin, seq=seq, prev=last, at=at)
        last = merkle.leaf_hash(data)
        placed.append(writer.NewEntry(seq, draft.id, draft.kind, at, data, last, links(draft), draft.contents))
        seq += 1
    return _End(seq, last), placed


def _wake(batch: Sequence[_Waiting]) -> None:
    """Tell every waiter; those of an event loop by one call into it."""
    loops: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
    for waiting in batch:
        if waiting.loop is None:
            _resolve(waiting)
        else:
            loops.setdefault(waiting.loop, []).append(waiting)
    for loop, waiters in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve_all, waiters)


def _resolve_all(waiters: Sequence[_Waiting]) -> None:
    for waiting in waiters:
        _resolve(waiting)


def _resolve(waiting: _Waiting) -> None:
    if waiting.error is not None:
        waiting.done.set_exception(waiting.error)
        return
    receipts = tuple(
        Receipt(seq=one.seq, id=one.id, kind=one.kind, at=one.at, leaf_hash=one.leaf_hash) for one in waiting.new
    )
    waiting.done.set_result(Written(receipts=receipts, answer=waiting.answer))
