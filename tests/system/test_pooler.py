"""Between us and PostgreSQL stands a real PgBouncer: what it drops is noticed, and nothing of ours stays in its pool."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from postgresql import new_database, run_as_administrator
from sqlalchemy import make_url
from stage import prepare

from gateway.demo.world import free_port
from gateway.settings import read_settings
from gateway.store.installation import opened
from ledger.errors import LedgerUnavailable
from ledger.store import live
from ledger.store.live import open_live

pytestmark = pytest.mark.slow


@contextmanager
def pooled(folder: Path, url: str, *, mode: str, ignored: str = "") -> Iterator[str]:
    """Run PgBouncer with one server connection before a database; yields the database's URL through it."""
    place, port = make_url(url), free_port()
    folder.mkdir()
    folder.chmod(0o755)
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "apt-get install pgbouncer"
    (folder / "users").write_text(f'"{place.username}" ""\n')
    host = place.query.get("host") or place.host
    (folder / "ini").write_text(
        f"[databases]\n{place.database} = host={host} port={place.port or 5432} dbname={place.database}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {folder}/users\npool_mode = {mode}\ndefault_pool_size = {1 if mode == 'transaction' else 20}\n"
        f"ignore_startup_parameters = {ignored}\nserver_lifetime = 1\nserver_idle_timeout = 1\n"
    )
    # It does not run as root; the server's own user may use its socket.
    user = ["-u", pwd.getpwuid(os.stat(str(host)).st_uid).pw_name] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, "-q", *user, str(folder / "ini")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "pgbouncer ended"
                time.sleep(0.05)
        yield f"postgresql://{place.username}@127.0.0.1:{port}/{place.database}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """An installation on PostgreSQL; returns the URL of its ledger."""
    url = new_database()
    prepare(tmp_path / "home", port=free_port(), environment={"WHYLEDGER_DATABASE": url})
    return url


def start(home: Path, url: str) -> int:
    with opened(read_settings(home, environment={"WHYLEDGER_DATABASE": url})) as installation:
        return int(installation.reader.head().size)


def test_settings_that_a_pooler_drops_are_refused_by_name_until_the_role_has_them(
    tmp_path: Path, database: str
) -> None:
    with (
        pooled(tmp_path / "strict", database, mode="session") as url,
        pytest.raises(LedgerUnavailable, match="a pooler stands before"),
    ):
        start(tmp_path / "home", url)
    role, fixed = make_url(database).username, []
    try:
        with pooled(tmp_path / "lax", database, mode="session", ignored="options") as url:
            for _ in range(4):
                try:
                    assert start(tmp_path / "home", url) > 0
                    break
                except LedgerUnavailable as refused:
                    assert "sessions run with" in str(refused) and "PgBouncer" in str(refused)
                    statement = str(refused).partition("drops it. ")[2].partition(" (")[0]
                    assert statement.startswith(f"ALTER ROLE {role} SET ")
                    run_as_administrator(statement)
                    fixed.append(statement.split()[4])
                    with psycopg.connect(f"{url}", autocommit=True) as connection:
                        assert connection.execute("SELECT 1").fetchone() == (1,)
                    time.sleep(2.5)  # what a role is set to holds for new sessions: the pooler's must be new ones
            assert {"lock_timeout", "idle_in_transaction_session_timeout"} <= set(fixed)
    finally:
        run_as_administrator(*(f"ALTER ROLE {role} RESET {name}" for name in fixed))


def test_looking_through_a_pool_leaves_its_connections_able_to_write(tmp_path: Path, database: str) -> None:
    with pooled(tmp_path / "pool", database, mode="transaction", ignored="options") as url:
        for _ in range(8):  # more often than a driver waits before it prepares statements of its own
            log = open_live(url)
            assert log.size and len(log.read(0, log.size)) == log.size
        live._close()
        with psycopg.connect(url, prepare_threshold=None) as connection:
            assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("off",)
            connection.execute("CREATE TABLE written (one int)")
            connection.execute("INSERT INTO written VALUES (1)")


def test_a_look_at_a_live_log_may_not_write(database: str) -> None:
    open_live(database)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        live._rows(database, "CREATE TABLE written (one int)")
    live._close()
