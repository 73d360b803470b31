"""Files that were only checked: their names in the private storage, to be swept."""

from alembic import op

revision = "012_checked_files"
down_revision = "011_run_progress"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create table gkopen.checked (name text primary key, at timestamptz not null default now())")


def downgrade() -> None:
    op.execute("drop table gkopen.checked")
