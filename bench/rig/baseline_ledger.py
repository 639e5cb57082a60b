"""The ledger of the baseline: rows wait in a queue, one commit takes all that wait, and each row is chained to the last.

LEDGER says where: `sqlite-group`, a writer thread (WAL, synchronous=FULL) on the file LEDGER_PATH; `pg-group`, one
asyncpg connection to LEDGER_DSN and one multi-row INSERT a round trip.
"""

import asyncio
import hashlib
import json
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from typing import Any

DDL = """CREATE TABLE IF NOT EXISTS ledger(seq {key}, at {number}, event TEXT NOT NULL, body_sha TEXT NOT NULL,
                                           record TEXT NOT NULL, hash TEXT NOT NULL)"""
LAST = "SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1"
BATCH = 512

Row = tuple[float, str, str, str]
Waiting = tuple[Row, "asyncio.Future[None]"]


def row(request: dict[str, Any], body: bytes, answer: bytes | None) -> Row:
    """The columns of a row before chaining: about 450 bytes of JSON, as a real record of a decision would be."""
    usage = json.loads(answer).get("usage") if answer else None
    record = {
        "caller": request.get("user"), "model": request.get("model"), "route": "openai/gpt-4o-mini",
        "decision": "allow", "rules": ["budget:team-billing", "model-allowed", "pii-scan:none"],
        "budget_left_micro": 4182733, "attempt": 1, "max_tokens": request.get("max_tokens"),
        "messages": len(request["messages"]), "tokens_in": usage["prompt_tokens"] if usage else None,
        "tokens_out": usage["completion_tokens"] if usage else None, "cost_micro": 118 if usage else None,
        "latency_us": 1234,
    }  # fmt: skip
    return time.time(), "answer" if usage else "decision", hashlib.sha256(body).hexdigest(), json.dumps(record)


def chained(previous: str, rows: Sequence[Row]) -> list[tuple[float, str, str, str, str]]:
    found = []
    for one in rows:
        previous = hashlib.sha256(f"{previous}|{one[0]}|{one[1]}|{one[2]}|{one[3]}".encode()).hexdigest()
        found.append((*one, previous))
    return found


def wake(batch: Sequence[Waiting], error: Exception | None) -> None:
    for _, future in batch:
        if not future.done():
            if error:
                future.set_exception(error)
            else:
                future.set_result(None)


class SqliteGroup:
    """A writer thread takes all waiting rows, commits once, wakes all the waiters in one call."""

    def __init__(self, path: str) -> None:
        self._path, self._loop = path, asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    async def write(self, one: Row) -> None:
        future = self._loop.create_future()
        self._queue.put((one, future))
        await future

    def _run(self) -> None:
        database = sqlite3.connect(self._path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000", "cache_size=-16000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute(DDL.format(key="INTEGER PRIMARY KEY", number="REAL"))
        last = database.execute(LAST).fetchone()
        previous = last[0] if last else "0" * 64
        while True:
            batch, error = self._batch(), None
            rows = chained(previous, [one for one, _ in batch])
            try:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT INTO ledger(at, event, body_sha, record, hash) VALUES (?,?,?,?,?)", rows)
                database.execute("COMMIT")
                previous = rows[-1][-1]
            except sqlite3.Error as failure:
                error = failure
            self._loop.call_soon_threadsafe(wake, batch, error)

    def _batch(self) -> list[Waiting]:
        batch = [self._queue.get()]
        while len(batch) < BATCH and not self._queue.empty():
            batch.append(self._queue.get())
        return batch


class PostgresGroup:
    """One connection; while a batch is on its way, rows wait for the next one."""

    INSERT = """INSERT INTO ledger(at, event, body_sha, record, hash)
                SELECT * FROM unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[])"""

    def __init__(self, previous: str, insert: Any, connection: Any) -> None:
        self._previous, self._insert, self._connection = previous, insert, connection
        self._waiting: list[Waiting] = []
        self._busy: asyncio.Task[None] | None = None

    @classmethod
    async def on(cls, dsn: str) -> "PostgresGroup":
        import asyncpg

        connection = await asyncpg.connect(dsn)
        await connection.execute(DDL.format(key="BIGSERIAL PRIMARY KEY", number="DOUBLE PRECISION"))
        return cls(await connection.fetchval(LAST) or "0" * 64, await connection.prepare(cls.INSERT), connection)

    async def write(self, one: Row) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._busy is None:
            self._busy = asyncio.ensure_future(self._drain())
        await future

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            rows, error = chained(self._previous, [one for one, _ in batch]), None
            try:
                await self._insert.fetch(*(list(column) for column in zip(*rows, strict=True)))
                self._previous = rows[-1][-1]
            except Exception as failure:  # noqa: BLE001 - whatever it is, the callers wait for it
                error = failure
            wake(batch, error)
        self._busy = None


async def opened() -> SqliteGroup | PostgresGroup:
    if os.environ.get("LEDGER") == "pg-group":
        return await PostgresGroup.on(os.environ["LEDGER_DSN"])
    return SqliteGroup(os.environ.get("LEDGER_PATH", "ledger.db"))
