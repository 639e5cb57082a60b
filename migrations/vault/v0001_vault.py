"""The key store: wrapped keys, token digests, configuration texts."""

from alembic import op
from sqlalchemy import Column, LargeBinary, String, Text

revision = "v0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "key",
        Column("ref", String(64), primary_key=True),
        Column("owner", String(64), nullable=True, unique=True),
        Column("wrapped", LargeBinary, nullable=False),
    )
    op.create_table(
        "token",
        Column("digest", String(64), primary_key=True),
        Column("owner", String(64), nullable=False),
    )
    op.create_table("text", Column("digest", String(64), primary_key=True), Column("body", Text, nullable=False))


def downgrade() -> None:
    raise RuntimeError("keys are not dropped by a migration: restore a backup instead")
