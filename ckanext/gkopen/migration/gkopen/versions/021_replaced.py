"""What a waiting revision took the place of is found by an index: a reviewer is told how long a dataset waits, not how
long ago its source sent the same again."""

from alembic import op

revision = "021_replaced"
down_revision = "020_made_at"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index revision_replaced on gkopen.revision (superseded_by) where superseded_by is not null")


def downgrade() -> None:
    op.execute("drop index gkopen.revision_replaced")
