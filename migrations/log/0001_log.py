"""The log: entries, tiles, head, references, contents, state; append-only by triggers."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Text

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

_SQLITE = (
    *(
        f"""CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
        for table, verb in (
            ("entry", "UPDATE"), ("entry", "DELETE"), ("tile", "UPDATE"), ("tile", "DELETE"), ("head", "DELETE")
        )
    ),
    """CREATE TRIGGER entry_gap_free BEFORE INSERT ON entry
WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entry)
BEGIN SELECT RAISE(ABORT, 'entry is gap-free: seq must be the next number'); END""",
)  # fmt: skip

# Statement triggers, so that TRUNCATE is refused too. The tables have no partitions: these cover every row.
_POSTGRESQL = (
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused'; END $$""",
    """CREATE FUNCTION require_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <> 0 AND NOT EXISTS (SELECT FROM entry WHERE seq = NEW.seq - 1) THEN
        RAISE EXCEPTION 'entry is gap-free: seq must be the next number';
    END IF;
    RETURN NEW;
END $$""",
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE {verbs} ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        for table, verbs in (
            ("entry", "UPDATE OR DELETE OR TRUNCATE"),
            ("tile", "UPDATE OR DELETE OR TRUNCATE"),
            ("head", "DELETE OR TRUNCATE"),
        )
    ),
    "CREATE TRIGGER entry_gap_free BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION require_next()",
)


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
        Column("key", Text, nullable=False, index=True),
        Column("ciphertext", LargeBinary, nullable=False),
    )
    op.create_table(
        "state",
        Column("key", Text, primary_key=True),
        Column("value", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise RuntimeError("the log is append-only: restore a backup instead")
