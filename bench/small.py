"""`python -m bench.small`: one CPU and 1 GiB for a serving gateway under load and a pack of 10,000 calls at once.

The load is 16 connections against a provider that takes 60 ms to answer, so at most 267 calls a second; mock and load
run on another CPU, outside the limits. The load goes on for as long as the pack takes.
"""

import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from bench.rig import load
from bench.rig.asking import serving
from bench.rig.compare import conditions
from bench.rig.confined import Confined, confined
from bench.rig.filling import Filled, fill
from bench.rig.measure import CHAT, Site
from bench.rig.processes import end_on_sigterm, memory_mib, stop_all
from bench.rig.watching import Ended, print_gate
from bench.scale import packed

CONNECTIONS, SLICE_SECONDS, SETTLE_SECONDS = 16, 2, 4


def loaded(port: int, key: str, enough: Event) -> Iterator[dict[str, Any]]:
    """Load in slices until told that it is enough; yields what wrk says of each."""
    body, headers = load.chat_body(f"{load.MODEL}-lat60"), [f"Authorization: Bearer {key}"]
    while not enough.is_set():
        url = f"http://127.0.0.1:{port}{CHAT}"
        yield load.whole(url, body, headers, connections=CONNECTIONS, seconds=SLICE_SECONDS)


def watch(pid: int, enough: Event) -> float:
    """Return the most resident memory the gateway held, in MiB."""
    most = 0.0
    while not enough.wait(0.05):
        most = max(most, memory_mib(pid)[0])
    return most


def both_at_once(folder: Path, made: Filled, limits: Confined, calls: int) -> tuple[list[dict[str, Any]], Ended, float]:
    """Serve under load, and pack while that goes on; returns the slices of load, the pack, the gateway's memory."""
    enough = Event()
    with serving(folder, limits.prefix) as (port, pid), ThreadPoolExecutor(2) as pool:
        try:
            loading = pool.submit(lambda: list(loaded(port, made.key, enough)))
            watching = pool.submit(watch, pid, enough)
            enough.wait(SETTLE_SECONDS)
            pack = packed(folder, made, calls, limits.prefix)
        finally:
            enough.set()
        return loading.result(), pack, watching.result()


def small(chosen: Namespace, folder: Path) -> bool:
    conditions(folder)
    site = Site(folder, folder)
    site.start_mock()
    made = fill(folder, chosen.calls + chosen.calls // 5, site.mock_port)
    with confined() as limits:
        print(f"limits: {limits.described}")
        slices, pack, gateway = both_at_once(folder, made, limits, chosen.calls)
        killed, peak = limits.killed(), limits.peak_mib()
    answered, errors = (sum(one[name] for one in slices) for name in ("requests", "errors"))
    seconds, slowest = sum(one["secs"] for one in slices), max(one["p99_ms"] for one in slices)
    print(f"{answered} calls in {seconds:.0f} s ({answered / seconds:.0f}/s), p99 of the worst 2 s {slowest:.0f} ms")
    print(f"pack: exit code {pack.code} after {pack.seconds:.1f} s; {pack.printed}")
    print(f"most resident memory: gateway {gateway:.0f} MiB, pack {pack.rss_mib:.0f} MiB (its whole process tree)")
    if killed is None:
        print("killed for memory: NOT MEASURED (no cgroup v2 that counts); who was killed shows as a failure below")
    else:
        print(f"killed for memory: {killed}; peak of the group with pages of files {peak or 0:.0f} MiB")
    return all([
        killed is None or print_gate("killed for memory", killed, "<=", 0, ""),
        print_gate("calls that failed", errors, "<=", 0, ""),
        print_gate("exit code of the pack", abs(pack.code), "<=", 0, ""),
        print_gate("gateway and pack together", gateway + pack.rss_mib, "<=", 1024, "MiB"),
    ])  # fmt: skip


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=10_000, help="calls in the pack")
    chosen = parser.parse_args()
    end_on_sigterm()
    load.built_tools()
    folder = Path(tempfile.mkdtemp(prefix="small-"))
    try:
        good = small(chosen, folder)
    finally:
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
