"""Units that run in the event loop: the same promises as in the thread. The loop waits for no lock, and for a slow disk
once."""

import asyncio
import math
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock, OpenLog, appending, failing_commit, whole

import ledger.batch
import ledger.log
import ledger.store.engine
from ledger.errors import LedgerUnavailable
from ledger.store import driver, writer
from ledger.store.driver import WriteConnection
from ledger.store.engine import WriteLock
from ledger.unit import State, Step, Unit

THREADS: set[str] = set()


@pytest.fixture(params=[math.inf, 0.0], ids=["loop", "thread"], autouse=True)
def flushed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a unit that comes alone is made durable, whatever the disk here is like."""
    monkeypatch.setattr(ledger.log, "SWIFT_SECONDS", request.param)


def noting(unit: Unit) -> Unit:
    """As `unit`, and note which thread it runs in."""

    def run(state: State, at: datetime) -> Step:
        THREADS.add(threading.current_thread().name)
        return unit.run(state, at)

    return Unit(keys=unit.keys, run=run)


def in_loop(opened: OpenLog, use: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        THREADS.clear()
        opened.log.append(appending("call.opened"))  # the thread opens the connection
        opened.log.work_in(asyncio.get_running_loop())
        try:
            return await use()
        finally:
            opened.log.work_in(None)

    return asyncio.run(main())


def counting(log: OpenLog) -> bool:
    """Check that the state row counts the entries that are stored."""
    return bool(log.reader.state("n") == len(whole(log)))


def test_units_run_in_the_loop_and_commit_together(opened: OpenLog) -> None:
    async def use() -> list[int]:
        done = [opened.log.hand_over(noting(appending("call.opened"))) for _ in range(200)]
        return [(await one).receipts[0].seq for one in done]

    assert in_loop(opened, use) == list(range(1, 201))
    assert counting(opened)
    assert {"ledger-writer" if opened.url else "MainThread"} == THREADS


@pytest.mark.parametrize("flushed", [0.05], indirect=True)
def test_a_unit_alone_is_flushed_in_the_loop_until_the_disk_is_slow(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slow flush is the most that the loop waits for; a commit that writes nothing says nothing about the disk."""
    nothing = Unit(keys=lambda _at: (), run=lambda _state, _at: Step())
    flush, flushes, now = WriteConnection.commit, list[str](), 0.0
    commits = [(0.04, True), (0.04, True), (0.06, True), (0.0, False), (0.06, True), (0.04, True), (0.04, True)]

    def commit(self: WriteConnection) -> None:
        nonlocal now
        now += commits[len(flushes)][0]
        flushes.append(threading.current_thread().name)
        flush(self)

    async def use() -> None:
        monkeypatch.setattr(ledger.batch, "monotonic", lambda: now)
        await opened.log.hand_over(appending("call.opened"))  # a flush that takes no time
        monkeypatch.setattr(WriteConnection, "commit", commit)
        for _, writes in commits:
            await opened.log.hand_over(appending("call.opened") if writes else nothing)

    in_loop(opened, use)
    here, there = "MainThread", "ledger-writer"
    assert flushes == ([there] * 7 if opened.url else [here, here, here, there, there, there, here])
    assert counting(opened)


@pytest.mark.parametrize("flushed", [math.inf], indirect=True)
def test_the_write_ahead_log_is_copied_by_the_thread_and_does_not_grow_for_ever(
    on_file: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "WAL_PAGES", 1)
    monkeypatch.setattr(ledger.log, "FLUSHES_HERE", 10)
    flush, copied = WriteConnection.commit, list[str]()

    def commit(self: WriteConnection) -> None:
        before = on_file.path.stat().st_mtime_ns
        flush(self)
        copied.append(threading.current_thread().name if on_file.path.stat().st_mtime_ns != before else "")

    async def use() -> None:
        monkeypatch.setattr(WriteConnection, "commit", commit)
        for _ in range(40):
            await on_file.log.hand_over(appending("call.opened"))

    in_loop(on_file, use)
    assert copied == ([""] * 9 + ["ledger-writer"]) * 4
    assert counting(on_file)


@pytest.mark.parametrize("flushed", [math.inf], indirect=True)
def test_an_interrupt_in_a_commit_of_the_loop_is_not_kept_from_it(
    on_file: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: WriteConnection) -> None:
        raise KeyboardInterrupt

    async def use() -> None:
        monkeypatch.setattr(WriteConnection, "commit", interrupted)
        await on_file.log.hand_over(appending("call.opened"))

    with pytest.raises(KeyboardInterrupt):
        in_loop(on_file, use)
    monkeypatch.undo()
    assert on_file.log.append(appending("call.opened")).answer == 1
    assert counting(on_file)


def test_threads_and_loop_share_one_log(opened: OpenLog) -> None:
    async def use() -> None:
        loop = asyncio.get_running_loop()
        others = [loop.run_in_executor(None, opened.log.append, appending("call.opened")) for _ in range(50)]
        await asyncio.gather(*others, *[opened.log.hand_over(appending("call.closed")) for _ in range(50)])

    in_loop(opened, use)
    assert counting(opened) and opened.reader.state("n") == 101


def test_what_another_process_wrote_is_seen(opened: OpenLog, tmp_path: Path, clock: Clock) -> None:
    """State rows are kept between batches only as long as nobody else has written."""
    other = OpenLog(tmp_path, clock, opened.url)

    async def use() -> list[int]:
        answers = []
        for _ in range(5):
            answers.append((await opened.log.hand_over(appending("call.opened"))).answer)
            await asyncio.to_thread(other.log.append, appending("call.opened"))
        return answers

    assert in_loop(opened, use) == [1, 3, 5, 7, 9]
    assert counting(opened)
    other.log.close()
    other.engine.dispose()


@pytest.mark.parametrize("holds_lock_file", [True, False])
def test_the_loop_goes_on_while_another_program_holds_the_database(on_file: OpenLog, holds_lock_file: bool) -> None:
    foreign = sqlite3.connect(on_file.path, isolation_level=None)

    async def use() -> int:
        with on_file.engine.connect():
            lock = WriteLock(on_file.lock if holds_lock_file else None)
            lock.take()
            if not holds_lock_file:
                foreign.execute("BEGIN IMMEDIATE")
            waiting = on_file.log.hand_over(appending("call.opened"))
            turns = 0
            while turns < 30:
                await asyncio.sleep(0.01)
                turns += 1
                assert not waiting.done()
            if not holds_lock_file:
                foreign.execute("ROLLBACK")
            lock.close()
            return (await waiting).receipts[0].seq

    assert in_loop(on_file, use) == 1
    foreign.close()
    assert counting(on_file)


def test_a_lock_that_comes_too_late_is_let_go_of(on_file: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger.store.engine, "STALL_SECONDS", 0.1)
    on_file.log.append(appending("call.opened"))
    holder = WriteLock(on_file.lock)
    for _ in range(3):
        assert holder.take()
        with pytest.raises(LedgerUnavailable, match="another process has held"):
            on_file.log.append(appending("call.opened"))
        holder.release()
        monkeypatch.setattr(ledger.store.engine, "STALL_SECONDS", 30)
        assert holder.take()  # after whoever queued in vain
        holder.release()
        on_file.log.append(appending("call.opened"))
        monkeypatch.setattr(ledger.store.engine, "STALL_SECONDS", 0.1)
    assert len(whole(on_file)) == 4
    holder.close()


@pytest.mark.parametrize("point", ["insert_entries", "save_state", "move_head"])
def test_a_statement_that_fails_in_the_loop_keeps_nothing(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def use() -> None:
        monkeypatch.setattr(writer, point, broken)
        with pytest.raises(LedgerUnavailable):
            await opened.log.hand_over(appending("call.opened"))
        monkeypatch.undo()
        assert (await opened.log.hand_over(appending("call.opened"))).answer == 1

    in_loop(opened, use)
    assert counting(opened)


@pytest.mark.parametrize("persists", [True, False])
def test_a_commit_that_failed_is_looked_up_and_told(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch, persists: bool
) -> None:
    async def use() -> bool:
        failing_commit(opened, monkeypatch, persists=persists)
        try:
            await opened.log.hand_over(appending("call.opened"))
        except LedgerUnavailable:
            return False
        return True

    assert in_loop(opened, use) == persists
    opened.log.append(appending("call.opened"))
    assert counting(opened) and opened.reader.state("n") == 2 + persists


def test_a_waiter_that_leaves_does_not_undo_what_it_asked_for(opened: OpenLog) -> None:
    async def use() -> None:
        async def asked() -> None:
            await opened.log.hand_over(appending("call.opened"))

        task = asyncio.create_task(asked())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(opened, use)
    assert counting(opened) and opened.reader.state("n") == 2


def test_closing_from_the_loop_commits_what_waits(opened: OpenLog) -> None:
    async def main() -> list[int]:
        opened.log.append(appending("call.opened"))
        opened.log.work_in(asyncio.get_running_loop())
        waiting = [opened.log.hand_over(appending("call.opened")) for _ in range(5)]
        opened.log.close()  # blocks the loop: no turn of it may be needed
        return [(await one).receipts[0].seq for one in waiting]

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]
    assert counting(opened)


@pytest.mark.parametrize("error", [StopIteration, KeyError])
@pytest.mark.parametrize("where", ["keys", "run"])
def test_a_unit_that_fails_anyhow_fails_alone(opened: OpenLog, error: type[Exception], where: str) -> None:
    def fail(*_: object) -> Any:
        raise error

    good = appending("call.opened")
    bad = Unit(keys=fail, run=good.run) if where == "keys" else Unit(keys=good.keys, run=fail)

    async def use() -> list[object]:
        handed = [opened.log.hand_over(unit) for unit in (good, bad, good)]
        return await asyncio.gather(*handed, return_exceptions=True)

    first, failed, last = in_loop(opened, use)
    assert isinstance(failed, RuntimeError | KeyError) and (first.answer, last.answer) == (1, 2)
    assert counting(opened)


def test_changing_between_loop_and_thread_runs_no_batch_twice_and_strands_none(opened: OpenLog) -> None:
    async def main() -> None:
        handed = []
        for number in range(200):
            handed.append(opened.log.hand_over(appending("call.opened")))
            opened.log.work_in(asyncio.get_running_loop() if number % 2 else None)
            if number % 5 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*handed)
        opened.log.work_in(None)

    asyncio.run(main())
    assert counting(opened) and opened.reader.state("n") == 200


def test_a_loop_that_is_gone_leaves_the_work_to_the_thread(opened: OpenLog) -> None:
    async def main() -> None:
        opened.log.work_in(asyncio.get_running_loop())
        await opened.log.hand_over(appending("call.opened"))

    asyncio.run(main())
    assert opened.log.append(appending("call.opened")).receipts[0].seq == 1
