"""A worker takes what waits for one exit in its order: with ten thousand datasets fifty thousand rows wait.
"""

from alembic import op

revision = "014_outbox_sinks"
down_revision = "013_audit_truncate"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index outbox_sink on gkopen.outbox (sink, not_before, dataset_id, seq) where done_at is null")


def downgrade() -> None:
    op.execute("drop index gkopen.outbox_sink")
