"""One batch: units run in order under the head lock, and what they decided is committed or nothing of it.

`BatchWriter` has the connection. Its steps may run on two threads, one after the other: `prepare` runs the units and
sends the statements, `commit` makes them durable, `settle` does what is left and finds out what a failure did. Between
batches it keeps the head and the state rows it has seen and uses them again as long as the database says that nobody
else has written (SQLite's `data_version`).
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Engine

from ledger import merkle
from ledger.continuity import ROWS, Memory, halted
from ledger.entry import Draft, encode, format_time, parse_time
from ledger.errors import LedgerUnavailable
from ledger.links import links
from ledger.store import writer
from ledger.store.driver import Busy, Driver, WriteConnection
from ledger.store.engine import WriteLock, in_words
from ledger.unit import HALT, Unit

MAX_KEPT = 20_000
FIND_OUT_SECONDS = 10.0
"""How long the writer tries to see what became of a commit that was cut, before it tells the waiters that it failed."""


@dataclass(slots=True)
class Waiting:
    """A unit on its way, and what it came to: `error`, or the new entries and the answer."""

    unit: Unit
    done: Any
    """The future of whoever waits."""
    new: list[writer.NewEntry] = field(default_factory=list)
    answer: Any = None
    error: Exception | None = None
    failed: Callable[[Exception], None] | None = None
    """Told of the error, whoever else may be there to see it."""


@dataclass(slots=True)
class Batch:
    """Units that commit together."""

    units: list[Waiting]
    prepared: bool = False
    """The statements have been sent; the lock is held."""
    writes: bool = False
    """There are statements: the commit will wait for the disk."""
    end: writer.End | None = None
    """Where the log ends once this is durable, if it has entries."""
    tried: bool = False
    """A commit was attempted, successfully or not."""
    error: BaseException | None = None
    """Why it could not be prepared or committed."""


class BatchWriter:
    """Runs batches on one connection, one at a time. `lock` orders the writers of several processes (SQLite)."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], lock: WriteLock) -> None:
        self._engine, self._clock, self._lock = engine, clock, lock
        self._connection: WriteConnection | None = None
        self._head: writer.Head | None = None
        self._rows: dict[str, Any] = {}
        self._memory = Memory()
        self._in_doubt = False
        self.flush_seconds = math.inf
        """How long the last commit that wrote something took."""

    def prepare(self, batch: Batch) -> None:
        """Run the units and send the statements if that waits for nothing; else `settle` will do it."""
        try:
            if self._connection is not None and self._lock.take(wait=False):
                self._send(batch, wait=False)
        except Busy:
            self._lock.release()
        except BaseException as error:
            batch.prepared, batch.error = True, error  # `settle` tells it to the waiters
            if not isinstance(error, Exception):
                raise

    def commit(self, batch: Batch, *, briefly: bool = False) -> None:
        """Make a batch durable, or note in it why not; returns after the flush to disk.

        Args:
            briefly: do nothing but that; housekeeping is left to another commit.
        """
        batch.tried = True
        try:
            self._commit(batch, briefly=briefly)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the waiters must hear of it and the thread go on
            batch.error = error

    def settle(self, batch: Batch) -> None:
        """Commit a batch, whatever happens: afterwards each unit of it is durable or has its error."""
        if not batch.tried:
            self.commit(batch)
        if batch.error is None:
            return
        unavailable = LedgerUnavailable(f"the ledger could not commit: {in_words(batch.error)}")
        unavailable.__cause__ = batch.error
        self.drop_connection()
        if self._in_doubt and self._find_out(batch):
            self._memory.end = batch.end or self._memory.end
            return
        for waiting in batch.units:
            waiting.error = waiting.error or unavailable

    def _commit(self, batch: Batch, *, briefly: bool) -> None:
        self._in_doubt = False
        try:
            if not batch.prepared:
                self._lock.take()
                self._connection = self._connection or WriteConnection(self._engine)
                self._send(batch, wait=True)
            if batch.error:
                raise batch.error
            assert self._connection is not None
            self._connection.let_copy_wal(not briefly)
            self._in_doubt = True  # from here on a failure does not tell what the database did
            began = monotonic()
            self._connection.commit()
            if batch.writes:
                self.flush_seconds = monotonic() - began
            if batch.end is not None:
                self._memory.end = batch.end
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to tell; the connection is dropped
                if self._connection is not None:
                    self._connection.rollback()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of connection and lock."""
        self.drop_connection()
        self._lock.close()

    def drop_connection(self) -> None:
        """Let go of the connection and of what it knew: after a failure the next batch starts on a new one."""
        connection, self._connection = self._connection, None
        self._head = None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.drop()

    def _send(self, batch: Batch, *, wait: bool) -> None:
        connection = self._connection
        assert connection is not None
        connection.require_in_place()
        connection.begin(wait=wait)
        if connection.others_wrote() or self._head is None or len(self._rows) > MAX_KEPT:
            self._head, self._rows = None, {}
        self._run_units(connection, batch)
        batch.prepared = True

    def _run_units(self, connection: Driver, batch: Batch) -> None:
        """Run units and send what they decided."""
        units, remembered = batch.units, self._memory.end
        before = remembered.seq - 1 if remembered else -1
        old, clock, leaf = writer.lock_head(connection, self._head, before)
        at_text = max(format_time(clock or self._clock()), old.at)  # the clock may jump back; the log does not
        at = parse_time(at_text)
        working = self._rows
        wanted = _keys(units, at) - working.keys()
        if old is not self._head:  # else nobody has written since: what is not in the rows is not there
            wanted |= ROWS
        working |= writer.load_state(connection, wanted)
        end, changes, new = old.end, dict[str, Any](), list[writer.NewEntry]()
        # A head that is still known has been held against the memory already.
        finding = self._memory.finding(old, leaf, working) if old is not self._head else ""
        if finding and HALT not in working:
            working[HALT] = changes[HALT] = {"finding": finding, "size": before + 1}
        for waiting in units:
            if waiting.error:
                continue
            if HALT in working and not waiting.unit.mends:
                waiting.error = halted(working[HALT])
                continue
            try:
                step = waiting.unit.run(working, at)
                moved, waiting.new = _place(end, step.drafts, old.origin, at_text)
            except Exception as error:  # noqa: BLE001 - the unit's own error belongs to its own waiter
                waiting.error = _told(error)
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
        self._head = old
        batch.writes = bool(new or changes)
        if new:
            frontier = old.frontier.extend([one.leaf_hash for one in new])
            self._head = writer.Head(old.origin, end.last_hash, frontier, at_text)
            writer.move_head(connection, old, self._head)
            writer.complete_tiles(connection, old.size, self._head.size)
            batch.end = self._head.end
        connection.flush()

    def _find_out(self, batch: Batch) -> bool:
        """Tell whether a batch whose commit failed is stored; waits a while for a database that is being restarted."""
        deadline = monotonic() + FIND_OUT_SECONDS
        while (stored := self._is_stored(batch)) is None and monotonic() < deadline:
            sleep(0.2)
        return bool(stored)

    def _is_stored(self, batch: Batch) -> bool | None:
        """Tell whether a batch is in the database, all of it or nothing; None when the database cannot be seen.

        One without entries leaves nothing to look for: its waiters are told that it failed, and do it again.
        """
        first = next((one for waiting in batch.units for one in waiting.new), None)
        if first is None:
            return False
        try:
            connection = WriteConnection(self._engine)
        except Exception:  # noqa: BLE001 - whatever keeps us from seeing it, it is not known to be there
            return None
        try:
            with self._lock.held():
                connection.begin(wait=True)
                # A server may still be finishing what we lost sight of: it holds this lock.
                writer.lock_head(connection, None)
                stored = writer.holds(connection, first.seq, first.data)
                connection.wait_for_standby()
                return stored
        except Exception:  # noqa: BLE001
            return None
        finally:
            connection.drop()


def _keys(units: Sequence[Waiting], at: datetime) -> set[str]:
    """Forget what earlier tries came to; return the rows that the units want. One that cannot tell fails alone."""
    wanted: set[str] = set()
    for waiting in units:
        waiting.new, waiting.answer, waiting.error = [], None, None
        try:
            wanted.update(waiting.unit.keys(at))
        except Exception as error:  # noqa: BLE001
            waiting.error = _told(error)
    return wanted


def _told(error: Exception) -> Exception:
    """Return the error as a future can carry it."""
    return RuntimeError("the unit raised StopIteration") if isinstance(error, StopIteration) else error


def _place(end: writer.End, drafts: Sequence[Draft], origin: str, at: str) -> tuple[writer.End, list[writer.NewEntry]]:
    """Give drafts their places from `end` on; returns the moved end and the entries."""
    placed: list[writer.NewEntry] = []
    seq, last = end
    for draft in drafts:
        data = encode(draft, log=origin, seq=seq, prev=last, at=at)
        last = merkle.leaf_hash(data)
        placed.append(writer.NewEntry(seq, draft.id, draft.kind, at, data, last, links(draft, seq), draft.contents))
        seq += 1
    return writer.End(seq, last), placed
