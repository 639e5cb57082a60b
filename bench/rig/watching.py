"""One command from start to end: what it printed, how long it took, the most memory that its processes held."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.rig.processes import STARTED, memory_mib, stop

LOOK_SECONDS = 0.02
MODULE = (sys.executable, "-m")
PROGRAM = str(Path(sys.executable).parent / "whyledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended. Memory is that of the whole process tree, looked at every 20 ms, at its highest."""

    code: int
    printed: str
    seconds: float
    rss_mib: float
    pss_mib: float


def watched(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ended:
    """Run a command to its end; it prints into `log`."""
    rss = pss = 0.0
    with log.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env=environment, cwd=cwd,
        )  # fmt: skip
    STARTED.append(process)
    while process.poll() is None:
        now = memory_mib(process.pid)
        rss, pss = max(rss, now[0]), max(pss, now[1])
        time.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - started
    stop(process)
    printed = log.read_text("utf-8", "replace").rstrip()
    return Ended(code=process.returncode, printed=printed, seconds=seconds, rss_mib=rss, pss_mib=pss)


def print_gate(name: str, value: float, how: str, bound: float, unit: str) -> bool:
    """Print a figure beside its gate with PASS or MISS; tell which."""
    kept = value <= bound if how == "<=" else value >= bound
    print(f"{name:44s}{value:12,.2f} {unit:8s} {how} {bound:g}  {'PASS' if kept else 'MISS'}", flush=True)
    return kept
