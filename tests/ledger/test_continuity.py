"""A database that goes back under running processes is noticed at the next unit, and halts them all."""

import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from conftest import OpenLog, appending

from gateway.state.changes import changes_of
from gateway.store.lifecycle import halt_unit
from ledger import merkle
from ledger.continuity import Memory
from ledger.entry import Draft
from ledger.errors import LedgerUnavailable, LogHalted, LogWentBack
from ledger.ids import new_id
from ledger.store.driver import Driver
from ledger.store.reader import Reader
from ledger.store.writer import End, Head
from ledger.unit import GAP, HALT, State, Step, Unit


def go_back(log: OpenLog, size: int) -> None:
    """Make the database what it was at `size` entries, as a standby that was behind would be."""
    reader = Reader(log.engine)
    frontier, (last,) = reader.tree.frontier(size), reader.raw(size - 1, size)
    with log.engine.execution_options(writes=True).begin() as connection:
        driver = Driver.of(connection)
        for statement in _without_triggers(driver, "entry"):
            driver.execute(statement)
        driver.execute("DELETE FROM entry WHERE seq >= ?", (size,))
        driver.execute("DELETE FROM ref WHERE seq >= ?", (size,))
        statement = "UPDATE head SET size = ?, last_hash = ?, frontier = ?"
        driver.execute(statement, (size, merkle.leaf_hash(last), b"".join(frontier.hashes)))


def _without_triggers(driver: Driver, table: str) -> list[str]:
    if driver.is_postgresql:
        return [f"ALTER TABLE {table} DISABLE TRIGGER USER"]
    rows = driver.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)).fetchall()
    return [f"DROP TRIGGER {name}" for (name,) in rows]


def declared() -> Unit:
    """What a person goes on with."""

    def run(state: State, at: datetime) -> Step:
        draft = Draft(id=new_id("ent", at), kind="gap.declared")
        return Step(drafts=[draft], changes=changes_of(draft, state))

    return Unit(keys=lambda _at: (), run=run, mends=True)


class Sibling(OpenLog):
    """Another process on the same log."""

    def __init__(self, of: OpenLog) -> None:
        super().__init__(of.path.parent, of.clock, of.url)

    def __enter__(self) -> "Sibling":
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()
        self.engine.dispose()


def test_a_log_that_went_back_halts_every_writer_until_a_gap_is_declared(opened: OpenLog) -> None:
    opened.log.append(appending("a.done", "b.done", "c.done"))
    go_back(opened, 2)
    with Sibling(opened) as sibling:
        with pytest.raises(LogWentBack, match=r"ends at 2 entries, but 3 were durable.*whyledger recover"):
            opened.log.append(appending("d.done"))
        with pytest.raises(LogWentBack):  # which remembers nothing of it, and is told by the row
            sibling.log.append(appending("d.done"))
        assert opened.reader.head().size == 2
        sibling.log.append(declared())
        opened.log.append(appending("d.done"))
        assert (opened.reader.head().size, opened.reader.state(HALT)) == (4, None)


def test_a_sibling_that_goes_on_is_no_going_back(opened: OpenLog) -> None:
    opened.log.append(appending("a.done"))
    with Sibling(opened) as sibling:
        sibling.log.append(appending("b.done", "c.done"))
        for _ in range(3):  # without entries of its own the writer keeps the head that it has read
            opened.log.append(Unit(keys=lambda _at: (), run=lambda _state, _at: Step(changes={"k": {"v": 1}})))
        opened.log.append(appending("d.done"))
        sibling.log.append(appending("e.done"))
        assert opened.reader.head().size == 5


def test_another_history_of_the_same_length_halts_too(opened: OpenLog) -> None:
    opened.log.append(appending("a.done", "b.done", "c.done"))
    go_back(opened, 2)
    with Sibling(opened) as sibling:
        sibling.log.append(appending("x.done", "y.done"))
        with pytest.raises(LogWentBack, match="entry 2 of the database is not the one that was durable"):
            opened.log.append(appending("d.done"))


def test_nothing_is_signed_over_a_signed_head_and_the_kept_head_stays(opened: OpenLog) -> None:
    opened.log.append(appending("a.done", "b.done", "c.done"))
    opened.checkpointer.sign()
    kept = opened.head_file.read()
    go_back(opened, 2)
    with Sibling(opened) as sibling:
        sibling.log.append(appending("x.done", "y.done", "z.done"))
        for one in (opened, sibling):
            with pytest.raises(LogHalted):
                one.checkpointer.sign(now=True)
        assert opened.head_file.read() == kept


def test_after_a_declared_gap_the_old_head_is_set_aside_and_signing_goes_on(opened: OpenLog) -> None:
    opened.log.append(appending("a.done", "b.done", "c.done"))
    opened.checkpointer.sign()
    kept = opened.head_file.read()
    go_back(opened, 2)
    with pytest.raises(LogHalted):
        opened.checkpointer.sign()
    opened.log.append(declared())
    assert opened.checkpointer.sign(now=True)
    (aside,) = opened.head_file.path.parent.glob("head.before-*")
    assert (aside.read_bytes(), opened.head_file.read() == kept) == (kept, False)


def test_what_was_found_before_a_gap_was_declared_halts_nothing_after_it(opened: OpenLog) -> None:
    """A sibling's timer looks at the database in the moment in which a person declares its loss."""
    opened.log.append(appending("a.done", "b.done", "c.done"))
    opened.checkpointer.sign()
    go_back(opened, 2)
    with Sibling(opened) as sibling:
        with pytest.raises(LogHalted):
            opened.checkpointer.sign()
        late = halt_unit("found before", 3, opened.checkpointer.gap)
        sibling.log.append(declared())
        sibling.log.append(late)
        assert opened.reader.state(HALT) is None
        sibling.log.append(halt_unit("found after", 3, opened.reader.state(GAP)))
        with pytest.raises(LogWentBack, match="found after"):
            sibling.log.append(appending("d.done"))


def test_a_file_that_was_replaced_under_the_writer_is_not_written_on(on_file: OpenLog, tmp_path: Path) -> None:
    on_file.log.append(appending("a.done"))
    backup = tmp_path / "backup.db"
    source, target = sqlite3.connect(on_file.path), sqlite3.connect(backup)
    source.backup(target)
    source.close()
    target.close()
    on_file.log.append(appending("b.done"))
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (tmp_path / name).rename(tmp_path / f"moved-{name}")
    with pytest.raises(LedgerUnavailable, match="is missing"):
        on_file.log.append(appending("c.done"))
    assert not on_file.path.exists(), "an empty database was made"
    shutil.copy(backup, on_file.path)
    with pytest.raises(LogWentBack, match="ends at 1 entries, but 2 were durable"):
        on_file.log.append(appending("c.done"))


def test_what_is_remembered_is_forgotten_only_when_a_gap_was_declared_since() -> None:
    memory, head = Memory(end=End(7, b"y" * 32)), Head("o", b"x" * 32, merkle.Frontier(), "")
    assert "7 were durable" in memory.finding(head, None, {})
    assert "7 were durable" in memory.finding(head, None, {})
    assert memory.finding(head, None, {GAP: {"id": "ent_1"}}) == ""
