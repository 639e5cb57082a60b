"""One linear Alembic history for each of the two databases: `log` (the ledger) and `vault` (keys, tokens, texts).

`upgrade` is what `whyledger init` and `whyledger migrate` call; `serve` only compares revisions and imports none of it.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

_HERE = Path(__file__).parent


def _config(history: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / history))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, history: str, *, role: str | None = None) -> None:
    """Bring a database to the newest revision of `history` ("log" or "vault") in one transaction.

    Two that start at once do not race: SQLite locks the file, on PostgreSQL the second one waits here.

    Args:
        role: the PostgreSQL role of the gateway, when it is not the one that owns the tables: it may append and read,
            and change the head, the links and the state rows; never an entry, its contents or a tile. Rights that
            an earlier version gave are taken back.
    """
    config = _config(history)
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"whyledger {history}"})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if role:
            _grant(connection, history, role)


_GRANTS = {
    "log": {
        "SELECT, INSERT": ("entry", "tile", "content"),
        "SELECT, UPDATE": ("head",),
        "SELECT, INSERT, DELETE": ("ref",),
        "SELECT, INSERT, UPDATE, DELETE": ("state",),
        "SELECT": ("alembic_version",),
    },
    "vault": {"SELECT, INSERT, DELETE": ("key", "token", "text"), "SELECT": ("alembic_version",)},
}


def _grant(connection: Connection, history: str, role: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(role)
    for rights, tables in _GRANTS[history].items():
        connection.exec_driver_sql(f"REVOKE ALL ON {', '.join(tables)} FROM {quoted}")
        connection.exec_driver_sql(f"GRANT {rights} ON {', '.join(tables)} TO {quoted}")
