"""The writer: every change of state in the main database passes through here, one batch at a time.

A process has one `Log` with one connection. It takes all waiting units (group commit), locks the head, runs them in
order, stores what they decided, moves the head by compare-and-swap, commits, and only then wakes the waiters
(`ledger.batch`). So:

* what `append` returns is durable;
* a unit that raises fails only its own waiter; a commit that fails fails the batch, and nothing of it is kept;
* when it is not known whether a commit happened (a crash report from the database), the stored bytes are looked
  up before anybody is told anything.

After a crash on any line the database holds whole batches or nothing of them; nobody was woken for the rest.

A thread does all of this. In a serving process on SQLite (`work_in`) it only waits for the disk: the units run and the
statements are sent in the event loop, where most units come from, because two threads that take the interpreter's
lock from each other at every statement cost more than the statements. Whatever would have to wait goes to the thread,
but for the flush of a unit that comes alone to a disk that was swift the last time, which takes as long as two changes
of threads.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sqlalchemy import Engine

from ledger.batch import Batch, BatchWriter, Waiting
from ledger.errors import LedgerUnavailable
from ledger.store.driver import POSTGRESQL
from ledger.store.engine import WriteLock
from ledger.unit import Receipt, Unit, Written

MAX_BATCH = 256
MAX_BATCH_IN_LOOP = 64
"""Bounds how long the other callers of the loop wait for a batch."""
SWIFT_SECONDS = 0.001
"""A flush that took longer sends those that follow to the thread, until one is swift again: the loop saves less
than this by flushing itself, and whoever else is in it waits."""
FLUSHES_HERE = 256
"""One in as many goes to the thread all the same, to do the housekeeping that takes longer."""
CROWD = range(4, 32)
GATHER_SECONDS = 0.002
"""After a batch of that many units the thread waits this long for company: each batch has a price of its own, and
under load the wait costs less than it saves. Larger batches come by themselves."""


class Handed(asyncio.Future[Written]):
    """What a unit comes to, for a coroutine. A waiter that leaves does not undo what it asked for: cancelling the task
    that awaits this takes effect when the unit has been committed or has failed."""

    def cancel(self, msg: Any = None) -> bool:
        return False


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
        self._may_work_in_loop = engine.dialect.name != POSTGRESQL  # there each statement waits for the server
        self._writer = BatchWriter(engine, clock, WriteLock(lock))
        self._units: deque[Waiting] = deque()
        self._guard = threading.Lock()
        self._under_way = False
        self._asked = False
        """The loop has been asked for a turn that it has not taken yet."""
        self._flushed_here = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def work_in(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Run units in this loop from now on, or in the thread again (None). On PostgreSQL the thread keeps them.

        To be called from the loop's thread.
        """
        with self._guard:
            self._loop = loop if self._may_work_in_loop else None
            if self._asked and self._loop is None:  # that turn may never come
                self._asked = False
                self._ask()

    def submit(self, unit: Unit) -> "Future[Written]":
        """Hand a unit over without waiting; the future resolves when it is durable or has failed.

        Raises:
            LedgerUnavailable: the log is closed.
        """
        done = Future[Written]()
        done.set_running_or_notify_cancel()  # a waiter that leaves does not undo what it asked for
        self._put(Waiting(unit, done))
        return done

    def hand_over(self, unit: Unit, *, failed: Callable[[Exception], None] | None = None) -> Handed:
        """As `submit`, from the thread of an event loop and for it. Awaits nothing: safe in a task that is cancelled.

        All units of a batch are woken by one call into their loop.

        Args:
            failed: called in the loop with the error of a unit that was not committed; nobody need await it then.

        Raises:
            LedgerUnavailable: the log is closed.
        """
        done = Handed(loop=asyncio.get_running_loop())
        self._put(Waiting(unit, done, failed=failed))
        return done

    def append(self, unit: Unit) -> Written:
        """Run a unit and return when it is durable. Not for the thread of the loop that units run in.

        Raises:
            LedgerUnavailable: it was not committed.
            Exception: whatever the unit itself raised.
        """
        return self.submit(unit).result()

    def close(self) -> None:
        """Commit what waits, then stop the thread. Where units run in a loop: to be called from its thread."""
        with self._guard:
            again, self._closed, self._loop = self._closed, True, None
        if not again:
            self._batches.put(None)
        self._thread.join()

    def _put(self, waiting: Waiting) -> None:
        with self._guard:
            if self._closed:
                raise LedgerUnavailable("the log is closed")
            self._units.append(waiting)
            if self._under_way:
                return  # whoever ends the batch under way takes the next one
            self._under_way = True
            self._ask(here=isinstance(waiting.done, Handed) and waiting.done.get_loop() is self._loop)

    def _ask(self, *, here: bool = False) -> None:
        """Have the next batch taken. `here`: this is the loop's own thread, which need not be woken."""
        if self._loop is not None:
            try:
                (self._loop.call_soon if here else self._loop.call_soon_threadsafe)(self._turn)
                self._asked = True
                return
            except RuntimeError:  # it was closed
                self._loop = None
        self._batches.put(Batch([]))

    def _turn(self) -> None:
        """Take a batch in the loop: run it here if that waits for nothing, and let the thread make it durable."""
        with self._guard:
            if not self._asked:
                return  # the thread has been asked instead
            self._asked = False
        batch = self._taken(MAX_BATCH_IN_LOOP)
        try:
            self._writer.prepare(batch)
            if self._may_flush_here(batch):
                self._writer.commit(batch, briefly=True)
                if batch.error is not None and not isinstance(batch.error, Exception):
                    raise batch.error
        finally:
            if batch.tried and batch.error is None:
                self._finish(batch, here=self._loop)
            else:
                self._batches.put(batch)

    def _may_flush_here(self, batch: Batch) -> bool:
        if len(batch.units) != 1 or not batch.prepared or self._writer.flush_seconds >= SWIFT_SECONDS:
            return False
        self._flushed_here = (self._flushed_here + 1) % FLUSHES_HERE
        return self._flushed_here != 0

    def _taken(self, most: int) -> Batch:
        units = self._units
        return Batch([units.popleft() for _ in range(min(len(units), most))])

    def _run(self) -> None:
        size = 0
        while (batch := self._batches.get()) is not None:
            if not batch.units:
                if size in CROWD:
                    time.sleep(GATHER_SECONDS)
                batch = self._taken(MAX_BATCH)
                size = len(batch.units)
            self._finish(batch)
        while (batch := self._taken(MAX_BATCH)).units:  # what waited when the log was closed
            self._finish(batch)
        self._writer.close()

    def _finish(self, batch: Batch, *, here: asyncio.AbstractEventLoop | None = None) -> None:
        """Make a batch durable and wake its waiters, then see to the next one. `here`: the loop that this runs in."""
        try:
            if batch.units:
                self._writer.settle(batch)
                _wake(batch.units, here)
        finally:
            with self._guard:
                self._under_way = bool(self._units)
                if self._under_way and not self._closed:
                    self._ask(here=here is not None)


def _wake(units: Sequence[Waiting], here: asyncio.AbstractEventLoop | None) -> None:
    """Tell every waiter; those of another event loop than `here` by one call into it."""
    loops: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
    for waiting in units:
        if isinstance(waiting.done, Handed) and waiting.done.get_loop() is not here:
            loops.setdefault(waiting.done.get_loop(), []).append(waiting)
        else:
            _resolve(waiting)
    for loop, waiters in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve_all, waiters)


def _resolve_all(waiters: Sequence[Waiting]) -> None:
    for waiting in waiters:
        _resolve(waiting)


def _resolve(waiting: Waiting) -> None:
    if waiting.error is not None:
        waiting.done.set_exception(waiting.error)
        if waiting.failed is not None:
            waiting.failed(waiting.done.exception())  # which has been seen thereby, should nobody await it
        return
    receipts = tuple([Receipt(one.seq, one.id, one.kind, one.at, one.leaf_hash) for one in waiting.new])
    waiting.done.set_result(Written(receipts, waiting.answer))
