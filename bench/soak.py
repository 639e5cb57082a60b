"""`python -m bench.soak --calls N`: the real server under load for N calls; does anything grow, and does it verify?

Memory, handles, threads and the size of the write-ahead log are sampled in the middle of each slice of load. The rule:
a figure is GROWING when its median over the last quarter of the samples lies more than 2 % and more than its floor
above its median over the third quarter; otherwise it is FLAT. (Start-up and caches that fill are the first half.)
Needs wrk and a C compiler, like `make bench-peers`.
"""

import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rig import load
from bench.rig.compare import conditions
from bench.rig.measure import ROOT, Running, Site, begin, listed
from bench.rig.processes import end_on_sigterm, memory_mib, stop, stop_all

FIGURES = (("RSS", "MiB", 1.0), ("PSS", "MiB", 1.0), ("handles", "", 16.0), ("threads", "", 2.0), ("WAL", "MiB", 64.0))
"""Name, unit, and the floor under which a rise is noise: of handles, what is on its way to the provider at the moment."""
ENOUGH = 40
DISK = 20e9
PACE = 2.0


@dataclass(slots=True)
class Soak:
    """The server under load and what was seen of it."""

    running: Running
    pid: int
    home: Path
    connections: int
    calls: int = 0
    errors: int = 0
    seconds: float = 0.0

    def _load(self, headers: list[str], seconds: float) -> list[float]:
        """Load for some seconds; return the figures in the middle of them."""
        with ThreadPoolExecutor(1) as pool:
            body, chosen = load.chat_body(load.MODEL), {"connections": self.connections, "seconds": seconds}
            loading = pool.submit(load.whole, self.running.url, body, headers, **chosen)
            time.sleep(max(1, round(seconds)) / 2)
            sample = self._sample()
            found: dict[str, Any] = loading.result()
        self.calls += found["requests"]
        self.errors += found["errors"]
        self.seconds += found["secs"]
        return sample

    def _sample(self) -> list[float]:
        place, wal = Path(f"/proc/{self.pid}"), self.home / "log.db-wal"
        handles, threads = (len(list((place / name).iterdir())) for name in ("fd", "task"))
        return [*memory_mib(self.pid), handles, threads, wal.stat().st_size / 2**20 if wal.exists() else 0.0]

    def samples(self, headers: list[str], calls: int) -> Iterator[list[float]]:
        """Yield a sample a slice, until that many more calls have been answered."""
        end, seconds = self.calls + calls, 1.0
        while self.calls < end:
            before = self.calls, self.seconds
            yield self._load(headers, seconds)
            if self.calls == before[0]:
                log = (self.running.folder / "log").read_text("utf-8", "replace")
                raise SystemExit(f"no call was answered; the last words of the server: {log[-2000:]}")
            rate = (self.calls - before[0]) / (self.seconds - before[1])
            seconds = min(5.0, calls / rate / ENOUGH, (end - self.calls) / rate)


def asked_of(home: Path, question: str) -> int:
    """Answer of the log database to one question, read-only."""
    with closing(sqlite3.connect(f"{(home / 'log.db').as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute(question).fetchone()[0])


def database_bytes(home: Path) -> int:
    """Size of the log database with what is still in its write-ahead log."""
    return asked_of(home, "PRAGMA page_count") * asked_of(home, "PRAGMA page_size")


def content_bytes(home: Path) -> int | None:
    """What of it are sealed contents and their index; None where SQLite was built without dbstat."""
    tables = "SELECT name FROM sqlite_master WHERE tbl_name = 'content'"
    try:
        return asked_of(home, f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({tables})")
    except sqlite3.OperationalError:
        return None


def print_growth(samples: list[list[float]]) -> bool:
    """Print each figure with its verdict; tell whether none grows."""
    half, quarter = samples[len(samples) // 2 :], max(1, len(samples) // 4)
    third, last = samples[-2 * quarter : -quarter] or samples, samples[-quarter:]
    flat = True
    print(f"{'':9s}{'first':>9s}{'last':>9s}{'max of 2nd half':>17s}{'3rd quarter':>13s}{'4th quarter':>13s}")
    for column, (name, unit, floor) in enumerate(FIGURES):
        middle = [statistics.median(sample[column] for sample in part) for part in (third, last)]
        growing = middle[1] > middle[0] * 1.02 and middle[1] > middle[0] + floor
        flat &= not growing
        figures = (samples[0][column], samples[-1][column], max(sample[column] for sample in half), *middle)
        text = "".join(f"{value:>{width}.1f}" for value, width in zip(figures, (9, 9, 17, 13, 13), strict=True))
        print(f"{name:9s}{text}  {'GROWING' if growing else 'FLAT':8s}{unit}")
    short = "" if len(samples) >= ENOUGH else f"; too short to prove it ({ENOUGH} samples do)"
    print(f"{'FLAT' if flat else 'GROWING'}, {len(samples)} samples{short}")
    return flat


def print_size(name: str, size: float) -> None:
    days = DISK / (size * PACE * 86400)
    print(f"{name:34s}{size:8.0f} bytes a call; 20 GB are full after {days:5.0f} days at 2 calls/s")


def verify(home: Path, vkey: str) -> bool:
    """Run the auditor's program on the log."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "ledger", "verify", str(home / "log.db"), "--key", vkey]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print((ended.stdout or ended.stderr).rstrip())
    print(f"verified in {time.perf_counter() - started:.1f} s, exit code {ended.returncode}")
    return ended.returncode == 0


def soak(chosen: Namespace, folder: Path) -> bool:
    site = Site(folder, folder)
    site.start_mock()
    conditions(folder)
    running = begin("whyledger", listed()["whyledger"], site)
    assert running.process is not None
    one = Soak(running, running.process.pid, running.folder / "home", chosen.connections)
    samples, sizes, shown = list[list[float]](), [(database_bytes(one.home), 0)], 0
    for sample in one.samples([f"Authorization: Bearer {running.keys['full']}"], chosen.calls):
        samples.append(sample)
        if one.calls * 20 // chosen.calls > shown:
            shown = one.calls * 20 // chosen.calls
            figures = ", ".join(f"{name} {value:.0f}" for (name, _, _), value in zip(FIGURES, sample, strict=True))
            print(f"{one.calls:>9d} calls, {one.calls / one.seconds:6.0f}/s, {figures}", flush=True)
    print(f"{one.calls} calls in {one.seconds:.0f} s ({one.calls / one.seconds:.0f}/s), {one.errors} errors")
    sizes.append((database_bytes(one.home), site.mock_calls()))
    for _ in one.samples([f"Authorization: Bearer {running.keys['none']}"], max(500, chosen.calls // 20)):
        continue
    sizes.append((database_bytes(one.home), site.mock_calls()))
    stop(running.process, patience=60)
    flat = print_growth(samples)
    (start, _), (full, calls), (end, all_calls) = sizes  # counted by the mock: wrk drops what is open when a slice ends
    print_size("with contents", (full - start) / calls)
    if contents := content_bytes(one.home):
        print_size("  of it other than the contents", (full - start - contents) / calls)
    print_size("a workflow with `content: none`", (end - full) / (all_calls - calls))
    return verify(one.home, running.vkey) and flat and not one.errors


def main() -> None:
    parser = ArgumentParser(description="The real server under load: does anything grow, does the log verify?")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="where the home is made; needs about 8 KB a call")
    chosen = parser.parse_args()
    end_on_sigterm()
    load.built_tools()
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=chosen.folder))
    try:
        good = soak(chosen, folder)
    finally:
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
