"""Fixtures: a clock that the test owns, a log on a real SQLite file or a real PostgreSQL, its signer."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy.exc import OperationalError

import migrations
from ledger import merkle
from ledger.checkpointing import Checkpointer, HeadFile
from ledger.entry import GENESIS, Draft, b64, decode, follow
from ledger.ids import new_id
from ledger.log import Log
from ledger.note import Signer
from ledger.store import writer
from ledger.store.driver import Driver, WriteConnection
from ledger.store.engine import open_engine
from ledger.store.reader import Reader
from ledger.unit import State, Step, Unit

settings.register_profile("ours", deadline=None)  # machines are shared: no test is about wall-clock time
settings.load_profile("ours")
ORIGIN = "ledger.example/test"
SEED = bytes(range(32))


class Clock:
    """Time as the test says; each reading moves it by a microsecond."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


class OpenLog:
    """A log on a database of its own, with everything that reads and signs it."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], url: str | None = None) -> None:
        self.url = url
        self.path, self.lock = folder / "log.db", None if url else folder / "log.lock"
        self.engine = open_engine(url or self.path)
        if Reader(self.engine).revision() is None:
            migrations.upgrade(self.engine, "log")
            with self.engine.execution_options(writes=True).begin() as connection:
                writer.create_head(Driver.of(connection), ORIGIN)
        self.clock = clock
        self.log = Log(self.engine, clock=clock, lock=self.lock)
        self.reader = Reader(self.engine)
        self.signer = Signer.from_seed(ORIGIN, SEED)
        self.head_file = HeadFile(folder / "head.note")
        self.checkpointer = Checkpointer(self.log, self.reader, self.signer, self.head_file, clock)


def appending(*kinds: str, **members: Any) -> Unit:
    """A unit that appends one entry per kind and counts them in a state row."""

    def run(state: State, at: datetime) -> Step:
        drafts = [Draft(id=new_id("ent", at), kind=kind, **members) for kind in kinds]
        return Step(drafts=drafts, changes={"n": state.get("n", 0) + len(drafts)}, answer=state.get("n", 0))

    return Unit(keys=lambda _at: ("n",), run=run)


def stored_hashes(reader: Reader, low: int, high: int) -> list[bytes]:
    """Return the leaf hashes that are stored beside the entries [low, high)."""
    statement = "SELECT leaf_hash FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
    with reader._engine.connect() as connection:
        return [row[0] for row in Driver.of(connection).execute(statement, (low, high))]


def whole(log: OpenLog) -> list[bytes]:
    """Re-verify the whole stored log: chain, leaf hashes, tree, head. Returns the entries' bytes."""
    head = log.reader.head()
    raw = list(log.reader.raw(0, head.size))
    count, hashes = follow(((data, decode(data)) for data in raw), first=0, prev=b64(GENESIS), log=ORIGIN)
    assert count == head.size
    assert hashes == stored_hashes(log.reader, 0, head.size)
    assert merkle.root(hashes) == head.frontier.root() == log.reader.tree.subtree(0, head.size)
    return raw


def failing_commit(opened: OpenLog, monkeypatch: pytest.MonkeyPatch, *, persists: bool) -> None:
    real = WriteConnection.commit

    def commit(self: WriteConnection) -> None:
        if persists:
            real(self)
        monkeypatch.setattr(WriteConnection, "commit", real)
        raise OperationalError("commit", None, Exception("connection lost"))

    monkeypatch.setattr(WriteConnection, "commit", commit)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """An empty PostgreSQL database, or None for a SQLite file."""
    if request.param == "sqlite":
        return None
    import postgresql

    return postgresql.new_database()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock, url: str | None) -> Iterator[OpenLog]:
    """A log on each of the two databases."""
    yield from _opened(tmp_path, clock, url)


@pytest.fixture
def on_file(tmp_path: Path, clock: Clock) -> Iterator[OpenLog]:
    """A log on a SQLite file."""
    yield from _opened(tmp_path, clock, None)


def _opened(folder: Path, clock: Clock, url: str | None) -> Iterator[OpenLog]:
    log = OpenLog(folder, clock, url)
    yield log
    log.log.close()
    log.engine.dispose()
