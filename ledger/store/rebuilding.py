"""Replacing the projections in one transaction under the head lock: the only writer besides `ledger.log`, for an
operator's command and its test."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ledger.links import Link
from ledger.store import writer
from ledger.store.driver import Driver
from ledger.store.engine import WriteLock
from ledger.store.reader import Reader

Replay = Callable[[Reader], tuple[dict[str, Any], list[Link]]]


def replace_projections(engine: Engine, lock: Path | None, replay: Replay, *, keep: Sequence[str]) -> int:
    """Replace links and state rows by what `replay` gives, keeping the rows whose keys start with one of `keep`.

    Returns the number of entries they were rebuilt from. Calls that are opened meanwhile wait for the lock (on
    PostgreSQL for `STALL_SECONDS`; then they are refused).
    """
    reader = Reader(engine)
    with (
        closing(WriteLock(lock)) as queue,
        queue.held(),
        engine.execution_options(writes=True).begin() as connection,
    ):
        driver = Driver.of(connection)
        if driver.is_postgresql:  # replaying takes longer than a process that hangs is given
            driver.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        head, _, _ = writer.lock_head(driver, None)
        kept = {key: row for prefix in keep for key, row in reader.states(prefix).items()}
        state, links = replay(reader)
        writer.clear_projections(driver)
        writer.save_state(driver, state | kept)
        writer.insert_links(driver, links)
        driver.flush()
    return head.size
