"""The log: entries, tiles, head, references, contents, state; append-only by triggers."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Text

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

_APPEND_ONLY = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""

_GAP_FREE = """
CREATE TRIGGER entry_gap_free BEFORE INSERT ON entry
WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entry)
BEGIN SELECT RAISE(ABORT, 'entry is gap-free: seq must be the next number'); END
"""


def upgrade() -> None:
    op.create_table(
        "entry",
        Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        Column("leaf_hash", LargeBinary(32), nullable=False),
        Column("bytes", LargeBinary, nullable=False),
    )
    op.create_table(
        "tile",
        Column("level", Integer, primary_key=True, autoincrement=False),
        Column("number", _NUMBER, primary_key=True, autoincrement=False),
        Column("hashes", LargeBinary(8192), nullable=False),
    )
    op.create_table(
        "head",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("origin", Text, nullable=False),
        Column("size", _NUMBER, nullable=False),
        Column("last_hash", LargeBinary(32), nullable=False),
        Column("frontier", LargeBinary, nullable=False),
        Column("at", String(27), nullable=False),
    )
    op.create_table(
        "ref",
        Column("kind", Text, primary_key=True),
        Column("value", Text, primary_key=True),
        Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content",
        Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        Column("name", Text, primary_key=True),
        Column("key", Text, nullable=False, index=True),
        Column("ciphertext", LargeBinary, nullable=False),
    )
    op.create_table(
        "state",
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    for table in ("entry", "tile"):
        for verb in ("UPDATE", "DELETE"):
            op.execute(_APPEND_ONLY.format(table=table, verb=verb))
    op.execute(_APPEND_ONLY.format(table="head", verb="DELETE"))
    op.execute(_GAP_FREE)


def downgrade() -> None:
    raise RuntimeError("the log is append-only: restore a backup instead")
