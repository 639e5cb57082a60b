"""`make bench`: one table of the spine, with commit and conditions.

The gateway runs as its own process with every feature of the spine on and both commits of a call durable; the mock provider
is another process. "direct" is the same load on the mock alone, in the same run.
"""

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import postgresql  # noqa: E402
from conftest import OpenLog, appending  # noqa: E402
from stage import free_port, prepare  # noqa: E402

from gateway.demo.world import _end, _until_answers, serve  # noqa: E402
from ledger import canonical  # noqa: E402
from ledger.store.live import open_live  # noqa: E402
from ledger.verify_log import verify_log  # noqa: E402

BODY = json.dumps(
    {"model": "support", "messages": [{"role": "user", "content": "word " * 270}], "max_completion_tokens": 200}
)
ENTRIES = 20_000
SECONDS = 4.0


def fsync_ms(folder: Path) -> float:
    """Median time of an fdatasync of 4 KiB on this disk."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def append_rate(folder: Path, url: str | None = None) -> float:
    """Entries appended per second with 64 waiting callers, on a SQLite file or on PostgreSQL."""
    log = OpenLog(folder, lambda: datetime.now(UTC), url)
    unit = appending("call.opened", facts={"text": "x" * 700})
    started, waiting = time.perf_counter(), list[Future[Any]]()
    for _ in range(ENTRIES):
        waiting.append(log.log.submit(unit))
        if len(waiting) >= 64:
            waiting.pop(0).result()
    for one in waiting:
        one.result()
    rate = ENTRIES / (time.perf_counter() - started)
    log.log.close()
    log.engine.dispose()
    return rate


def verify_rate(database: Path) -> float:
    """Entries verified per second."""
    live = open_live(database)
    started = time.perf_counter()
    report = verify_log(live.raw(), origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[])
    rate = ENTRIES / (time.perf_counter() - started)
    if report.failed:
        raise RuntimeError("the log that was measured does not verify")
    return rate


def with_standard_library(measure: Callable[[], float]) -> float:
    """Measure as on a machine without orjson."""
    kept = canonical._DUMP, canonical._LOAD
    canonical._DUMP, canonical._LOAD = canonical._dump_with_standard_library, canonical.parse
    try:
        return measure()
    finally:
        canonical._DUMP, canonical._LOAD = kept


async def load(url: str, key: str, connections: int) -> tuple[float, float, float]:
    """Return calls per second, p50 and p99 in milliseconds."""
    times: list[float] = []
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    end = time.perf_counter() + SECONDS

    async def caller(session: aiohttp.ClientSession) -> None:
        while (now := time.perf_counter()) < end:
            async with session.post(url, data=BODY, headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status}: {await answer.text()}")
            times.append((time.perf_counter() - now) * 1000)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(caller(session) for _ in range(connections)))
    times.sort()
    return len(times) / SECONDS, statistics.median(times), times[int(len(times) * 0.99)]


@contextmanager
def processes(folder: Path) -> Iterator[tuple[int, int, dict[str, str], int]]:
    mock_port, port = free_port(), free_port()
    settings, keys, _ = prepare(
        folder / "home", port=mock_port, cap="100000", environment_cap="100000", max_calls=10**9
    )
    command = [sys.executable, "-m", "uvicorn", "bench.mock:app", "--port", str(mock_port), "--log-level", "critical"]
    mock = subprocess.Popen(command, cwd=ROOT)
    started = time.perf_counter()
    gateway = serve(settings, port, os.environ)
    try:
        _until_answers(f"http://127.0.0.1:{port}/readyz", [mock, gateway])
        print(f"start to ready                  {(time.perf_counter() - started):8.2f} s")
        yield mock_port, port, keys, gateway.pid
    finally:
        _end(gateway)
        _end(mock)


def process_figures(pid: int) -> tuple[float, float]:
    """CPU seconds used so far and resident MiB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    rss = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(rss.split()[1]) / 1024


def commit() -> str:
    """Return the short name of the commit that is measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "none"


def main() -> None:
    print(f"commit {commit()}, Python {platform.python_version()}, {os.cpu_count()} CPUs shared by everything")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"fdatasync of 4 KiB, median      {fsync_ms(folder):8.2f} ms")
        print(f"append, 64 callers, SQLite FULL {append_rate(folder):8.0f} entries/s")
        print(f"append, 64 callers, PostgreSQL  {append_rate(folder, postgresql.new_database()):8.0f} entries/s")
        database = folder / "log.db"
        print(f"verify, standard library        {with_standard_library(lambda: verify_rate(database)):8.0f} entries/s")
        print(f"verify, with orjson             {verify_rate(database):8.0f} entries/s")
        with processes(folder) as (mock_port, port, keys, pid):
            print(f"idle memory                     {process_figures(pid)[1]:8.0f} MiB")
            for connections in (1, 64):
                direct = asyncio.run(load(f"http://127.0.0.1:{mock_port}/v1/chat/completions", "none", connections))
                before = process_figures(pid)[0]
                through = asyncio.run(load(f"http://127.0.0.1:{port}/v1/chat/completions", keys["agent"], connections))
                cpu = (process_figures(pid)[0] - before) / (through[0] * SECONDS) * 1e6
                print(
                    f"{connections:>3} connection(s): direct {direct[0]:6.0f}/s, gateway {through[0]:6.0f}/s "
                    f"({through[0] / direct[0]:.2f}), added p50 {through[1] - direct[1]:6.2f} ms, p99 {through[2]:6.1f} ms, "
                    f"CPU {cpu:5.0f} us a call"
                )
            print(f"memory after load               {process_figures(pid)[1]:8.0f} MiB")


if __name__ == "__main__":
    main()
