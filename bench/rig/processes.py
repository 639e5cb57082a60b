"""Processes of a measurement: started in a session of their own on a given CPU, weighed as a tree, ended by pid."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from gateway.demo.world import free_port

GATEWAY_CPU = os.environ.get("GATEWAY_CPU", "0")
LOAD_CPU = os.environ.get("LOAD_CPU", "1")
TICK = os.sysconf("SC_CLK_TCK")
STARTED: list["subprocess.Popen[bytes]"] = []
"""What runs now, newest last."""


def start(command: Sequence[str], cpu: str, log: IO[bytes] | int, **more: Any) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        ["taskset", "-c", cpu, *command],
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **more,
    )
    STARTED.append(process)
    return process


def stop(process: "subprocess.Popen[bytes]", how: int = signal.SIGTERM, *, patience: float = 8) -> None:
    """End one process that was started here, and whatever is left in the session it was given."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            print(f"   {process.args} did not end within {patience:g} s and was killed")
    for pid in tree(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    STARTED.remove(process)


def end_on_sigterm() -> None:
    """Let SIGTERM unwind like Ctrl-C, so that what was started here is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def stop_all() -> None:
    for process in reversed(list(STARTED)):
        stop(process)


def tree(pid: int) -> set[int]:
    """The process, its descendants, and what is left of the session it leads."""
    children: dict[int, list[int]] = {}
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
            if int(fields[3]) == pid:
                found.add(int(name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        if Path(f"/proc/{one}").exists():
            found.add(one)
        waiting += children.get(one, [])
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def cpu_seconds(pid: int) -> float:
    """CPU time the tree has used so far."""
    return sum((int(fields[11]) + int(fields[12])) / TICK for one in tree(pid) if (fields := _stat(one)))


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and proportional (PSS) memory of the tree."""
    totals = {"Rss:": 0, "Pss:": 0}
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, *rest = line.split()
            if name in totals:
                totals[name] += int(rest[0])
    return totals["Rss:"] / 1024, totals["Pss:"] / 1024


def commit() -> str:
    """Return the name of the commit that is measured; `-dirty` when the files differ from it."""
    asked = ["git", "describe", "--always", "--dirty"]
    told = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "none"


def fsync_ms(folder: Path) -> float:
    """Median milliseconds of a 4 KiB append and fdatasync, now, in this folder."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(60):
            started = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


class Postgres:
    """A throw-away server with the durable settings it ships with, on the CPU of the gateways."""

    @staticmethod
    def programs() -> Path | None:
        """Folder of PostgreSQL's programs, or None."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        program = found[-1] if found else shutil.which("initdb")
        return Path(program).parent if program else None

    def __init__(self, folder: Path) -> None:
        programs = self.programs()
        if programs is None:
            raise FileNotFoundError("initdb")
        self._programs, self._port, place = programs, free_port(), folder / "postgres"
        place.mkdir()
        who: list[str] = []
        if os.getuid() == 0:  # the server refuses to run as root
            folder.chmod(0o755)
            shutil.chown(place, "postgres", "postgres")
            who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        made = [*who, f"{programs}/initdb", "-D", str(place), "-A", "trust", "-U", "bench"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/")
        options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={place}", "max_wal_size=2GB"]
        options.append("shared_buffers=256MB")
        command = [*who, f"{programs}/postgres", "-D", str(place), "-p", str(self._port)]
        command += [word for option in options for word in ("-c", option)]
        with (folder / "postgres.log").open("wb") as log:
            self.process = start(command, GATEWAY_CPU, log, cwd="/")
        for _ in range(200):
            ready = [f"{programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise TimeoutError("PostgreSQL did not start")

    def database(self, name: str) -> str:
        """Make a database and return its URL."""
        place = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "bench"]
        subprocess.run([f"{self._programs}/createdb", *place, name], check=True)
        return f"postgresql://bench@127.0.0.1:{self._port}/{name}"

    @classmethod
    def version(cls) -> str:
        asked = [f"{cls.programs()}/postgres", "--version"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
