"""A published file says when it was last made, even where its bytes came out the same: a file that is not made any more
went for what happened since."""

from alembic import op

revision = "020_made_at"
down_revision = "019_superseded_by"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table gkopen.file add made_at timestamptz not null default now()")
    op.execute("update gkopen.file set made_at = updated_at")


def downgrade() -> None:
    op.execute("alter table gkopen.file drop made_at")
