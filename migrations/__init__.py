"""One linear Alembic history for each of the two databases: `log` (the ledger) and `vault` (keys, tokens, texts).

`upgrade` is what `whyledger init` and `whyledger migrate` call; `serve` only compares revisions and imports none of it.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

_HERE = Path(__file__).parent


def _config(history: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(_HERE / history))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, history: str) -> None:
    """Bring a database to the newest revision of `history` ("log" or "vault") in one transaction."""
    config = _config(history)
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
