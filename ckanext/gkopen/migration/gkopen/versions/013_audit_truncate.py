"""The audit chain refuses to be emptied, as it refuses a change of a row: TRUNCATE fires no trigger of rows."""

from alembic import op

revision = "013_audit_truncate"
down_revision = "012_checked_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create trigger audit_never_emptied before truncate on gkopen.audit"
               " for each statement execute function gkopen.refuse_change()")


def downgrade() -> None:
    op.execute("drop trigger audit_never_emptied on gkopen.audit")
