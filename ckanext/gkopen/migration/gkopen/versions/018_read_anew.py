"""When a source's settings changed what its rows are: runs before that say nothing of what changes are asked for."""

from alembic import op

revision = "018_read_anew"
down_revision = "017_nil_taken_back"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table gkopen.source add read_anew_since timestamptz")


def downgrade() -> None:
    op.execute("alter table gkopen.source drop read_anew_since")
