"""Contents are found by their entry alone: the index by key cost every append a page and served no question."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("ix_content_key", table_name="content")


def downgrade() -> None:
    raise RuntimeError("restore a backup instead")
