"""State rows are read by ranges of their keys, in the order of their bytes whatever the language of the database is.

With this schema come rows of sums, which `gateway.store.rebuild.upgrade_log` writes from the entries.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql('ALTER TABLE state ALTER COLUMN key TYPE text COLLATE "C"')


def downgrade() -> None:
    raise RuntimeError("restore a backup instead")
