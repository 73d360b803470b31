"""Tables that grow with the years are asked by what a run or a page is about, not read as a whole."""

from alembic import op

revision = "015_years"
down_revision = "014_outbox_sinks"
branch_labels = None
depends_on = None


INDEXES = {
    "revision_submission": "revision (submission_id)",
    "revision_newest": "revision (created_at, id)",
    "revision_waiting": "revision (dataset_id, created_at) where decided_at is null",
    "submission_of": "submission (dataset_id, received_at)",
    "run_of": "run (source_id, queued_at)",
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.execute(f"create index {name} on gkopen.{columns}")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"drop index gkopen.{name}")
