"""Contents are append-only as entries are: a row that is changed or taken away is refused by the database itself."""

from alembic import op

revision = "0004"
down_revision = "0003"

_SQLITE = tuple(
    f"""CREATE TRIGGER content_no_{verb} BEFORE {verb} ON content
BEGIN SELECT RAISE(ABORT, 'content is append-only'); END"""
    for verb in ("UPDATE", "DELETE")
)

_POSTGRESQL = (
    "CREATE TRIGGER content_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON content "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise RuntimeError("restore a backup instead")
