"""`make bench`, first part: what the ledger takes and what the verifier reads, alone on the machine.

The second part is the gateway beside its baseline (`bench.rig.compare`).
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

import postgresql  # noqa: E402
from conftest import OpenLog, appending  # noqa: E402

from bench.rig.processes import commit, fsync_ms  # noqa: E402
from ledger import canonical  # noqa: E402
from ledger.__main__ import INCOMPLETE  # noqa: E402
from ledger.store.live import open_live  # noqa: E402
from ledger.verify_log import verify_log  # noqa: E402

ENTRIES = 300_000
ON_POSTGRESQL = 40_000


def append_rate(folder: Path, entries: int, url: str | None = None) -> float:
    """Entries appended per second with 64 waiting callers, on a SQLite file or on PostgreSQL."""
    log = OpenLog(folder, lambda: datetime.now(UTC), url)
    unit = appending("call.opened", facts={"text": "x" * 700})
    started, waiting = time.perf_counter(), list[Future[Any]]()
    for _ in range(entries):
        waiting.append(log.log.submit(unit))
        if len(waiting) >= 64:
            waiting.pop(0).result()
    for one in waiting:
        one.result()
    rate = entries / (time.perf_counter() - started)
    log.log.close()
    log.engine.dispose()
    return rate


def verify_rate(database: Path) -> float:
    """Entries verified per second, by one process."""
    live = open_live(database)
    started = time.perf_counter()
    report = verify_log(live.read, origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[], workers=1)
    rate = ENTRIES / (time.perf_counter() - started)
    if report.failed:
        raise RuntimeError("the log that was measured does not verify")
    return rate


def program_rate(database: Path) -> float:
    """Entries verified per second by the auditor's program, which starts and uses every processor."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "ledger", "verify", str(database)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=False)
    if ended.returncode != INCOMPLETE:  # no key is given
        raise RuntimeError("the log that was measured does not verify")
    return ENTRIES / (time.perf_counter() - started)


def with_standard_library(measure: Callable[[], float]) -> float:
    """Measure as on a machine without orjson."""
    kept = canonical._DUMP, canonical._LOAD
    canonical._DUMP, canonical._LOAD = canonical._dump_with_standard_library, canonical._load_with_standard_library
    try:
        return measure()
    finally:
        canonical._DUMP, canonical._LOAD = kept


def main() -> None:
    print(f"commit {commit()}, Python {platform.python_version()}, {os.cpu_count()} CPUs shared by everything")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"fdatasync of 4 KiB, median      {fsync_ms(folder):8.2f} ms")
        print(f"append, 64 callers, SQLite FULL {append_rate(folder, ENTRIES):8.0f} entries/s")
        url = postgresql.new_database()
        print(f"append, 64 callers, PostgreSQL  {append_rate(folder, ON_POSTGRESQL, url):8.0f} entries/s")
        database = folder / "log.db"
        print(f"verify, standard library        {with_standard_library(lambda: verify_rate(database)):8.0f} entries/s")
        print(f"verify, with orjson             {verify_rate(database):8.0f} entries/s")
        print(f"python -m ledger verify         {program_rate(database):8.0f} entries/s")


if __name__ == "__main__":
    main()
