"""A link of a task says its entry in brief. Links of before stay without: their entries are read, or
`whyledger rebuild` writes them anew."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("ref", Column("brief", Text, nullable=True))


def downgrade() -> None:
    raise RuntimeError("restore a backup instead")
