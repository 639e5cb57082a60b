"""What is acknowledged is durable; whatever fails, whole batches are there or nothing of them."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Clock, OpenLog, appending, failing_commit, stored_hashes, whole
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError, OperationalError

import migrations
from ledger import checkpoint, merkle
from ledger.checkpointing import HeadFile, require_continuation
from ledger.entry import Draft, Sealed, decode
from ledger.errors import EntryInvalid, LedgerUnavailable, LogHalted
from ledger.store import tables, writer
from ledger.store.driver import Driver
from ledger.store.engine import durability, open_engine
from ledger.unit import State, Step, Unit

CALL = "call_01938f6c-5f00-7abc-8def-0123456789ab"


def test_a_receipt_names_the_entry_that_is_stored(opened: OpenLog) -> None:
    (receipt,) = opened.log.append(appending("call.opened", call=CALL)).receipts
    (data,) = whole(opened)
    assert (receipt.seq, receipt.kind, receipt.leaf_hash) == (0, "call.opened", merkle.leaf_hash(data))
    assert opened.reader.find("call", CALL) == [0]


def test_many_callers_get_gap_free_numbers_and_one_state(opened: OpenLog) -> None:
    seen: list[int] = []

    def caller() -> None:
        for _ in range(25):
            seen.append(opened.log.append(appending("call.opened")).receipts[0].seq)

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(200))
    assert len(whole(opened)) == opened.reader.state("n") == 200


def test_two_writers_share_one_gap_free_log(opened: OpenLog, tmp_path: Path, clock: Clock) -> None:
    other = OpenLog(tmp_path, clock, opened.url)
    futures = [one.log.submit(appending("call.opened")) for _ in range(50) for one in (opened, other)]
    assert sorted(future.result().receipts[0].seq for future in futures) == list(range(100))
    assert len(whole(opened)) == other.reader.state("n") == 100
    other.log.close()
    other.engine.dispose()


def test_units_of_two_writers_never_run_at_once(opened: OpenLog, tmp_path: Path, clock: Clock) -> None:
    other, running, most = OpenLog(tmp_path, clock, opened.url), 0, 0

    def slow(unit: Unit) -> Unit:
        def run(state: State, at: datetime) -> Step:
            nonlocal running, most
            running += 1
            most = max(most, running)
            time.sleep(0.05)
            running -= 1
            return unit.run(state, at)

        return Unit(keys=unit.keys, run=run)

    futures = [one.log.submit(slow(appending("call.opened"))) for _ in range(5) for one in (opened, other)]
    assert sorted(future.result().receipts[0].seq for future in futures) == list(range(10))
    assert most == 1
    other.log.close()
    other.engine.dispose()


def test_a_unit_that_raises_fails_only_its_own_waiter(opened: OpenLog) -> None:
    def fail(_state: object, _at: datetime) -> Step:
        raise ZeroDivisionError

    bad = Unit(keys=lambda _at: (), run=fail)
    oversize = appending("call.opened", facts={"x": "a" * 40_000})
    futures = [opened.log.submit(unit) for unit in (appending("call.opened"), bad, oversize, appending("call.closed"))]
    assert futures[0].result().receipts[0].seq == 0
    with pytest.raises(ZeroDivisionError):
        futures[1].result()
    with pytest.raises(EntryInvalid):
        futures[2].result()
    assert futures[3].result().receipts[0].seq == 1
    assert opened.reader.state("n") == len(whole(opened)) == 2


def test_tiles_are_full_rows_of_the_tree(opened: OpenLog) -> None:
    for _ in range(6):
        opened.log.append(appending(*["call.opened"] * 100))
    whole(opened)
    with opened.engine.connect() as connection:
        rows = connection.execute(tables.tile.select().order_by(tables.tile.c.number)).all()
    assert [(row.level, row.number) for row in rows] == [(0, 0), (0, 1)]
    assert rows[1].hashes == b"".join(stored_hashes(opened.reader, 256, 512))


@given(st.integers(0, 600), st.integers(0, 600))
def test_subtree_roots_come_from_tiles_as_from_leaves(one: int, other: int) -> None:
    assert TREE is not None
    low, high = 0, max(one, other)
    assert merkle.root(stored_hashes(TREE.reader, low, high)) == TREE.reader.tree.subtree(low, high)


TREE: OpenLog | None = None


@pytest.fixture(autouse=True, scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> object:
    global TREE  # noqa: PLW0603 - hypothesis wants no function-scoped fixture
    TREE = OpenLog(tmp_path_factory.mktemp("tree"), Clock())
    for _ in range(6):
        TREE.log.append(appending(*["call.opened"] * 100))
    yield
    TREE.log.close()
    TREE.engine.dispose()


def test_the_clock_may_jump_back_and_the_log_does_not(opened: OpenLog, clock: Clock) -> None:
    opened.log.append(appending("call.opened"))
    clock.now -= timedelta(days=2)
    opened.log.append(appending("call.closed"))
    first, second = (decode(data) for data in whole(opened))
    assert first.at <= second.at


def test_the_clock_of_the_database_counts_where_it_has_one(opened: OpenLog, clock: Clock) -> None:
    clock.now = datetime(2001, 1, 1, tzinfo=UTC)
    opened.log.append(appending("call.opened"))
    (entry,) = (decode(data) for data in whole(opened))
    assert (entry.at > "2026") == bool(opened.url)


CHANGES = ["UPDATE entry SET bytes = '00'", "UPDATE entry SET bytes = '00' WHERE seq = 4", "DELETE FROM entry",
           "DELETE FROM head", "UPDATE tile SET hashes = '00'", "DELETE FROM tile",
           "INSERT INTO entry VALUES (900, '00', '00')", "INSERT INTO entry VALUES (-1, '00', '00')",
           "UPDATE content SET ciphertext = '00'", "UPDATE content SET key = 'x' WHERE seq = 300",
           "UPDATE content SET seq = 1", "DELETE FROM content"]  # fmt: skip
ON_SQLITE = ["INSERT OR REPLACE INTO entry VALUES (0, '00', '00')", "REPLACE INTO content VALUES (300, 'x', '00')"]
ON_POSTGRESQL = ["TRUNCATE entry", "TRUNCATE tile", "TRUNCATE head", "TRUNCATE content",
                 "INSERT INTO content VALUES (300, 'x', '00') ON CONFLICT (seq) DO UPDATE SET key = 'x'",
                 "INSERT INTO entry VALUES (0, '00', '00') ON CONFLICT (seq) DO UPDATE SET bytes = '00'",
                 "MERGE INTO entry USING head ON entry.seq = 0 WHEN MATCHED THEN DELETE"]  # fmt: skip


def test_the_database_refuses_to_change_delete_replace_or_leave_gaps(opened: OpenLog) -> None:
    opened.log.append(appending(*["call.opened"] * 300))
    opened.log.append(appending("call.closed", contents=Sealed("key", b"sealed")))
    for statement in [*CHANGES, *(ON_POSTGRESQL if opened.url else ON_SQLITE)]:
        with opened.engine.execution_options(writes=True).connect() as connection, pytest.raises(DatabaseError):
            connection.exec_driver_sql(statement)
    whole(opened)
    assert opened.reader.contents(300) == Sealed("key", b"sealed")


def test_the_writer_waits_for_the_disk(opened: OpenLog) -> None:
    on_postgresql = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    on_sqlite = {"synchronous": 2, "journal_mode": "wal", "page_size": 8192, "recursive_triggers": 1}
    assert durability(opened.engine) == (on_postgresql if opened.url else on_sqlite)


def test_the_head_moves_only_from_where_it_was(opened: OpenLog) -> None:
    old = opened.reader.head()
    opened.log.append(appending("call.opened"))
    moved = writer.Head(old.origin, bytes(32), merkle.Frontier.of([bytes(32)]), "2026-11-23T09:00:00.000000Z")
    with opened.engine.execution_options(writes=True).begin() as connection, pytest.raises(LedgerUnavailable):
        writer.move_head(Driver.of(connection), old, moved)
    whole(opened)


# Every statement boundary of the append transaction. "before" fails without effect, "after" fails having been done.
POINTS = ["insert_entries", "save_state", "move_head"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_a_failure_at_any_statement_keeps_nothing_and_tells_every_waiter(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch, point: str, moment: str
) -> None:
    opened.log.append(appending("call.opened"))
    real = getattr(writer, point)

    def broken(*args: object) -> None:
        if moment == "after":
            real(*args)
        raise OperationalError("disk full", None, Exception("injected"))

    monkeypatch.setattr(writer, point, broken)
    with pytest.raises(LedgerUnavailable):
        opened.log.append(appending("call.closed"))
    monkeypatch.setattr(writer, point, real)
    assert len(whole(opened)) == opened.reader.state("n") == 1
    assert opened.log.append(appending("call.closed")).receipts[0].seq == 1


def test_a_commit_that_failed_but_persisted_is_acknowledged(opened: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_commit(opened, monkeypatch, persists=True)
    assert opened.log.append(appending("call.opened")).receipts[0].seq == 0
    assert len(whole(opened)) == 1


def test_a_commit_that_failed_and_was_lost_is_not_acknowledged(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_commit(opened, monkeypatch, persists=False)
    with pytest.raises(LedgerUnavailable):
        opened.log.append(appending("call.opened"))
    assert whole(opened) == []


def test_a_read_only_database_refuses_and_recovers(on_file: OpenLog) -> None:
    with on_file.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    on_file.engine.dispose()
    holder = sqlite3.connect(on_file.path, isolation_level=None)
    pages = holder.execute("PRAGMA page_count").fetchone()[0]
    holder.close()

    def full(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    from sqlalchemy import event

    event.listen(on_file.engine, "connect", full)
    with pytest.raises(LedgerUnavailable, match="full"):
        on_file.log.append(appending(*["call.on_file"] * 250, facts={"x": "a" * 900}))
    event.remove(on_file.engine, "connect", full)
    on_file.engine.dispose()
    assert on_file.log.append(appending("call.on_file")).receipts[0].seq == 0
    whole(on_file)


def test_a_closed_log_commits_what_waits_and_takes_nothing_more(opened: OpenLog) -> None:
    future = opened.log.submit(appending("call.opened"))
    opened.log.close()
    assert future.result().receipts[0].seq == 0
    with pytest.raises(LedgerUnavailable):
        opened.log.submit(appending("call.opened"))


def test_the_checkpoint_is_signed_kept_in_the_file_and_proves_the_tree(opened: OpenLog) -> None:
    opened.log.append(appending(*["call.opened"] * 5))
    signed = opened.checkpointer.sign()
    assert signed == opened.head_file.read()
    held = checkpoint.verified(signed or b"", [opened.signer.vkey])
    assert (held.size, held.root) == (5, merkle.root(stored_hashes(opened.reader, 0, 5)))
    assert opened.checkpointer.sign() is None
    assert opened.reader.state("checkpoint")["size"] == 5


def test_who_signs_while_another_does_waits_for_it(opened: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer of a process that ends, and the last signature of that process."""
    write, inside, most = HeadFile.write, 0, 0

    def slowly(self: HeadFile, signed: bytes) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.2)
        write(self, signed)
        inside -= 1

    monkeypatch.setattr(HeadFile, "write", slowly)
    opened.log.append(appending("call.opened"))
    with ThreadPoolExecutor(2) as pool:
        signed = [one.result() for one in [pool.submit(opened.checkpointer.sign, now=True) for _ in range(2)]]
    assert most == 1
    assert sorted(one is None for one in signed) == [False, True]  # the second found nothing left to sign


def test_one_of_two_processes_signs_and_the_other_takes_over_when_it_is_not_heard_of(
    opened: OpenLog, tmp_path: Path, clock: Clock
) -> None:
    opened.log.append(appending(*["call.opened"] * 300))
    assert opened.checkpointer.sign()
    (tmp_path / "other").mkdir()
    other = OpenLog(tmp_path if opened.url is None else tmp_path / "other", clock, opened.url)
    other.log.append(appending("call.closed"))
    clock.now = max(clock.now, decode(whole(opened)[-1]).instant)  # the database's clock may be ahead of the test's
    assert other.checkpointer.sign() is None
    assert other.head_file.read() == opened.head_file.read()
    clock.now += timedelta(seconds=11)
    signed = other.checkpointer.sign()
    assert checkpoint.verified(signed or b"", [opened.signer.vkey]).size == 301
    clock.now -= timedelta(seconds=8)
    assert opened.checkpointer.sign() is None  # its turn is over
    assert opened.checkpointer.sign(now=True)  # whoever needs one now gets it
    other.log.close()
    other.engine.dispose()


def test_a_bit_that_flipped_between_hashing_and_storing_is_never_signed(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writer.insert_entries

    def flipped(connection: object, new: list[writer.NewEntry]) -> None:
        data = new[0].data.replace(b'"v":1', b'"v":1').replace(b'"x":1', b'"x":3')
        real(connection, [new[0]._replace(data=data)])  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "insert_entries", flipped)
    opened.log.append(appending("call.opened", facts={"x": 1}))
    with pytest.raises(LogHalted):
        opened.checkpointer.sign()
    assert opened.head_file.read() is None


def cut(log: OpenLog, keep: int) -> None:
    """What an attacker with the database does: drop the triggers, delete the tail, move the head back."""
    raw = sqlite3.connect(log.path)
    raw.execute("DROP TRIGGER entry_no_DELETE")
    raw.execute("DELETE FROM entry WHERE seq >= ?", (keep,))
    hashes = [row[0] for row in raw.execute("SELECT leaf_hash FROM entry ORDER BY seq")]
    edge = merkle.Frontier.of(hashes)
    raw.execute("UPDATE head SET size = ?, last_hash = ?, frontier = ?", (keep, hashes[-1], b"".join(edge.hashes)))
    raw.commit()
    raw.close()


def test_a_cut_tail_halts_the_start(on_file: OpenLog) -> None:
    on_file.log.append(appending(*["call.on_file"] * 5))
    on_file.checkpointer.sign()
    require_continuation(on_file.reader, on_file.head_file, on_file.signer.vkey)
    cut(on_file, keep=3)
    with pytest.raises(LogHalted, match="cut or an old copy"):
        require_continuation(on_file.reader, on_file.head_file, on_file.signer.vkey)


def test_a_rewritten_past_halts_the_start(opened: OpenLog, tmp_path: Path, clock: Clock) -> None:
    opened.log.append(appending(*["call.opened"] * 5))
    opened.checkpointer.sign()
    (tmp_path / "other").mkdir()
    rewritten = OpenLog(tmp_path / "other", clock)  # on a file, whatever the other is on
    rewritten.log.append(appending(*["call.closed"] * 8))
    with pytest.raises(LogHalted, match="not the ones that were signed"):
        require_continuation(rewritten.reader, opened.head_file, opened.signer.vkey)
    rewritten.log.close()
    rewritten.engine.dispose()


def test_a_missing_or_foreign_head_file_halts_the_start(opened: OpenLog) -> None:
    opened.log.append(appending(*["call.opened"] * 5))
    with pytest.raises(LogHalted, match="missing"):
        require_continuation(opened.reader, opened.head_file, opened.signer.vkey)
    opened.head_file.write(b"not a note\n")
    with pytest.raises(LogHalted):
        require_continuation(opened.reader, opened.head_file, opened.signer.vkey)


CHILD = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from datetime import UTC, datetime
from pathlib import Path
from conftest import OpenLog, appending
log = OpenLog(Path({folder!r}), lambda: datetime.now(UTC))
while True:
    print(log.log.append(appending("call.opened", "call.closed")).receipts[-1].seq, flush=True)
    log.checkpointer.sign()
"""


@pytest.mark.slow
def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """SIGKILL in the middle of appending and signing, again and again on one log."""
    tests = Path(__file__).parents[1]
    acknowledged = -1
    for round_ in range(12):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                CHILD.format(root=str(tests.parent), tests=str(tests), folder=str(tmp_path)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for line, _ in zip(child.stdout, range(3 + 7 * round_), strict=False):
            acknowledged = int(line)
        os.kill(child.pid, signal.SIGKILL)
        rest = [int(line) for line in child.stdout.read().split("\n")[:-1]]
        acknowledged = max([acknowledged, *rest])
        child.wait()
        child.stdout.close()
        log = OpenLog(tmp_path, lambda: datetime.now(UTC))
        raw = whole(log)
        assert len(raw) > acknowledged
        assert len(raw) == log.reader.state("n")
        assert len(raw) % 2 == 0  # each unit's two entries are there together or not at all
        require_continuation(log.reader, log.head_file, log.signer.vkey)
        log.log.close()
        log.engine.dispose()


def test_migrations_and_tables_say_the_same(tmp_path: Path) -> None:
    """Alembic finds no difference between an upgraded empty database and the tables the code uses."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from ledger.store import vault

    for history, metadata, revision in (
        ("log", tables.metadata, tables.REVISION),
        ("vault", vault.metadata, vault.REVISION),
    ):
        engine = open_engine(tmp_path / f"{history}.db")
        migrations.upgrade(engine, history)
        migrations.upgrade(engine, history)  # a second time changes nothing
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, metadata) == []
            assert context.get_current_revision() == revision
        engine.dispose()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_batch_takes_three_statements_and_a_commit_on_postgresql(
    opened: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    opened.log.append(appending("call.opened"))
    seen: list[str] = []
    real = psycopg.Connection.execute

    def execute(self: Any, query: Any, *more: Any, **named: Any) -> Any:
        seen.append(str(query).split()[0])
        return real(self, query, *more, **named)

    monkeypatch.setattr(psycopg.Connection, "execute", execute)
    drafts = [Draft(id=CALL.replace("call", "ent"), kind="call.opened", call=CALL, contents=Sealed("key", b"sealed"))]
    changes = {"a": {"value": 1}, "b": None}
    opened.log.append(Unit(keys=lambda _at: ("a", "b"), run=lambda _state, _at: Step(drafts, changes)))
    assert seen == ["SELECT", "SELECT", "WITH"]
    assert opened.reader.find("call", CALL) == [1]
    assert opened.reader.contents(1) == Sealed("key", b"sealed")
    assert opened.reader.state("a") == {"value": 1}
