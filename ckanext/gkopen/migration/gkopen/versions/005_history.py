"""History: rows added, changed and removed by each publication."""

from alembic import op

revision = "005_history"
down_revision = "004_oversight"
branch_labels = None
depends_on = None

SQL = """
select 1;
"""

DOWN = """
select 1;
"""


def upgrade() -> None:
    op.execute(SQL)


def downgrade() -> None:
    op.execute(DOWN)
