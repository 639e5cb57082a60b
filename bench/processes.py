"""`python -m bench.processes`: 8 processes append to one log on PostgreSQL, with group commit and with one entry a lock.

Each process has the real `Log` and threads that wait for each of their entries; how many decides the ratio, because one
lock takes at most what waits in one process. "One entry a lock" is the same
program with batches of one. After each, the log must be gap-free and verify.
"""

import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

import postgresql  # noqa: E402
from conftest import OpenLog, appending  # noqa: E402

from bench.rig.compare import conditions  # noqa: E402
from bench.rig.measure import ROOT  # noqa: E402
from bench.rig.processes import end_on_sigterm  # noqa: E402
from bench.rig.watching import MODULE, print_gate  # noqa: E402
from ledger import log as ledger_log  # noqa: E402
from ledger.store.live import open_live  # noqa: E402
from ledger.verify_log import verify_log  # noqa: E402

GATE = 10.0
START_SECONDS = 8.0
"""Between starting the processes and the moment at which all of them begin."""


def now() -> datetime:
    return datetime.now(UTC)


def append_until(append: Callable[[], object], start: float, end: float) -> int:
    """One waiting caller: append, wait, append the next; returns how many were durable before the end."""
    time.sleep(max(0.0, start - time.time()))
    done = 0
    while time.time() < end:
        append()
        done += time.time() < end
    return done


def work(chosen: Namespace) -> None:
    """One process: `--callers` waiting callers on one `Log`; prints how many entries they were told are durable."""
    if chosen.batch:
        ledger_log.MAX_BATCH = chosen.batch
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.callers) as pool:
        opened = OpenLog(Path(folder), now, chosen.work)
        unit = appending("call.opened", facts={"text": "x" * 700})
        append, until = (lambda: opened.log.append(unit)), chosen.start + chosen.seconds
        append()  # the connection is there before the clock runs
        callers = [pool.submit(append_until, append, chosen.start, until) for _ in range(chosen.callers)]
        print(sum(one.result() for one in callers))
        opened.log.close()
        opened.engine.dispose()


def together(url: str, chosen: Namespace, batch: int) -> float:
    """Run all processes on one log; returns entries per second, all of them together."""
    start = time.time() + START_SECONDS
    told = [f"--callers={chosen.callers}", f"--seconds={chosen.seconds}", f"--batch={batch}", f"--start={start}"]
    command = [*MODULE, "bench.processes", f"--work={url}", *told]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(chosen.processes)]
    ended = [int(process.communicate()[0] or 0) for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"a process failed: {[process.returncode for process in running]}")
    return sum(ended) / chosen.seconds


def require_whole(url: str) -> int:
    """Verify the whole log and that its numbers have no gap; returns how many entries it has.

    Raises:
        SystemExit: it does not verify.
    """
    live = open_live(url)
    report = verify_log(live.read, origin=live.origin, size=live.size, root=live.root, signed=None, vkeys=[])
    if report.failed:
        raise SystemExit(f"the log does not verify: {report}")
    return live.size


def measure(name: str, chosen: Namespace, batch: int) -> float:
    url = postgresql.new_database()
    with tempfile.TemporaryDirectory() as folder:
        made = OpenLog(Path(folder), now, url)
        made.log.close()
        made.engine.dispose()
    rate = together(url, chosen, batch)
    print(f"{name:24s}{rate:8.0f} entries/s; {require_whole(url)} entries, gap-free, verified", flush=True)
    return rate


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--callers", type=int, default=32, help="waiting callers of each process")
    parser.add_argument("--seconds", type=float, default=10.0)
    for name, kind in (("work", str), ("batch", int), ("start", float)):  # for the processes it starts
        parser.add_argument(f"--{name}", type=kind, help="internal")
    chosen = parser.parse_args()
    if chosen.work:
        return work(chosen)
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        conditions(Path(folder))
    print(f"PostgreSQL, {chosen.processes} processes with {chosen.callers} waiting callers each, {os.cpu_count()} CPUs")
    one = measure("one entry a lock", chosen, batch=1)
    many = measure("group commit", chosen, batch=0)
    raise SystemExit(0 if print_gate("group commit / one entry a lock", many / one, ">=", GATE, "times") else 1)


if __name__ == "__main__":
    main()
