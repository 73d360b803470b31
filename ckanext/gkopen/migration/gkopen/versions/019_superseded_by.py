"""A revision that was replaced while it waited names the one that took its place, which may carry its rows."""

from alembic import op

revision = "019_superseded_by"
down_revision = "018_read_anew"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table gkopen.revision add superseded_by uuid")


def downgrade() -> None:
    op.execute("alter table gkopen.revision drop superseded_by")
