"""Rebuilding the projections from the entries: the proof that everything outside the log follows from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from gateway.state.changes import changes_of
from gateway.state.rows import EPHEMERAL
from ledger.entry import decode
from ledger.links import Link, links
from ledger.store.reader import Reader
from ledger.store.rebuilding import replace_projections

if TYPE_CHECKING:
    from gateway.store.installation import Installation


SUMS_SINCE = "0005"


def replay(reader: Reader) -> tuple[dict[str, Any], list[Link]]:
    """Return the state rows and the links that the entries amount to, from number 0."""
    state: dict[str, Any] = {}
    found: list[Link] = []
    for data in reader.raw(0, reader.head().size):
        entry = decode(data)
        found += links(entry, entry.seq)
        for key, row in changes_of(entry, state).items():
            if row is None:
                state.pop(key, None)
            else:
                state[key] = row
    return state, found


def upgrade_log(engine: Engine, lock: Path | None, *, role: str | None = None) -> None:
    """Bring a log's database to this version's schema, and its projections to what this version reads."""
    import migrations  # Alembic is needed here only

    before = Reader(engine).revision()
    migrations.upgrade(engine, "log", role=role)
    if before is not None and before < SUMS_SINCE:
        replace_projections(engine, lock, replay, keep=EPHEMERAL)


def rebuild_projections(installation: "Installation") -> int:
    """Replace links and state by what the entries give; leases and the checkpoint copy stay.

    Returns the number of entries.
    """
    lock = installation.settings.lock_file
    return replace_projections(installation.engine, lock, replay, keep=EPHEMERAL)
