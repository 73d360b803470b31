"""Findings and rows that were set apart say which submission their lines are of: a run takes many dropped files."""

from alembic import op

revision = "016_lines_of"
down_revision = "015_years"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("finding", "quarantine"):
        op.execute(f"alter table gkopen.{table} add submission_id uuid")


def downgrade() -> None:
    for table in ("finding", "quarantine"):
        op.execute(f"alter table gkopen.{table} drop submission_id")
